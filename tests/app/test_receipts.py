"""`lesionmap verify`: what a run wrote is what its run.json says, and what the SEG carries."""

import json
import shutil
from importlib.metadata import version
from importlib.resources import files

import numpy as np
import pydicom
import pytest
import yaml
from typer.testing import CliRunner

from lesionmap.app import batch, provenance
from lesionmap.app.cli import app
from lesionmap.app.settings import Folders
from lesionmap.models.core.errors import OutputError, SettingsError
from lesionmap.operators.dicom.receipt import read_receipt
from lesionmap.operators.outputs import OUTPUTS
from lesionmap.operators.receipt_check import check_receipts
from lesionmap.operators.run_record import RunRecord
from tests.dicom_series import write_series
from tests.fakes import fake_models


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())
    return Folders(tmp_path / "in", tmp_path / "out", tmp_path / "store")


@pytest.fixture
def record(folders):
    voxels = np.zeros((6, 40, 50), np.int16)
    voxels[2:5, 10:20, 15:30] = 400
    write_series(folders.source, voxels)
    return batch.run_batch(folders)


def test_a_run_agrees_with_its_receipts(folders, record):
    (series,) = record.series
    assert len(series.input.instances) == 6
    assert series.models == ("fake",)
    assert series.rule == "ct"
    assert read_receipt(pydicom.dcmread(folders.target / "001" / "seg.dcm")) == series.receipt
    assert check_receipts(folders.target, folders.source) == (len(series.outputs), [])
    done = CliRunner().invoke(app, ["verify", str(folders.target)])
    assert done.exit_code == 0
    assert "0 faults" in done.output


def test_every_kind_of_output_carries_the_receipt(folders, record, tmp_path):
    kinds = [row.kind for row in OUTPUTS]
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    document["lesionmap"]["outputs"] = kinds
    (tmp_path / "app.yaml").write_text(yaml.safe_dump(document))
    (series,) = batch.run_batch(folders, tmp_path / "app.yaml").series
    assert {item.kind for item in series.outputs} == {"seg", *kinds}
    assert check_receipts(folders.target) == (len(series.outputs), [])


def flip_a_bit(folders):
    path = folders.target / "001" / "lesion-001.png"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def put_in_another_seg(folders):
    """Another receipt in the file, and run.json made to fit it."""
    path = folders.target / "001" / "seg.dcm"
    seg = pydicom.dcmread(path)
    seg.ContributingEquipmentSequence[0].ContributionDescription = "receipt sha256:" + "0" * 64
    seg.save_as(path)
    from lesionmap.models.weights.catalog import sha256_of

    edit(folders, lambda run: run["series"][0]["outputs"][0].update(sha256=sha256_of(path)))


def edit(folders, change):
    path = folders.target / "run.json"
    run = json.loads(path.read_text())
    change(run)
    path.write_text(json.dumps(run))


FAULTS = {
    "a picture was altered": (flip_a_bit, "lesion-001.png: altered"),
    "a file is gone": (lambda f: (f.target / "001" / "sr.dcm").unlink(), "sr.dcm: missing"),
    "another SEG": (put_in_another_seg, "does not carry the receipt"),
    "a file more": (
        lambda f: shutil.copy(f.target / "001" / "seg.dcm", f.target / "001" / "more.dcm"),
        "more.dcm: not in run.json",
    ),
    "other weights claimed": (
        lambda f: edit(f, lambda run: run["models"][0].update(sha256="1" * 64)),
        "receipt is not the hash",
    ),
    "another library claimed": (
        lambda f: edit(f, lambda run: run["software"]["packages"].update(numpy="1")),
        "receipt is not the hash",
    ),
    "a path out of the folder": (
        lambda f: edit(f, lambda run: run["series"][0]["outputs"][0].update(path="../in/0000.dcm")),
        "missing",
    ),
    "another input": (
        lambda f: (f.source / "0002.dcm").write_bytes(b"DICM"),
        "1 of 6 instances are not in IN",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault, folders, record):
    change, said = FAULTS[fault]
    change(folders)
    _, faults = check_receipts(folders.target, folders.source)
    assert any(said in text for text in faults)
    arguments = ["verify", str(folders.target), "--source", str(folders.source)]
    assert CliRunner().invoke(app, arguments).exit_code == 30


def test_a_folder_without_a_readable_run_json_is_refused(folders, record):
    edit(folders, lambda run: run.update(schema_version="9.9"))
    with pytest.raises(OutputError, match="another version"):
        check_receipts(folders.target)
    (folders.target / "run.json").unlink()
    with pytest.raises(SettingsError, match=r"no run\.json"):
        check_receipts(folders.target)


def test_another_runtime_gives_another_receipt_and_another_object(folders, record, monkeypatch):
    again = batch.run_batch(folders)
    assert again.series[0].receipt == record.series[0].receipt
    assert again.series[0].outputs == record.series[0].outputs
    before = pydicom.dcmread(folders.target / "001" / "seg.dcm")
    monkeypatch.setattr(provenance, "version", lambda name: "0" if name == "numpy" else "1")
    changed = batch.run_batch(folders)
    after = pydicom.dcmread(folders.target / "001" / "seg.dcm")
    assert changed.series[0].receipt != record.series[0].receipt
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.SegmentSequence[0].TrackingUID != before.SegmentSequence[0].TrackingUID


def test_the_receipt_names_the_libraries_and_the_sources():
    assert ("onnxruntime", version("onnxruntime")) in provenance.package_versions()
    assert len(provenance.hash_sources()) == 64
    assert provenance.hash_sources() == provenance.hash_sources()


def test_the_schema_is_printed_and_names_every_key(record):
    done = CliRunner().invoke(app, ["schema"])
    schema = json.loads(done.output)
    assert set(schema["properties"]) == set(RunRecord.model_fields)
    assert set(json.loads(record.model_dump_json())) == set(schema["properties"])
