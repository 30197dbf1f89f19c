"""Last operator: enters the outcome of each series into run.json."""

from typing import Any

from lesionmap.operators.framework import Operator, OperatorSpec
from lesionmap.operators.run_record import RunRecorder
from lesionmap.operators.series_operator import IN


class ReceiptWriter(Operator):
    """Hands every outcome to the recorder, which rewrites run.json."""

    def __init__(self, fragment: Any, *args: Any, recorder: RunRecorder, **kwargs: Any) -> None:
        """Create the operator in ``fragment`` around the recorder of the run."""
        self._recorder = recorder
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare one input."""
        spec.input(IN)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:  # noqa: ARG002
        """Record the outcome."""
        self._recorder.add(op_input.receive(IN))
