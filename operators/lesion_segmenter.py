"""Operator: turns the boxes of a series into lesions with masks and identities."""

from dataclasses import replace
from typing import Any

from lesionmap.models.core.finding import FindingReport, ModelIdentity
from lesionmap.models.segmentation.lesions import segment_lesions
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.operators.dicom.seg import MOST_LESIONS
from lesionmap.operators.dicom.subject import Provenance
from lesionmap.operators.dicom.uids import derive_uid
from lesionmap.operators.messages import Detected, Segmented
from lesionmap.operators.series_operator import SeriesOperator


class LesionSegmenterOperator(SeriesOperator):
    """Runs the segmenter on the slices that hold a box."""

    stage = "segment"

    def __init__(
        self,
        fragment: Any,
        *args: Any,
        segmenter: BoxSegmenter,
        models: tuple[ModelIdentity, ...],
        provenance: Provenance,
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment`` around a loaded segmenter."""
        self._segmenter = segmenter
        self._models = models
        self._provenance = provenance
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Detected) -> Segmented:
        """Return the series with its lesions, the most certain first."""
        found = segment_lesions(
            message.loaded.display,
            message.detections,
            self._segmenter,
            on_slice=self._watch.on_step,
        )
        found = sorted(found, key=lambda lesion: -lesion.score)
        warnings = () if len(found) <= MOST_LESIONS else (_too_many(len(found)),)
        series_key = self._series_key(message)
        lesions = tuple(
            replace(
                lesion,
                label=message.loaded.rule.label,
                tracking_uid=str(derive_uid("lesion", series_key, str(number))),
            )
            for number, lesion in enumerate(found[:MOST_LESIONS], start=1)
        )
        return Segmented(message.loaded, FindingReport(lesions, self._models, warnings))

    def _series_key(self, message: Detected) -> str:
        sources = message.loaded.display.volume.sources
        hashes = [model.sha256 for model in self._models]
        return str(derive_uid(*sources, *hashes, self._provenance.settings_digest))


def _too_many(count: int) -> str:
    return f"{count} lesions found; the {MOST_LESIONS} with the highest scores were kept"
