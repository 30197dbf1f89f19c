"""Lesions for researchers: a NIfTI label map and its table in JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Float64, UInt8

from lesionmap.models.core.errors import OutputError
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.receipt import Receipt
from lesionmap.operators.dicom.seg import label_planes
from lesionmap.operators.dicom.subject import Subject

MASKS, TABLE = "masks.nii.gz", "lesions.json"

_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SCANNER, _UNKNOWN = 1, 0
_AFFINE_MM = 1e-2
"""NIfTI keeps an affine in 32 bits: a hundredth of a millimetre at a metre is far above that."""


def write_nifti(subject: Subject, folder: Path) -> list[str]:
    """Write label map and table into ``folder``; return their names.

    A voxel holds the number of its lesion, as the segments of the SEG; axes
    are column, row, slice. An image without a place in the patient gets its pixel
    size alone, with codes that say that its place is unknown.

    Raises:
        OutputError: the label map, read back, differs from the lesions.

    Source: NIfTI-1, qform_code and sform_code.
    """
    grid, lesions = subject.display.grid, subject.report.lesions
    labels = label_planes(lesions, range(grid.shape[0])).transpose(2, 1, 0)
    nibabel.save(_image(labels, grid), folder / MASKS)
    _check(folder / MASKS, labels, grid)
    text = json.dumps(_table(subject), indent=2, ensure_ascii=False)
    (folder / TABLE).write_text(text + "\n", encoding="utf-8")
    return [MASKS, TABLE]


def to_ras(grid: Grid) -> Float64[np.ndarray, "4 4"]:
    """Return the map from (column, row, slice) indices to NIfTI's RAS millimetres."""
    return _TO_RAS @ grid.affine[:, [2, 1, 0, 3]]


def _image(labels: UInt8[np.ndarray, "columns rows slices"], grid: Grid) -> nibabel.Nifti1Image:
    placed = grid.frame_of_reference_uid is not None
    affine = to_ras(grid) if placed else np.diag([*grid.spacing[::-1], 1.0])
    image = nibabel.Nifti1Image(labels, affine)
    image.header.set_xyzt_units("mm" if grid.unit == "mm" else "unknown")
    code = _SCANNER if placed else _UNKNOWN
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    if _miss(image.get_qform(), affine, labels.shape) > _AFFINE_MM:
        image.set_qform(None, _UNKNOWN)
    return image


def _miss(
    stored: Float64[np.ndarray, "4 4"], affine: Float64[np.ndarray, "4 4"], shape: Sequence[int]
) -> float:
    """Return the largest distance of a voxel under one map from its place under the other, in mm.

    A quaternion holds no shear, which direction cosines of few decimals have.
    """
    # Maps are linear: what agrees at the corners agrees between them.
    corners = np.array(list(np.ndindex(2, 2, 2))) * np.subtract(shape, 1)
    moved = np.column_stack([corners, np.ones(8)]) @ (stored - affine).T
    return float(np.linalg.norm(moved[:, :3], axis=1).max())


def _check(path: Path, labels: UInt8[np.ndarray, "columns rows slices"], grid: Grid) -> None:
    image = nibabel.load(path)
    if not np.array_equal(np.asarray(image.dataobj), labels):
        raise OutputError("the NIfTI label map differs from the lesions")
    if grid.frame_of_reference_uid is None:
        return
    stored = [image.get_sform()]
    if int(image.header["qform_code"]):
        stored.append(image.get_qform())
    if any(_miss(form, to_ras(grid), labels.shape) > _AFFINE_MM for form in stored):
        raise OutputError("the NIfTI label map lies elsewhere than its source")


def _table(subject: Subject) -> dict[str, object]:
    grid, report = subject.display.grid, subject.report
    return {
        "schema_version": "1.0",
        "note": "AI - not for diagnostic use",
        "software_version": subject.provenance.software_version,
        "receipt_sha256": Receipt.of_subject(subject).digest,
        "series_instance_uid": subject.series.uid,
        "unit": grid.unit,
        "has_depth": grid.has_depth,
        "models": [vars(model) for model in report.models],
        "lesions": [_row(number, item) for number, item in enumerate(report.lesions, start=1)],
    }


def _row(number: int, lesion: Lesion) -> dict[str, object]:
    size = lesion.size
    in_mm = size.unit == "mm"
    return {
        "value": number,
        "tracking_uid": lesion.tracking_uid,
        "label": lesion.label,
        "score": round(lesion.score, 4),
        "voxel_count": size.voxel_count,
        "volume_mm3": size.volume_mm3,
        "long_axis_mm": size.long_axis_mm,
        "short_axis_mm": size.short_axis_mm,
        "long_axis_px": None if in_mm else size.diameter.length,
        "short_axis_px": None if in_mm else size.width.length,
        "flags": list(lesion.flags),
    }
