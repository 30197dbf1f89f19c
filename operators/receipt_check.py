"""Compare a folder of results with its run.json: files, receipts and, if wanted, inputs."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydantic import ValidationError

from lesionmap.models.core.errors import OutputError, SettingsError
from lesionmap.models.core.finding import ModelIdentity
from lesionmap.models.weights.catalog import sha256_of
from lesionmap.operators.dicom.hashes import hash_dataset
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.receipt import Receipt, read_receipt
from lesionmap.operators.dicom.scan import UNREADABLE, scan_folder, walk_files
from lesionmap.operators.dicom.subject import Provenance
from lesionmap.operators.run_record import RUN_JSON, RunRecord, SeriesRecord


def check_receipts(folder: Path, source: Path | None = None) -> tuple[int, list[str]]:
    """Return how many files run.json lists, and what does not agree with it.

    Args:
        folder: where an earlier run wrote.
        source: the run's input, or the same series out of the archive; None
            leaves it out.

    Raises:
        SettingsError: there is no run.json, or ``source`` is no folder.
        OutputError: run.json is damaged or of another schema version.
    """
    run = _read_record(folder / RUN_JSON)
    faults = [fault for series in run.series for fault in _series_faults(folder, run, series)]
    faults += _unlisted(folder, run)
    if source is not None:
        faults += _input_faults(source, run)
    return sum(len(series.outputs) for series in run.series), faults


def _read_record(path: Path) -> RunRecord:
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"there is no {path.name} to compare with") from error
    except ValidationError as error:
        raise OutputError(
            f"{path.name} is damaged or of another version ({error.error_count()} faults)"
        ) from error


def _series_faults(folder: Path, run: RunRecord, series: SeriesRecord) -> Iterator[str]:
    if series.receipt is not None and _receipt(run, series).digest != series.receipt:
        yield f"series {series.number}: its receipt is not the hash of what run.json says"
    for output in series.outputs:
        path = folder / output.path
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            yield f"{output.path}: missing"
        elif sha256_of(path) != output.sha256:
            yield f"{output.path}: altered, its sha256 is not that of run.json"
        elif path.suffix == ".dcm" and _carried(path) != series.receipt:
            yield f"{output.path}: does not carry the receipt of its series"


def _carried(path: Path) -> str | None:
    try:
        return read_receipt(pydicom.dcmread(path, stop_before_pixels=True))
    except UNREADABLE:
        return None


def _receipt(run: RunRecord, series: SeriesRecord) -> Receipt:
    """Return the receipt as run.json describes it, to compare its hash with the one stated."""
    software = run.software
    provenance = Provenance(
        run.software_version,
        software.settings_sha256 if software else "",
        software.code_sha256 if software else "",
        tuple(software.packages.items()) if software else (),
    )
    known = {model.name: ModelIdentity(**model.model_dump()) for model in run.models}
    models = tuple(known[name] for name in series.models if name in known)
    inputs = series.input.instances if series.input else {}
    return Receipt(inputs, series.rule or "", models, provenance)


def _unlisted(folder: Path, run: RunRecord) -> Iterator[str]:
    """Name files beside the results that no entry lists: a router would send them on."""
    listed = {folder / output.path for series in run.series for output in series.outputs}
    for parent in sorted({path.parent for path in listed} - {folder}):
        for path in walk_files(parent):
            if path not in listed:
                yield f"{path.relative_to(folder).as_posix()}: not in run.json"


def _input_faults(source: Path, run: RunRecord) -> Iterator[str]:
    if not source.is_dir():
        raise SettingsError("the input folder does not exist")
    images = scan_folder(source, Limits()).instances
    found = {hash_dataset(image.path.read_bytes()) for image in images}
    for series in run.series:
        instances = series.input.instances if series.input else {}
        absent = sum(digest not in found for digest in instances.values())
        if absent:
            yield f"series {series.number}: {absent} of {len(instances)} instances are not in IN"
