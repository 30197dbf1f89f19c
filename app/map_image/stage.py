"""The folder that a MAP is packaged from: app, models, docs, app.yaml, the packager's sources.

`monai-deploy package` takes the same folder, see docs/deploy.md.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lesionmap.app.map_image import pins
from lesionmap.app.map_image.profiles import HOLOSCAN_VERSION, UNUSED, Profile
from lesionmap.app.settings import Settings, build_environment
from lesionmap.app.supply_chain import write_documents
from lesionmap.models.core.errors import OutputError, SettingsError
from lesionmap.models.weights.catalog import Catalog, verify

ARTIFACTS = "artifacts.json"
_SOURCES = ("app", "operators", "models", "requirements")
_METADATA = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "NOTICE")
_DOCUMENTS = ("README.md", "docs/running.md", "docs/deploy.md")
_MAIN = '''\
"""Entry point of the MAP: `python3 /opt/holoscan/app`."""

import sys
from pathlib import Path

# An image of the unadapted packager has the wheel beside this file only.
sys.path += [str(wheel) for wheel in Path(__file__).parent.glob("*.whl")]

from lesionmap.app.__main__ import main

sys.exit(main())
'''


def stage(folder: Path, profile: Profile, *, checkout: Path, base_image: str) -> None:
    """Fill ``folder`` with all that the packager needs.

    Args:
        folder: is created; must not exist, or be empty.
        profile: CPU or GPU.
        checkout: LesionMAP's own folder, where pyproject.toml is.
        base_image: what the image stands on.

    Raises:
        SettingsError: ``folder`` is not empty, or ``checkout`` is no checkout.
        ModelError: a model that app.yaml names is missing or altered.
        OutputError: ``folder`` cannot be written, or the wheel cannot be built.
    """
    if not (checkout / "pyproject.toml").is_file():
        raise SettingsError(
            "only a checkout of LesionMAP can be packaged: git clone, pip install --editable"
        )
    with new_folder(folder):
        settings = Settings.load(checkout / "app.yaml")
        _stage_models(folder / "models", settings, checkout)
        _stage_documents(folder / "docs", settings, profile, checkout)
        _stage_app(folder / "app", profile, checkout)
        shutil.copyfile(checkout / "app.yaml", folder / "app.yaml")
        (folder / ARTIFACTS).write_text(json.dumps(list_artifacts(base_image), indent=2) + "\n")


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Create ``folder`` for the block, and remove it where the block fails.

    Raises:
        SettingsError: it is there already, and not empty.
        OutputError: it cannot be created or filled.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise SettingsError(f"{folder} is not empty: name a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OutputError(f"{folder} cannot be filled: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _stage_app(folder: Path, profile: Profile, checkout: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "__main__.py").write_text(_MAIN)
    lock = (checkout / "requirements" / "lock.txt").read_text()
    (folder / "requirements.txt").write_text(pins.replace(lock, profile.replaced))
    _build_wheel(checkout, folder)


def _build_wheel(checkout: Path, folder: Path) -> None:
    """Build from a copy: a checkout may be read-only, and gains no build folder."""
    with tempfile.TemporaryDirectory() as copy:
        ignored = shutil.ignore_patterns("store", "checkpoints", "__pycache__")
        for name in _METADATA:
            shutil.copy(checkout / name, copy)
        for name in _SOURCES:
            shutil.copytree(checkout / name, Path(copy, name), ignore=ignored)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        if _has_build_backend():
            command.append("--no-build-isolation")
        command += ["--wheel-dir", str(folder.resolve()), copy]
        done = subprocess.run(  # noqa: S603
            command, env=build_environment(), capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise OutputError(f"the wheel cannot be built:\n{done.stderr[-2000:]}")


def _has_build_backend() -> bool:
    try:
        return int(version("setuptools").split(".")[0]) >= 77
    except PackageNotFoundError:
        return False


def _stage_models(folder: Path, settings: Settings, checkout: Path) -> None:
    """Copy what app.yaml names, one file a folder: the packager takes all else for a model."""
    store = checkout / "models" / "store"
    catalog = Catalog.load().extended(settings.artifacts)
    for name in settings.model_names:
        artifact = catalog.find(name)
        verify(name, artifact, store)
        (folder / name).mkdir(parents=True)
        shutil.copyfile(store / name / artifact.file, folder / name / artifact.file)


def _stage_documents(folder: Path, settings: Settings, profile: Profile, checkout: Path) -> None:
    write_documents(folder, settings=settings, without=UNUSED, renamed=profile.replaced)
    for name in _DOCUMENTS:
        shutil.copy(checkout / name, folder)


def list_artifacts(base_image: str) -> dict[str, object]:
    """Return the packager's table of versions and images, which it would else download."""
    holoscan = {
        "debian-version": f"{HOLOSCAN_VERSION}.1-1",
        "wheel-version": HOLOSCAN_VERSION,
        "base-images": {"dgpu": base_image},
        "build-images": {"dgpu": {}, "igpu": {}, "cpu": {}},
    }
    return {HOLOSCAN_VERSION: {"holoscan": holoscan, "health-probes": {}}}
