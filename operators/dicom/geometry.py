"""The geometry gate: planes of a series become one regular grid, or are refused."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import GeometryError
from lesionmap.models.core.volume import Grid

_UNIT = 1e-3
"""Largest deviation of a direction cosine's length from 1, and of rows from columns."""
_SAME_POSITION_MM = 1e-3
_SMALLEST_TOLERANCE_MM = 0.01
_SHEAR_PIXELS = 0.5
"""Largest sideways drift of a stack, in pixels, before its slices would be misplaced."""
_CENTIMETRES = 3
"""Physical Units code for cm: DICOM PS3.3, C.8.5.5.1.15."""


@dataclass(frozen=True)
class Plane:
    """Where one slice lies: position and direction cosines in LPS, spacing in mm."""

    position: Float64[np.ndarray, " 3"]
    along_columns: Float64[np.ndarray, " 3"]
    along_rows: Float64[np.ndarray, " 3"]
    spacing: tuple[float, float]


@dataclass(frozen=True)
class Stack:
    """``order`` sorts the given planes; ``affine`` places the sorted stack."""

    order: Int64[np.ndarray, " n"]
    affine: Float64[np.ndarray, "4 4"]
    has_depth: bool


def has_plane(header: Dataset) -> bool:
    """Whether the image is placed in the patient's frame."""
    return all(header.get(name) for name in ("ImagePositionPatient", "ImageOrientationPatient"))


def read_plane(header: Dataset) -> Plane:
    """Read position, orientation and spacing of one slice.

    Raises:
        GeometryError: an element is missing, not finite, or the direction
            cosines are not orthonormal.

    Source: DICOM PS3.3, C.7.6.2.1.1.
    """
    position = _numbers(header, "ImagePositionPatient", 3)
    orientation = _numbers(header, "ImageOrientationPatient", 6)
    along_row, along_column = orientation[:3], orientation[3:]
    lengths = np.array([np.linalg.norm(along_row), np.linalg.norm(along_column)])
    if np.abs(lengths - 1).max() > _UNIT or abs(along_row @ along_column) > _UNIT:
        raise GeometryError("the direction cosines of a slice are not orthonormal")
    spacing = _numbers(header, "PixelSpacing", 2)
    if spacing.min() <= 0:
        raise GeometryError("the pixel spacing of a slice is not positive")
    return Plane(
        position,
        along_columns=along_row / lengths[0],
        along_rows=along_column / lengths[1],
        spacing=(float(spacing[0]), float(spacing[1])),
    )


def stack_planes(planes: list[Plane], *, thickness_mm: float | None, gap_tolerance: float) -> Stack:
    """Sort planes along their shared normal and derive the affine of the stack.

    Args:
        planes: one for each slice, in any order.
        thickness_mm: the depth of the voxels where there is only one slice.
        gap_tolerance: allowed deviation of a gap, as a fraction of the median gap.

    Raises:
        GeometryError: planes not parallel, of unequal spacing, at the same
            position, unevenly spaced (a missing slice), or sheared.

    Source: DICOM PS3.3, C.7.6.2.1.1.
    """
    first = planes[0]
    _check_agreement(planes)
    # Row direction × column direction: slices are sorted along the right-handed normal.
    normal = np.cross(first.along_columns, first.along_rows)
    positions = np.stack([plane.position for plane in planes])
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    if len(planes) == 1:
        step = normal * (thickness_mm or 1.0)
        has_depth = thickness_mm is not None
    else:
        _check_gaps(positions @ normal, gap_tolerance)
        _check_shear(positions, normal, min(first.spacing))
        distance = float((positions[-1] - positions[0]) @ normal) / (len(planes) - 1)
        step, has_depth = normal * distance, True
    return Stack(order, _affine(step, first, positions[0]), has_depth)


def image_grid(header: Dataset) -> Grid:
    """Return the grid of an image that has no place in the patient's frame.

    Pixel spacing is taken from Pixel Spacing or from a single calibrated
    ultrasound region; without either, the grid counts pixels.

    Source: DICOM PS3.3, 10.7.1.3 and C.8.5.5.
    """
    spacing = _pixel_spacing(header)
    rows, columns = spacing or (1.0, 1.0)
    return Grid(
        affine=np.array([[0, 0, columns, 0], [0, rows, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]]),
        shape=(1, int(header.Rows), int(header.Columns)),
        unit="mm" if spacing else "pixel",
        has_depth=False,
    )


def _numbers(header: Dataset, keyword: str, count: int) -> Float64[np.ndarray, " count"]:
    value = header.get(keyword)
    numbers = np.array([] if value is None else value, np.float64).reshape(-1)
    if numbers.size != count or not np.isfinite(numbers).all():
        raise GeometryError(f"{keyword} needs {count} finite numbers, found {numbers.size}")
    return numbers


def _check_agreement(planes: list[Plane]) -> None:
    first = planes[0]
    for plane in planes[1:]:
        turned = max(
            np.abs(plane.along_rows - first.along_rows).max(),
            np.abs(plane.along_columns - first.along_columns).max(),
        )
        if turned > _UNIT:
            raise GeometryError("slices of one series are not parallel: split the series")
        if not np.allclose(plane.spacing, first.spacing, rtol=_UNIT, atol=0):
            raise GeometryError("slices of one series differ in pixel spacing: split the series")


def _check_gaps(heights: Float64[np.ndarray, " n"], gap_tolerance: float) -> None:
    gaps = np.diff(heights)
    if gaps.min() < _SAME_POSITION_MM:
        raise GeometryError(
            f"slices {int(gaps.argmin()) + 1} and {int(gaps.argmin()) + 2} lie at the same "
            "position: does the series hold several phases or echoes?"
        )
    middle = float(np.percentile(gaps, 50, method="lower"))
    allowed = max(gap_tolerance * middle, _SMALLEST_TOLERANCE_MM)
    off = np.abs(gaps - middle)
    if off.max() > allowed:
        raise GeometryError(
            f"gap after slice {int(off.argmax()) + 1} is off by {off.max():.3f} mm "
            f"({allowed:.3f} mm allowed): is an instance missing or duplicated?"
        )


def _check_shear(
    positions: Float64[np.ndarray, "n 3"], normal: Float64[np.ndarray, " 3"], pixel_mm: float
) -> None:
    moved = positions - positions[0]
    sideways = np.linalg.norm(moved - np.outer(moved @ normal, normal), axis=1)
    if sideways.max() > _SHEAR_PIXELS * pixel_mm:
        raise GeometryError(
            f"slices drift sideways by {sideways.max():.3f} mm over the stack "
            f"({_SHEAR_PIXELS * pixel_mm:.3f} mm allowed): gantry tilt or shear is not supported"
        )


def _affine(
    step: Float64[np.ndarray, " 3"], plane: Plane, origin: Float64[np.ndarray, " 3"]
) -> Float64[np.ndarray, "4 4"]:
    affine = np.eye(4)
    affine[:3, 0] = step
    # Pixel Spacing holds the distance between rows first: PS3.3, 10.7.1.1.
    affine[:3, 1] = plane.along_rows * plane.spacing[0]
    affine[:3, 2] = plane.along_columns * plane.spacing[1]
    affine[:3, 3] = origin
    return affine


def _pixel_spacing(header: Dataset) -> tuple[float, float] | None:
    if header.get("PixelSpacing"):
        rows, columns = _numbers(header, "PixelSpacing", 2)
        return (float(rows), float(columns)) if min(rows, columns) > 0 else None
    regions = header.get("SequenceOfUltrasoundRegions") or []
    if len(regions) != 1:
        return None
    region = regions[0]
    units = {region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")}
    rows = abs(float(region.get("PhysicalDeltaY") or 0)) * 10
    columns = abs(float(region.get("PhysicalDeltaX") or 0)) * 10
    return (rows, columns) if units == {_CENTIMETRES} and min(rows, columns) > 0 else None
