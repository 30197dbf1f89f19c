"""Samples scaled to the network's square once, ready to be drawn into batches."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from lesionmap.models.core.letterbox import Letterbox
from lesionmap.models.training.datasets import Sample


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """One image in the network's square, with its lesions.

    ``coverage`` is the share of each pixel that a lesion covers, 0..255.
    ``outlines`` are corner points (x, y) of each lesion's border pixels in
    network pixels: a rotated lesion's exact box is the extent of its points.
    ``fitted`` is (rows, columns) of the image inside the square.
    """

    source: str
    image: UInt8[np.ndarray, "c s s"]
    coverage: UInt8[np.ndarray, "lesions s s"]
    outlines: tuple[Float32[np.ndarray, "points 2"], ...]
    fitted: tuple[int, int]


def prepare(sample: Sample, size: int) -> PreparedImage:
    """Scale a sample to the square of ``size``; only its lesions with masks count."""
    letterbox = Letterbox(sample.image.shape[0], sample.image.shape[1], size)
    image = letterbox.fit_uint8(sample.image)
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    coverage = [letterbox.fit_uint8(mask.astype(np.uint8) * 255) for mask in sample.masks]
    return PreparedImage(
        source=sample.source,
        image=np.ascontiguousarray(planes),
        coverage=np.stack(coverage) if coverage else np.zeros((0, size, size), np.uint8),
        outlines=tuple(_outline(mask, letterbox) for mask in sample.masks),
        fitted=letterbox.fitted,
    )


def _outline(
    mask: Bool[np.ndarray, "rows columns"], letterbox: Letterbox
) -> Float32[np.ndarray, "points 2"]:
    """Return the corners of the first and last pixel of every row, in network pixels."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    corners = [
        np.stack([column, row], axis=1) for column in (first, last) for row in (rows, rows + 1)
    ]
    xyxy = np.tile(np.concatenate(corners).astype(np.float32), (1, 2))
    points: Float32[np.ndarray, "points 2"] = letterbox.to_network(xyxy)[:, :2].astype(np.float32)
    return points
