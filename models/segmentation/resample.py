"""Bilinear resampling of mask logits, in numpy."""

import numpy as np
from jaxtyping import Float32, Float64


def sampling_matrix(
    positions: Float64[np.ndarray, " n"], extent: int
) -> Float32[np.ndarray, "n extent"]:
    """Return weights that read a line of ``extent`` values at fractional positions.

    Position 0 is the centre of the first value; beyond the ends the last value holds.
    """
    held = np.clip(positions, 0, extent - 1)
    low = np.minimum(held.astype(np.intp), max(extent - 2, 0))
    share = held - low
    weights = np.zeros((len(positions), extent), np.float32)
    lines = np.arange(len(positions))
    weights[lines, low] = 1 - share
    weights[lines, np.minimum(low + 1, extent - 1)] += share
    return weights


def resample_window(
    logits: Float32[np.ndarray, "h w"],
    window: tuple[slice, slice],
    steps: tuple[float, float],
) -> Float32[np.ndarray, "rows columns"]:
    """Read logits at the centres of the image pixels of ``window``.

    Args:
        logits: the network's mask on its own grid, which starts at the image's corner.
        window: rows and columns of the image to fill.
        steps: logit pixels per image pixel, along rows and along columns.
    """
    down, across = (
        sampling_matrix((np.arange(span.start, span.stop) + 0.5) * step - 0.5, extent)
        for span, step, extent in zip(window, steps, logits.shape, strict=True)
    )
    filled: Float32[np.ndarray, "rows columns"] = down @ logits @ across.T
    return filled
