"""Read what a batch job left: its run.json, and the objects that go back."""

from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lesionmap.operators.run_record import RUN_JSON


class _Part(BaseModel):
    # What is not named here may come and go: the spool can hold runs of other versions.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Why(_Part):
    """The reason of a verdict."""

    code: int
    message: str


class ResultFile(_Part):
    """A file of a run, relative to its folder."""

    kind: str
    path: str
    sha256: str


class SeriesResult(_Part):
    """What became of a series."""

    number: int
    series_instance_uid: str
    modality: str
    instance_count: int
    verdict: str
    reason: Why | None = None
    notes: tuple[str, ...] = ()
    outputs: tuple[ResultFile, ...] = ()
    lesions: tuple[dict[str, object], ...] = ()
    timings_ms: dict[str, float] = {}


class RunResult(_Part):
    """As much of a run.json as the service needs."""

    exit_code: int
    reason: Why | None = None
    series: tuple[SeriesResult, ...] = ()

    @property
    def why(self) -> str:
        """Why the run, or its first series that was not processed, ended as it did."""
        reasons = [self.reason, *(series.reason for series in self.series)]
        return next((reason.message for reason in reasons if reason), "")

    @property
    def summary(self) -> str:
        """Counts of verdicts and lesions in words."""
        verdicts = Counter(series.verdict for series in self.series)
        lesions = sum(len(series.lesions) for series in self.series)
        parts = [f"{count} {verdict}" for verdict, count in sorted(verdicts.items())]
        return ", ".join([*parts, f"{lesions} lesions"]) if parts else ""

    @property
    def outputs(self) -> list[ResultFile]:
        """The files of all series."""
        return [output for series in self.series for output in series.outputs]


def read_result(target: Path) -> RunResult | None:
    """Return what a run says of itself, or None where there is nothing that can be read."""
    try:
        return RunResult.model_validate_json((target / RUN_JSON).read_bytes())
    except (OSError, ValidationError):
        return None


def result_files(target: Path) -> dict[Path, str]:
    """Return the DICOM objects of a run and their hashes."""
    outputs = _outputs(target)
    return {target / item.path: item.sha256 for item in outputs if item.path.endswith(".dcm")}


def picture_files(target: Path) -> list[Path]:
    """Return the pictures of a run."""
    return [target / item.path for item in _outputs(target) if item.kind == "preview"]


def _outputs(target: Path) -> list[ResultFile]:
    result = read_result(target)
    return result.outputs if result else []
