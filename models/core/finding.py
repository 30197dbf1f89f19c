"""What was found: lesions, and the report on one series."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lesionmap.models.core.boxes import Detection
from lesionmap.models.core.flags import Flag
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.measure import Size, measure


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

    @cached_property
    def size(self) -> Size:
        """The lesion's measurements: computed once, so that all outputs say the same."""
        return measure(self.mask)

    @property
    def key_slice(self) -> int:
        """The slice on which the mask is largest."""
        areas = np.count_nonzero(self.mask.voxels, axis=(1, 2))
        return self.mask.origin[0] + int(np.argmax(areas))

    @property
    def key_detection(self) -> Detection:
        """The box on the key slice, or the one with the highest score where that has none."""
        best = sorted(self.detections, key=lambda detection: -detection.score)
        return next((item for item in best if item.box.slice_index == self.key_slice), best[0])


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
