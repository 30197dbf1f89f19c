"""A software bill of materials (CycloneDX) that lists packages and model artifacts."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from lesionmap.app.supply_chain.closure import ROOT, Package
from lesionmap.app.supply_chain.licences import licence_of
from lesionmap.models.core.errors import OutputError, SettingsError
from lesionmap.models.weights.catalog import Artifact

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component


def write_sbom(closure: Mapping[str, Package], models: Mapping[str, Artifact]) -> str:
    """Return the bill of materials as JSON, valid against CycloneDX's schema.

    The same packages and models give the same text: it has no time in it, and
    its serial number follows from its content.

    Raises:
        SettingsError: the CycloneDX library is not installed.
        OutputError: the document is not valid.
    """
    try:
        from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "an SBOM needs cyclonedx-python-lib: pip install 'lesionmap[packaging]'"
        ) from None
    bom = _build(closure, models)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    document.pop("serialNumber", None)
    document["metadata"].pop("timestamp", None)
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid5(NAMESPACE_URL, content).urn
    text = json.dumps(document, indent=2) + "\n"
    _validate(text)
    return text


def _build(closure: Mapping[str, Package], models: Mapping[str, Artifact]) -> "Bom":
    from cyclonedx.model.bom import Bom  # noqa: PLC0415

    libraries = {name: _library(package) for name, package in closure.items()}
    artifacts = [_model(name, artifact) for name, artifact in models.items()]
    root = libraries.pop(ROOT)
    bom = Bom(components=[*libraries.values(), *artifacts])
    bom.metadata.component = root
    everything = {**libraries, ROOT: root}
    for name, component in everything.items():
        needed = [everything[need] for need in closure[name].needs]
        bom.register_dependency(component, needed + (artifacts if name == ROOT else []))
    return bom


def _library(package: Package) -> "Component":
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    is_root = package.name == ROOT
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.APPLICATION if is_root else ComponentType.LIBRARY,
        bom_ref=package.name,
        # LesionMAP is not on PyPI: a purl would point at somebody else's package.
        purl=None if is_root else PackageURL("pypi", name=package.name, version=package.version),
        licenses=_licences(licence_of(package).expression),
        components=_bundled(package),
    )


def _model(name: str, artifact: Artifact) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    facts = {"role": artifact.role, "precision": artifact.precision, "card": artifact.card}
    return Component(
        name=name,
        version=artifact.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=artifact.sha256)],
        licenses=_licences(artifact.licence),
        properties=[Property(name=f"lesionmap:{key}", value=facts[key]) for key in facts],
    )


def _licences(expression: str) -> Sequence[Any]:
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415

    return [LicenseFactory().make_from_string(expression)]


def _bundled(package: Package) -> Iterable["Component"]:
    """Return the compiled libraries that a package says it has brought along.

    Source: PEP 770, SBOM files in ``.dist-info/sboms``.
    """
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    found = {
        (item["name"], str(item.get("version", "")))
        for document in _own_sboms(package.distribution)
        for item in document.get("components", ())
    }
    return [
        Component(
            name=name,
            version=version or None,
            type=ComponentType.LIBRARY,
            bom_ref=f"{package.name}/{name}@{version}",
        )
        for name, version in sorted(found)
        if name.replace("_", "-").lower() != package.name
    ]


def _own_sboms(found: Distribution) -> Iterator[dict[str, Any]]:
    for path in found.files or ():
        if ".dist-info/sboms/" in str(path) and path.suffix == ".json":
            yield json.loads(path.read_binary())


def _validate(text: str) -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        raise OutputError(f"the SBOM is not valid CycloneDX: {error}")
