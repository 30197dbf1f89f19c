"""Prompts: what a segmenter is asked, and where the question came from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float, Float64

from lesionmap.models.core.boxes import Box2D


class PromptSource(StrEnum):
    """Who drew a prompt; results never lose it."""

    DETECTOR = "detector"
    USER = "user"
    REFERENCE = "reference"


@dataclass(frozen=True)
class Prompt:
    """One box to segment, and its source."""

    box: Box2D
    source: PromptSource


def stack_boxes(boxes: Sequence[Box2D]) -> Float64[np.ndarray, "n 4"]:
    """Return the xyxy edges of boxes, (0, 4) for none."""
    return np.array([box.xyxy for box in boxes], np.float64).reshape(-1, 4)


def inscribed_ellipse(
    xyxy: Float[np.ndarray, " 4"], rows: int, columns: int
) -> Bool[np.ndarray, "rows columns"]:
    """Return the pixels whose centre lies in the ellipse inscribed in a box.

    This is what a segmenter has to beat: it needs the box and nothing else.
    """
    left, top, right, bottom = (float(edge) for edge in xyxy)
    across = (np.arange(columns) + 0.5 - (left + right) / 2) / max((right - left) / 2, 1e-6)
    down = (np.arange(rows) + 0.5 - (top + bottom) / 2) / max((bottom - top) / 2, 1e-6)
    inside: Bool[np.ndarray, "rows columns"] = across[None] ** 2 + down[:, None] ** 2 <= 1
    return inside


def grow_window(box: Box2D, share: float, rows: int, columns: int) -> tuple[slice, slice]:
    """Return the rows and columns of a box grown on every edge by a share of its side."""
    left, top, right, bottom = box.xyxy
    more_x, more_y = share * box.width, share * box.height
    return (
        slice(max(0, int(np.floor(top - more_y))), min(rows, int(np.ceil(bottom + more_y)))),
        slice(max(0, int(np.floor(left - more_x))), min(columns, int(np.ceil(right + more_x)))),
    )
