"""Nothing that a header says of a patient gets out, except in DICOM, where it belongs."""

import base64
import gzip
import json
import logging
import re
import warnings
import zlib
from importlib.resources import files
from itertools import product
from typing import get_args

import numpy as np
import pydicom
import pytest
import yaml
from typer.testing import CliRunner

from lesionmap.app import batch
from lesionmap.app.cli import app
from lesionmap.operators.messages import OutputKind
from tests.canaries import LEAKS, NAME, WORD, plant
from tests.dicom_series import ramp, write_series
from tests.fakes import FailingDetector, fake_models

OUTPUTS = (*get_args(OutputKind), "html")
PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
PIXEL_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A study of processed, refused, skipped and unreadable objects, full of canaries."""
    root = tmp_path_factory.mktemp("in")
    folder = root / f"{NAME} {WORD}"
    voxels = np.zeros((3, 40, 50), np.int16)
    voxels[1:3, 10:20, 15:30] = 400
    colour = np.zeros((1, 40, 50, 3), np.uint8)
    colour[0, 10:20, 15:30] = 255
    write_series(folder / "ct", voxels, edit=plant, key="ct")
    write_series(folder / "es", colour, modality="ES", edit=plant, key="es")
    write_series(folder / "gap", ramp(4), edit=plant, key="gap")[1].unlink()
    write_series(folder / "patients", ramp(2), edit=_two_patients, key="patients")
    write_series(folder / "dx", ramp(1), modality="DX", edit=plant, key="dx")
    write_series(folder / "empty", ramp(2) * 0, modality="MR", edit=plant, key="empty")
    (short,) = write_series(folder / "short", ramp(1), edit=plant, key="short")
    short.write_bytes(short.read_bytes()[:-900])
    (cut,) = write_series(folder / "cut", ramp(1), edit=plant, key="cut")
    cut.write_bytes(cut.read_bytes()[:3000])
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        write_series(folder / "uid", ramp(1), edit=_text_for_uids, key="uid")
    (folder / f"{NAME}.txt").write_text(WORD)
    for path in list(folder.rglob("*.dcm")):
        path.rename(path.with_name(f"{NAME} {path.name}"))
    return root


def _two_patients(index, dataset):
    plant(index, dataset)
    dataset.PatientID = f"{WORD} {index}"


def _text_for_uids(index, dataset):
    plant(index, dataset)
    dataset.SOPInstanceUID = dataset.StudyInstanceUID = dataset.SeriesInstanceUID = NAME


@pytest.fixture
def everything(tmp_path):
    """An app.yaml with every output switched on."""
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    document["lesionmap"]["outputs"] = [kind for kind in OUTPUTS if kind != "seg"]
    path = tmp_path / "app.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def said(caplog, capfd, recwarn):
    """What was printed, logged or warned of, to the terminal and below it."""
    caplog.set_level(logging.DEBUG)

    def collect(result):
        printed = capfd.readouterr()
        warned = " ".join(str(item.message) for item in recwarn)
        return " ".join((result.output, printed.out, printed.err, caplog.text, warned))

    return collect


def leaks(text):
    joined = re.sub(r"[\s│┃]+", " ", text).lower()
    closed = joined.replace(" ", "")
    return [leak for leak in LEAKS if leak in joined or leak.replace(" ", "") in closed]


def invoke(*arguments):
    return CliRunner().invoke(app, [str(item) for item in arguments], env={"COLUMNS": "400"})


def test_the_search_finds_what_is_planted(source):
    path = next(source.rglob("ct/*.dcm"))
    dataset = pydicom.dcmread(path)
    assert leaks(str(dataset)) != []
    assert len(dataset) > 2000
    for text in ("Kanarien-\nvogel CANA\nRY", "born 1947-03-17"):
        assert leaks(text)


def test_a_run_with_every_output_tells_nothing_outside_dicom(
    source, everything, tmp_path, monkeypatch, said
):
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())
    target = tmp_path / "out"
    result = invoke("run", source, target, "-c", everything)
    assert result.exit_code == 0
    text = said(result)
    assert "refused (code 11)" in text
    assert "refused (code 12)" in text
    assert "refused (code 13)" in text
    assert leaks(text.replace(str(source), "")) == []
    record = json.loads((target / "run.json").read_text())
    kinds = {output["kind"] for series in record["series"] for output in series["outputs"]}
    assert kinds == set(get_args(OutputKind))
    written = [path for path in target.rglob("*") if path.is_file()]
    for path in written:
        assert leaks(str(path.relative_to(target))) == []
        found = [leak for content in contents(path) for leak in leaks(content)]
        assert found == [], path.name
    original = pydicom.dcmread(next(source.rglob("ct/*.dcm")))
    objects = [pydicom.dcmread(path) for path in written if path.suffix == ".dcm"]
    assert len(objects) >= 4
    for item, keyword in product(objects, PATIENT_AND_STUDY):
        assert item[keyword].value == original[keyword].value, keyword


def test_a_crash_tells_nothing(source, everything, tmp_path, monkeypatch, said):
    monkeypatch.setattr(batch, "load_models", lambda *_: fake_models(FailingDetector()))
    result = invoke("run", source, tmp_path / "out", "-c", everything)
    assert result.exit_code != 0
    text = said(result) + (tmp_path / "out" / "run.json").read_text()
    assert "internal KeyError" in text
    assert leaks(text.replace(str(source), "")) == []


def test_explain_tells_nothing(source, everything, said):
    result = invoke("explain", source, "-c", everything)
    text = said(result)
    assert "is an instance missing" in text
    assert leaks(text) == []


def contents(path):
    """Yield the texts of a file that anybody could read, packed ones unpacked."""
    if path.suffix == ".dcm":
        yield from _documents(pydicom.dcmread(path))
        return
    content = path.read_bytes()
    if path.suffix == ".png":
        assert _chunks(content) <= PIXEL_CHUNKS
        return
    if path.suffix == ".gz":
        assert content[3] & ~1 == 0  # no name, no comment
        content = gzip.decompress(content)
    if path.suffix == ".html":
        pictures = re.findall(rb"data:[a-z/]+;base64,([A-Za-z0-9+/=]+)", content)
        assert pictures
        yield from (base64.b64decode(picture).decode("latin-1") for picture in pictures)
        content = re.sub(rb"base64,[A-Za-z0-9+/=]+", b"", content)
    yield content.decode("utf-8", "replace")


def _documents(dataset):
    """Yield the text of a document that a DICOM object encapsulates, streams inflated."""
    if "EncapsulatedDocument" not in dataset:
        return
    document = dataset.EncapsulatedDocument
    yield document.decode("latin-1")
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", document, re.DOTALL):
        try:
            yield zlib.decompress(stream).decode("latin-1")
        except zlib.error:
            yield stream.decode("latin-1")


def _chunks(content):
    """Return the kinds of chunks of a PNG."""
    place, kinds = 8, set()
    while place < len(content):
        kinds.add(content[place + 4 : place + 8])
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return kinds
