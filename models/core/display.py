"""The 8-bit view of a volume that detectors, segmenters and previews share."""

from functools import cached_property

import numpy as np
from jaxtyping import UInt8

from lesionmap.models.core.intensity import Intensity, resolve, scale_to_display
from lesionmap.models.core.volume import Grid, ImageVolume


class DisplayVolume:
    """Slices of ``volume`` under ``intensity``, converted one at a time.

    The window is resolved once for the whole volume; no second copy of the
    voxels is kept. MONOCHROME1 is turned, so that bright is bright.
    """

    def __init__(self, volume: ImageVolume, intensity: Intensity) -> None:
        """Show ``volume`` under ``intensity``."""
        self.volume = volume
        self._intensity = intensity

    def __len__(self) -> int:
        """Return the number of slices."""
        return self.grid.shape[0]

    @property
    def grid(self) -> Grid:
        """The grid of the volume."""
        return self.volume.grid

    @cached_property
    def window(self) -> tuple[float, float]:
        """The modality values that are shown as 0 and 255."""
        return resolve(self.volume.voxels, self._intensity)

    def slice(self, index: int) -> UInt8[np.ndarray, "rows columns *channels"]:
        """Return slice ``index`` as 8-bit intensities, grey or with three channels."""
        shown = scale_to_display(self.volume.voxels[index], *self.window)
        return 255 - shown if self.volume.low_is_white else shown
