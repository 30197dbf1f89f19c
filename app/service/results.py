"""Read what a batch job left: its receipt, and the objects that go back."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from lesionmap.operators.messages import Verdict
from lesionmap.operators.run_record import RUN_JSON, RunRecord


def read_record(target: Path) -> RunRecord | None:
    """Return the receipt of a run, or None where there is none that can be read."""
    try:
        return RunRecord.model_validate_json((target / RUN_JSON).read_bytes())
    except (OSError, ValidationError):
        return None


def result_files(target: Path) -> dict[Path, str]:
    """Return the DICOM objects of a run and their hashes."""
    record = read_record(target)
    outputs = [output for series in (record.series if record else ()) for output in series.outputs]
    return {target / item.path: item.sha256 for item in outputs if item.path.endswith(".dcm")}


def reason_of(record: RunRecord) -> str:
    """Return why a run, or its first series that was not processed, ended as it did."""
    if record.reason:
        return record.reason.message
    refused = [item.reason.message for item in record.series if item.reason]
    return refused[0] if refused else ""


def summary_of(record: RunRecord, verdicts: Mapping[Verdict, int]) -> str:
    """Return counts of verdicts and lesions in words."""
    lesions = sum(len(series.lesions) for series in record.series)
    parts = [f"{count} {verdict}" for verdict, count in sorted(verdicts.items())]
    return ", ".join([*parts, f"{lesions} lesions"]) if parts else ""


def picture_files(target: Path) -> list[Path]:
    """Return the pictures of a run."""
    record = read_record(target)
    outputs = [output for series in (record.series if record else ()) for output in series.outputs]
    return [target / item.path for item in outputs if item.kind == "preview"]
