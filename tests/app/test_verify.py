"""`verify`, `quality` and `empty_report` of app.yaml, from the settings to the outputs."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pydicom
import pytest
import yaml

from lesionmap.app import batch
from lesionmap.app.references import LoadedReferences, load_references
from lesionmap.app.settings import Folders, Settings
from lesionmap.models.core.errors import ModelError, SettingsError
from lesionmap.models.core.flags import Flag
from lesionmap.models.segmentation.agreement import Reference
from lesionmap.models.weights.catalog import Catalog
from lesionmap.models.weights.names import ModelNames
from lesionmap.operators import lesion_segmenter
from tests.dicom_series import write_series
from tests.fakes import IDENTITY, BrightDetector, BrightSegmenter, fake_models

BRIGHT_HU = 400


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "in", tmp_path / "out", tmp_path / "store")


@pytest.fixture
def write_config(tmp_path):
    """Write the shipped app.yaml with other sections."""

    def write(**sections):
        document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
        document["lesionmap"] |= sections
        (tmp_path / "app.yaml").write_text(yaml.safe_dump(document))
        return tmp_path / "app.yaml"

    return write


@pytest.fixture
def run(monkeypatch, folders, write_config):
    """Run the app on a series, with stand-ins for the models and their references."""

    def run(voxels, *, reference=None, **sections):
        identities = (replace(IDENTITY, name="reference"),)
        monkeypatch.setattr(batch, "load_models", lambda *_: fake_models())
        if reference:
            monkeypatch.setattr(
                batch,
                "load_references",
                lambda _, wanted, __: LoadedReferences(
                    dict.fromkeys(wanted, reference), identities
                ),
            )
            sections["verify"] = {"references": {}}
        write_series(folders.source, voxels)
        record = batch.run_batch(folders, write_config(**sections))
        assert record.exit_code == 0
        return record

    return run


def with_lesion(*, rows=slice(10, 20)):
    voxels = np.zeros((6, 40, 50), np.int16)
    voxels[2:5, rows, 15:30] = BRIGHT_HU
    return voxels


class NoDetector(BrightDetector):
    def detect(self, display, **_):
        return []


class HalfSegmenter(BrightSegmenter):
    def decode(self, embedding, boxes):
        logits = super().decode(embedding, boxes)
        logits[:, :15] = -10
        return logits


def report_texts(folders):
    return pydicom.dcmread(folders.target / "001" / "sr.dcm").to_json()


def test_a_reference_that_agrees_raises_no_flag_and_is_recorded(run):
    record = run(with_lesion(), reference=Reference(BrightDetector(), BrightSegmenter()))
    assert record.series[0].lesions[0].flags == ()
    assert "reference" in [model.name for model in record.models]
    assert "verify" in record.series[0].timings_ms


@pytest.mark.parametrize(
    "reference",
    [Reference(NoDetector(), BrightSegmenter()), Reference(BrightDetector(), HalfSegmenter())],
)
def test_a_reference_that_disagrees_flags_the_lesion_in_run_json_and_report(
    run, folders, reference
):
    record = run(with_lesion(), reference=reference)
    assert record.series[0].lesions[0].flags == (Flag.PRECISIONS_DISAGREE,)
    assert Flag.PRECISIONS_DISAGREE.meaning in report_texts(folders)


def test_what_the_reference_alone_finds_flags_the_series(run, monkeypatch):
    monkeypatch.setattr("tests.fakes.BrightDetector", NoDetector)
    record = run(with_lesion(), reference=Reference(BrightDetector(), BrightSegmenter()))
    (series,) = record.series
    assert series.lesions == ()
    assert series.flags == (Flag.PRECISIONS_DISAGREE,)
    assert "found 1 more" in series.notes[-1]


@pytest.mark.parametrize("many_findings", [1, 1000])
def test_lesions_that_were_not_kept_flag_the_series_once_and_were_not_missed(
    run, monkeypatch, many_findings
):
    monkeypatch.setattr(lesion_segmenter, "MOST_LESIONS", 2)
    voxels = np.zeros((18, 40, 50), np.int16)
    for first in (1, 8, 15):
        voxels[first : first + 2, 10:20, 15:30] = BRIGHT_HU
    record = run(
        voxels,
        reference=Reference(BrightDetector(), BrightSegmenter()),
        quality={"many_findings": many_findings},
    )
    (series,) = record.series
    assert len(series.lesions) == 2
    assert series.flags == (Flag.TOO_MANY_FINDINGS,)
    assert "3 lesions found" in series.notes[-1]


def test_doubts_reach_run_json_and_report(run, folders):
    record = run(with_lesion(rows=slice(0, 20)), quality={"low_score": 0.95, "many_findings": 1})
    (lesion,) = record.series[0].lesions
    assert lesion.flags == (Flag.TOUCHES_EDGE, Flag.LOW_SCORE)
    assert all(flag.meaning in report_texts(folders) for flag in lesion.flags)


def test_a_report_on_nothing_is_written_where_asked_for(run, folders):
    record = run(np.zeros((3, 20, 20), np.int16), empty_report=True)
    assert [output.path for output in record.series[0].outputs] == ["001/sr.dcm"]
    assert "Not detected" in report_texts(folders)
    assert [path.name for path in (folders.target / "001").iterdir()] == ["sr.dcm"]


def test_without_reports_there_is_none_on_nothing(run):
    record = run(np.zeros((3, 20, 20), np.int16), empty_report=True, outputs=["preview"])
    assert record.series[0].outputs == ()


@pytest.fixture
def pinned(store):
    """The shipped INT8 graphs, named as their own references."""
    artifacts = Catalog.load().artifacts
    return {
        name: {"file": str(store / name / artifact.file), "sha256": artifact.sha256}
        for name, artifact in artifacts.items()
    }


def load(write_config, references):
    settings = Settings.load(write_config(verify={"references": references}))
    return load_references(settings, [common_models()], Catalog.load())


def common_models():
    return ModelNames(**Settings.load().models.model_dump())


def test_references_are_loaded_for_the_models_of_the_settings(write_config, pinned):
    loaded = load(write_config, pinned)
    assert list(loaded.sets) == [common_models()]
    assert {item.sha256 for item in loaded.identities} == {
        item["sha256"] for item in pinned.values()
    }


def test_a_model_without_reference_is_a_fault_of_the_settings(write_config, pinned):
    pinned.pop(Settings.load().models.encoder)
    with pytest.raises(SettingsError, match="names no graph"):
        load(write_config, pinned)


@pytest.mark.parametrize("change", [{"file": "nowhere.onnx"}, {"sha256": "0" * 64}])
def test_a_missing_or_altered_reference_is_refused(write_config, pinned, change):
    pinned[Settings.load().models.detector] |= change
    with pytest.raises(ModelError, match="reference of model"):
        load(write_config, pinned)


def test_a_run_without_its_references_ends_with_20(folders, write_config, pinned, store):
    pinned[Settings.load().models.detector]["file"] = "nowhere.onnx"
    folders.source.mkdir()
    config = write_config(verify={"references": pinned})
    assert batch.run_batch(replace(folders, store=store), config).exit_code == 20


def test_where_a_reference_lies_does_not_change_the_digest(write_config, pinned):
    first = Settings.load(write_config(verify={"references": pinned})).digest
    moved = {name: item | {"file": "elsewhere.onnx"} for name, item in pinned.items()}
    assert Settings.load(write_config(verify={"references": moved})).digest == first
    assert Settings.load(write_config(verify=None)).digest != first
