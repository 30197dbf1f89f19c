"""All outputs switched on in app.yaml: listed, private, and all or nothing."""

import gzip
from importlib.resources import files
from typing import get_args

import numpy as np
import pytest
import yaml

from lesionmap.app import batch
from lesionmap.app.settings import Folders
from lesionmap.models.core.errors import OutputError
from lesionmap.operators.messages import OutputKind
from tests.dicom_series import write_series
from tests.fakes import fake_models

CANARY = "CANARY-7319"
FILES = {
    "001/seg.dcm",
    "001/sr.dcm",
    "001/lesion-001.png",
    "001/overview.png",
    "001/seg-labelmap.dcm",
    "001/rtstruct.dcm",
    "001/capture-001.dcm",
    "001/pdf.dcm",
    "001/masks.nii.gz",
    "001/lesions.json",
}


@pytest.fixture(autouse=True)
def _fake_models(monkeypatch):
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())


@pytest.fixture
def run_all(tmp_path):
    """Run with every output on and return the record."""
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    document["lesionmap"]["outputs"] = sorted({"html", *get_args(OutputKind)} - {"seg"})
    config = tmp_path / "app.yaml"
    config.write_text(yaml.safe_dump(document))
    folders = Folders(tmp_path / "in", tmp_path / "out", tmp_path / "store")
    return lambda: batch.run_batch(folders, config=config)


def with_lesion():
    voxels = np.zeros((6, 40, 50), np.int16)
    voxels[2:5, 10:20, 15:30] = 400
    return voxels


def test_each_file_is_listed(run_all, tmp_path):
    write_series(tmp_path / "in", with_lesion())
    record = run_all()
    assert record.exit_code == 0
    listed = {item.path for item in record.series[0].outputs}
    assert listed >= FILES
    target = tmp_path / "out"
    found = {path.relative_to(target).as_posix() for path in target.rglob("*.*")}
    assert found == {*listed, "run.json", "report.html"}


def test_an_image_without_a_place_has_all_but_the_structure_set_and_says_why(run_all, tmp_path):
    write_series(tmp_path / "in", (with_lesion()[2:3] > 0).astype(np.uint8) * 255, modality="US")
    record = run_all()
    assert record.exit_code == 0
    absent = FILES - {item.path for item in record.series[0].outputs}
    assert absent == {"001/rtstruct.dcm", "001/overview.png"}
    assert any("RTSTRUCT" in note for note in record.series[0].notes)


@pytest.mark.parametrize("check", ["outputs.check_seg", "outputs.check_rtstruct", "nifti._check"])
def test_one_output_that_fails_its_check_takes_all_with_it(check, run_all, tmp_path, monkeypatch):
    def refuse(*_):
        raise OutputError("planted")

    monkeypatch.setattr(f"lesionmap.operators.{check}", refuse)
    write_series(tmp_path / "in", with_lesion())
    assert run_all().exit_code == 30
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


def test_no_patient_data_stands_outside_the_headers(run_all, tmp_path, caplog):
    def plant(_, dataset):
        for keyword in ("PatientName", "PatientID", "PatientComments", "StudyDescription"):
            setattr(dataset, keyword, CANARY)

    write_series(tmp_path / "in", with_lesion(), edit=plant)
    run_all()
    assert CANARY not in caplog.text
    for path in (tmp_path / "out").rglob("*.*"):
        content = path.read_bytes()
        content += gzip.decompress(content) if path.suffix == ".gz" else b""
        assert (CANARY.encode() in content) == (path.suffix == ".dcm"), path.name
