"""One study by DICOMweb: fetch it, run the batch job, send the results back."""

from collections.abc import Collection
from pathlib import Path

from lesionmap.app.batch import prepare_target, run_batch
from lesionmap.app.download import StudyDownload
from lesionmap.app.pull_settings import PullSettings
from lesionmap.app.service.destinations import DeliveryError, StowSender
from lesionmap.app.service.dicomweb import DicomWebService
from lesionmap.app.service.results import result_files
from lesionmap.app.settings import SOFTWARE_VERSION, Folders, Settings
from lesionmap.models.core.errors import LesionMapError, OutputError
from lesionmap.operators.run_record import RunRecord, RunRecorder
from lesionmap.operators.run_watch import Listener, RunWatch

_MIB = 1 << 20


def pull_study(
    study_uid: str,
    folders: Folders,
    config: Path | None = None,
    *,
    series_uids: Collection[str] = (),
    listener: Listener | None = None,
) -> RunRecord:
    """Fetch a study into ``folders.source`` and process it as `python app` does.

    Returns:
        The receipt, which is also written where the download is refused.

    Raises:
        SettingsError: app.yaml is wrong.
        OutputError: the output folder cannot be written.
    """
    pull = Settings.load(config).pull
    prepare_target(folders.target)
    recorder = RunRecorder(
        folders.target, software_version=SOFTWARE_VERSION, watch=RunWatch(listener)
    )
    recorder.begin()
    try:
        with DicomWebService(pull.archive, pull.timeout_s).open() as client:
            most_bytes = pull.study_mib * _MIB
            StudyDownload(client, study_uid, folders.source, most_bytes=most_bytes).fetch(
                series_uids
            )
    except LesionMapError as error:
        return recorder.finish(error.code, str(error))
    return run_batch(folders, config, listener=listener)


def return_results(target: Path, pull: PullSettings) -> int:
    """Send what a run wrote to the archive, in one request; return the number of objects.

    Raises:
        OutputError: it did not take all of them; they stay in ``target``.
    """
    paths = sorted(result_files(target))
    if paths:
        try:
            StowSender(pull.results or pull.archive, pull.timeout_s).send(paths)
        except DeliveryError as error:
            raise OutputError(
                f"the archive did not take the results ({error}); they stay in the output folder"
            ) from error
    return len(paths)
