"""Operator: finds boxes on every slice of a series."""

from typing import Any

from lesionmap.models.detection.detector import LesionDetector
from lesionmap.operators.messages import Detected, Loaded
from lesionmap.operators.series_operator import SeriesOperator


class LesionDetectorOperator(SeriesOperator):
    """Runs the detector on each slice, as the series' rule shows it."""

    stage = "detect"

    def __init__(self, fragment: Any, *args: Any, detector: LesionDetector, **kwargs: Any) -> None:
        """Create the operator in ``fragment`` around a loaded detector."""
        self._detector = detector
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Loaded) -> Detected:
        """Return the series with its detections."""
        detections = self._detector.detect(
            message.display,
            score_threshold=message.rule.score_threshold,
            on_slice=self._watch.on_step,
        )
        return Detected(message, tuple(detections))
