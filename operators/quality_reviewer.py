"""Operator: raises flags where a finding should be looked at twice."""

from dataclasses import replace
from typing import Any

from lesionmap.models.core.quality import QualityLimits, lesion_flags, series_flags
from lesionmap.operators.messages import Segmented
from lesionmap.operators.series_operator import SeriesOperator


class QualityReviewer(SeriesOperator):
    """Adds quality flags to the lesions of a series and to the series; changes nothing else."""

    stage = "review"

    def __init__(self, fragment: Any, *args: Any, limits: QualityLimits, **kwargs: Any) -> None:
        """Create the operator in ``fragment`` with the limits of app.yaml."""
        self._limits = limits
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Segmented) -> Segmented:
        """Return the series with flags."""
        report = message.report
        lesions = tuple(
            replace(lesion, flags=lesion.flags + lesion_flags(lesion, self._limits))
            for lesion in report.lesions
        )
        # The segmenter raises one of these flags too, where it kept only some of the lesions.
        flags = tuple(dict.fromkeys(report.flags + series_flags(lesions, self._limits)))
        return replace(message, report=replace(report, lesions=lesions, flags=flags))
