"""How voxels are shown to people, who expect the windows of a viewer, not those of a model."""

from dataclasses import dataclass

import numpy as np

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.intensity import FixedWindow
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import ImageVolume

SOFT_TISSUE = FixedWindow(-160.0, 240.0)
LUNG = FixedWindow(-1350.0, 150.0)

_AIR_HU = -500
_MARGIN_PX = 6


@dataclass(frozen=True)
class Viewing:
    """A volume as people see it, and what to say about its window."""

    display: DisplayVolume
    remark: str


def for_people(display: DisplayVolume, mask: Mask) -> Viewing:
    """Return how a slice with ``mask`` is shown.

    CT gets the soft-tissue window, or the lung window where at least half of what surrounds
    the lesion is lung. Everything else is shown as the models see it.
    """
    volume = display.volume
    if volume.modality != "CT":
        return Viewing(display, "")
    in_lung = lies_in_lung(volume, mask)
    window = LUNG if in_lung else SOFT_TISSUE
    name = "lung" if in_lung else "soft tissue"
    remark = f"{name} window {window.low:.0f} to {window.high:.0f} HU"
    return Viewing(DisplayVolume(volume, window), remark)


def lies_in_lung(volume: ImageVolume, mask: Mask) -> bool:
    """Whether the median of a frame around the lesion, on its middle slice, is that of lung."""
    span, rows, columns = mask.window
    index = (span.start + span.stop - 1) // 2
    window = tuple(
        slice(max(part.start - _MARGIN_PX, 0), part.stop + _MARGIN_PX) for part in (rows, columns)
    )
    inside = np.zeros(volume.grid.shape[1:], bool)
    inside[rows, columns] = mask.voxels[index - span.start]
    around = volume.voxels[index][window][~inside[window]]
    return around.size > 0 and float(np.median(around)) < _AIR_HU
