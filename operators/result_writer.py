"""Operator: writes the outputs of a series, checked, all or nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lesionmap.models.core.errors import OutputError
from lesionmap.models.weights.catalog import sha256_of
from lesionmap.operators.dicom.receipt import Receipt
from lesionmap.operators.dicom.subject import Provenance, Subject
from lesionmap.operators.messages import Outcome, Output, Segmented
from lesionmap.operators.outputs import obstacles, write_empty_report, write_outputs
from lesionmap.operators.series_operator import SeriesOperator

PARTIAL_PREFIX = ".partial-"


class ResultWriter(SeriesOperator):
    """Writes into a hidden folder, reads back, enters it in run.json, then renames.

    In this order no process that dies leaves a result that run.json does not
    list: the next run would find it in its way, or send it on as its own.
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
        announce: Callable[[Outcome], None],
        empty_report: bool,
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment``, writing ``outputs`` and SEG below ``folder``.

        ``announce`` hears of an outcome before its files are in place. With
        ``empty_report``, a report is written where nothing was found too.
        """
        self._announce = announce
        self._folder = folder
        self._empty_report = empty_report and "report" in outputs
        self._outputs = outputs
        self._provenance = provenance
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Segmented) -> Outcome:
        """Return the outcome "processed" with the files written."""
        loaded = message.loaded
        reasons = obstacles(self._outputs, loaded.display.grid)
        report = replace(message.report, warnings=message.report.warnings + reasons)
        subject = Subject(loaded.series, loaded.display, loaded.rule, report, self._provenance)
        outcome = Outcome(
            loaded.number,
            loaded.series,
            "processed",
            report=report,
            rule=loaded.rule,
            receipt=Receipt.of_subject(subject),
        )
        if not report.lesions and not self._empty_report:
            return outcome
        try:
            return self._write(subject, outcome)
        except OSError as error:
            raise OutputError(f"the output folder is not writable: {error.strerror}") from error

    def _write(self, subject: Subject, outcome: Outcome) -> Outcome:
        name = f"{outcome.number:03d}"
        partial, final = self._folder / f"{PARTIAL_PREFIX}{name}", self._folder / name
        try:
            partial.mkdir(parents=True)
            written = (
                write_outputs(subject, partial, self._outputs)
                if subject.report.lesions
                else write_empty_report(subject, partial)
            )
            outcome = outcome.with_outputs(
                *(
                    Output(kind, Path(name, file), sha256_of(partial / file))
                    for kind, file in written
                )
            )
            self._announce(outcome)
            partial.rename(final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return outcome
