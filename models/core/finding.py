"""What was found: masks, lesions, and the report on one series."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from lesionmap.models.core.boxes import Detection
from lesionmap.models.core.flags import Flag
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


@dataclass(frozen=True)
class Lesion:
    """One abnormal region: a mask, the detections that prompted it, and its score.

    ``tracking_uid`` is the identity the lesion keeps in every output; it is
    assigned where the series is known.
    """

    label: str
    score: float
    mask: Mask
    detections: tuple[Detection, ...]
    tracking_uid: str | None = None
    flags: tuple[Flag, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a lesion that nothing prompted."""
        if not self.detections:
            raise ValueError("a lesion has at least one detection")
        if not 0.0 <= self.score <= 1.0:
            raise ValueError("a score lies between 0 and 1")

    def tracked_as(self, tracking_uid: str) -> "Lesion":
        """Return the lesion with its identity."""
        return replace(self, tracking_uid=tracking_uid)

    @property
    def key_slice(self) -> int:
        """The slice on which the mask is largest."""
        areas = np.count_nonzero(self.mask.voxels, axis=(1, 2))
        return self.mask.origin[0] + int(np.argmax(areas))


@dataclass(frozen=True)
class ModelIdentity:
    """Which artifact computed a result."""

    name: str
    version: str
    sha256: str
    precision: str
    backend: str


@dataclass(frozen=True)
class FindingReport:
    """The result on one series. No lesion is a result, not a failure."""

    lesions: tuple[Lesion, ...]
    models: tuple[ModelIdentity, ...]
    warnings: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
