"""Operator: finds the rule that takes a series, or records why none does."""

from typing import Any

from lesionmap.models.core.errors import ExitCode
from lesionmap.operators.dicom.gate import is_multi_frame
from lesionmap.operators.dicom.selection import Rule, select_rule
from lesionmap.operators.messages import Candidate, Outcome, Selected
from lesionmap.operators.series_operator import SeriesOperator

MULTI_FRAME = "multi-frame objects are not processed yet: send single-frame images"


class SeriesSelector(SeriesOperator):
    """Applies the rules of app.yaml in their order; the first that matches wins."""

    stage = "select"

    def __init__(self, fragment: Any, *args: Any, rules: tuple[Rule, ...], **kwargs: Any) -> None:
        """Create the operator in ``fragment`` for the given rules."""
        self._rules = rules
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Candidate) -> Selected | Outcome:
        """Return the series with its rule, or the outcome "skipped" with the reason."""
        return select_series(message, self._rules)


def select_series(candidate: Candidate, rules: tuple[Rule, ...]) -> Selected | Outcome:
    """Return the series with the first rule that takes it, or "skipped" with the reason."""
    rule, why_not = select_rule(rules, candidate.series.header)
    if rule is not None and is_multi_frame(candidate.series.header):
        rule, why_not = None, MULTI_FRAME
    if rule is None:
        return Outcome(candidate.number, candidate.series, "skipped", ExitCode.NO_SERIES, why_not)
    headers = [instance.header for instance in candidate.series.instances]
    return Selected(candidate.number, candidate.series, rule.for_series(headers))
