"""The papers that travel in the image, below /opt/holoscan/docs."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from lesionmap.app.settings import Settings
from lesionmap.app.supply_chain.closure import ROOT, Package, runtime_closure
from lesionmap.app.supply_chain.licences import unpermitted
from lesionmap.app.supply_chain.notices import licence_table, notices
from lesionmap.app.supply_chain.sbom import write_sbom
from lesionmap.models.core.errors import SettingsError
from lesionmap.models.weights.catalog import Artifact, Catalog

SBOM = "sbom.json"
NOTICES = "THIRD-PARTY-NOTICES.txt"
LICENCES = "licences.md"
CARDS = "models"


def write_documents(
    folder: Path,
    *,
    settings: Settings | None = None,
    without: Collection[str] = (),
    renamed: Mapping[str, str] | None = None,
) -> None:
    """Write SBOM, notices, licence table, our own licence and the model cards to ``folder``.

    A model's card is copied where it names a file of the checkout; that of one's
    own model may be a sentence, and stands in the SBOM only.

    Args:
        folder: is created if need be.
        settings: name the models; None for the app.yaml in force.
        without: packages that are not in the image, though something requires them.
        renamed: packages in whose place the image has another build of the same
            version, such as onnxruntime-gpu for onnxruntime.

    Raises:
        SettingsError: a package of the run time is missing or under a licence that
            is not permitted, or this is no checkout, which alone has the cards.
    """
    closure = adapted(permitted_closure(), without, renamed or {})
    models, checkout = configured_models(settings), _checkout()
    packages = third_parties(closure)
    texts = {
        SBOM: write_sbom(closure, models),
        NOTICES: notices(packages),
        LICENCES: licence_table(packages),
    }
    (folder / CARDS).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("LICENSE", "NOTICE"):
        shutil.copyfile(checkout / name, folder / name)
    for card in sorted({artifact.card for artifact in models.values()}):
        if _is_file(checkout / card):
            shutil.copyfile(checkout / card, folder / CARDS / Path(card).name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a sentence is too long for a name
        return False


def permitted_closure() -> dict[str, Package]:
    """Return the packages of the run time.

    Raises:
        SettingsError: one is missing, or under a licence that is not permitted.
    """
    closure = runtime_closure()
    problems = unpermitted(closure.values())
    if problems:
        raise SettingsError(
            f"{'; '.join(problems)}: read its licence, then permit it or enter what you read "
            "in app/supply_chain/licences.yaml, or do without the package"
        )
    return closure


def adapted(
    closure: Mapping[str, Package], without: Collection[str], renamed: Mapping[str, str]
) -> dict[str, Package]:
    """Return the closure as it is in an image that lacks some packages and renames others.

    Raises:
        SettingsError: it has no package of such a name.
    """
    unknown = sorted({*without, *renamed} - closure.keys())
    if unknown:
        raise SettingsError(f"not in the run time: {', '.join(unknown)}")
    kept = [package for name, package in closure.items() if name not in without]
    packages = [
        replace(
            package,
            name=renamed.get(package.name, package.name),
            needs=tuple(renamed.get(need, need) for need in package.needs if need not in without),
        )
        for package in kept
    ]
    return {package.name: package for package in sorted(packages, key=lambda item: item.name)}


def third_parties(closure: dict[str, Package]) -> list[Package]:
    """Return the packages that are not ours."""
    return [package for name, package in closure.items() if name != ROOT]


def configured_models(settings: Settings | None = None) -> dict[str, Artifact]:
    """Return the artifacts that the rules use, by default those of the app.yaml in force."""
    settings = settings or Settings.load()
    catalog = Catalog.load().extended(settings.artifacts)
    return {name: catalog.find(name) for name in sorted(settings.model_names)}


def _checkout() -> Path:
    root = Path(str(files("lesionmap.models"))).parent
    if not (root / "docs" / "models").is_dir():
        raise SettingsError("the model cards are not installed: run this in a checkout")
    return root
