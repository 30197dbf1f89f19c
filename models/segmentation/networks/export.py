"""Write the two graphs of a box segmenter as ONNX files that describe themselves."""

import json
from pathlib import Path
from typing import Any

import onnx
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import nn

from lesionmap.models.segmentation.networks.graphs import (
    LOGIT_STRIDE,
    DecoderGraph,
    EncoderGraph,
)
from lesionmap.models.segmentation.networks.shape import STRIDE, NetworkShape

OPSET = 17
MAP_NAMES = ["embedding", "high_res_0", "high_res_1"]


def export_segmenter(
    network: SAM2Base, shape: NetworkShape, folder: Path, extra: dict[str, str] | None = None
) -> tuple[Path, Path]:
    """Write ``encoder.onnx`` and ``decoder.onnx`` in ``folder`` and return their paths.

    ``extra`` is added to the metadata of both (training run, seed, licence).
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.eval()
    _bake_positions(network, shape)
    paths = folder / "encoder.onnx", folder / "decoder.onnx"
    with torch.no_grad():
        _export_encoder(network, shape, paths[0])
        _export_decoder(network, shape, paths[1])
    for path, role in zip(paths, ("encoder", "decoder"), strict=True):
        describe(path, {**describe_shape(shape), "lesionmap.role": role, **(extra or {})})
    return paths


def describe_shape(shape: NetworkShape) -> dict[str, str]:
    """Return the metadata that tells the run time how to use the graphs."""
    return {
        "lesionmap.input_size": str(shape.input_size),
        "lesionmap.mask_selection": "first" if shape.mask_count == 1 else "stable",
        "lesionmap.prior": "ellipse" if shape.ellipse_prior else "none",
        "lesionmap.shape": json.dumps(shape.as_json()),
    }


def describe(path: Path, properties: dict[str, str]) -> None:
    """Set metadata on an ONNX file, keeping what it has under other keys."""
    model = onnx.load(path)
    known = {item.key: item.value for item in model.metadata_props}
    onnx.helper.set_model_props(model, {**known, **properties})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _export_encoder(network: SAM2Base, shape: NetworkShape, path: Path) -> None:
    side = shape.input_size
    _export(EncoderGraph(network), (torch.zeros(1, 3, side, side),), ["image"], MAP_NAMES, {}, path)


def _export_decoder(network: SAM2Base, shape: NetworkShape, path: Path) -> None:
    side = shape.input_size
    maps = [
        torch.zeros(1, channels, side // stride, side // stride)
        for channels, stride in ((256, STRIDE), (32, LOGIT_STRIDE), (64, 2 * LOGIT_STRIDE))
    ]
    boxes = torch.tensor([[0.2, 0.3, 0.5, 0.6], [0.4, 0.4, 0.9, 0.8]]) * side
    outputs = ["mask_logits", "iou", "object_score"]
    free = {name: {0: "boxes"} for name in ("boxes", *outputs)}
    graph = DecoderGraph(network, shape)
    _export(graph, (*maps, boxes), [*MAP_NAMES, "boxes"], outputs, free, path)


def _export(
    graph: nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    free: dict[str, Any],
    path: Path,
) -> None:
    torch.onnx.export(
        graph.eval(),
        example,
        str(path),
        input_names=inputs,
        output_names=outputs,
        dynamic_axes=free,
        opset_version=OPSET,
        dynamo=False,
    )


def _bake_positions(network: SAM2Base, shape: NetworkShape) -> None:
    """Replace the trunk's bicubic position map by the constant it is at one size."""
    trunk = network.image_encoder.trunk
    side = shape.input_size // LOGIT_STRIDE
    constant = trunk._get_pos_embed((side, side)).detach().clone()
    trunk._get_pos_embed = lambda _size: constant
