"""The one type that every training data set is read into."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, UInt8

Split = Literal["train", "val"]


@dataclass(frozen=True, eq=False)
class Sample:
    """One grey or colour image with its lesions, as the networks get to see it.

    ``image`` has gone through ``to_display``. ``boxes`` are x0, y0, x1, y1 in pixel
    edges (pixel 0 spans 0 to 1). ``masks`` holds one plane a lesion and is empty
    where only boxes are known, or where there is no lesion.

    Raises:
        ValueError: an array has the wrong shape, or masks and boxes differ in number.
    """

    source: str
    name: str
    patient: str
    split: Split
    modality: str
    image: UInt8[np.ndarray, "rows columns *colour"]
    masks: tuple[Bool[np.ndarray, "rows columns"], ...]
    boxes: Float32[np.ndarray, "lesions 4"]

    def __post_init__(self) -> None:
        """Check that image, masks and boxes belong together."""
        plane = self.image.shape[:2]
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ValueError(f"{self.name}: boxes are {self.boxes.shape}, expected (n, 4)")
        if self.masks and len(self.masks) != len(self.boxes):
            raise ValueError(f"{self.name}: {len(self.masks)} masks, {len(self.boxes)} boxes")
        if any(mask.shape != plane for mask in self.masks):
            raise ValueError(f"{self.name}: a mask differs in shape from its image")
        if np.any(self.boxes[:, 2:] <= self.boxes[:, :2]):
            raise ValueError(f"{self.name}: a box is empty")


def mask_box(mask: Bool[np.ndarray, "rows columns"]) -> Float32[np.ndarray, " 4"]:
    """Return the tight box of a mask, in pixel edges.

    Raises:
        ValueError: the mask is empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("an empty mask has no box")
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def boxes_of(masks: tuple[Bool[np.ndarray, "rows columns"], ...]) -> Float32[np.ndarray, "n 4"]:
    """Return the tight boxes of several masks, (0, 4) for none."""
    return np.array([mask_box(mask) for mask in masks], np.float32).reshape(-1, 4)
