"""What, beside input and models, decides a result: settings, code, libraries."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from lesionmap.app.settings import SOFTWARE_VERSION, Settings
from lesionmap.operators.dicom.subject import Provenance

DECIDING_PACKAGES = (
    "highdicom",
    "nibabel",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "pillow",
    "pydicom",
    "pyjpegls",
    "pylibjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "python-gdcm",
    "reportlab",
)
"""Libraries that decode or compute voxels, or decide the bytes of an output."""

_LAYERS = ("lesionmap.app", "lesionmap.operators", "lesionmap.models")


def find_provenance(settings: Settings) -> Provenance:
    """Return what the receipts of a run with ``settings`` name."""
    return Provenance(SOFTWARE_VERSION, settings.digest, hash_sources(), package_versions())


def hash_sources() -> str:
    """Return one hash over all installed Python sources of LesionMAP.

    One line for each file, "hash, two blanks, path", sorted by path: the same
    for a wheel, a container and a checkout of one commit.
    """
    hashes = {}
    for layer in _LAYERS:
        root = Path(str(files(layer)))
        for path in root.rglob("*.py"):
            name = Path(*layer.split("."), path.relative_to(root)).as_posix()
            hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def package_versions() -> tuple[tuple[str, str], ...]:
    """Return name and version of the installed libraries that decide outputs."""
    found = []
    for name in DECIDING_PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)
