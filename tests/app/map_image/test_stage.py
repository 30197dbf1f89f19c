"""Staging refuses what would make a wrong image, and leaves nothing behind."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from lesionmap.app.map_image import stage as stage_module
from lesionmap.app.map_image.profiles import PROFILES
from lesionmap.app.map_image.stage import stage
from lesionmap.models.core.errors import ModelError, OutputError, SettingsError
from lesionmap.models.weights.catalog import Catalog

CPU = PROFILES["cpu"]


@pytest.fixture
def checkout(repository, tmp_path):
    """A checkout whose store may be damaged."""
    copy = tmp_path / "checkout"
    copy.mkdir()
    files = ("pyproject.toml", "requirements.txt", "app.yaml", "README.md", "LICENSE", "NOTICE")
    for name in (*files, "docs", "requirements"):
        (copy / name).symlink_to(repository / name)
    shutil.copytree(repository / "models" / "store", copy / "models" / "store")
    return copy


def stage_cpu(folder, checkout):
    stage(folder, CPU, checkout=checkout, base_image=CPU.base_image)


def test_the_staged_folder_is_what_the_stock_packager_takes(repository, wheel, tmp_path):
    stage_cpu(tmp_path / "s", repository)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [
        "app",
        "app.yaml",
        "artifacts.json",
        "docs",
        "models",
    ]
    app = sorted(path.name for path in (tmp_path / "s" / "app").iterdir())
    assert app == ["__main__.py", wheel.name, "requirements.txt"]
    built_again = tmp_path / "s" / "app" / wheel.name
    assert built_again.read_bytes() == wheel.read_bytes()
    sources = json.loads((tmp_path / "s" / "artifacts.json").read_text())
    assert sources["4.2.0"]["holoscan"]["base-images"]["dgpu"] == CPU.base_image
    done = subprocess.run(
        [sys.executable, tmp_path / "s" / "app", "-i", "in", "-o", tmp_path / "o"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "input folder does not exist" in done.stderr) == (2, True)


@pytest.mark.parametrize("card", ["docs/models/yolo-nas-nano-256.md", "trained by us " * 30])
def test_a_model_of_ones_own_is_staged_and_in_the_papers(
    checkout, wheel, tmp_path, card, monkeypatch
):
    monkeypatch.setattr(stage_module, "_build_wheel", lambda _, app: shutil.copy(wheel, app))
    monkeypatch.setenv("HOLOSCAN_CONFIG_PATH", str(tmp_path / "nowhere.yaml"))
    store, shipped = checkout / "models" / "store", Catalog.load().find("yolo-nas-nano-256-int8")
    (store / "yolo-nas-nano-256-int8").rename(store / "ours")
    document = yaml.safe_load((checkout / "app.yaml").read_text())
    document["lesionmap"]["models"]["detector"] = "ours"
    document["lesionmap"]["artifacts"] = {"ours": {**shipped.model_dump(), "card": card}}
    (checkout / "app.yaml").unlink()
    (checkout / "app.yaml").write_text(yaml.safe_dump(document))
    stage_cpu(tmp_path / "s", checkout)
    assert (tmp_path / "s" / "models" / "ours" / shipped.file).is_file()
    sbom = json.loads((tmp_path / "s" / "docs" / "sbom.json").read_text())
    assert "ours" in {item["name"] for item in sbom["components"]}
    cards = {path.name for path in (tmp_path / "s" / "docs" / "models").iterdir()}
    assert ("yolo-nas-nano-256.md" in cards) == card.endswith(".md")
    assert "sam2-small-256.md" in cards


def test_a_missing_model_is_refused(checkout, tmp_path):
    shutil.rmtree(checkout / "models" / "store" / "yolo-nas-nano-256-int8")
    with pytest.raises(ModelError, match="not in the store"):
        stage_cpu(tmp_path / "s", checkout)
    assert not (tmp_path / "s").exists()


def test_an_altered_model_is_refused(checkout, tmp_path):
    model = checkout / "models" / "store" / "yolo-nas-nano-256-int8" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ModelError, match="altered"):
        stage_cpu(tmp_path / "s", checkout)
    assert not (tmp_path / "s").exists()


@pytest.mark.usefixtures("quick_stage")
def test_stray_files_in_the_store_stay_out(checkout, tmp_path):
    store = checkout / "models" / "store"
    (store / ".DS_Store").write_text("")
    (store / "yolo-nas-nano-256-int8" / "notes.txt").write_text("")
    (store / "another-model").mkdir()
    stage_cpu(tmp_path / "s", checkout)
    names = {path.relative_to(tmp_path / "s" / "models") for path in (tmp_path / "s").rglob("*.*x")}
    assert len(names) == 3
    assert len([path for path in (tmp_path / "s" / "models").rglob("*") if path.is_file()]) == 3


def test_a_folder_with_something_in_it_is_left_alone(repository, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="not empty"):
        stage_cpu(tmp_path, repository)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_an_output_error(repository, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be filled"):
        stage_cpu(tmp_path / "file" / "s", repository)


def test_only_a_checkout_can_be_staged(tmp_path):
    with pytest.raises(SettingsError, match="only a checkout"):
        stage_cpu(tmp_path / "s", tmp_path)


def test_a_wheel_that_cannot_be_built_says_why(checkout, tmp_path):
    for name in ("app", "operators"):
        (checkout / name).mkdir()
    with pytest.raises(OutputError, match="wheel cannot be built"):
        stage_cpu(tmp_path / "s", checkout)
    assert not (tmp_path / "s").exists()
