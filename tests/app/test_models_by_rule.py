"""Several models by rule, with the shipped graphs under names of a hospital's own."""

import shutil
from importlib.resources import files

import numpy as np
import pytest
import yaml

from lesionmap.app import batch
from lesionmap.app.settings import Folders, Settings
from lesionmap.models.core.errors import ModelError
from lesionmap.models.weights.backend import OnnxModel
from lesionmap.models.weights.catalog import Catalog
from tests.dicom_series import write_series

SHIPPED = "yolo-nas-nano-256-int8"
OWN = "own-detector"


@pytest.fixture
def document():
    """Settings in which CT has a detector of the hospital's own."""
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    section = document["lesionmap"]
    artifact = Catalog.load().find(SHIPPED).model_dump() | {"version": "7.0.0"}
    section["artifacts"] = {OWN: artifact}
    (rule,) = (rule for rule in section["rules"] if rule["name"] == "ct")
    rule["models"] = {"detector": OWN}
    return document


@pytest.fixture
def folders(tmp_path, store):
    shutil.copytree(store, tmp_path / "store")
    shutil.copytree(store / SHIPPED, tmp_path / "store" / OWN)
    rng = np.random.default_rng(0)
    voxels = rng.normal(40, 20, (3, 64, 64)).astype(np.int16)
    write_series(tmp_path / "in" / "ct", voxels, key="ct")
    write_series(tmp_path / "in" / "mr", voxels + 200, modality="MR", key="mr")
    return Folders(tmp_path / "in", tmp_path / "out", tmp_path / "store")


def save(document, folders):
    path = folders.target.parent / "app.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_each_series_goes_through_the_models_of_its_rule(document, folders, monkeypatch):
    loaded = []

    class Counted(OnnxModel):
        def __init__(self, path, *args):
            loaded.append(path.parent.name)
            super().__init__(path, *args)

    monkeypatch.setattr("lesionmap.models.weights.catalog.OnnxModel", Counted)
    config = save(document, folders)
    record = batch.run_batch(folders, config)
    assert record.exit_code == 0
    detectors = {item.rule: item.models[0] for item in record.series}
    assert detectors == {"ct": OWN, "mr": SHIPPED}
    assert {item.name: item.version for item in record.models}[OWN] == "7.0.0"
    assert sorted(loaded) == sorted(folder.name for folder in folders.store.iterdir())
    outcomes, _ = batch.explain_batch(folders.source, config)
    assert {item.rule.name: item.rule.models.detector for item in outcomes} == detectors


def test_an_own_model_is_pinned_like_the_shipped_ones(document, folders):
    document["lesionmap"]["artifacts"][OWN]["sha256"] = "0" * 64
    record = batch.run_batch(folders, save(document, folders))
    assert record.exit_code == 20
    assert "altered" in record.reason.message


def test_a_rule_that_names_no_known_model_is_refused_by_the_dry_run_too(document, folders):
    document["lesionmap"]["rules"][0]["models"] = {"decoder": "nonesuch"}
    config = save(document, folders)
    assert batch.run_batch(folders, config).exit_code == 20
    with pytest.raises(ModelError, match="nonesuch"):
        batch.explain_batch(folders.source, config)


def test_a_shipped_name_cannot_be_given_to_another_file(document, folders):
    artifacts = document["lesionmap"]["artifacts"]
    artifacts[SHIPPED] = artifacts.pop(OWN)
    document["lesionmap"]["rules"][2].pop("models")
    assert Settings.load(save(document, folders)).artifacts
    assert batch.run_batch(folders, save(document, folders)).exit_code == 20
