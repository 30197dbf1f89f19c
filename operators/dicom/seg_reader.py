"""Read anybody's SEG into masks: binary, fractional or label map, on any grid it fits.

The check of our own SEGs (seg_check.py) reads them without this module: the
last gate shares no code with what it checks, nor with what others rely on.
"""

import math
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Int64, Shaped
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import GeometryError, PixelError
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.limits import Limits, check_file_size, check_nesting
from lesionmap.operators.dicom.scan import UNREADABLE
from lesionmap.operators.dicom.seg_places import (
    find_group,
    has_places,
    own_grid,
    place_by_position,
    place_by_source,
)

_BACKGROUND = 0
_TYPES = ("BINARY", "FRACTIONAL", "LABELMAP")


@dataclass(frozen=True)
class ReadSegment:
    """One segment as described; ``mask`` is None where it has no voxel."""

    number: int
    label: str
    tracking_uid: str | None
    mask: Mask | None


@dataclass(frozen=True)
class ImageGrid:
    """The images a SEG is read onto: their lattice, and the instance of each slice."""

    grid: Grid
    sources: Sequence[str] = ()


def read_seg(
    path: Path,
    *,
    onto: ImageGrid | None = None,
    threshold: float | None = None,
    limits: Limits = Limits(),  # noqa: B008 (it never changes)
) -> tuple[ReadSegment, ...]:
    """Return the segments of a SEG, each with its voxels; segments may overlap.

    Args:
        path: a Segmentation or Label Map Segmentation object.
        onto: the images; None for the smallest grid that holds the SEG's frames.
        threshold: the least fraction, 0 to 1, that counts in a FRACTIONAL SEG.
        limits: how much may be decoded.

    Raises:
        PixelError: no SEG, damaged, over the budget, or FRACTIONAL without a threshold.
        IdentityError: another frame of reference than that of the images.
        GeometryError: a frame, or a voxel of a segment, that cannot be placed.

    Source: DICOM PS3.3, C.8.20.
    """
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seg = _open(path, limits)
            frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
            onto = onto or ImageGrid(own_grid(seg))
            _check_extent(onto.grid, limits)
            return _segments(seg, frames, onto, _level(seg, threshold))
    except UNREADABLE as error:
        raise PixelError(f"the SEG is damaged ({type(error).__name__})") from error


def _open(path: Path, limits: Limits) -> Dataset:
    check_file_size(path, limits)
    seg = pydicom.dcmread(path)
    check_nesting(seg)
    if seg.get("Modality") != "SEG" or seg.get("SegmentationType") not in _TYPES:
        raise PixelError("not a DICOM SEG of a known type")
    depth = max(1, seg.BitsAllocated // 8)
    claimed = seg.Rows * seg.Columns * int(seg.NumberOfFrames) * depth
    if claimed > limits.series_bytes:
        raise PixelError(f"the SEG claims {claimed >> 20} MiB of pixels: raise limits.series_mib")
    if len(seg.PerFrameFunctionalGroupsSequence) != int(seg.NumberOfFrames):
        raise PixelError("the SEG does not describe each of its frames once")
    return seg


def _check_extent(grid: Grid, limits: Limits) -> None:
    """Refuse frames so far apart that the grid between them would cost the memory."""
    if math.prod(grid.shape) > limits.series_bytes:
        raise PixelError("the frames of the SEG span more voxels than limits.series_mib allows")


def _level(seg: Dataset, threshold: float | None) -> float:
    """Return the least stored value that counts as inside."""
    if seg.SegmentationType != "FRACTIONAL":
        return 1.0
    if threshold is None:
        raise PixelError("a FRACTIONAL SEG has no edge of its own: give a threshold")
    return max(1.0, threshold * int(seg.MaximumFractionalValue))


def _segments(
    seg: Dataset,
    frames: Shaped[np.ndarray, "frames rows columns"],
    onto: ImageGrid,
    level: float,
) -> tuple[ReadSegment, ...]:
    numbers = [int(item.SegmentNumber) for item in seg.SegmentSequence]
    if has_places(seg) and onto.grid.frame_of_reference_uid is not None:
        places = place_by_position(seg, onto.grid)
    else:
        places = place_by_source(seg, onto.grid, onto.sources)
    found: defaultdict[int, list[Int64[np.ndarray, "_ 3"]]] = defaultdict(list)
    for frame, groups, place in zip(
        frames, seg.PerFrameFunctionalGroupsSequence, places, strict=True
    ):
        for number, inside in _parts(seg, groups, frame, level):
            if number not in numbers:
                raise PixelError("a frame of the SEG belongs to a segment that is not described")
            found[number].append(place.index(*np.nonzero(inside)))
    return tuple(
        ReadSegment(
            number,
            str(item.get("SegmentLabel", "")),
            str(item.get("TrackingUID", "")) or None,
            _mask(found[number], onto.grid),
        )
        for number, item in zip(numbers, seg.SegmentSequence, strict=True)
    )


def _parts(
    seg: Dataset, groups: Dataset, frame: Shaped[np.ndarray, "rows columns"], level: float
) -> Iterator[tuple[int, Shaped[np.ndarray, "rows columns"]]]:
    """Yield the segments of a frame: one, or those of a label map without its background."""
    if seg.SegmentationType != "LABELMAP":
        identity = find_group(seg, groups, "SegmentIdentificationSequence")
        if identity is None:
            raise PixelError("a frame of the SEG does not say which segment it shows")
        yield int(identity.ReferencedSegmentNumber), frame >= level
        return
    for number in np.unique(frame).tolist():
        if number not in (_BACKGROUND, seg.get("PixelPaddingValue")):
            yield number, frame == number


def _mask(indices: list[Int64[np.ndarray, "_ 3"]], grid: Grid) -> Mask | None:
    points = np.concatenate(indices) if indices else np.empty((0, 3), np.int64)
    if not len(points):
        return None
    outside = ((points < 0) | (points >= grid.shape)).any(axis=1).sum()
    if outside:
        raise GeometryError(f"{outside} voxels of a segment lie outside the images")
    low, high = points.min(axis=0), points.max(axis=0)
    voxels = np.zeros(high - low + 1, bool)
    voxels[tuple((points - low).T)] = True
    return Mask(voxels, (int(low[0]), int(low[1]), int(low[2])), grid)
