"""A set of voxels on a grid."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from lesionmap.models.core.volume import Grid


@dataclass(frozen=True)
class Mask:
    """A set of voxels on a grid, kept as the sub-array that holds them.

    ``voxels`` is the part of the grid that starts at ``origin`` (slice, row,
    column). A lesion of a few millilitres then costs kilobytes, not a copy of
    the whole series.
    """

    voxels: Bool[np.ndarray, "slices rows columns"]
    origin: tuple[int, int, int]
    grid: Grid

    def __post_init__(self) -> None:
        """Refuse a part that is empty of voxels or reaches outside the grid."""
        ends = np.add(self.origin, self.voxels.shape)
        if min(self.origin) < 0 or (ends > self.grid.shape).any():
            raise ValueError("a mask lies inside its grid")
        if not self.voxels.any():
            raise ValueError("a mask holds at least one voxel")
        self.voxels.flags.writeable = False

    @classmethod
    def crop(cls, whole: Bool[np.ndarray, "slices rows columns"], grid: Grid) -> "Mask":
        """Keep the tight part of a mask given on the whole grid."""
        if whole.shape != grid.shape:
            raise ValueError("a whole mask has the shape of its grid")
        return cls(whole, (0, 0, 0), grid).tight()

    def tight(self) -> "Mask":
        """Return the same voxels in the smallest sub-array."""
        spans = []
        for axis in range(3):
            others = tuple(other for other in range(3) if other != axis)
            used = np.flatnonzero(self.voxels.any(axis=others))
            spans.append(slice(int(used[0]), int(used[-1]) + 1))
        begin, row, column = (
            start + span.start for start, span in zip(self.origin, spans, strict=True)
        )
        return Mask(self.voxels[tuple(spans)].copy(), (begin, row, column), self.grid)

    @property
    def slices(self) -> slice:
        """The slices that the sub-array spans."""
        return slice(self.origin[0], self.origin[0] + self.voxels.shape[0])

    @property
    def window(self) -> tuple[slice, slice, slice]:
        """The slices, rows and columns that the sub-array spans."""
        begin, row, column = self.origin
        depth, height, width = self.voxels.shape
        return (
            slice(begin, begin + depth),
            slice(row, row + height),
            slice(column, column + width),
        )

    @property
    def voxel_count(self) -> int:
        """How many voxels belong to the mask."""
        return int(np.count_nonzero(self.voxels))
