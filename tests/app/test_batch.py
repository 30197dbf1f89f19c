"""The whole app on small series, with stand-ins for the models."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml

from lesionmap.app import batch
from lesionmap.app.settings import Folders
from lesionmap.models.core.errors import OutputError
from lesionmap.operators import result_writer
from tests.dicom_series import ramp, write_series
from tests.fakes import IDENTITY, FailingDetector, fake_models

BRIGHT_HU = 400


@pytest.fixture(autouse=True)
def _fake_models(monkeypatch):
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "in", tmp_path / "out", tmp_path / "store")


def run(folders, **options):
    record = batch.run_batch(folders, **options)
    on_disk = json.loads((folders.target / "run.json").read_text())
    assert on_disk == json.loads(record.model_dump_json())
    return record


def with_lesion(slices=6):
    voxels = np.zeros((slices, 40, 50), np.int16)
    voxels[2:5, 10:20, 15:30] = BRIGHT_HU
    return voxels


def test_a_lesion_ends_in_seg_picture_and_receipt(folders):
    write_series(folders.source, with_lesion())
    record = run(folders)
    assert record.exit_code == 0
    (series,) = record.series
    (lesion,) = series.lesions
    assert lesion.voxel_count == 3 * 10 * 15
    assert lesion.volume_mm3 == pytest.approx(450 * 2.0 * 0.8 * 0.6)
    assert [item.box for item in lesion.detections] == [(15, 10, 15, 10)] * 3
    assert [output.path for output in series.outputs] == [
        "001/seg.dcm",
        "001/sr.dcm",
        "001/lesion-001.png",
        "001/overview.png",
    ]
    seg = pydicom.dcmread(folders.target / "001" / "seg.dcm")
    assert seg.SegmentSequence[0].TrackingUID == lesion.tracking_uid
    assert int(seg.pixel_array.sum()) == lesion.voxel_count
    written = sorted(path.name for path in folders.target.rglob("*") if path.is_file())
    assert written == [
        "lesion-001.png",
        "overview.png",
        "report.html",
        "run.json",
        "seg.dcm",
        "sr.dcm",
    ]


def test_outputs_beside_the_seg_can_be_switched_off(folders, tmp_path):
    config = tmp_path / "app.yaml"
    shipped = (files("lesionmap.app") / "app.yaml").read_text()
    config.write_text(shipped.replace("outputs: [report, preview, overview, html]", "outputs: []"))
    write_series(folders.source, with_lesion())
    record = run(folders, config=config)
    assert [output.path for output in record.series[0].outputs] == ["001/seg.dcm"]


def test_the_page_holds_its_pictures_and_no_link(folders):
    write_series(folders.source, with_lesion())
    run(folders)
    page = (folders.target / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "http" not in page
    assert "not for diagnostic use" in page


def test_nothing_found_is_a_result(folders):
    write_series(folders.source, np.zeros((3, 20, 20), np.int16))
    record = run(folders)
    assert (record.exit_code, record.series[0].verdict) == (0, "processed")
    assert record.series[0].outputs == ()
    assert sorted(path.name for path in folders.target.iterdir()) == ["report.html", "run.json"]
    assert "Nothing found" in (folders.target / "report.html").read_text()


def test_one_refused_series_does_not_cost_the_others(folders):
    paths = write_series(folders.source / "a", with_lesion(), key="gap")
    paths[3].unlink()
    write_series(folders.source / "b", with_lesion(), key="whole")
    record = run(folders)
    verdicts = {series.verdict: series for series in record.series}
    assert record.exit_code == 0
    assert verdicts["refused"].reason.code == 11
    assert verdicts["refused"].outputs == ()
    assert verdicts["processed"].lesions


def test_only_refusals_end_with_the_first_code(folders):
    write_series(folders.source, ramp(), edit=lambda i, d: setattr(d, "PatientID", f"T-{i}"))
    assert run(folders).exit_code == 12


def test_a_series_that_no_rule_takes_is_skipped_with_the_reason(folders):
    write_series(folders.source, ramp(1, dtype=np.uint16), modality="DX")
    record = run(folders)
    assert (record.exit_code, record.series[0].verdict) == (10, "skipped")
    assert "Modality is not CT" in record.series[0].reason.message


def test_multi_frame_objects_are_skipped_with_the_reason(folders):
    def edit(_, dataset):
        dataset.NumberOfFrames = 3
        dataset.PixelData = dataset.PixelData * 3

    write_series(folders.source, ramp(1), edit=edit)
    record = run(folders)
    assert record.exit_code == 10
    assert "multi-frame" in record.series[0].reason.message


def test_an_unforeseen_error_is_code_50_without_its_text(folders, monkeypatch, caplog):
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models(FailingDetector()))
    write_series(folders.source, with_lesion())
    record = run(folders)
    assert record.exit_code == 50
    assert "KeyError" in record.series[0].reason.message
    assert "Test" not in record.model_dump_json() + caplog.text


def test_a_run_over_its_time_limit_ends_with_40(folders, tmp_path):
    config = tmp_path / "app.yaml"
    shipped = (files("lesionmap.app") / "app.yaml").read_text()
    config.write_text(shipped.replace("time_s: 3600", "time_s: 0.000001"))
    write_series(folders.source, with_lesion())
    record = run(folders, config=config)
    assert (record.exit_code, record.series[0].reason.code) == (40, 40)


def test_a_second_run_gives_the_same_and_leaves_nothing_of_the_first(folders):
    write_series(folders.source / "a", with_lesion(), key="a")
    write_series(folders.source / "b", with_lesion(), key="b")
    first = run(folders)
    stray = folders.target / "mine.txt"
    stray.write_text("not ours")
    again = run(folders)
    assert [item.outputs for item in again.series] == [item.outputs for item in first.series]
    for path in (folders.source / "b").iterdir():
        path.unlink()
    for path in (folders.source / "a").iterdir():
        path.unlink()
    write_series(folders.source / "c", np.zeros((3, 20, 20), np.int16), key="c")
    run(folders)
    assert sorted(path.name for path in folders.target.iterdir()) == [
        "mine.txt",
        "report.html",
        "run.json",
    ]


def test_an_unreadable_file_beside_a_series_is_noted_on_it(folders):
    paths = write_series(folders.source, with_lesion(7))
    paths[-1].write_bytes(paths[-1].read_bytes()[:300])
    record = run(folders)
    assert record.left_aside == {"unreadable": 1}
    assert "end slice may be missing" in record.series[0].notes[0]


class Killed(BaseException):
    """Stands for kill -9: no handler of ours sees it."""


@pytest.mark.parametrize("moment", ["rename", "rmtree"])
def test_a_process_killed_while_it_writes_does_not_block_the_next(folders, monkeypatch, moment):
    """Killed before a result is in place, or after, before the run goes on."""
    write_series(folders.source, with_lesion())

    def kill(*_, **__):
        raise Killed

    where = Path if moment == "rename" else result_writer.shutil
    with monkeypatch.context() as patch:
        patch.setattr(where, moment, kill)
        with pytest.raises(Killed):
            batch.run_batch(folders)
    left = json.loads((folders.target / "run.json").read_text())
    assert left["exit_code"] == 50
    listed = {item["path"] for series in left["series"] for item in series["outputs"]}
    found = {path.relative_to(folders.target).as_posix() for path in folders.target.glob("0*/*")}
    assert found <= listed
    record = run(folders)
    assert (record.exit_code, record.series[0].verdict) == (0, "processed")
    assert not list(folders.target.glob(".partial*"))


@pytest.mark.parametrize("voxels", [with_lesion(), np.zeros((6, 40, 50), np.int16)])
def test_a_folder_that_no_run_wrote_stops_the_run_and_is_never_touched(folders, voxels):
    write_series(folders.source, voxels)
    (folders.target / "001").mkdir(parents=True)
    mine = folders.target / "001" / "seg.dcm"
    mine.write_text("mine")
    record = run(folders)
    assert record.exit_code == 30
    assert "move it away" in record.reason.message
    assert record.series == ()
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("version", ["1.0", "9.0"])
def test_results_of_another_version_do_not_stay_beside_new_ones(folders, version):
    write_series(folders.source, with_lesion())
    run(folders)
    path = folders.target / "run.json"
    old = json.loads(path.read_text())
    old = {"schema_version": version, "series": [{"outputs": old["series"][0]["outputs"]}]}
    path.write_text(json.dumps(old))
    for source in folders.source.iterdir():
        source.unlink()
    write_series(folders.source, np.zeros((3, 20, 20), np.int16))
    run(folders)
    assert sorted(path.name for path in folders.target.iterdir()) == ["report.html", "run.json"]


def test_a_run_json_that_points_elsewhere_deletes_nothing(folders):
    mine = folders.target.parent / "mine.dcm"
    mine.write_text("mine")
    folders.target.mkdir()
    paths = [{"path": "../mine.dcm"}, {"path": str(mine)}, {"path": "."}, {"path": ""}]
    (folders.target / "run.json").write_text(json.dumps({"series": [{"outputs": paths}]}))
    write_series(folders.source, with_lesion())
    assert run(folders).exit_code == 0
    assert mine.exists()


def test_each_rule_has_its_models_and_what_they_share_is_loaded_once(
    folders, tmp_path, monkeypatch
):
    loaded = []

    def load(settings, *_):
        loaded.append(settings.models.detector)
        identity = replace(IDENTITY, name=settings.models.detector)
        return replace(fake_models(), identities=(identity,))

    monkeypatch.setattr(batch, "load_models", load)
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    for rule in document["lesionmap"]["rules"]:
        if rule["name"] in ("ct", "us"):
            rule["models"] = {"detector": "own"}
    config = tmp_path / "app.yaml"
    config.write_text(yaml.safe_dump(document))
    common = document["lesionmap"]["models"]["detector"]
    write_series(folders.source / "a", with_lesion(), key="a")
    write_series(folders.source / "b", with_lesion(), modality="MR", key="b")
    record = run(folders, config=config)
    assert sorted(loaded) == sorted(["own", common])
    assert {item.rule: item.models for item in record.series} == {"ct": ("own",), "mr": (common,)}
    assert {item.name for item in record.models} == {"own", common}
    assert len({item.receipt for item in record.series}) == 2


def test_a_failed_check_leaves_no_file(folders, monkeypatch):
    def refuse(*_):
        raise OutputError("planted")

    monkeypatch.setattr("lesionmap.operators.outputs.check_seg", refuse)
    write_series(folders.source, with_lesion())
    record = run(folders)
    assert record.exit_code == 30
    assert [path.name for path in folders.target.iterdir()] == ["run.json"]


def test_a_crash_leaves_a_receipt_that_says_so(folders, monkeypatch):
    class Crash(BaseException):
        pass

    def crash(*_):
        raise Crash

    monkeypatch.setattr(batch, "scan_folder", crash)
    folders.source.mkdir()
    with pytest.raises(Crash):
        batch.run_batch(folders)
    left = json.loads((folders.target / "run.json").read_text())
    assert left["exit_code"] == 50
    assert "did not end" in left["reason"]["message"]


def test_single_colour_images_are_first_class(folders):
    images = np.zeros((2, 40, 50, 3), np.uint8)
    images[0, 10:20, 15:30] = 255
    write_series(folders.source, images, modality="ES")
    record = run(folders)
    assert [len(series.lesions) for series in record.series] == [1, 0]
    assert record.series[0].lesions[0].volume_mm3 is None


def test_a_full_disk_leaves_no_half_receipt(folders, monkeypatch):
    def fill(path, text, encoding):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", fill)
    with pytest.raises(OutputError, match="No space left on device"):
        batch.run_batch(folders)
    assert not list(folders.target.iterdir())
