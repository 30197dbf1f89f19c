"""Size of a lesion in physical units."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from lesionmap.models.core.finding import Mask


@dataclass(frozen=True)
class Size:
    """Volume and in-plane axes; None where the grid does not give the unit."""

    voxel_count: int
    volume_mm3: float | None
    long_axis_mm: float | None
    short_axis_mm: float | None


def measure(mask: Mask) -> Size:
    """Measure volume, the longest in-plane diameter, and the width across it.

    Diameters run between the outer edge midpoints of the mask's pixels, on
    the slice where the diameter is longest. The short axis is the extent of
    the mask perpendicular to the long axis on the same slice.

    Source: Eisenhauer et al., RECIST 1.1, Eur J Cancer 45 (2009), 4.1.
    """
    voxel_volume = mask.grid.voxel_volume_mm3
    volume = None if voxel_volume is None else mask.voxel_count * voxel_volume
    long_axis, short_axis = _axes_mm(mask) if mask.grid.unit == "mm" else (None, None)
    return Size(mask.voxel_count, volume, long_axis, short_axis)


def _axes_mm(mask: Mask) -> tuple[float, float]:
    best = (0.0, 0.0)
    for plane in mask.voxels:
        if plane.any():
            best = max(best, _plane_axes(_outline(plane, mask.grid.spacing[1:])))
    return best


def _outline(
    plane: Bool[np.ndarray, "rows columns"], spacing: tuple[float, float]
) -> Float64[np.ndarray, "n 2"]:
    """Edge midpoints of the first and last pixel of every row and column, in mm."""
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
    return np.concatenate(points) * np.array(spacing)


def _plane_axes(points: Float64[np.ndarray, "n 2"]) -> tuple[float, float]:
    first, second, long_axis = 0, 0, -1.0
    for index, point in enumerate(points):
        distances = np.hypot(*(points[index:] - point).T)
        furthest = int(np.argmax(distances))
        if distances[furthest] > long_axis:
            first, second = index, index + furthest
            long_axis = float(distances[furthest])
    direction = (points[second] - points[first]) / long_axis
    across = points @ np.array([-direction[1], direction[0]])
    return long_axis, float(across.max() - across.min())
