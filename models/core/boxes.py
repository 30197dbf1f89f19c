"""Boxes and detections in the pixels of the original image."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True)
class Box2D:
    """A rectangle on one slice, in continuous pixel edges.

    The origin is the top-left corner of the image, as in DICOM SCOORD: pixel
    (row 0, column 0) spans 0..1 in both directions, so a box that covers
    columns 3 to 5 has ``x == 3`` and ``width == 3``.

    Source: DICOM PS3.3, C.10.5.1.2 (Graphic Data).
    """

    slice_index: int
    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        """Refuse empty, negative and non-finite boxes."""
        if not np.isfinite([self.x, self.y, self.width, self.height]).all():
            raise ValueError("a box needs finite numbers")
        if self.slice_index < 0 or min(self.x, self.y) < 0:
            raise ValueError("a box lies inside its image: no negative index or corner")
        if min(self.width, self.height) <= 0:
            raise ValueError("a box has a positive width and height")

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left edge, top edge, width and height."""
        return self.x, self.y, self.width, self.height


@dataclass(frozen=True)
class Detection:
    """A box that a detector proposes, with its label and confidence in 0..1."""

    box: Box2D
    label: str
    score: float

    def __post_init__(self) -> None:
        """Refuse a score outside 0..1, NaN included."""
        if not 0.0 <= self.score <= 1.0:
            raise ValueError("a score lies between 0 and 1")


def iou_matrix(
    first: Float64[np.ndarray, "n 4"], second: Float64[np.ndarray, "m 4"]
) -> Float64[np.ndarray, "n m"]:
    """Return the intersection over union of every pair of xyxy boxes."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.clip(opposite - corner, 0, None), axis=2)
    area_first = np.prod(first[:, 2:] - first[:, :2], axis=1)
    area_second = np.prod(second[:, 2:] - second[:, :2], axis=1)
    union = area_first[:, None] + area_second[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
