"""Checkpoints of a segmenter: half precision on disk, with the network's shape inside."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sam2.modeling.sam2_base import SAM2Base

from lesionmap.models.segmentation.networks.shape import NetworkShape, build_network

SHAPE_KEY = "lesionmap.shape"


def save_checkpoint(
    weights: dict[str, torch.Tensor],
    shape: NetworkShape,
    path: Path,
    notes: dict[str, str] | None = None,
) -> Path:
    """Write all modules' weights, memory included, rounded to half precision."""
    halved = {name: weight.half().contiguous() for name, weight in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(halved, path, {SHAPE_KEY: json.dumps(shape.as_json()), **(notes or {})})
    return path


def load_checkpoint(path: Path) -> tuple[SAM2Base, NetworkShape]:
    """Build the network that a checkpoint describes, with its weights, in single precision.

    Raises:
        ValueError: the file does not say which shape its network has.
    """
    notes = read_notes(path)
    if SHAPE_KEY not in notes:
        raise ValueError(f"{path.name} states no network shape: expected the key {SHAPE_KEY}")
    shape = NetworkShape.from_json(json.loads(notes[SHAPE_KEY]))
    network = build_network(shape)
    network.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return network.eval(), shape


def read_notes(path: Path) -> dict[str, str]:
    """Return the text that was stored with a checkpoint."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})
