"""Operator: finds boxes on every slice of a series."""

from typing import Any

from lesionmap.operators.messages import Detected, Loaded
from lesionmap.operators.model_set import ModelSets
from lesionmap.operators.series_operator import SeriesOperator


class LesionDetectorOperator(SeriesOperator):
    """Runs the detector of the series' rule on each slice, as the rule shows it."""

    stage = "detect"

    def __init__(self, fragment: Any, *args: Any, models: ModelSets, **kwargs: Any) -> None:
        """Create the operator in ``fragment`` around loaded models."""
        self._models = models
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Loaded) -> Detected:
        """Return the series with its detections."""
        detector = self._models[message.rule.models].detector
        detections = detector.detect(
            message.display,
            score_threshold=message.rule.score_threshold,
            on_slice=self._watch.on_step,
        )
        return Detected(message, tuple(detections))
