"""From what the user names - a folder, an archive, an image - to findings."""

from pathlib import Path

from lesionmap.app.conformance.archive import read_archive, read_folder
from lesionmap.app.conformance.check import Finding, Verdict, judge_all
from lesionmap.app.conformance.dockerfile import read_context
from lesionmap.app.conformance.engine import CommandLineEngine, Engine
from lesionmap.app.conformance.package import APP_JSON, PKG_JSON, NotCheckedError, Package
from lesionmap.app.conformance.probes import PROBES, Trial
from lesionmap.app.conformance.static_checks import STATIC_CHECKS
from lesionmap.models.core.errors import SettingsError


def examine(target: str, *, study: Path | None = None, engine: str | None = None) -> list[Finding]:
    """Check a MAP; one that is an image in an engine is started as well.

    Raises:
        SettingsError: there is nothing of that name, or no engine to ask.
    """
    path = Path(target)
    if path.exists():
        if study is not None:
            raise SettingsError("--input needs an image: folders and archives are not started")
        try:
            return examine_package(_read_path(path))
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    return examine_image(CommandLineEngine(engine), target, study)


def examine_package(package: Package) -> list[Finding]:
    """Check a MAP at rest."""
    return judge_all(STATIC_CHECKS, package)


def examine_image(engine: Engine, image: str, study: Path | None = None) -> list[Finding]:
    """Check an image at rest, and then start it."""
    package = engine.read(image)
    trial = Trial(engine, image, package, study)
    return [*examine_package(package), *judge_all(PROBES, trial)]


def conforms(findings: list[Finding]) -> bool:
    """Return whether nothing failed; warnings and what could not be checked do not count."""
    return all(item.verdict is not Verdict.FAILED for item in findings)


def _read_path(path: Path) -> Package:
    if path.is_file():
        return read_archive(path)
    if (path / "Dockerfile").is_file():
        return _with_manifests(read_context(path))
    if (path / APP_JSON.strip("/")).is_file():
        return read_folder(path)
    raise SettingsError(
        f"{path} is not a MAP: it has neither a Dockerfile nor {APP_JSON.strip('/')}"
    )


def _with_manifests(package: Package) -> Package:
    """Refuse a context that has no manifests before it is built: next to nothing can be said."""
    try:
        package.read(APP_JSON)
        package.read(PKG_JSON)
    except NotCheckedError as error:
        raise SettingsError(str(error)) from error
    return package
