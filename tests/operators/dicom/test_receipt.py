"""The receipt changes with all that decides a result, and with nothing else."""

import hashlib
import json
from dataclasses import asdict, replace

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from lesionmap.operators.dicom.hashes import hash_dataset
from lesionmap.operators.dicom.receipt import Receipt, read_receipt
from lesionmap.operators.dicom.report import build_report
from lesionmap.operators.dicom.seg import build_seg
from tests.dicom_series import ramp, write_series
from tests.seg_cases import MODEL, PROVENANCE, RULE, load, report_on, subject_of, write
from tests.seg_readers import dciodvfy_errors


def receipt(**changes):
    inputs = {"1.2.3": "aa" * 32, "1.2.4": "bb" * 32}
    return replace(Receipt(inputs, "ct", (MODEL,), PROVENANCE), **changes)


CHANGES = {
    "one input": {"inputs": {"1.2.3": "aa" * 32, "1.2.4": "bc" * 32}},
    "one input more": {"inputs": {**receipt().inputs, "1.2.5": "cc" * 32}},
    "hashes exchanged": {"inputs": {"1.2.3": "bb" * 32, "1.2.4": "aa" * 32}},
    "rule": {"rule": "mr"},
    "weights": {"models": (replace(MODEL, sha256="ef" * 32),)},
    "settings": {"provenance": replace(PROVENANCE, settings_digest="x")},
    "code": {"provenance": replace(PROVENANCE, code_sha256="x")},
    "runtime": {"provenance": replace(PROVENANCE, packages=(("onnxruntime", "1.0"),))},
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_decides_a_result_changes_the_receipt(change):
    assert receipt(**CHANGES[change]).digest != receipt().digest


def test_the_order_of_files_does_not(tmp_path):
    backwards = dict(reversed(receipt().inputs.items()))
    assert receipt(inputs=backwards).digest == receipt().digest


def test_anyone_can_compute_it(tmp_path):
    """The recipe of docs/receipt.md, written once more without our code."""
    item = receipt()
    lines = "".join(f"{digest}  {uid}\n" for uid, digest in sorted(item.inputs.items()))
    content = {
        "input": hashlib.sha256(lines.encode()).hexdigest(),
        "rule": "ct",
        "models": [asdict(MODEL)],
        "settings": PROVENANCE.settings_digest,
        "software": PROVENANCE.software_version,
        "code": PROVENANCE.code_sha256,
        "packages": dict(PROVENANCE.packages),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert item.digest == hashlib.sha256(text.encode()).hexdigest()


def test_seg_and_report_carry_it_and_stay_valid(tmp_path):
    volume, series = write(tmp_path / "in")
    subject = subject_of(series, report_on(volume))
    subject = subject.with_seg(build_seg(subject))
    for name, result in (("seg", subject.written_seg), ("sr", build_report(subject))):
        path = tmp_path / f"{name}.dcm"
        result.save_as(path, enforce_file_format=True)
        assert read_receipt(pydicom.dcmread(path)) == Receipt.of_subject(subject).digest
        assert dciodvfy_errors(path) == []
        assert not [element for element in result if element.tag.is_private]


def test_a_series_that_was_not_decoded_has_no_receipt(tmp_path):
    _, series = write(tmp_path / "in")
    unread = replace(series, instances=tuple(replace(i, sha256=None) for i in series.instances))
    with pytest.raises(ValueError, match="decode"):
        Receipt.of_series(unread, RULE, (MODEL,), PROVENANCE)


def test_how_a_system_stores_an_object_does_not_change_its_hash(tmp_path):
    (path,) = write_series(tmp_path / "in", ramp(1))
    before = hash_dataset(path.read_bytes())
    dataset = pydicom.dcmread(path)
    dataset.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    dataset.preamble = b"x" * 128
    dataset.save_as(path)
    assert hash_dataset(path.read_bytes()) == before
    dataset.PatientID = "T-2"
    dataset.save_as(path)
    assert hash_dataset(path.read_bytes()) != before


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_hash_is_that_of_the_bytes_behind_the_meta_information(syntax, tmp_path):
    (path,) = write_series(tmp_path / "in", ramp(1))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    content = path.read_bytes()
    bare = content[
        144 + pydicom.filereader.read_file_meta_info(path).FileMetaInformationGroupLength :
    ]
    wanted = hashlib.sha256(bare).hexdigest()
    assert hash_dataset(content) == wanted
    assert hash_dataset(bare) == wanted


def test_the_hash_is_of_the_files_that_were_decoded(tmp_path):
    paths = write_series(tmp_path / "in", ramp(3))
    _, series = load(tmp_path / "in")
    assert [item.sha256 for item in series.instances] == [
        hash_dataset(path.read_bytes()) for path in paths
    ]
