"""Operator: writes the outputs of a series, checked, all or nothing."""

import shutil
from pathlib import Path
from typing import Any

from lesionmap.models.core.errors import OutputError
from lesionmap.models.weights.catalog import sha256_of
from lesionmap.operators.dicom.subject import Provenance, Subject
from lesionmap.operators.messages import Outcome, Output, Segmented
from lesionmap.operators.outputs import write_empty_report, write_outputs
from lesionmap.operators.series_operator import SeriesOperator

PARTIAL_PREFIX = ".partial-"


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
        empty_report: bool,
        **kwargs: Any,
    ) -> None:
        """Create the operator in ``fragment``, writing ``outputs`` and SEG below ``folder``.

        With ``empty_report``, a report is written where nothing was found too.
        """
        self._folder = folder
        self._empty_report = empty_report and "report" in outputs
        self._outputs = outputs
        self._provenance = provenance
        super().__init__(fragment, *args, **kwargs)

    def work(self, message: Segmented) -> Outcome:
        """Return the outcome "processed" with the files written."""
        loaded, report = message.loaded, message.report
        outcome = Outcome(loaded.number, loaded.series, "processed", report=report)
        if not report.lesions and not self._empty_report:
            return outcome
        subject = Subject(loaded.series, loaded.display, loaded.rule, report, self._provenance)
        name = f"{loaded.number:03d}"
        partial, final = self._folder / f"{PARTIAL_PREFIX}{name}", self._folder / name
        try:
            partial.mkdir(parents=True)
            written = (
                write_outputs(subject, partial, self._outputs)
                if report.lesions
                else write_empty_report(subject, partial)
            )
            partial.rename(final)
        except OSError as error:
            raise OutputError(
                f"the output folder is not writable ({type(error).__name__})"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return outcome.with_outputs(
            *(Output(kind, Path(name, file), sha256_of(final / file)) for kind, file in written)
        )
