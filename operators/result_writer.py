"""Operator: writes SEG, report and pictures of a series, checked, all or nothing."""

import shutil
from pathlib import Path
from typing import Any

from lesionmap.models.core.errors import OutputError
from lesionmap.models.core.overlay import render_finding
from lesionmap.models.weights.catalog import sha256_of
from lesionmap.operators.dicom.report import Subject, build_report
from lesionmap.operators.dicom.seg import Provenance, build_seg
from lesionmap.operators.dicom.seg_check import check_seg
from lesionmap.operators.messages import Outcome, Output, OutputKind, Segmented
from lesionmap.operators.series_operator import SeriesOperator

PARTIAL_PREFIX = ".partial-"
SEG_NAME = "seg.dcm"
REPORT_NAME = "sr.dcm"


class ResultWriter(SeriesOperator):
    """Writes into a hidden folder, reads back, then renames.

    Names come from the number of the series in the run, never from DICOM.
    """

    stage = "write"

    def __init__(
        self,
        fragment: Any,
        *args: Any,
        folder: Path,
        provenance: Provenance,
        outputs: frozenset[str],
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment``, writing ``outputs`` and SEG below ``folder``."""
        self._folder = folder
        self._outputs = outputs
        self._provenance = provenance
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Segmented) -> Outcome:
        """Return the outcome "processed" with the files written; none if nothing was found."""
        loaded, report = message.loaded, message.report
        outcome = Outcome(loaded.number, loaded.series, "processed", report=report)
        if not report.lesions:
            return outcome
        name = f"{loaded.number:03d}"
        partial, final = self._folder / f"{PARTIAL_PREFIX}{name}", self._folder / name
        try:
            partial.mkdir(parents=True)
            self._write(message, partial)
            partial.rename(final)
        except OSError as error:
            raise OutputError(
                f"the output folder is not writable ({type(error).__name__})"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return outcome.with_outputs(*(_output(path) for path in sorted(final.iterdir())))

    def _write(self, message: Segmented, folder: Path) -> None:
        loaded, report = message.loaded, message.report
        seg = build_seg(loaded.series, loaded.rule, report, self._provenance)
        seg.save_as(folder / SEG_NAME, enforce_file_format=True)
        check_seg(folder / SEG_NAME, loaded.display.volume, report.lesions)
        if "report" in self._outputs:
            subject = Subject(loaded.series, loaded.display, loaded.rule, seg)
            document = build_report(subject, report, self._provenance)
            document.save_as(folder / REPORT_NAME, enforce_file_format=True)
        if "preview" in self._outputs:
            for number, lesion in enumerate(report.lesions, start=1):
                picture = render_finding(loaded.display, lesion, report.lesions)
                picture.save(folder / f"lesion-{number:03d}.png")


def _output(path: Path) -> Output:
    kinds: dict[str, OutputKind] = {SEG_NAME: "seg", REPORT_NAME: "report"}
    kind = kinds.get(path.name, "preview")
    return Output(kind, Path(path.parent.name, path.name), sha256_of(path))
