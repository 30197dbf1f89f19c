"""Size and brightness of a lesion, in physical units where there are any."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64

from lesionmap.models.core.contour import (
    longest_line,
    outermost_points,
    trace_contour,
    widest_across,
)
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import ImageVolume

_DIRECTIONS = 8


@dataclass(frozen=True)
class Diameter:
    """A straight line on one slice between two points of a contour, (row, column) each.

    Row and column count from the centre of the first pixel, like the indices
    of a grid; ``length`` is in the unit of the grid.
    """

    slice_index: int
    start: tuple[float, float]
    end: tuple[float, float]
    length: float


@dataclass(frozen=True)
class Size:
    """Volume and in-plane axes of a lesion.

    ``diameter`` is the long axis, ``width`` the short axis on the same slice.
    ``unit`` is "pixel" where the image has no scale; there is then no length
    in millimetres, and no volume where the slices have no depth.
    """

    voxel_count: int
    volume_mm3: float | None
    unit: Literal["mm", "pixel"]
    diameter: Diameter
    width: Diameter

    @property
    def long_axis_mm(self) -> float | None:
        """Length of the long axis, or None where the image has no scale."""
        return self.diameter.length if self.unit == "mm" else None

    @property
    def short_axis_mm(self) -> float | None:
        """Length of the short axis, or None where the image has no scale."""
        return self.width.length if self.unit == "mm" else None


@dataclass(frozen=True)
class Brightness:
    """Mean and standard deviation of the voxels of a mask, in modality units."""

    mean: float
    deviation: float


def measure(mask: Mask) -> Size:
    """Measure volume, long axis and short axis; docs/measurements.md has errors and reasons.

    The volume is that of the mask's voxels. The long axis is the longest
    straight line between two points of the contour on any one slice; it may
    leave a mask that is not convex. The short axis is the longest line
    perpendicular to it between two points of the contour on the same slice.

    Source: Eisenhauer et al., RECIST 1.1, Eur J Cancer 45 (2009), 4.1; WHO
    handbook for reporting results of cancer treatment (1979), for the short axis.
    """
    voxel_volume = mask.grid.voxel_volume_mm3
    diameter, width = _axes(mask)
    return Size(
        voxel_count=mask.voxel_count,
        volume_mm3=None if voxel_volume is None else mask.voxel_count * voxel_volume,
        unit=mask.grid.unit,
        diameter=diameter,
        width=width,
    )


def measure_brightness(volume: ImageVolume, mask: Mask) -> Brightness:
    """Return the statistics of a grey volume inside a mask on its grid.

    The deviation is that of the voxels as a population.
    """
    inside = volume.voxels[mask.window][mask.voxels].astype(np.float64)
    return Brightness(float(inside.mean()), float(inside.std()))


def _axes(mask: Mask) -> tuple[Diameter, Diameter]:
    """Return the long and the short axis; of equally long ones, those with the longer short."""
    spacing = np.array(mask.grid.spacing[1:])
    best: tuple[Diameter, Diameter] | None = None
    for offset, bound in _by_extent(mask.voxels, spacing):
        if best is not None and bound < best[0].length:
            break
        plane = mask.voxels[offset]
        lines = longest_line(outermost_points(plane) * spacing)
        if best is not None and np.hypot(*(lines[0][1] - lines[0][0])) < best[0].length:
            continue
        pieces = trace_contour(plane) * spacing
        for line in lines:
            pair = _place(line, offset, mask), _place(widest_across(pieces, line), offset, mask)
            if best is None or _lengths(pair) > _lengths(best):
                best = pair
    assert best is not None, "a mask holds at least one voxel"
    return best


def _by_extent(
    voxels: Bool[np.ndarray, "slices rows columns"], spacing: Float64[np.ndarray, " 2"]
) -> Iterator[tuple[int, float]]:
    """Yield each used slice with a length that its long axis cannot exceed, the longest first.

    The extent of a mask in one of several directions falls short of its
    diameter by the cosine of half the angle between them, at most.
    """
    used = np.asarray(voxels.any(axis=2))
    rows = np.arange(voxels.shape[1]) * spacing[0]
    left = voxels.argmax(axis=2) * spacing[1]
    right = (voxels.shape[2] - 1 - voxels[..., ::-1].argmax(axis=2)) * spacing[1]
    extents = []
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        ends = np.stack([left, right]) * np.cos(angle) + rows * np.sin(angle)
        high = np.where(used, ends.max(axis=0), -np.inf).max(axis=1)
        extents.append(high - np.where(used, ends.min(axis=0), np.inf).min(axis=1))
    # The contour lies less than one pixel beyond the outermost centres.
    beyond = 2 * np.hypot(*spacing)
    bounds = (np.max(extents, axis=0) + beyond) / np.cos(np.pi / 2 / _DIRECTIONS)
    for index in np.argsort(-bounds, kind="stable").tolist():
        if used[index].any():
            yield index, float(bounds[index])


def _place(line: Float64[np.ndarray, "2 2"], offset: int, mask: Mask) -> Diameter:
    """Return a line given in the unit of the grid, from the corner of the mask's sub-array."""
    begin, row, column = mask.origin
    ends = line / mask.grid.spacing[1:] + (row, column)
    (r0, c0), (r1, c1) = ends.tolist()
    length = round(float(np.hypot(*(line[1] - line[0]))), 9)
    return Diameter(begin + offset, (r0, c0), (r1, c1), length)


def _lengths(pair: tuple[Diameter, Diameter]) -> tuple[float, float]:
    return pair[0].length, pair[1].length
