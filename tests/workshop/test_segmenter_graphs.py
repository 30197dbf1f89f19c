"""The graphs of a segmenter: against sam2's own code, as ONNX, in INT8, and at full size."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lesionmap.models.core.boxes import Box2D
from lesionmap.models.evaluation.segmenter_release import open_segmenter
from lesionmap.models.quantization.segmenter import quantize_graph, quantize_segmenter
from lesionmap.models.segmentation.networks.checkpoint import (
    UNTRAINED,
    load_checkpoint,
    save_checkpoint,
)
from lesionmap.models.segmentation.networks.export import export_segmenter
from lesionmap.models.segmentation.networks.graphs import DecoderGraph, EncoderGraph
from lesionmap.models.segmentation.networks.prior import ellipse_logits
from lesionmap.models.segmentation.networks.shape import (
    MEDSAM2_TINY_512,
    REDUCED_256,
    NetworkShape,
    build_network,
)
from lesionmap.models.segmentation.prompts import inscribed_ellipse
from lesionmap.models.weights.backend import OnnxModel

pytestmark = [
    pytest.mark.workshop,
    # torch's tracer warns that shapes become constants, which is what a fixed size means.
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

BOXES = torch.tensor([[30.0, 40.0, 90.0, 120.0], [100.0, 100.0, 180.0, 140.0], [5, 5, 20, 22]])


def relative_error(found, wanted):
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def image(size, seed=0):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    return build_network(REDUCED_256, seed=3).eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    network = build_network(REDUCED_256, seed=3)
    return export_segmenter(network, REDUCED_256, folder, {"lesionmap.seed": "3"})


def test_the_encoder_graph_is_sam2s_own_encoder(network):
    normalised = (image(256) - EncoderGraph(network).mean) / EncoderGraph(network).std
    with torch.no_grad():
        ours = EncoderGraph(network)(image(256))
        theirs = network.forward_image(normalised)["backbone_fpn"]
    for found, wanted in zip(ours, (theirs[2], theirs[0], theirs[1]), strict=True):
        assert relative_error(found.numpy(), wanted.numpy()) < 1e-6


@pytest.mark.parametrize("masks", [1, 4])
def test_the_decoder_graph_is_sam2s_own_decoder(network, masks):
    shape = NetworkShape(ellipse_prior=False, mask_count=masks)
    with torch.no_grad():
        maps = EncoderGraph(network)(image(256))
        logits, iou, score = DecoderGraph(network, shape)(*maps, BOXES[:1])
        points = BOXES[:1].reshape(1, 2, 2), torch.tensor([[2, 3]])
        sparse, dense = network.sam_prompt_encoder(points=points, boxes=None, masks=None)
        theirs = network.sam_mask_decoder.predict_masks(
            image_embeddings=maps[0] + network.no_mem_embed.reshape(1, -1, 1, 1),
            image_pe=network.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=list(maps[1:]),
        )
    assert relative_error(logits.numpy(), theirs[0][:, :masks].numpy()) < 1e-5
    assert relative_error(iou.numpy(), theirs[1][:, :masks].numpy()) < 1e-5
    assert relative_error(score.numpy(), theirs[3].numpy()) < 1e-5


def test_memory_modules_are_part_of_the_network(network):
    names = {name.split(".")[0] for name in network.state_dict()}
    assert {"memory_attention", "memory_encoder", "maskmem_tpos_enc"} <= names


def test_onnx_agrees_with_torch(exported):
    network = build_network(REDUCED_256, seed=3).eval()
    encoder, decoder = (OnnxModel(path) for path in exported)
    with torch.no_grad():
        maps = EncoderGraph(network)(image(256))
        wanted = DecoderGraph(network, REDUCED_256)(*maps, BOXES)
    found = encoder.run({"image": image(256).numpy()})
    for name, tensor in zip(("embedding", "high_res_0", "high_res_1"), maps, strict=True):
        assert relative_error(found[name], tensor.numpy()) <= 1e-4
    answer = decoder.run({**found, "boxes": BOXES.numpy()})
    for name, tensor in zip(("mask_logits", "iou", "object_score"), wanted, strict=True):
        assert relative_error(answer[name], tensor.numpy()) <= 1e-4


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_boxes_gives_the_same_masks(exported, count):
    encoder, decoder = (OnnxModel(path) for path in exported)
    maps = encoder.run({"image": image(256).numpy()})
    boxes = np.tile(BOXES[:1].numpy(), (count, 1))
    logits = decoder.run({**maps, "boxes": boxes})["mask_logits"]
    assert logits.shape == (count, 1, 64, 64)
    assert np.allclose(logits, logits[:1], atol=1e-4)


def test_graphs_describe_themselves(exported):
    encoder, decoder = (OnnxModel(path) for path in exported)
    assert encoder.metadata["lesionmap.role"] == "encoder"
    assert decoder.metadata["lesionmap.role"] == "decoder"
    assert decoder.metadata["lesionmap.mask_selection"] == "first"
    assert decoder.metadata["lesionmap.seed"] == "3"


def test_a_checkpoint_comes_back_as_it_was_rounded(network, tmp_path):
    path = save_checkpoint(network.state_dict(), REDUCED_256, tmp_path / "x.safetensors")
    loaded, shape = load_checkpoint(path)
    assert shape == REDUCED_256
    for name, weight in network.state_dict().items():
        if not name.startswith(UNTRAINED):
            assert torch.equal(loaded.state_dict()[name], weight.half().float()), name


def test_a_checkpoint_that_lacks_trained_weights_is_refused(network, tmp_path):
    weights = network.state_dict()
    del weights["no_mem_embed"]
    path = save_checkpoint(weights, REDUCED_256, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="lacks weights"):
        load_checkpoint(path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no network shape"):
        load_checkpoint(tmp_path / "other.safetensors")


def test_int8_is_small_and_close_to_single_precision(exported, network, tmp_path):
    checkpoint = save_checkpoint(network.state_dict(), REDUCED_256, tmp_path / "tiny.safetensors")
    paths = quantize_segmenter(checkpoint, tmp_path / "store", tmp_path / "work")
    assert [path.parent.name for path in paths] == ["tiny-encoder-int8", "tiny-decoder-int8"]
    assert sum(path.stat().st_size for path in paths) < 10e6
    display = (image(256)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    boxes = [Box2D(0, *edges) for edges in ((30, 40, 60, 80), (100, 100, 80, 40))]
    masks = []
    for encoder, decoder in (paths, exported):
        segmenter = open_segmenter(encoder, decoder)
        masks.append(segmenter.decode(segmenter.encode(display), boxes) > 0)
    dice = 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum())
    assert dice > 0.97


def test_quantising_twice_gives_the_same_bytes(exported, tmp_path):
    first, second = (
        quantize_graph(exported[1], tmp_path / name / "model.onnx") for name in ("a", "b")
    )
    assert first.read_bytes() == second.read_bytes()


def test_the_prior_is_the_ellipse_in_the_box():
    boxes = torch.tensor([[40.0, 60.0, 200.0, 180.0]])
    logits = ellipse_logits(boxes, 256, 1)[0, 0].numpy()
    ellipse = inscribed_ellipse(boxes[0].numpy(), 256, 256)
    assert ((logits > 0) != ellipse).mean() < 1e-3
    assert abs(logits).max() <= 6


@pytest.mark.slow
def test_the_full_medsam2_graph_runs_through_the_same_path(tmp_path):
    network = build_network(MEDSAM2_TINY_512)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(38.96e6, rel=1e-3)
    assert len(network.state_dict()) == 471
    segmenter = open_segmenter(*export_segmenter(network, MEDSAM2_TINY_512, tmp_path))
    display = np.random.default_rng(0).integers(0, 256, (300, 420), dtype=np.uint8)
    embedding = segmenter.encode(display)
    shapes = {name: array.shape for name, array in embedding.maps.items()}
    assert shapes == {
        "embedding": (1, 256, 32, 32),
        "high_res_0": (1, 32, 128, 128),
        "high_res_1": (1, 64, 64, 64),
    }
    boxes = [Box2D(0, 30, 40, 100, 80), Box2D(0, 200, 150, 60, 90)]
    logits = segmenter.decode(embedding, boxes)
    assert segmenter.input_size == 512
    assert logits.shape == (2, 300, 420)
    assert np.isfinite(logits).all()
