"""From a trained network to the ONNX graph that the app runs."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lesionmap.models.detection.networks.yolo_nas import build_yolo_nas
from lesionmap.models.detection.settings import DetectorSettings

OPSET = 17


def fuse(network: nn.Module, size: int) -> nn.Module:
    """Return a copy whose re-parameterised blocks are single convolutions.

    The anchors for ``size`` are stored in it, so that they are constants in the graph.
    """
    fused = copy.deepcopy(network).eval()
    fused.prep_model_for_conversion(input_size=(1, 3, size, size))
    return fused


def save_checkpoint(average: Path, member: str, checkpoint: Path) -> None:
    """Write a run's averaged weights, fused and in half precision.

    The shipped graph is exported from this file, not from the run's, so that anybody
    can export the very same graph again.
    """
    network = build_yolo_nas(member)
    network.load_state_dict(load_file(average))
    fused = fuse(network, 32).state_dict()
    half = {
        name: value.half() if value.dtype.is_floating_point else value
        for name, value in fused.items()
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    save_file(half, checkpoint, metadata={"member": member})


def load_checkpoint(checkpoint: Path, member: str, size: int) -> nn.Module:
    """Return the fused network that ``save_checkpoint`` wrote, in single precision."""
    network = fuse(build_yolo_nas(member), size)
    stored = load_file(checkpoint)
    weights = {
        name: value.float() if value.dtype.is_floating_point else value
        for name, value in stored.items()
    }
    network.load_state_dict(weights)
    return network.eval()


def export_onnx(network: nn.Module, settings: DetectorSettings, path: Path) -> None:
    """Write a fused network as an ONNX graph with fixed shapes and batch 1."""
    size = settings.input_size
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The tracer warns of shapes that it keeps as constants: ours are fixed. This
        # exporter names nodes after their modules, which quantisation relies on.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, size, size),),
            str(path),
            input_names=["image"],
            output_names=["boxes", "scores"],
            opset_version=OPSET,
            dynamo=False,
        )
    describe(path, settings.to_metadata())


def describe(path: Path, metadata: Mapping[str, str]) -> None:
    """Put metadata into a graph, in place of what it has."""
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {**_properties(graph), **metadata})
    onnx.save(graph, path)


def _properties(graph: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in graph.metadata_props}
