"""Operator: compares the INT8 result with models of higher precision."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lesionmap.models.core.finding import FindingReport
from lesionmap.models.core.flags import Flag
from lesionmap.models.segmentation.agreement import Agreement, Reference, compare
from lesionmap.models.weights.names import ModelNames
from lesionmap.operators.messages import Segmented
from lesionmap.operators.series_operator import SeriesOperator

References = Mapping[ModelNames | None, Reference]
"""The reference of each set of models, by what a rule names."""


class PrecisionVerifier(SeriesOperator):
    """Flags lesions that the reference draws otherwise or does not find, and what it found more."""

    stage = "verify"

    def __init__(
        self,
        fragment: Any,
        *args: Any,
        references: References,
        least_dice: float,
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment`` around loaded references."""
        self._references = references
        self._least_dice = least_dice
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Segmented) -> Segmented:
        """Return the series with flags where the reference disagrees."""
        loaded, report = message.loaded, message.report
        agreement = compare(
            loaded.display,
            message.detections,
            report.lesions,
            self._references[loaded.rule.models],
            score_threshold=loaded.rule.score_threshold,
            on_slice=self._watch.on_step,
        )
        return replace(message, report=flag_disagreement(report, agreement, self._least_dice))


def flag_disagreement(
    report: FindingReport, agreement: Agreement, least_dice: float
) -> FindingReport:
    """Return the report with a flag on every lesion, and on the series, that is in doubt."""
    doubt = (Flag.PRECISIONS_DISAGREE,)
    lesions = tuple(
        lesion if confirmed and dice >= least_dice else replace(lesion, flags=lesion.flags + doubt)
        for lesion, dice, confirmed in zip(
            report.lesions, agreement.dice, agreement.confirmed, strict=True
        )
    )
    if not agreement.missed:
        return replace(report, lesions=lesions)
    note = f"the fp32 models found {agreement.missed} more than the INT8 models"
    return replace(
        report, lesions=lesions, flags=report.flags + doubt, warnings=(*report.warnings, note)
    )
