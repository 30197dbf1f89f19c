"""What mercure finds in its folder: flat DICOM files, result.json, no patient data."""

import json
import os

import numpy as np
import pytest

from lesionmap.app import __main__ as entry
from lesionmap.app import batch, mercure
from lesionmap.models.core.errors import OutputError
from tests.dicom_series import write_series
from tests.fakes import fake_models

BRIGHT_HU = 400


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The two folders as mercure mounts them; the image's own variables are set, too."""
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())
    folders = {"MERCURE_IN_DIR": tmp_path / "data", "MERCURE_OUT_DIR": tmp_path / "output"}
    for name, folder in folders.items():
        folder.mkdir()
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("HOLOSCAN_INPUT_PATH", "/nowhere/input")
    monkeypatch.setenv("HOLOSCAN_OUTPUT_PATH", "/nowhere/output")
    return folders["MERCURE_IN_DIR"], folders["MERCURE_OUT_DIR"]


def write_lesion(folder):
    voxels = np.zeros((6, 40, 50), np.int16)
    voxels[2:5, 10:20, 15:30] = BRIGHT_HU
    write_series(folder, voxels, edit=lambda _, d: setattr(d, "PatientName", "CANARY"))
    (folder / "task.json").write_text("{}")


def answer(folder):
    return json.loads((folder / mercure.RESULT_JSON).read_text())


def test_dicom_outputs_stand_side_by_side(module):
    source, target = module
    write_lesion(source)
    assert entry.main([]) == 0
    flat = sorted(path.name for path in target.glob("*.dcm"))
    assert flat == ["001-seg.dcm", "001-sr.dcm"]
    for name in flat:
        assert (target / name).read_bytes() == (target / "001" / name[4:]).read_bytes()
    assert answer(target)["series"] == [
        {"number": 1, "modality": "CT", "verdict": "processed", "lesions": 1}
    ]
    assert answer(target)["__mercure_notification"]["requested"] is True
    assert "__mercure_routing" not in answer(target)
    assert "CANARY" not in (target / mercure.RESULT_JSON).read_text()


def test_nothing_found_is_nothing_to_send(module):
    source, target = module
    write_series(source, np.zeros((3, 20, 20), np.int16))
    assert entry.main([]) == 0
    assert answer(target)["__mercure_routing"] == {"discard": True}
    assert answer(target)["__mercure_notification"]["requested"] is False


def test_a_refusal_keeps_its_code(module):
    source, target = module
    assert entry.main([]) == 10
    assert answer(target)["outcome"] == "no_series"
    assert source.is_dir()


def test_files_are_copied_where_links_cannot_be_made(module, monkeypatch):
    def refuse(*_):
        raise PermissionError

    source, target = module
    monkeypatch.setattr(os, "link", refuse)
    write_lesion(source)
    assert entry.main([]) == 0
    assert (target / "001-seg.dcm").stat().st_nlink == 1


def test_a_full_disk_leaves_no_half_file(module, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    def fill(_, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    source, target = module
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(mercure.shutil, "copyfile", fill)
    write_lesion(source)
    assert entry.main([]) == 30
    assert not list(target.glob("*.dcm"))


def test_nothing_of_an_earlier_study_is_left_to_send(module):
    source, target = module
    write_lesion(source)
    assert entry.main([]) == 0
    (target / "mine.dcm").write_bytes(b"mine")
    for path in source.glob("*"):
        path.unlink()
    write_series(source, np.zeros((3, 20, 20), np.int16))
    assert entry.main([]) == 0
    assert [path.name for path in target.glob("*.dcm")] == ["mine.dcm"]
    assert answer(target)["__mercure_routing"] == {"discard": True}


def test_a_refused_run_leaves_no_answer_of_an_earlier_one(module, monkeypatch):
    source, target = module
    write_lesion(source)
    assert entry.main([]) == 0

    def fail(*_):
        raise OutputError("no room")

    monkeypatch.setattr(batch, "run_batch", fail)
    assert entry.main([]) == 30
    assert not [*target.glob("*.dcm"), *target.glob("result.json")]


def test_a_link_that_fails_takes_the_earlier_ones_with_it(module):
    source, target = module
    write_lesion(source)
    (target / "001-sr.dcm").write_bytes(b"mine")
    assert entry.main([]) == 30
    assert [path.name for path in target.glob("*.dcm")] == ["001-sr.dcm"]
    assert (target / "001-sr.dcm").read_bytes() == b"mine"
    assert not (target / "result.json").exists()


def test_the_command_line_comes_before_mercure(module, tmp_path):
    source, target = module
    write_lesion(source)
    assert entry.main(["-o", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "run.json").is_file()
    assert not list(target.iterdir())
