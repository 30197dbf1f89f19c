"""Operator: checks a series and decodes it into a volume."""

from typing import Any

from lesionmap.models.core.display import DisplayVolume
from lesionmap.operators.dicom.gate import check_series
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import build_volume
from lesionmap.operators.messages import Loaded, Selected
from lesionmap.operators.series_operator import SeriesOperator


class VolumeBuilder(SeriesOperator):
    """The gate and the decoder: nothing irregular passes."""

    stage = "load"

    def __init__(
        self,
        fragment: Any,
        *args: Any,
        limits: Limits,
        gap_tolerance: float,
        owners: dict[str, set[str]],
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment``; ``owners`` as ``uid_owners`` returns it."""
        self._limits = limits
        self._gap_tolerance = gap_tolerance
        self._owners = owners
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Selected) -> Loaded:
        """Return the series with its voxels in modality units."""
        series = check_series(message.series, self._limits, owners=self._owners)
        volume, series = build_volume(
            series, gap_tolerance=self._gap_tolerance, on_slice=self._watch.on_step
        )
        display = DisplayVolume(volume, message.rule.intensity)
        return Loaded(message.number, series, message.rule, display)
