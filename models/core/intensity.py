"""From modality units to the 8-bit image a network sees.

Training and run time call the same function, so a model never meets an
intensity scale that it was not trained on.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped, UInt8

_HISTOGRAM_SAMPLES = 4_000_000


@dataclass(frozen=True)
class FixedWindow:
    """Map ``low``..``high`` in modality units (HU for CT) to 0..255."""

    low: float
    high: float


@dataclass(frozen=True)
class PercentileWindow:
    """Map the ``low``..``high`` percentiles of the whole series to 0..255."""

    low: float = 0.5
    high: float = 99.5


@dataclass(frozen=True)
class FullRange:
    """Map the stored range ``low``..``high`` to 0..255; identity for 8-bit images."""

    low: float = 0.0
    high: float = 255.0


Intensity = FixedWindow | PercentileWindow | FullRange


def resolve(voxels: Shaped[np.ndarray, "..."], intensity: Intensity) -> tuple[float, float]:
    """Return the (low, high) that ``intensity`` means for these voxels.

    Percentiles of large volumes are taken on an evenly strided subset of at
    most four million voxels, which keeps memory flat and the result the same
    on every run.
    """
    if not isinstance(intensity, PercentileWindow):
        return intensity.low, intensity.high
    flat = voxels.reshape(-1)
    sample = flat[:: max(1, flat.size // _HISTOGRAM_SAMPLES)]
    low, high = np.percentile(sample, [intensity.low, intensity.high])
    return float(low), float(high)


def scale_to_display(
    voxels: Shaped[np.ndarray, "*shape"], low: float, high: float
) -> UInt8[np.ndarray, "*shape"]:
    """Map ``low``..``high`` linearly to 0..255, clipping outside; flat input gives 0."""
    if voxels.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return voxels
    span = high - low
    if span <= 0:
        return np.zeros(voxels.shape, np.uint8)
    scaled = (voxels.astype(np.float32) - np.float32(low)) * np.float32(255.0 / span)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def to_display(
    voxels: Shaped[np.ndarray, "*shape"], intensity: Intensity
) -> UInt8[np.ndarray, "*shape"]:
    """Return ``voxels`` as 8-bit intensities under ``intensity``."""
    low, high = resolve(voxels, intensity)
    return scale_to_display(voxels, low, high)
