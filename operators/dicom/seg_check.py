"""Read a written SEG back and compare it, voxel for voxel, with the lesions.

This is the last gate: it reads the file as a viewer would, through positions
and references in the per-frame functional groups, and knows nothing of how
the file was made.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Bool, Integer
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import OutputError
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.volume import Grid, ImageVolume

_HALF_VOXEL = 0.5
_SPACING_MM = 1e-6


def check_seg(path: Path, volume: ImageVolume, lesions: Sequence[Lesion]) -> None:
    """Refuse a SEG that does not hold exactly these lesions in exactly this place.

    It may be BINARY or LABELMAP. Each frame is put on the slice that its
    position (or, without a patient frame, its derivation reference) names; the
    frame's own origin, orientation and spacing must agree with the grid within
    half a voxel, the stated spacing of slices with that of the grid, and its
    derivation reference must name that slice's instance.

    Raises:
        OutputError: anything differs.

    Source: DICOM PS3.3, C.7.6.16.2.3 (Plane Position) and C.7.6.16.2.6 (Derivation Image).
    """
    seg = pydicom.dcmread(path)
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    if frames.shape[1:] != volume.grid.shape[1:]:
        raise OutputError("the SEG differs from its source in rows or columns")
    # A label map also describes its background, as segment 0.
    if [item.TrackingUID for item in seg.SegmentSequence if item.SegmentNumber] != [
        lesion.tracking_uid for lesion in lesions
    ]:
        raise OutputError("the SEG does not hold the lesions in their order")
    _check_references(seg)
    seen: list[tuple[int, int]] = []
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        index = _slice_of(seg, groups, volume)
        for number, plane in _planes(seg, groups, frame).items():
            seen.append((number, index))
            if not 0 < number <= len(lesions):
                raise OutputError("the SEG holds a segment that is no lesion")
            if not np.array_equal(plane, mask_plane(lesions[number - 1], index)):
                raise OutputError(f"segment {number} differs from its mask on slice {index + 1}")
    if sorted(seen) != _expected(lesions):
        raise OutputError("the SEG lacks a frame, or holds one twice")


def _planes(
    seg: Dataset, groups: Dataset, frame: Integer[np.ndarray, "rows columns"]
) -> dict[int, Bool[np.ndarray, "rows columns"]]:
    """Return what a frame holds, by segment number."""
    if seg.SegmentationType == "LABELMAP":
        return {
            number: frame == number
            for number in np.flatnonzero(np.bincount(frame.ravel())).tolist()
            if number
        }
    # highdicom shares what all frames have in common, a sole segment's number too.
    number = int(_group(seg, groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)
    return {number: frame.astype(bool)}


def _check_references(seg: Dataset) -> None:
    referenced = {
        item.ReferencedSOPInstanceUID
        for series in seg.ReferencedSeriesSequence
        for item in series.ReferencedInstanceSequence
    }
    derived = {_source_uid(groups) for groups in seg.PerFrameFunctionalGroupsSequence}
    if not derived <= referenced:
        raise OutputError("a frame of the SEG is derived from an instance it does not list")


def _source_uid(groups: Dataset) -> str:
    try:
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        return str(source.ReferencedSOPInstanceUID)
    except (AttributeError, IndexError):
        raise OutputError("a frame of the SEG does not say what it is derived from") from None


def _slice_of(seg: Dataset, groups: Dataset, volume: ImageVolume) -> int:
    try:
        named = volume.sources.index(_source_uid(groups))
    except ValueError:
        raise OutputError("a frame of the SEG refers to an instance of another series") from None
    if volume.grid.frame_of_reference_uid is not None:
        _check_place(seg, groups, volume.grid, named)
    return named


def _check_place(seg: Dataset, groups: Dataset, grid: Grid, index: int) -> None:
    if seg.FrameOfReferenceUID != grid.frame_of_reference_uid:
        raise OutputError("the SEG lies in another frame of reference than its source")
    corners = np.array([[r, c] for r in (0, grid.shape[1] - 1) for c in (0, grid.shape[2] - 1)])
    wanted = grid.to_patient(np.insert(corners, 0, index, axis=1).astype(np.float64))
    found = _frame_corners(seg, groups, corners)
    if np.linalg.norm(found - wanted, axis=1).max() > _HALF_VOXEL * min(grid.spacing):
        raise OutputError(f"a frame of the SEG lies over half a voxel away from slice {index + 1}")
    stated = _group(seg, groups, "PixelMeasuresSequence").get("SpacingBetweenSlices")
    spacing = grid.spacing[0] if grid.shape[0] > 1 else None
    if (stated is None) != (spacing is None) or abs((stated or 0) - (spacing or 0)) > _SPACING_MM:
        raise OutputError("the SEG states another spacing of slices than its source")


def _frame_corners(seg: Dataset, groups: Dataset, corners: np.ndarray) -> np.ndarray:
    origin = np.array(_group(seg, groups, "PlanePositionSequence").ImagePositionPatient, np.float64)
    cosines = np.array(
        _group(seg, groups, "PlaneOrientationSequence").ImageOrientationPatient, np.float64
    )
    spacing = np.array(_group(seg, groups, "PixelMeasuresSequence").PixelSpacing, np.float64)
    return (
        origin
        + corners[:, :1] * spacing[0] * cosines[3:]
        + corners[:, 1:] * spacing[1] * cosines[:3]
    )


def _group(seg: Dataset, groups: Dataset, name: str) -> Dataset:
    shared = seg.SharedFunctionalGroupsSequence[0]
    return (groups.get(name) or shared.get(name))[0]


def mask_plane(lesion: Lesion, index: int) -> Bool[np.ndarray, "rows columns"]:
    """Return the pixels of a lesion on one slice of its grid."""
    plane = np.zeros(lesion.mask.grid.shape[1:], bool)
    span, rows, columns = lesion.mask.window
    if span.start <= index < span.stop:
        plane[rows, columns] = lesion.mask.voxels[index - span.start]
    return plane


def _expected(lesions: Sequence[Lesion]) -> list[tuple[int, int]]:
    return [
        (number, lesion.mask.origin[0] + int(offset))
        for number, lesion in enumerate(lesions, start=1)
        for offset in np.flatnonzero(lesion.mask.voxels.any(axis=(1, 2)))
    ]
