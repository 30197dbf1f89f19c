"""The shipped detector: its kernels, its origin, and the numbers on its card."""

import json

import pytest
from numpy import ones

from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.evaluation.average_precision import average_precision, match_boxes
from lesionmap.models.evaluation.detection import find_all
from lesionmap.models.quantization.detector import integer_convolutions
from lesionmap.models.quantization.detector_release import DetectorRelease, export_release
from lesionmap.models.training.datasets import load_samples
from lesionmap.models.weights.backend import OnnxModel

pytestmark = pytest.mark.workshop

NAME = "yolo-nas-nano-256"
TARGETS = {"brain": 0.65, "breast": 0.60, "polyps": 0.60}


@pytest.fixture(scope="module")
def graph(store):
    return store / f"{NAME}-int8" / "model.onnx"


@pytest.fixture(scope="module")
def card(repository):
    return json.loads((repository / "docs" / "models" / NAME / "metrics.json").read_text())


@pytest.fixture(scope="module")
def release():
    return DetectorRelease()


def test_it_runs_as_integers(graph, card):
    assert integer_convolutions(graph) == card["integer_convolutions"] == 57


def test_it_is_the_only_file_in_its_folder(graph):
    assert [path.name for path in graph.parent.iterdir()] == ["model.onnx"]


def test_the_float_graph_can_be_exported_again(repository, release, card, tmp_path):
    checkpoint = repository / "models" / "checkpoints" / f"{NAME}.safetensors"
    export_release(release, checkpoint, tmp_path / "model.onnx")
    assert LesionDetector(OnnxModel(tmp_path / "model.onnx")).settings == release.settings
    assert (tmp_path / "model.onnx").stat().st_size == card["bytes"]["fp32"]


@pytest.mark.parametrize("source", sorted(TARGETS))
def test_int8_costs_nothing_that_matters(card, source):
    assert abs(card["int8_minus_fp32_ap50"][source]["value"]) <= 0.015


@pytest.mark.data
@pytest.mark.slow
def test_the_numbers_on_the_card_come_out_again(graph, card, shared_images):
    samples = [s for s in load_samples(TARGETS, shared_images) if s.split == "val"]
    found = find_all(LesionDetector(OnnxModel(graph, threads=2)), samples)
    for source in TARGETS:
        images = found.of(source).images
        value = average_precision(match_boxes(images, 0.5), ones(len(images)))
        assert value == pytest.approx(card["int8"][source]["ap50"]["value"], abs=0.005)
