"""run.json: what the run did with every series, without patient data."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lesionmap.models.core.boxes import Box2D
from lesionmap.models.core.errors import ExitCode, OutputError
from lesionmap.models.core.finding import Lesion, ModelIdentity
from lesionmap.models.core.flags import Flag
from lesionmap.operators.dicom.receipt import Receipt
from lesionmap.operators.dicom.subject import Provenance
from lesionmap.operators.messages import Outcome, OutputKind, Verdict
from lesionmap.operators.run_watch import RunWatch

RUN_JSON = "run.json"
REPORT_HTML = "report.html"
UNFINISHED = "the run did not end: the process was stopped or crashed"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Record):
    """Why a series was skipped or refused."""

    code: int
    message: str


class OutputRecord(_Record):
    """A file of the run, relative to the output folder."""

    kind: OutputKind
    path: str
    sha256: str


class DetectionRecord(_Record):
    """A detector box in pixels of its instance: x, y (top-left), width, height."""

    sop_instance_uid: str
    frame: int
    box: tuple[float, float, float, float]
    score: float


class LesionRecord(_Record):
    """One lesion; volume and axes in mm are null where the image has no physical scale."""

    tracking_uid: str
    segment_number: int
    label: str
    score: float
    voxel_count: int
    volume_mm3: float | None
    long_axis_mm: float | None
    short_axis_mm: float | None
    long_axis_px: float | None
    short_axis_px: float | None
    flags: tuple[Flag, ...]
    detections: tuple[DetectionRecord, ...]


class ModelRecord(_Record):
    """An artifact that took part."""

    name: str
    version: str
    sha256: str
    precision: str
    backend: str


class InputRecord(_Record):
    """What was read: sha256 of each data set (without file meta information) and over all."""

    sha256: str
    instances: dict[str, str]


class SoftwareRecord(_Record):
    """What, beside input and models, decides a result: hashes, and versions of packages."""

    code_sha256: str
    settings_sha256: str
    packages: dict[str, str]


class SeriesRecord(_Record):
    """A series, or one image of a series whose images have no place in the patient.

    ``input`` and ``receipt`` stand where the series was processed; ``models``
    are the names of those that took part.
    """

    number: int
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    instance_count: int
    verdict: Verdict
    reason: Reason | None
    rule: str | None = None
    models: tuple[str, ...] = ()
    input: InputRecord | None = None
    receipt: str | None = None
    notes: tuple[str, ...]
    flags: tuple[Flag, ...]
    outputs: tuple[OutputRecord, ...]
    lesions: tuple[LesionRecord, ...]
    timings_ms: dict[str, float]


class RunRecord(_Record):
    """The whole of run.json."""

    schema_version: Literal["1.1"] = "1.1"
    software_version: str
    software: SoftwareRecord | None = None
    outcome: str
    exit_code: int
    reason: Reason | None
    left_aside: dict[str, int]
    series: tuple[SeriesRecord, ...]
    models: tuple[ModelRecord, ...]
    timings_ms: dict[str, float]


class RunRecorder:
    """Collects outcomes and keeps run.json up to date, written whole or not at all."""

    def __init__(self, folder: Path, *, software_version: str, watch: RunWatch) -> None:
        """Record into ``folder``/run.json."""
        self._path = folder / RUN_JSON
        self._software_version = software_version
        self._watch = watch
        self._series: dict[int, SeriesRecord] = {}
        self._software: SoftwareRecord | None = None
        self._models: tuple[ModelRecord, ...] = ()
        self._left_aside: dict[str, int] = {}

    def set_models(self, models: Sequence[ModelIdentity]) -> None:
        """Record the artifacts that take part."""
        self._models = tuple(ModelRecord(**vars(model)) for model in models)

    def set_provenance(self, provenance: Provenance) -> None:
        """Record what decides the results beside input and models."""
        self._software = SoftwareRecord(
            code_sha256=provenance.code_sha256,
            settings_sha256=provenance.settings_digest,
            packages=dict(provenance.packages),
        )

    def set_left_aside(self, counts: dict[str, int]) -> None:
        """Record how many files were left aside, by reason."""
        self._left_aside = counts

    def add(self, outcome: Outcome) -> None:
        """Record what became of a series; a later outcome replaces an earlier one."""
        timings_ms = self._watch.timings_ms(outcome.number)
        self._series[outcome.number] = _series_record(outcome, timings_ms)
        self.begin()

    def begin(self) -> None:
        """Write run.json as it has to read if the process dies before it finishes."""
        self.finish(ExitCode.INTERNAL, UNFINISHED)

    def exit_code(self) -> ExitCode:
        """Return 0 if a series was processed, else the first refusal's code, else 10.

        A run that hit its time limit ends with that code, whatever it did before.
        """
        series = self._series.values()
        codes = [item.reason.code for item in series if item.reason]
        if ExitCode.TIME_LIMIT in codes:
            return ExitCode.TIME_LIMIT
        if any(item.verdict == "processed" for item in series):
            return ExitCode.DONE
        refusals = [
            item.reason.code for item in series if item.verdict == "refused" and item.reason
        ]
        return ExitCode(refusals[0]) if refusals else ExitCode.NO_SERIES

    def finish(self, code: ExitCode, message: str = "") -> RunRecord:
        """Write run.json with the run's exit code and return what was written.

        Raises:
            OutputError: the folder is not writable.
        """
        record = RunRecord(
            software_version=self._software_version,
            outcome=code.name.lower(),
            exit_code=code,
            reason=Reason(code=code, message=message) if message else None,
            left_aside=self._left_aside,
            software=self._software,
            series=tuple(self._series.values()),
            models=self._models,
            timings_ms={"total": round(self._watch.elapsed_ms, 1)},
        )
        write_whole(self._path, record.model_dump_json(indent=2) + "\n")
        return record


class _ListedFile(BaseModel):
    path: str


class _ListedSeries(BaseModel):
    outputs: tuple[_ListedFile, ...] = ()


class _Listing(BaseModel):
    """All that is needed of a run.json of any schema version: the files it lists."""

    series: tuple[_ListedSeries, ...] = ()

    @property
    def paths(self) -> list[str]:
        return [file.path for series in self.series for file in series.outputs]


def forget_previous_run(folder: Path) -> None:
    """Remove the outputs that an earlier run.json in ``folder`` lists, and run.json.

    Results of another study must not stand beside new ones, where a router
    would send them on. Files that no run wrote are left alone.
    """
    paths = previous_outputs(folder)
    if paths is None:
        return
    for output in paths:
        old = folder / output
        if old.is_file() and old.resolve().is_relative_to(folder.resolve()):
            old.unlink()
            if old.parent != folder and not any(old.parent.iterdir()):
                old.parent.rmdir()
    (folder / REPORT_HTML).unlink(missing_ok=True)
    (folder / RUN_JSON).unlink()


def previous_outputs(folder: Path) -> tuple[str, ...] | None:
    """Return the files that a run.json in ``folder`` lists; None without a run.json."""
    try:
        return tuple(_Listing.model_validate_json((folder / RUN_JSON).read_bytes()).paths)
    except (OSError, ValueError):
        return None


def refuse_leftovers(folder: Path) -> None:
    """Refuse a folder with results that no run.json lists: whose they are, nobody knows.

    A router would send them on with the new ones, also where nothing is found now.

    Raises:
        OutputError: such a result lies there.
    """
    left = sorted(path.name for path in folder.glob("[0-9][0-9][0-9]*") if path.name.isdigit())
    if left:
        raise OutputError(f"{left[0]} is in the output folder, not in its run.json: move it away")


def _series_record(outcome: Outcome, timings_ms: dict[str, float]) -> SeriesRecord:
    header = outcome.series.header
    lesions = outcome.report.lesions if outcome.report else ()
    warnings = outcome.report.warnings if outcome.report else ()
    return SeriesRecord(
        number=outcome.number,
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=outcome.series.uid,
        modality=str(header.Modality),
        instance_count=len(outcome.series.instances),
        verdict=outcome.verdict,
        reason=Reason(code=outcome.code, message=outcome.message) if outcome.message else None,
        rule=outcome.rule.name if outcome.rule else None,
        models=tuple(model.name for model in outcome.report.models) if outcome.report else (),
        input=_input_record(outcome.receipt),
        receipt=outcome.receipt.digest if outcome.receipt else None,
        notes=outcome.series.notes + warnings,
        flags=outcome.report.flags if outcome.report else (),
        outputs=tuple(
            OutputRecord(kind=item.kind, path=item.path.as_posix(), sha256=item.sha256)
            for item in outcome.outputs
        ),
        lesions=tuple(
            _lesion_record(number, lesion, outcome) for number, lesion in enumerate(lesions, 1)
        ),
        timings_ms=timings_ms,
    )


def _input_record(receipt: Receipt | None) -> InputRecord | None:
    if receipt is None:
        return None
    return InputRecord(sha256=receipt.input_digest, instances=dict(receipt.inputs))


def _lesion_record(number: int, lesion: Lesion, outcome: Outcome) -> LesionRecord:
    size = lesion.size
    instances = outcome.series.instances
    return LesionRecord(
        tracking_uid=str(lesion.tracking_uid),
        segment_number=number,
        label=lesion.label,
        score=round(lesion.score, 4),
        voxel_count=size.voxel_count,
        volume_mm3=_rounded(size.volume_mm3),
        long_axis_mm=_rounded(size.long_axis_mm),
        short_axis_mm=_rounded(size.short_axis_mm),
        long_axis_px=_rounded(size.diameter.length) if size.unit == "pixel" else None,
        short_axis_px=_rounded(size.width.length) if size.unit == "pixel" else None,
        flags=lesion.flags,
        detections=tuple(
            DetectionRecord(
                sop_instance_uid=instances[item.box.slice_index].sop_instance_uid,
                frame=1,
                box=_rounded_box(item.box),
                score=round(item.score, 4),
            )
            for item in lesion.detections
        ),
    )


def _rounded_box(box: Box2D) -> tuple[float, float, float, float]:
    x, y, width, height = (round(edge, 2) for edge in box.xywh)
    return x, y, width, height


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


def write_whole(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it.

    Raises:
        OutputError: the folder is not writable.
    """
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(
            f"{path.name} cannot be written ({error.strerror}): is the folder writable, "
            "and is there space?"
        ) from error
