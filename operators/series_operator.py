"""The shape that all our operators share: receive, one call, emit, one log line."""

import logging
from abc import abstractmethod
from dataclasses import replace
from typing import Any

from lesionmap.models.core.errors import ExitCode, LesionMapError
from lesionmap.operators.framework import Operator, OperatorSpec
from lesionmap.operators.messages import Message, Outcome, rule_of, series_of
from lesionmap.operators.run_watch import RunWatch

logger = logging.getLogger(__name__)

IN, OUT = "series_in", "series_out"


class SeriesOperator(Operator):
    """One step of the work on one series.

    A refusal (LesionMapError) becomes the series' outcome and travels on, so
    that one bad series does not cost the others. So does an error that nobody
    foresaw, under code 50 and without its text, which could hold patient data.
    """

    stage = "step"

    def __init__(self, fragment: Any, *args: Any, watch: RunWatch, **kwargs: Any) -> None:
        """Create the operator in ``fragment``."""
        self._watch = watch
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declare one input and one output."""
        spec.input(IN)
        spec.output(OUT)

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:  # noqa: ARG002
        """Work on the series, or pass on what an earlier step decided."""
        op_output.emit(self.advance(op_input.receive(IN)), OUT)

    def advance(self, message: Message) -> Message:
        """Return the next message: the result of ``work``, or an outcome."""
        if isinstance(message, Outcome):
            return message
        number, series = series_of(message)
        try:
            with self._watch.stage(self.stage, number):
                return self.work(message)
        except LesionMapError as error:
            logger.warning("series %d: %s: %s", number, type(error).__name__, error)
            outcome = Outcome.refused(number, series, error)
        except Exception as error:  # noqa: BLE001
            logger.error("series %d: internal %s in %s", number, type(error).__name__, self.stage)
            where = f"internal error in {self.stage} ({type(error).__name__}): please report it"
            outcome = Outcome(number, series, "refused", ExitCode.INTERNAL, where)
        return replace(outcome, rule=rule_of(message))

    @abstractmethod
    def work(self, message: Any) -> Message:
        """Do this operator's one job."""
