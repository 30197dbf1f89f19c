"""Export and quantisation of an untrained pico: parity, integer kernels, determinism."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lesionmap.models.core.errors import ModelError
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.detection.networks.export import (
    export_onnx,
    fuse,
    load_checkpoint,
    save_checkpoint,
)
from lesionmap.models.detection.networks.mirror import Mirrored, mirrored_anchors
from lesionmap.models.detection.networks.yolo_nas import MEMBERS, build_yolo_nas
from lesionmap.models.detection.settings import DetectorSettings
from lesionmap.models.quantization.detector import (
    Quantization,
    calibration_images,
    float_nodes,
    integer_convolutions,
    quantize_detector,
)
from lesionmap.models.training.datasets.sample import Sample
from lesionmap.models.weights.backend import OnnxModel

pytestmark = pytest.mark.workshop

SIZE = 64
SETTINGS = DetectorSettings(SIZE, ("lesion",), score_threshold=0.0, nms_iou=0.5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    network = build_yolo_nas("pico")
    with torch.no_grad():  # normalisation statistics as after some training
        for _ in range(20):
            network(torch.rand(2, 3, SIZE, SIZE))
    save_file(network.state_dict(), folder / "average.safetensors")
    save_checkpoint(folder / "average.safetensors", "pico", folder / "pico.safetensors")
    return folder / "pico.safetensors"


@pytest.fixture(scope="module")
def float_graph(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("float") / "model.onnx"
    export_onnx(load_checkpoint(checkpoint, "pico", SIZE), SETTINGS, path)
    return path


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(1)
    return [rng.random((3, SIZE, SIZE), np.float32) for _ in range(4)]


@pytest.fixture(scope="module")
def int8_graph(float_graph, images, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "model.onnx"
    quantize_detector(float_graph, path, images, Quantization())
    return path


def answer(path, image):
    outputs = OnnxModel(path).run({"image": image[None]})
    return outputs["boxes"][0], outputs["scores"][0]


def test_fusing_changes_nothing(images):
    torch.manual_seed(0)
    network = build_yolo_nas("pico").eval()
    image = torch.from_numpy(images[0][None])
    with torch.no_grad():
        (boxes, scores), _ = network(image)
        (fused_boxes, fused_scores), _ = fuse(network, SIZE)(image)
    assert torch.allclose(boxes, fused_boxes, atol=1e-2)
    assert torch.allclose(scores, fused_scores, atol=1e-4)


def test_the_graph_answers_as_the_network(checkpoint, float_graph, images):
    network = load_checkpoint(checkpoint, "pico", SIZE)
    for image in images:
        boxes, scores = answer(float_graph, image)
        with torch.no_grad():
            (wanted_boxes, wanted_scores), _ = network(torch.from_numpy(image[None]))
        np.testing.assert_allclose(boxes, wanted_boxes[0], atol=0.02)
        np.testing.assert_allclose(scores, wanted_scores[0], atol=1e-4)


def test_exporting_twice_gives_the_same_bytes(checkpoint, float_graph, tmp_path):
    export_onnx(load_checkpoint(checkpoint, "pico", SIZE), SETTINGS, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == float_graph.read_bytes()


def test_convolutions_run_as_integers(float_graph, int8_graph):
    assert integer_convolutions(float_graph) == 0
    assert integer_convolutions(int8_graph) >= 45


def test_the_int8_graph_is_close_and_smaller(float_graph, int8_graph, images):
    assert int8_graph.stat().st_size < 0.5 * float_graph.stat().st_size
    for image in images:
        boxes, scores = answer(float_graph, image)
        int8_boxes, int8_scores = answer(int8_graph, image)
        assert np.abs(scores - int8_scores).max() < 0.02
        assert np.median(np.abs(boxes - int8_boxes)) < 1.0


def test_a_mirrored_graph_answers_alike_for_mirror_images(checkpoint, images, tmp_path):
    network = Mirrored(load_checkpoint(checkpoint, "pico", SIZE), SIZE)
    export_onnx(network, SETTINGS, tmp_path / "model.onnx")
    boxes, scores = answer(tmp_path / "model.onnx", images[0])
    other_boxes, other_scores = answer(tmp_path / "model.onnx", images[0][..., ::-1].copy())
    order = mirrored_anchors(SIZE).numpy()
    np.testing.assert_allclose(scores, other_scores[order], atol=1e-4)
    np.testing.assert_allclose(boxes[:, 0], SIZE - other_boxes[order, 2], atol=0.02)
    np.testing.assert_allclose(boxes[:, 1], other_boxes[order, 1], atol=0.02)


def test_a_mirrored_graph_runs_as_integers_too(checkpoint, images, tmp_path):
    network = Mirrored(load_checkpoint(checkpoint, "pico", SIZE), SIZE)
    export_onnx(network, SETTINGS, tmp_path / "float.onnx")
    count = quantize_detector(
        tmp_path / "float.onnx", tmp_path / "int8.onnx", images, Quantization()
    )
    assert count >= 45


def test_the_end_of_the_head_stays_in_float(float_graph):
    names = float_nodes(float_graph)
    assert sum("cls_pred" in name for name in names) == 3
    assert sum("reg_pred" in name for name in names) == 3
    assert any("Softmax" in name for name in names)


def test_the_int8_graph_keeps_the_description(int8_graph):
    assert LesionDetector(OnnxModel(int8_graph)).settings == SETTINGS
    assert OnnxModel(int8_graph).metadata["lesionmap.calibration_seed"] == "20"


def test_a_graph_with_weights_that_are_not_numbers_is_refused(checkpoint, tmp_path):
    network = load_checkpoint(checkpoint, "pico", SIZE)
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    export_onnx(network, SETTINGS, tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="not finite"):
        LesionDetector(OnnxModel(tmp_path / "model.onnx"))


def sample(name, source, split="train"):
    image = np.full((20, 30), len(name), np.uint8)
    return Sample(source, name, name, split, "MR", image, (), np.zeros((0, 4), np.float32))


def test_calibration_takes_as_many_of_each_source_and_never_val():
    samples = [sample("a" * n, "brain") for n in range(1, 9)]
    samples += [sample("b" * n, "breast") for n in range(11, 13)]
    samples += [sample("c" * 99, "brain", split="val")]
    drawn = calibration_images(samples, SIZE, Quantization(images_per_source=4))
    shades = sorted(round(float(image.max()) * 255) for image in drawn)
    assert len(drawn) == 4 + 2
    assert shades[-2:] == [11, 12]


def test_an_unknown_member_is_refused():
    with pytest.raises(ValueError, match="known are"):
        build_yolo_nas("xl")
    assert set(MEMBERS) == {"s", "nano", "pico"}
