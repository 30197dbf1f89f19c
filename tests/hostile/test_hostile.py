"""Input that is broken or means harm: the documented code, a receipt, no other file."""

import json
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pydicom
import pytest

from tests.dicom_series import ramp, write_series


def junk(folder):
    (folder / "noise.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "empty.dcm").write_bytes(b"")


def text_named_dcm(folder):
    (folder / "letter.dcm").write_text("Dear colleague,\n" * 50)


def truncated_header(folder):
    path = write_series(folder, ramp(1))[0]
    path.write_bytes(path.read_bytes()[:400])


def truncated_pixels(folder):
    for path in write_series(folder, ramp(3)):
        path.write_bytes(path.read_bytes()[:-500])


def claims_65535_squared(folder):
    def edit(_, dataset):
        dataset.Rows = dataset.Columns = 65535

    write_series(folder, ramp(1), edit=edit)


def claims_two_billion_frames(folder):
    def edit(_, dataset):
        dataset.NumberOfFrames = 2_000_000_000

    write_series(folder, ramp(1), edit=edit)


def deep_nesting(folder):
    path = write_series(folder, ramp(1))[0]
    opening = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF)
    opening += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    nested = opening * 6000 + closing * 6000
    whole = path.read_bytes()
    place = whole.index(struct.pack("<HH", 0x0008, 0x0020))
    path.write_bytes(whole[:place] + nested + whole[place:])


def deflated_bomb(folder):
    path = write_series(folder, ramp(1))[0]
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    head = path.read_bytes()
    end = 144 + dataset.file_meta.FileMetaInformationGroupLength
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = b"\0" * (1 << 24)
    bomb = b"".join(packer.compress(zeros) for _ in range(80)) + packer.flush()
    path.write_bytes(head[:end] + bomb)


def hostile_uids(folder):
    def edit(_, dataset):
        dataset.SOPInstanceUID = "../../evil"
        dataset.SeriesInstanceUID = "/etc/passwd"

    with pydicom.config.disable_value_validation():
        path = write_series(folder, ramp(1), edit=edit)[0]
    assert path.exists()


def no_dicom_at_all(folder):
    (folder / "sub").mkdir()


CASES = {
    no_dicom_at_all: 10,
    junk: 10,
    text_named_dcm: 10,
    truncated_header: 10,
    truncated_pixels: 13,
    claims_65535_squared: 13,
    claims_two_billion_frames: 10,
    deep_nesting: 10,
    deflated_bomb: 10,
    hostile_uids: 10,
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI:UserWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_ends_with_its_code_and_a_receipt(case, tmp_path, repository, store):
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    case(source)
    done = subprocess.run(
        [sys.executable, "app", "-i", source, "-o", target, "-m", store],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == CASES[case], done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert [path.name for path in target.rglob("*")] == ["run.json"]
    record = json.loads((target / "run.json").read_text())
    assert record["exit_code"] == CASES[case]
    reasons = [record["reason"], *(series["reason"] for series in record["series"])]
    assert any(reason and reason["message"] for reason in reasons)
    assert not (tmp_path / "evil").exists()


def test_a_missing_input_folder_and_unknown_options_are_usage_errors(tmp_path, repository):
    for arguments in (["-i", tmp_path / "none", "-o", tmp_path / "out"], ["--bogus"], []):
        done = subprocess.run(
            [sys.executable, "app", *arguments],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_target_that_cannot_be_written_is_code_30(tmp_path, repository):
    (tmp_path / "file").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "app", "-i", tmp_path, "-o", tmp_path / "file" / "out"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 30
    assert "Traceback" not in done.stderr


def test_an_altered_or_missing_model_is_code_20(tmp_path, repository, store):
    write_series(tmp_path / "in", ramp(3))
    altered = tmp_path / "altered"
    shutil.copytree(store, altered)
    graph = next(altered.rglob("model.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    for models in (altered, tmp_path / "none"):
        done = subprocess.run(
            [sys.executable, "app", "-i", tmp_path / "in", "-o", tmp_path / "out", "-m", models],
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 20
        assert "Traceback" not in done.stderr
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]
