"""The graph of operators: reads like its diagram."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lesionmap.app.settings import Settings
from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.dicom.subject import Provenance
from lesionmap.operators.framework import Application, CountCondition
from lesionmap.operators.lesion_detector import LesionDetectorOperator
from lesionmap.operators.lesion_segmenter import LesionSegmenterOperator
from lesionmap.operators.model_set import ModelSets
from lesionmap.operators.precision_verifier import PrecisionVerifier, References
from lesionmap.operators.quality_reviewer import QualityReviewer
from lesionmap.operators.receipt_writer import ReceiptWriter
from lesionmap.operators.result_writer import ResultWriter
from lesionmap.operators.run_record import RunRecorder
from lesionmap.operators.run_watch import RunWatch
from lesionmap.operators.series_operator import IN, OUT
from lesionmap.operators.series_selector import SeriesSelector
from lesionmap.operators.study_loader import StudyLoader
from lesionmap.operators.volume_builder import VolumeBuilder


@dataclass(frozen=True)
class Work:
    """The series of a run, and who owns each instance."""

    series: list[Series]
    owners: dict[str, set[str]]


@dataclass(frozen=True)
class Records:
    """Where results go, and what is noted about them."""

    target: Path
    provenance: Provenance
    recorder: RunRecorder
    watch: RunWatch


class LesionMapApp(Application):
    """study → select → volume → detect → segment (→ verify) → review → write → run.json."""

    def __init__(
        self,
        settings: Settings,
        models: ModelSets,
        work: Work,
        *,
        records: Records,
        references: References,
    ) -> None:
        """Keep what ``compose`` wires; nothing is read or loaded here."""
        self._settings = settings
        self._models = models
        self._work = work
        self._records = records
        self._references = references
        super().__init__([])

    def compose(self) -> None:
        """Build the graph."""
        settings, models, records = self._settings, self._models, self._records
        watch = records.watch
        loader = StudyLoader(
            self,
            CountCondition(self, len(self._work.series)),
            series=self._work.series,
            watch=watch,
            name="study_loader",
        )
        selector = SeriesSelector(
            self,
            rules=settings.build_rules(),
            watch=watch,
            name="series_selector",
        )
        builder = VolumeBuilder(
            self,
            limits=settings.limits.build(),
            gap_tolerance=settings.gap_tolerance,
            owners=self._work.owners,
            watch=watch,
            name="volume_builder",
        )
        detector = LesionDetectorOperator(self, models=models, watch=watch, name="lesion_detector")
        segmenter = LesionSegmenterOperator(
            self,
            models=models,
            provenance=records.provenance,
            watch=watch,
            name="lesion_segmenter",
        )
        reviewer = QualityReviewer(
            self, limits=settings.quality.build(), watch=watch, name="quality_reviewer"
        )
        writer = ResultWriter(
            self,
            folder=records.target,
            provenance=records.provenance,
            outputs=frozenset(settings.outputs),
            announce=records.recorder.add,
            empty_report=settings.empty_report,
            watch=watch,
            name="result_writer",
        )
        receipt = ReceiptWriter(self, recorder=records.recorder, name="receipt_writer")
        found = (loader, selector, builder, detector, segmenter)
        self._chain(*found, *self._verifiers(), reviewer, writer, receipt)

    def _verifiers(self) -> list[PrecisionVerifier]:
        if self._settings.verify is None:
            return []
        return [
            PrecisionVerifier(
                self,
                references=self._references,
                least_dice=self._settings.verify.least_dice,
                watch=self._records.watch,
                name="precision_verifier",
            )
        ]

    def _chain(self, *operators: Any) -> None:
        for first, second in pairwise(operators):
            self.add_flow(first, second, {(OUT, IN)})
