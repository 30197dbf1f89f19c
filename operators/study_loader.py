"""First operator: hands on the series of a folder, one after the other."""

from typing import Any

from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.framework import Operator, OperatorSpec
from lesionmap.operators.messages import Candidate
from lesionmap.operators.run_watch import RunWatch
from lesionmap.operators.series_operator import OUT


class StudyLoader(Operator):
    """Emits one series a tick.

    The greedy scheduler takes each series through the whole graph before the
    next tick, so that memory is bounded by the largest series.
    """

    def __init__(
        self, fragment: Any, *args: Any, series: list[Series], watch: RunWatch, **kwargs: Any
    ) -> None:
        """Create the operator in ``fragment`` for the given series."""
        self._series = series
        self._watch = watch
        self._next = 0
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare one output."""
        spec.output(OUT)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:  # noqa: ARG002
        """Emit the next series."""
        series = self._series[self._next]
        self._next += 1
        modality = str(series.header.Modality)[:2]
        self._watch.on_series(self._next, len(self._series), f"{modality} series {self._next}")
        op_output.emit(Candidate(self._next, series), OUT)
