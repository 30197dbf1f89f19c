"""Licences are gated; SBOM, notices and table say what is installed."""

import json
from email.message import Message

import pytest

from lesionmap.app.supply_chain import documents
from lesionmap.app.supply_chain.closure import ROOT, Package, runtime_closure
from lesionmap.app.supply_chain.documents import (
    adapted,
    configured_models,
    permitted_closure,
    third_parties,
    write_documents,
)
from lesionmap.app.supply_chain.licences import licence_of, policy, unpermitted
from lesionmap.app.supply_chain.notices import licence_table, licence_texts, notices
from lesionmap.app.supply_chain.sbom import write_sbom
from lesionmap.models.core.errors import SettingsError
from lesionmap.models.weights.catalog import Catalog


class FakeDistribution:
    """Metadata of a package that is not installed."""

    version = "1.0"
    files = ()

    def __init__(self, **fields):
        self.metadata = Message()
        for name, value in fields.items():
            self.metadata[name.replace("_", "-")] = value


def fake(name="anything", version="1.0", **fields):
    distribution = FakeDistribution(**fields)
    distribution.version = version
    return Package(name, distribution, ())


@pytest.fixture(scope="module")
def closure():
    return runtime_closure()


@pytest.fixture(scope="module")
def sbom(closure):
    return json.loads(write_sbom(closure, configured_models()))


def test_every_licence_of_the_run_time_is_permitted(closure):
    assert unpermitted(closure.values()) == []


def test_no_copyleft_is_permitted():
    assert not [word for word in policy().permitted if word.startswith(("GPL", "AGPL", "LGPL"))]


@pytest.mark.parametrize(
    "package",
    [
        fake(License_Expression="GPL-3.0-or-later"),
        fake(License_Expression="MIT AND AGPL-3.0-only"),
        fake(License_Expression="LicenseRef-Proprietary"),
        fake(License="GPLv3"),
        fake(License="BSD License"),
        fake(Classifier="License :: OSI Approved :: BSD License"),
        fake(Classifier="License :: OSI Approved :: GNU General Public License v3 (GPLv3)"),
        fake(),
        fake("nvidia-cuda-runtime", "99.0", License_Expression="LicenseRef-NVIDIA-Proprietary"),
    ],
)
def test_what_is_not_permitted_is_named(package):
    (problem,) = unpermitted([package])
    assert problem.startswith(package.name)


@pytest.mark.parametrize(
    ("package", "expression"),
    [
        (fake(License_Expression="MIT"), "MIT"),
        (fake(License="Apache 2.0"), "Apache-2.0"),
        (fake(License="MIT License\n\nCopyright (c) 2026"), "MIT"),
        (fake(Classifier="License :: OSI Approved :: MIT License"), "MIT"),
        (fake("packaging", "25.0"), "Apache-2.0 OR BSD-2-Clause"),
    ],
)
def test_licences_are_read_from_metadata_or_a_review(package, expression):
    assert licence_of(package).expression == expression
    assert unpermitted([package]) == []


def test_every_review_is_of_the_installed_version(closure):
    assert {name: item.version for name, item in policy().reviewed.items()} == {
        name: closure[name].version for name in policy().reviewed
    }


def test_the_sbom_lists_every_package_with_version_and_licence(sbom, closure):
    libraries = {item["name"]: item for item in sbom["components"] if item["type"] == "library"}
    assert set(libraries) == set(closure) - {ROOT}
    for name, item in libraries.items():
        assert item["version"] == closure[name].version
        assert item["purl"] == f"pkg:pypi/{name}@{item['version']}"
        assert item["licenses"]
    assert sbom["metadata"]["component"]["name"] == ROOT


def test_the_sbom_lists_the_models_with_their_hashes(sbom):
    models = [item for item in sbom["components"] if item["type"] == "machine-learning-model"]
    found = {item["name"]: item["hashes"] for item in models}
    assert found == {
        name: [{"alg": "SHA-256", "content": artifact.sha256}]
        for name, artifact in Catalog.load().artifacts.items()
    }


def test_the_sbom_names_what_packages_have_compiled_in(sbom):
    gdcm = next(item for item in sbom["components"] if item["name"] == "python-gdcm")
    assert "openssl-libs" in {item["name"] for item in gdcm["components"]}


def test_the_sbom_says_who_needs_what(sbom):
    needs = {item["ref"]: item.get("dependsOn", []) for item in sbom["dependencies"]}
    assert "numpy" in needs["highdicom"]
    assert {"monai-deploy-app-sdk", "model:yolo-nas-nano-256-int8"} <= set(needs[ROOT])


def test_the_sbom_is_the_same_each_time(closure, sbom):
    again = write_sbom(runtime_closure(), configured_models())
    assert json.loads(again) == sbom
    assert "timestamp" not in again


def test_the_notices_have_a_text_of_every_package_that_carries_one(closure):
    packages = third_parties(closure)
    without = {item.name for item in packages if not dict(licence_texts(item))}
    assert without == {"flatbuffers", "pyjpegls", "wheel-axle-runtime"}
    text = notices(packages)
    for item in packages:
        assert f"{item.name} {item.version}: " in text
    assert text.count("The package carries no licence text; see https://") == len(without)
    assert "Permission is hereby granted, free of charge" in text
    assert "END USER LICENSE AGREEMENT" in text.upper()


def test_libraries_that_a_package_bundles_are_reviewed_with_their_text(closure):
    """auditwheel's SBOM names them; the package carries no text of OpenSSL."""
    gdcm = closure["python-gdcm"]
    assert any(".libs/libcrypto" in str(path) for path in gdcm.distribution.files)
    assert "OpenSSL" in licence_of(gdcm).expression.split()
    text = notices([gdcm])
    assert "OpenSSL License" in text
    assert "cryptographic software written by\n    Eric Young" in text


def test_a_text_that_several_carry_is_there_once(closure):
    text = notices(third_parties(closure))
    assert text.count("The same text as of ") > 5


def test_the_committed_table_has_this_run_time(repository, closure):
    """Python 3.11 has a package that 3.12 lacks: the table is of 3.11."""
    committed = set((repository / "docs" / "licences.md").read_text().splitlines())
    table = set(licence_table(third_parties(closure)).splitlines())
    assert table <= committed, "run `make lock`"
    assert len(committed - table) <= 1


def test_all_papers_of_the_image_are_written(tmp_path):
    folder = tmp_path / "docs"
    write_documents(folder)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "LICENSE",
        "NOTICE",
        "THIRD-PARTY-NOTICES.txt",
        "licences.md",
        "models/sam2-small-256.md",
        "models/yolo-nas-nano-256.md",
        "sbom.json",
    }
    assert json.loads((folder / "sbom.json").read_text())["bomFormat"] == "CycloneDX"


def test_papers_say_what_an_image_leaves_out_or_replaces(closure):
    there = adapted(closure, {"cupy-cuda13x", "cuda-python"}, {"onnxruntime": "onnxruntime-gpu"})
    sbom = json.loads(write_sbom(there, {}))
    names = {item["name"] for item in sbom["components"]}
    assert names == {*closure} - {ROOT, "cupy-cuda13x", "cuda-python", "onnxruntime"} | {
        "onnxruntime-gpu"
    }
    needs = {item["ref"]: item.get("dependsOn", []) for item in sbom["dependencies"]}
    assert "onnxruntime-gpu" in needs[ROOT]
    with pytest.raises(SettingsError, match="not in the run time: torch"):
        adapted(closure, ["torch"], {})


def test_a_licence_that_is_not_permitted_leaves_no_papers(tmp_path, monkeypatch):
    bad = {ROOT: fake(ROOT), "viral": fake("viral", License_Expression="GPL-3.0-only")}
    monkeypatch.setattr(documents, "runtime_closure", lambda: bad)
    with pytest.raises(SettingsError, match=r"viral 1\.0 is under 'GPL-3.0-only'"):
        permitted_closure()
    with pytest.raises(SettingsError):
        write_documents(tmp_path / "docs")
    assert not (tmp_path / "docs").exists()


def test_an_absent_package_is_named_with_what_to_do(monkeypatch):
    from lesionmap.app.supply_chain import closure as module

    def absent(name):
        raise module.PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", absent)
    with pytest.raises(SettingsError, match="pip install --require-hashes"):
        runtime_closure()


def test_without_the_library_the_sbom_says_what_to_install(monkeypatch, closure):
    import sys

    monkeypatch.setitem(sys.modules, "cyclonedx.output.json", None)
    with pytest.raises(SettingsError, match=r"lesionmap\[packaging\]"):
        write_sbom(closure, {})
