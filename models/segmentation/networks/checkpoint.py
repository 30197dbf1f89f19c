"""Checkpoints of a segmenter: half precision on disk, with the network's shape inside."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sam2.modeling.sam2_base import SAM2Base

from lesionmap.models.segmentation.networks.shape import NetworkShape, build_network

HEADER_KEY = "lesionmap"
"""The one entry of the file's header: several would be written in a random order."""


def save_checkpoint(
    weights: dict[str, torch.Tensor],
    shape: NetworkShape,
    path: Path,
    notes: dict[str, str] | None = None,
) -> Path:
    """Write all modules' weights, memory included, rounded to half precision.

    The same weights, shape and notes give the same bytes.
    """
    halved = {name: weight.half().contiguous() for name, weight in weights.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"shape": shape.as_json(), "notes": notes or {}}
    save_file(halved, path, {HEADER_KEY: json.dumps(header, sort_keys=True)})
    return path


def load_checkpoint(path: Path) -> tuple[SAM2Base, NetworkShape]:
    """Build the network that a checkpoint describes, with its weights, in single precision.

    Raises:
        ValueError: the file does not say which shape its network has.
    """
    shape = NetworkShape.from_json(_read_header(path)["shape"])
    network = build_network(shape)
    network.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return network.eval(), shape


def read_notes(path: Path) -> dict[str, str]:
    """Return the text that was stored with a checkpoint."""
    return dict(_read_header(path)["notes"])


def _read_header(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        header = (file.metadata() or {}).get(HEADER_KEY)
    if header is None:
        raise ValueError(f"{path.name} states no network shape: is it a segmenter's checkpoint?")
    return dict(json.loads(header))
