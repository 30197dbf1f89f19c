"""Greedy suppression of boxes that show the same lesion."""

import numpy as np
from jaxtyping import Float64, Int64

from lesionmap.models.core.boxes import iou_matrix


def suppress(
    boxes: Float64[np.ndarray, "n 4"],
    scores: Float64[np.ndarray, " n"],
    *,
    iou: float,
    limit: int,
) -> Int64[np.ndarray, " kept"]:
    """Return the indices of the boxes to keep, best score first.

    A box goes where a kept box of a higher score overlaps it by more than ``iou``.
    Equal scores keep their order, so the result does not depend on the sort.

    Args:
        boxes: x0, y0, x1, y1.
        scores: one a box.
        iou: overlap above which the lower score goes.
        limit: the most boxes to keep.

    Raises:
        ValueError: boxes and scores differ in number.
    """
    if len(boxes) != len(scores):
        raise ValueError(f"{len(boxes)} boxes have {len(scores)} scores")
    order = np.argsort(-scores, kind="stable")
    overlaps = iou_matrix(boxes[order], boxes[order]) > iou
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for place in range(len(order)):
        if alive[place] and len(kept) < limit:
            kept.append(place)
            alive &= ~overlaps[place]
    return order[np.array(kept, np.int64)]
