"""A volume seen from three sides: which axes of its grid go where in each picture."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, Shaped

from lesionmap.models.core.volume import Grid

_DOWN_AND_RIGHT = np.array([1.0, 1.0, -1.0])
"""Pictures run to the patient's left, back and feet: L, P and F of the LPS frame."""


class Reduce(Protocol):
    """What takes one axis away, such as `numpy.max`."""

    def __call__(self, block: Any, /, *, axis: int) -> Any:
        """Return ``block`` without ``axis``."""
        ...


@dataclass(frozen=True)
class Projection:
    """How one side of a grid is laid out as a picture.

    Attributes:
        along: the grid axis that is projected away.
        down: the grid axis of the picture's rows, and ``across`` that of its columns.
        flipped: the grid axes that are drawn from their end.
        directions: where the picture's columns and rows run to in the patient.
    """

    along: int
    down: int
    across: int
    flipped: tuple[int, ...]
    directions: tuple[Float64[np.ndarray, " 3"], Float64[np.ndarray, " 3"]]

    def arrange(
        self, block: Shaped[np.ndarray, "slices rows columns"], reduce: Reduce
    ) -> Shaped[np.ndarray, "down across"]:
        """Return the picture of a block of the grid under ``reduce``, a mean, maximum or any."""
        plane = reduce(block, axis=self.along)
        kept = sorted((self.down, self.across))
        for place, axis in enumerate(kept):
            if axis in self.flipped:
                plane = np.flip(plane, place)
        return plane if self.down < self.across else plane.T


def three_sides(grid: Grid) -> tuple[Projection, ...]:
    """Return the axial, coronal and sagittal projection, or what is nearest to each.

    Heads are up, faces up or left, and the patient's left is on the right, however the
    slices were taken.
    """
    axes = grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0)
    x, y, z = max(
        permutations(range(3)), key=lambda order: sum(abs(axes[i, order[i]]) for i in range(3))
    )
    along = dict(zip((x, y, z), range(3), strict=True))
    signs = {axis: np.sign(axes[i, axis]) * _DOWN_AND_RIGHT[i] for axis, i in along.items()}
    flipped = tuple(axis for axis, sign in signs.items() if sign < 0)

    def side(gone: int, down: int, across: int) -> Projection:
        directions = tuple(axes[:, axis] * signs[axis] for axis in (across, down))
        return Projection(gone, down, across, flipped, (directions[0], directions[1]))

    return side(z, y, x), side(y, z, x), side(x, z, y)
