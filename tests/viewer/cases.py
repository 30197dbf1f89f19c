"""Series with lesions of known voxels, in the geometries that viewers get wrong."""

import numpy as np

from lesionmap.models.core.finding import FindingReport
from lesionmap.operators.outputs import write_outputs
from tests.dicom_series import write_series
from tests.seg_cases import MODEL, OBLIQUE, lesion, load, subject_of
from tests.viewer.drawn import Result

SHAPE = (9, 96, 128)
NOT_SQUARE = (3.0, 1.2, 0.8)
SQUARE = (3.0, 0.9, 0.9)

CASES = {
    "one lesion": {"lesions": 1},
    "one lesion on one slice": {"lesions": 1, "slices": slice(4, 5)},
    "three lesions": {"lesions": 3, "spacing": SQUARE},
    "oblique": {"lesions": 2, "orientation": OBLIQUE},
    "sagittal": {"lesions": 2, "spacing": SQUARE, "orientation": (0, 1, 0, 0, 0, -1)},
    "rows and columns negated": {"lesions": 2, "orientation": (-1, 0, 0, 0, -1, 0)},
    "mr": {"lesions": 2, "modality": "MR"},
}


def write_case(name, folder):
    """Write the series of a case and what LesionMAP says of it; return the result."""
    options = dict(CASES[name])
    count, slices = options.pop("lesions"), options.pop("slices", slice(2, 6))
    images, options = folder / "in", {"spacing": NOT_SQUARE} | options
    write_series(images, _texture(), key=f"viewer {name}", **options)
    volume, series = load(images)
    masks = _masks(slices)[:count]
    lesions = tuple(lesion(volume, mask, number) for number, mask in enumerate(masks, start=1))
    report = FindingReport(lesions, (MODEL,))
    out = folder / "out"
    out.mkdir()
    write_outputs(subject_of(series, report), out, ("report",))
    return Result.read(out / "seg.dcm", images)


def _texture():
    """Return grey stripes: bright, dark and between, so that every colour has to show on them."""
    z, y, x = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    return (1000 * np.sin(x / 9) + 300 * np.cos(y / 5) + 20 * z).astype(np.int16)


def _masks(slices):
    """Return three masks without any symmetry; the second is missing on a slice between."""
    masks = np.zeros((3, *SHAPE), bool)
    masks[0, slices, 10:34, 12:30] = True
    masks[0, slices, 26:34, 30:52] = True
    masks[1, 3:8, 60:84, 70:84] = True
    masks[1, 3:8, 60:66, 84:100] = True
    masks[1, 4] = False
    masks[2, 2:5, 30:48, 90:116] = True
    masks[2, 3, 30:38, 90:100] = False
    return masks
