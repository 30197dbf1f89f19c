"""A study comes whole from the archive, or not at all; results go back."""

import io
import json

import pydicom
import pytest
import yaml
from typer.testing import CliRunner

from lesionmap.app.cli import app
from lesionmap.app.pull import pull_study, return_results
from lesionmap.app.pull_settings import PullSettings
from lesionmap.app.settings import Folders
from lesionmap.models.core.errors import ExitCode, OutputError
from lesionmap.operators.dicom.sample import write_sample
from tests.app.dicomweb_fake import archive_of
from tests.dicom_series import ramp, write_series

STUDY = str(pydicom.uid.UID("2.25.1"))


def in_study(_, dataset):
    dataset.StudyInstanceUID = STUDY


@pytest.fixture
def images(tmp_path):
    return write_series(tmp_path / "archive", ramp(4), edit=in_study)


@pytest.fixture
def pull(tmp_path, store, repository):
    """Return a function that pulls from a server and gives the receipt."""

    def pulled(server, study=STUDY, series=(), **settings):
        document = yaml.safe_load((repository / "app.yaml").read_text())
        document["lesionmap"]["pull"] = {"archive": {"url": server.url}} | settings
        config = tmp_path / "app.yaml"
        config.write_text(yaml.safe_dump(document))
        folders = Folders(tmp_path / "images", tmp_path / "out", store)
        folders.source.mkdir(exist_ok=True)
        return pull_study(study, folders, config, series_uids=series)

    return pulled


def test_a_study_is_processed_as_if_its_files_were_there(images, pull, tmp_path):
    with archive_of(images) as archive:
        record = pull(archive)
    assert record.exit_code == ExitCode.DONE
    assert [series.instance_count for series in record.series] == [4]
    fetched = sorted((tmp_path / "images").iterdir())
    assert [pydicom.dcmread(path) for path in fetched] == [pydicom.dcmread(path) for path in images]


def test_pages_are_followed(images, pull):
    with archive_of(images) as archive:
        archive.page = 3
        assert pull(archive).exit_code == ExitCode.DONE


@pytest.fixture
def two_series(images, tmp_path):
    """Two series of the study."""

    def of_second(_, dataset):
        dataset.StudyInstanceUID = STUDY
        dataset.SeriesInstanceUID = "2.25.7"
        dataset.SOPInstanceUID = f"2.25.7{dataset.InstanceNumber}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    return images + write_series(tmp_path / "second", ramp(4), edit=of_second)


@pytest.mark.parametrize("counts", [True, False])
def test_no_series_is_lost_where_the_archive_sends_pages(two_series, pull, counts):
    with archive_of(two_series) as archive:
        archive.page, archive.counts = 1, counts
        record = pull(archive)
    assert [series.instance_count for series in record.series] == [4, 4]


def test_a_list_of_series_that_is_cut_short_is_refused(two_series, pull):
    with archive_of(two_series) as archive:
        archive.page, archive.ignores_offset = 1, True
        record = pull(archive)
    assert record.exit_code == ExitCode.GEOMETRY
    assert "counts 2 series" in record.reason.message


def lose(archive, paths):
    del archive.sent[paths[2]]


def double(archive, paths):
    archive.sent[paths[2]] = archive.sent[paths[1]]


def hide(archive, paths):
    archive.extra_count = 1


def list_none(archive, paths):
    archive.counts, archive.unlisted, archive.sent = False, set(paths), {}


def exchange(archive, paths):
    other = pydicom.dcmread(paths[1])
    other.StudyInstanceUID = "2.25.2"
    sink = io.BytesIO()
    other.save_as(sink)
    archive.sent[paths[1]] = sink.getvalue()


def damage(archive, paths):
    archive.sent[paths[1]] = b"no DICOM at all"


def close(archive, paths):
    archive.status = 503


def lock(archive, paths):
    archive.status = 401


FAULTS = {
    lose: (ExitCode.GEOMETRY, "3 of the 4"),
    double: (ExitCode.GEOMETRY, "3 of the 4"),
    hide: (ExitCode.GEOMETRY, "counts 5"),
    list_none: (ExitCode.GEOMETRY, "lists no instances"),
    exchange: (ExitCode.IDENTITY, "another study"),
    damage: (ExitCode.PIXELS, "cannot be read"),
    close: (ExitCode.USAGE, "503"),
    lock: (ExitCode.USAGE, "401"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_anything_but_the_whole_study_is_refused(fault, images, pull, tmp_path):
    code, words = FAULTS[fault]
    with archive_of(images) as archive:
        fault(archive, images)
        record = pull(archive)
    assert record.exit_code == code
    assert words in record.reason.message
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


def test_an_archive_that_is_down_is_refused(images, pull):
    with archive_of(images) as archive:
        pass
    record = pull(archive)
    assert record.exit_code == ExitCode.USAGE
    assert "does not answer" in record.reason.message


@pytest.mark.parametrize(("study", "series"), [("2.25.9", ()), (STUDY, ("2.25.8",))])
def test_what_the_archive_lacks_is_no_series(study, series, images, pull):
    with archive_of(images) as archive:
        assert pull(archive, study, series).exit_code == ExitCode.NO_SERIES


def test_a_study_over_the_limit_is_refused(tmp_path, pull):
    paths = write_series(tmp_path / "archive", ramp(2, 600, 600), edit=in_study)
    with archive_of(paths) as archive:
        assert pull(archive, study_mib=1).exit_code == ExitCode.PIXELS


@pytest.mark.parametrize("study", ["", "1.2/../../3", "*", "1" * 65])
def test_what_is_no_uid_never_reaches_the_archive(study, images, pull):
    with archive_of(images) as archive:
        assert pull(archive, study).exit_code == ExitCode.USAGE
        assert archive.logins == []


def test_the_password_comes_from_the_environment(images, pull, monkeypatch):
    monkeypatch.setenv("ARCHIVE_TOKEN", "secret")
    with archive_of(images) as archive:
        pull(archive, archive={"url": archive.url, "token": {"env": "ARCHIVE_TOKEN"}})
        assert set(archive.logins) == {"Bearer secret"}


def test_the_command_sends_seg_and_report_back(tmp_path, repository, store):
    write_sample(tmp_path / "sample")
    document = yaml.safe_load((repository / "app.yaml").read_text())
    paths = sorted((tmp_path / "sample/us").iterdir())
    out, config = tmp_path / "out", tmp_path / "app.yaml"
    with archive_of(paths) as archive:
        document["lesionmap"]["pull"] = {"archive": {"url": archive.url}}
        config.write_text(yaml.safe_dump(document))
        study = str(archive.headers[paths[0]].StudyInstanceUID)
        done = CliRunner().invoke(app, ["pull", study, str(out), "-c", str(config)])
        assert done.exit_code == ExitCode.DONE, done.output
        assert "2 objects stored" in done.output
        (stored,) = archive.stored
        seg = pydicom.dcmread(out / "001/seg.dcm")
        assert seg.PixelData in stored
        archive.refused = b'{"00081198": {"vr": "SQ", "Value": [{}]}}'
        with pytest.raises(OutputError, match="1 of 2 objects refused"):
            return_results(out, PullSettings(archive={"url": archive.url}))
    record = json.loads((out / "run.json").read_text())
    assert record["series"][0]["verdict"] == "processed"
