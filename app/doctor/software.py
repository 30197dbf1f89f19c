"""Python, packages, the framework, decoders, settings and models."""

import ctypes
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

from lesionmap.app.doctor.diagnosis import Trouble, Visit
from lesionmap.models.core.errors import ExitCode, LesionMapError

_PYTHONS = ((3, 11), (3, 12))
_CUDA_RUNTIME = "nvidia-cuda-runtime"
_PACKAGER = "holoscan-cli"
_INSTALLS = {
    "pylibjpeg": "pylibjpeg pylibjpeg-openjpeg pylibjpeg-rle",
    "gdcm": "python-gdcm",
}
"""What brings a decoder, where it is not called like the decoder."""


_STAND_INS = {"onnxruntime": "onnxruntime-gpu"}
"""Another build of the same code, as the GPU image has it."""


def look_at_python(_: Visit) -> str:
    """Return the version of Python."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] not in _PYTHONS:
        raise Trouble(f"Python {found}", "use Python 3.11 or 3.12")
    return f"{found}, LesionMAP {metadata('lesionmap')['Version']}"


def read_pins() -> dict[str, str]:
    """Return what requirements.txt pinned when this LesionMAP was installed."""
    lines = requires("lesionmap") or []
    matches = (re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s;]+)", line) for line in lines)
    return {match[1]: match[2] for match in matches if match}


def look_at_pins(_: Visit) -> str:
    """Compare installed versions with the pins."""
    pins = read_pins()
    found = {name: _installed(name) or _installed(_STAND_INS.get(name, name)) for name in pins}
    wrong = [name for name in pins if found[name] != pins[name]]
    if wrong:
        said = "; ".join(f"{name} {found[name] or 'missing'}, not {pins[name]}" for name in wrong)
        raise Trouble(said, "pip install " + " ".join(f"{name}=={pins[name]}" for name in wrong))
    return f"{len(pins)} as pinned"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def look_at_cuda_runtime(_: Visit) -> str:
    """Load libcudart, which Holoscan links to even without a GPU."""
    candidates = [("libcudart.so.13", "of the system")]
    if _installed(_CUDA_RUNTIME):
        candidates = [
            (str(file.locate()), f"{_CUDA_RUNTIME} {version(_CUDA_RUNTIME)}")
            for file in files(_CUDA_RUNTIME) or ()
            if "libcudart.so" in file.name
        ] + candidates
    for path, origin in candidates:
        try:
            ctypes.CDLL(path)
        except OSError:
            continue
        return origin
    pin = read_pins().get(_CUDA_RUNTIME, "")
    raise Trouble("libcudart.so.13 is not here", f"pip install {_CUDA_RUNTIME}=={pin}")


def look_at_framework(_: Visit) -> str:
    """Import MONAI Deploy and Holoscan, apart: a broken one can take its process down."""
    command = [sys.executable, "-c", "import lesionmap.operators.framework"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", timeout=120, check=False
        )
    except subprocess.TimeoutExpired:
        raise Trouble("the import does not end", "run it by hand: " + " ".join(command)) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"code {done.returncode}"]
        raise Trouble(f"cannot be imported: {lines[-1]}", "pip install -r requirements.txt")
    return f"holoscan {version('holoscan-cu13')}, SDK {version('monai-deploy-app-sdk')}"


def look_at_packager(_: Visit) -> str:
    """Find `monai-deploy package`, which later versions of holoscan-cli lack."""
    pin = read_pins().get(_PACKAGER, "")
    mend = f"to build the MAP: pip install {_PACKAGER}=={pin}"
    found = _installed(_PACKAGER)
    if found != pin:
        raise Trouble(f"{_PACKAGER} {found or 'missing'}, not {pin}", mend, needed=False)
    if find_spec("holoscan_cli.packager") is None:
        raise Trouble(f"{_PACKAGER} {found} has no packager", mend, needed=False)
    if not (Path(sys.executable).parent / "monai-deploy").exists():
        raise Trouble("no monai-deploy beside this Python", mend, needed=False)
    return f"monai-deploy package, {_PACKAGER} {found}"


def look_at_decoders(_: Visit) -> str:
    """Ask pydicom for the decoder of every transfer syntax that is read."""
    from pydicom.pixels import get_decoder  # noqa: PLC0415

    from lesionmap.operators.dicom.pixels import DECODERS  # noqa: PLC0415

    missing = {
        uid.name: plugin
        for uid, plugin in DECODERS.items()
        if plugin not in get_decoder(uid).available_plugins
    }
    if missing:
        packages = sorted({_INSTALLS.get(plugin, plugin) for plugin in missing.values()})
        raise Trouble(
            f"cannot decode {', '.join(sorted(missing))}",
            f"pip install {' '.join(packages)}",
            ExitCode.PIXELS,
        )
    return f"{len(DECODERS)} compressed transfer syntaxes, and all uncompressed ones"


def look_at_settings(visit: Visit) -> str:
    """Read app.yaml."""
    from lesionmap.app.settings import Settings  # noqa: PLC0415

    try:
        settings = Settings.load(visit.config)
    except LesionMapError as error:
        raise Trouble(str(error), "mend app.yaml, or name another with -c", error.code) from error
    return f"{len(settings.rules)} rules, {settings.threads} threads"


def look_at_models(visit: Visit) -> str:
    """Compare the configured models with the hashes in the catalog."""
    from lesionmap.app.settings import Settings, default_store  # noqa: PLC0415
    from lesionmap.models.weights.catalog import Catalog, verify  # noqa: PLC0415

    store = visit.store or default_store()
    try:
        settings = Settings.load(visit.config)
        catalog = Catalog.load().extended(settings.artifacts)
        for name in sorted(settings.model_names):
            verify(name, catalog.find(name), store)
    except LesionMapError as error:
        mend = "restore the store, or name another with -m"
        raise Trouble(str(error), mend, error.code) from error
    return f"{len(settings.model_names)} with the right hash"
