"""One run: a folder in, results and run.json out. `python app` and `lesionmap run` call it."""

import logging
import shutil
from dataclasses import astuple, replace
from pathlib import Path

from lesionmap.app.pipeline import LesionMapApp, Records, Work
from lesionmap.app.provenance import find_provenance
from lesionmap.app.references import load_references
from lesionmap.app.settings import SOFTWARE_VERSION, Folders, Settings
from lesionmap.models.core.errors import (
    ExitCode,
    LesionMapError,
    NoSeriesError,
    OutputError,
    SettingsError,
)
from lesionmap.models.core.finding import ModelIdentity
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.models.weights.catalog import Catalog
from lesionmap.operators.dicom.gate import group_series, uid_owners
from lesionmap.operators.dicom.scan import scan_folder
from lesionmap.operators.explain import Explainer
from lesionmap.operators.html_report import render_html
from lesionmap.operators.messages import Outcome
from lesionmap.operators.model_set import LoadedModels, ModelSets
from lesionmap.operators.result_writer import PARTIAL_PREFIX
from lesionmap.operators.run_record import (
    REPORT_HTML,
    RunRecord,
    RunRecorder,
    forget_previous_run,
    refuse_leftovers,
    write_whole,
)
from lesionmap.operators.run_watch import Listener, RunWatch

logger = logging.getLogger(__name__)


def run_batch(
    folders: Folders,
    config: Path | None = None,
    *,
    catalog: Catalog | None = None,
    listener: Listener | None = None,
) -> RunRecord:
    """Process every matching series below ``folders.source``, in a stable order.

    run.json is written whatever happens, also on refusal; its ``exit_code`` is
    that of the process.

    Args:
        folders: input, output and model store.
        config: an app.yaml; None for the shipped one.
        catalog: the artifacts that may be loaded; None for the shipped catalog.
        listener: hears of progress.

    Raises:
        OutputError: the output folder cannot be written, so there is no run.json either.
    """
    prepare_target(folders.target)
    watch = RunWatch(listener)
    recorder = RunRecorder(folders.target, software_version=SOFTWARE_VERSION, watch=watch)
    recorder.begin()
    try:
        refuse_leftovers(folders.target)
        settings = Settings.load(config)
        watch.limit(settings.limits.time_s)
        provenance = find_provenance(settings)
        recorder.set_provenance(provenance)
        known = (catalog or Catalog.load()).extended(settings.artifacts)
        models = load_sets(settings, folders.store, known)
        references = load_references(settings, models, known)
        recorder.set_models([*_identities(models), *references.identities])
        work = _find_work(folders.source, settings, recorder)
        records = Records(folders.target, provenance, recorder, watch)
        LesionMapApp(settings, models, work, records=records, references=references.sets).run()
        return _finish(recorder, settings, folders.target)
    except LesionMapError as error:
        logger.error("%s", error)
        return recorder.finish(error.code, str(error))
    except Exception as error:  # noqa: BLE001
        # The one broad catch: its text could hold patient data, its type cannot.
        logger.error("internal %s", type(error).__name__)
        return recorder.finish(
            ExitCode.INTERNAL, f"internal error ({type(error).__name__}): please report it"
        )


def explain_batch(source: Path, config: Path | None = None) -> tuple[list[Outcome], dict[str, int]]:
    """Return what a run would do with each series, and the counts of files left aside.

    Only headers are read: a series that passes here can still be refused for its pixels.

    Raises:
        SettingsError: the settings or the input folder are wrong.
        ModelError: a rule names a model that no catalog lists.
    """
    settings = Settings.load(config)
    if not source.is_dir():
        raise SettingsError("the input folder does not exist")
    scan = scan_folder(source, settings.limits.build(), settings.tested_keywords)
    rules = settings.build_rules()
    known = Catalog.load().extended(settings.artifacts)
    for name in {name for rule in rules if rule.models for name in astuple(rule.models)}:
        known.find(name)
    explainer = Explainer(
        rules=rules,
        limits=settings.limits.build(),
        gap_tolerance=settings.gap_tolerance,
        owners=uid_owners(scan.instances),
    )
    groups = enumerate(group_series(scan.instances), start=1)
    return [explainer.explain(number, series) for number, series in groups], scan.left_aside


def _finish(recorder: RunRecorder, settings: Settings, target: Path) -> RunRecord:
    record = recorder.finish(recorder.exit_code())
    if "html" in settings.outputs and any(
        series.verdict == "processed" for series in record.series
    ):
        write_whole(target / REPORT_HTML, render_html(record, target))
    return record


def prepare_target(target: Path) -> None:
    """Create the output folder and clear what an earlier or broken run left there.

    Raises:
        OutputError: the folder cannot be created or written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for stale in target.glob(f"{PARTIAL_PREFIX}*"):
            shutil.rmtree(stale)
        forget_previous_run(target)
    except OSError as error:
        raise OutputError(f"the output folder is not writable: {error.strerror}") from error


def load_sets(settings: Settings, store: Path, catalog: Catalog) -> ModelSets:
    """Verify and load the models of every rule; what rules share is loaded once.

    Raises:
        ModelError: one is missing, altered, or of another role.
    """
    wanted = dict.fromkeys(rule.models.build(settings.models) for rule in settings.rules)
    return {names: load_models(settings.using(names), store, catalog) for names in wanted}


def _identities(models: ModelSets) -> list[ModelIdentity]:
    return list(dict.fromkeys(item for loaded in models.values() for item in loaded.identities))


def load_models(settings: Settings, store: Path, catalog: Catalog) -> LoadedModels:
    """Verify and load the common models that the settings name.

    Raises:
        ModelError: one is missing, altered, or of another role.
    """
    names = settings.models
    threads = settings.threads
    return LoadedModels(
        detector=LesionDetector(
            catalog.open(names.detector, store, role="detector", threads=threads)
        ),
        segmenter=BoxSegmenter(
            catalog.open(names.encoder, store, role="encoder", threads=threads),
            catalog.open(names.decoder, store, role="decoder", threads=threads),
        ),
        identities=tuple(
            catalog.identify(name) for name in (names.detector, names.encoder, names.decoder)
        ),
    )


def _find_work(source: Path, settings: Settings, recorder: RunRecorder) -> Work:
    if not source.is_dir():
        raise SettingsError("the input folder does not exist")
    scan = scan_folder(source, settings.limits.build(), settings.tested_keywords)
    recorder.set_left_aside(scan.left_aside)
    if not scan.instances:
        raise NoSeriesError(
            "no DICOM image in the input folder "
            f"({sum(scan.left_aside.values())} other files): nothing to do"
        )
    series = group_series(scan.instances)
    if unreadable := scan.left_aside.get("unreadable"):
        note = f"{unreadable} unreadable DICOM files in the input: an end slice may be missing"
        series = [replace(item, notes=(*item.notes, note)) for item in series]
    return Work(series, uid_owners(scan.instances))
