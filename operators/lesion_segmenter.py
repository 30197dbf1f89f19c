"""Operator: turns the boxes of a series into lesions with masks and identities."""

from dataclasses import replace
from typing import Any

from lesionmap.models.core.finding import FindingReport
from lesionmap.models.core.flags import Flag
from lesionmap.models.segmentation.lesions import segment_lesions
from lesionmap.operators.dicom.receipt import Receipt
from lesionmap.operators.dicom.seg import MOST_LESIONS
from lesionmap.operators.dicom.subject import Provenance
from lesionmap.operators.dicom.uids import derive_uid
from lesionmap.operators.messages import Detected, Segmented
from lesionmap.operators.model_set import ModelSets
from lesionmap.operators.series_operator import SeriesOperator


class LesionSegmenterOperator(SeriesOperator):
    """Runs the segmenter on the slices that hold a box."""

    stage = "segment"

    def __init__(
        self,
        fragment: Any,
        *args: Any,
        models: ModelSets,
        provenance: Provenance,
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment`` around loaded models."""
        self._models = models
        self._provenance = provenance
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Detected) -> Segmented:
        """Return the series with its lesions, the most certain first."""
        loaded, models = message.loaded, self._models[message.loaded.rule.models]
        found = segment_lesions(
            loaded.display,
            message.detections,
            models.segmenter,
            on_slice=self._watch.on_step,
        )
        found = sorted(found, key=lambda lesion: -lesion.score)
        too_many = len(found) > MOST_LESIONS
        receipt = Receipt.of_series(loaded.series, loaded.rule, models.identities, self._provenance)
        lesions = tuple(
            replace(
                lesion,
                label=loaded.rule.name_finding(lesion.label),
                tracking_uid=str(derive_uid("lesion", receipt.digest, str(number))),
            )
            for number, lesion in enumerate(found[:MOST_LESIONS], start=1)
        )
        report = FindingReport(
            lesions,
            models.identities,
            warnings=(_too_many(len(found)),) if too_many else (),
            flags=(Flag.TOO_MANY_FINDINGS,) if too_many else (),
        )
        return Segmented(loaded, message.detections, report)


def _too_many(count: int) -> str:
    return f"{count} lesions found; the {MOST_LESIONS} with the highest scores were kept"
