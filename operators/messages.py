"""What travels between operators: one series at a time, each step adding its result."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from lesionmap.models.core.boxes import Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.errors import ExitCode, LesionMapError
from lesionmap.models.core.finding import FindingReport
from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.dicom.receipt import Receipt
from lesionmap.operators.dicom.selection import Rule

OutputKind = Literal[
    "seg", "report", "preview", "overview", "labelmap", "rtstruct", "capture", "pdf", "nifti"
]
Verdict = Literal["processed", "skipped", "refused"]


@dataclass(frozen=True)
class Candidate:
    """A series as found, with its number in the run."""

    number: int
    series: Series


@dataclass(frozen=True)
class Selected:
    """A series that a rule takes."""

    number: int
    series: Series
    rule: Rule


@dataclass(frozen=True)
class Loaded:
    """A series that passed the gate, decoded."""

    number: int
    series: Series
    rule: Rule
    display: DisplayVolume


@dataclass(frozen=True)
class Detected:
    """A decoded series and the boxes found on its slices."""

    loaded: Loaded
    detections: tuple[Detection, ...]


@dataclass(frozen=True)
class Segmented:
    """A decoded series, the boxes found on its slices and the lesions made of them."""

    loaded: Loaded
    detections: tuple[Detection, ...]
    report: FindingReport


@dataclass(frozen=True)
class Output:
    """A file that the run wrote, relative to the output folder."""

    kind: OutputKind
    path: Path
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What became of a series; it ends in run.json.

    A refusal travels through the later operators untouched. ``rule`` is None
    where no rule took the series, ``receipt`` where it was not processed.
    """

    number: int
    series: Series
    verdict: Verdict
    code: ExitCode = ExitCode.DONE
    message: str = ""
    report: FindingReport | None = None
    outputs: tuple[Output, ...] = field(default=())
    rule: Rule | None = None
    receipt: Receipt | None = None

    @classmethod
    def refused(cls, number: int, series: Series, error: LesionMapError) -> "Outcome":
        """Return the outcome of a series that an error stopped."""
        return cls(number, series, "refused", error.code, str(error))

    def with_outputs(self, *outputs: Output) -> "Outcome":
        """Return the outcome with more files."""
        return replace(self, outputs=self.outputs + outputs)


Message = Candidate | Selected | Loaded | Detected | Segmented | Outcome


def series_of(message: Message) -> tuple[int, Series]:
    """Return the number and the series that a message is about."""
    if isinstance(message, (Detected, Segmented)):
        message = message.loaded
    return message.number, message.series


def rule_of(message: Message) -> Rule | None:
    """Return the rule that took the series of a message, None before one did."""
    if isinstance(message, (Detected, Segmented)):
        message = message.loaded
    return None if isinstance(message, Candidate) else message.rule
