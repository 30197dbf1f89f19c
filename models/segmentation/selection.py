"""Which of a decoder's masks answers a box."""

from enum import StrEnum

import numpy as np
from jaxtyping import Float32

STABILITY_DELTA = 0.05
STABILITY_FLOOR = 0.98


class MaskSelection(StrEnum):
    """How the mask of a box is chosen.

    ``first``: the single mask. ``stable``: the single mask if it is stable, else the
    best of the three ambiguous ones by predicted IoU, as SAM2 does.
    """

    FIRST = "first"
    STABLE = "stable"


def select_masks(
    logits: Float32[np.ndarray, "n m h w"],
    iou: Float32[np.ndarray, "n m"],
    selection: MaskSelection,
) -> Float32[np.ndarray, "n h w"]:
    """Return one mask a box.

    Source: sam2 mask decoder, dynamic_multimask_via_stability.
    """
    if selection is MaskSelection.FIRST or logits.shape[1] == 1:
        return logits[:, 0]
    best = 1 + iou[:, 1:].argmax(axis=1)
    chosen = np.where(_stability(logits[:, 0]) >= STABILITY_FLOOR, 0, best)
    return logits[np.arange(len(logits)), chosen]


def _stability(logits: Float32[np.ndarray, "n h w"]) -> Float32[np.ndarray, " n"]:
    """Return how little each mask changes when its threshold moves a little."""
    inner = (logits > STABILITY_DELTA).sum(axis=(1, 2))
    outer = (logits > -STABILITY_DELTA).sum(axis=(1, 2))
    ratio = np.divide(inner, outer, out=np.ones(len(logits)), where=outer > 0)
    return ratio.astype(np.float32)
