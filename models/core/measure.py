"""Size of a lesion in physical units."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from lesionmap.models.core.finding import Mask
from lesionmap.models.core.volume import ImageVolume


@dataclass(frozen=True)
class Diameter:
    """The longest in-plane line through a mask, between (row, column) of two outer edges.

    Row and column count from the centre of the first pixel, like the indices of a grid.
    """

    slice_index: int
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Size:
    """Volume and in-plane axes; None where the grid does not give the unit."""

    voxel_count: int
    volume_mm3: float | None
    long_axis_mm: float | None
    short_axis_mm: float | None
    diameter: Diameter


@dataclass(frozen=True)
class Brightness:
    """Mean and standard deviation of the voxels of a mask, in modality units."""

    mean: float
    deviation: float


def measure(mask: Mask) -> Size:
    """Measure volume, the longest in-plane diameter, and the width across it.

    Diameters run between the outer edge midpoints of the mask's pixels, on
    the slice where the diameter is longest. The short axis is the extent of
    the mask perpendicular to the long axis on the same slice.

    Source: Eisenhauer et al., RECIST 1.1, Eur J Cancer 45 (2009), 4.1.
    """
    voxel_volume = mask.grid.voxel_volume_mm3
    volume = None if voxel_volume is None else mask.voxel_count * voxel_volume
    long_axis, short_axis, diameter = _longest(mask)
    if mask.grid.unit != "mm":
        return Size(mask.voxel_count, volume, None, None, diameter)
    return Size(mask.voxel_count, volume, long_axis, short_axis, diameter)


def measure_brightness(volume: ImageVolume, mask: Mask) -> Brightness:
    """Return the statistics of a grey volume inside a mask on its grid."""
    inside = volume.voxels[mask.window][mask.voxels].astype(np.float64)
    return Brightness(float(inside.mean()), float(inside.std()))


def _longest(mask: Mask) -> tuple[float, float, Diameter]:
    begin, row, column = mask.origin
    spacing = np.array(mask.grid.spacing[1:])
    best: tuple[float, float, Diameter] | None = None
    for index, plane in enumerate(mask.voxels, start=begin):
        if not plane.any():
            continue
        points = _outline(plane)
        long_axis, short_axis, ends = _plane_axes(points * spacing)
        if best is None or (long_axis, short_axis) > best[:2]:
            (r0, c0), (r1, c1) = (points[list(ends)] + (row, column)).tolist()
            best = long_axis, short_axis, Diameter(index, (r0, c0), (r1, c1))
    assert best is not None, "a mask holds at least one voxel"
    return best


def _outline(plane: Bool[np.ndarray, "rows columns"]) -> Float64[np.ndarray, "n 2"]:
    """Return the outer edge midpoints of the first and last pixel of every row and column."""
    rows, columns = np.nonzero(plane)
    points = []
    for lines, places, along in ((rows, columns, (0.0, 0.5)), (columns, rows, (0.5, 0.0))):
        order = np.lexsort((places, lines))
        new_line = np.diff(lines[order], prepend=-1) > 0
        first = order[new_line]
        last = order[np.append(np.flatnonzero(new_line)[1:], len(order)) - 1]
        for chosen, sign in ((first, -1.0), (last, 1.0)):
            centres = np.stack([rows[chosen], columns[chosen]], axis=1).astype(np.float64)
            points.append(centres + sign * np.array(along))
    return np.concatenate(points)


def _plane_axes(points: Float64[np.ndarray, "n 2"]) -> tuple[float, float, tuple[int, int]]:
    first, second, long_axis = 0, 0, -1.0
    for index, point in enumerate(points):
        distances = np.hypot(*(points[index:] - point).T)
        furthest = int(np.argmax(distances))
        if distances[furthest] > long_axis:
            first, second = index, index + furthest
            long_axis = float(distances[furthest])
    direction = (points[second] - points[first]) / long_axis
    across = points @ np.array([-direction[1], direction[0]])
    return long_axis, float(across.max() - across.min()), (first, second)
