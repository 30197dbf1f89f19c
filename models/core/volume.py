"""Voxels and where they are: the types every operator hands on."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Shaped

_ORTHOGONAL = 1e-3
"""Largest cosine between two axes of a grid; the gate refuses shear before."""


@dataclass(frozen=True)
class Grid:
    """The lattice of a volume or of a single image.

    ``affine`` maps a homogeneous (slice, row, column) index, integers at voxel
    centres, to millimetres in the patient's LPS frame. An image without a
    patient frame (ultrasound, endoscopy, radiographs) has no
    ``frame_of_reference_uid``; its affine then holds the pixel spacing alone.

    ``unit`` is "pixel" where no spacing is known, and ``has_depth`` is false
    where the slice axis has no physical extent: such a grid has no volume.

    Source: DICOM PS3.3, C.7.6.2.1.1 (Image Position and Orientation).
    """

    affine: Float64[np.ndarray, "4 4"]
    shape: tuple[int, int, int]
    frame_of_reference_uid: str | None = None
    unit: Literal["mm", "pixel"] = "mm"
    has_depth: bool = True

    def __post_init__(self) -> None:
        """Refuse empty shapes, singular affines and axes that are not orthogonal."""
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError("a grid has three positive extents")
        if self.affine.shape != (4, 4) or not np.isfinite(self.affine).all():
            raise ValueError("an affine is 4 by 4 and finite")
        spacing = np.linalg.norm(self.affine[:3, :3], axis=0)
        if not (spacing > 0).all():
            raise ValueError("the axes of a grid have a length")
        axes = self.affine[:3, :3] / spacing
        if np.abs(axes.T @ axes - np.eye(3)).max() > _ORTHOGONAL:
            raise ValueError("the axes of a grid are orthogonal")
        self.affine.flags.writeable = False

    def __eq__(self, other: object) -> bool:
        """Compare by value; grids that agree to a micrometre are the same."""
        if not isinstance(other, Grid):
            return NotImplemented
        same = (self.shape, self.frame_of_reference_uid, self.unit, self.has_depth) == (
            other.shape,
            other.frame_of_reference_uid,
            other.unit,
            other.has_depth,
        )
        return same and np.allclose(self.affine, other.affine, rtol=0, atol=1e-6)

    __hash__ = None  # type: ignore[assignment]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring slices, rows and columns."""
        between_slices, between_rows, between_columns = np.linalg.norm(
            self.affine[:3, :3], axis=0
        ).tolist()
        return between_slices, between_rows, between_columns

    @property
    def voxel_volume_mm3(self) -> float | None:
        """Volume of one voxel, or None where the grid has no volume."""
        if self.unit != "mm" or not self.has_depth:
            return None
        return float(np.prod(self.spacing))

    def to_patient(self, index: Shaped[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
        """Map (slice, row, column) indices to LPS millimetres."""
        return index @ self.affine[:3, :3].T + self.affine[:3, 3]


@dataclass(frozen=True)
class ImageVolume:
    """Voxels in modality units on a grid, one source instance for each slice.

    ``voxels`` has shape (slices, rows, columns), or (slices, rows, columns, 3)
    for colour. CT is in HU; nothing is windowed and nothing is inverted: where
    the lowest value is shown white (MONOCHROME1), ``low_is_white`` says so.
    ``sources`` are SOP Instance UIDs in slice order.
    """

    voxels: Shaped[np.ndarray, "slices rows columns *channels"]
    grid: Grid
    modality: str
    sources: tuple[str, ...]
    low_is_white: bool = False

    def __post_init__(self) -> None:
        """Refuse voxels, grid and sources that do not belong together."""
        if self.voxels.shape[:3] != self.grid.shape:
            raise ValueError("voxels and grid have the same shape")
        if self.voxels.shape[3:] not in ((), (3,)):
            raise ValueError("a volume is grey or has three channels")
        if len(self.sources) != self.grid.shape[0]:
            raise ValueError("every slice has one source instance")
        self.voxels.flags.writeable = False

    @property
    def is_colour(self) -> bool:
        """Whether voxels hold red, green and blue."""
        return self.voxels.ndim == 4
