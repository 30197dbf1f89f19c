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

UNTRAINED = ("memory_attention.", "memory_encoder.", "obj_ptr_proj.", "obj_ptr_tpos_proj.")
"""Modules of the network that no training has touched yet: random numbers are not stored."""


def save_checkpoint(
    weights: dict[str, torch.Tensor],
    shape: NetworkShape,
    path: Path,
    notes: dict[str, str] | None = None,
) -> Path:
    """Write the weights of all trained modules, rounded to half precision.

    The same weights, shape and notes give the same bytes.
    """
    halved = {
        name: weight.half().contiguous()
        for name, weight in weights.items()
        if not name.startswith(UNTRAINED)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"shape": shape.as_json(), "notes": notes or {}}
    save_file(halved, path, {HEADER_KEY: json.dumps(header, sort_keys=True)})
    return path


def load_checkpoint(path: Path) -> tuple[SAM2Base, NetworkShape]:
    """Build the network that a checkpoint describes, with its weights, in single precision.

    Untrained modules that the file leaves out are drawn at random.

    Raises:
        ValueError: the file does not say which shape its network has, or lacks weights.
    """
    shape = NetworkShape.from_json(_read_header(path)["shape"])
    network = build_network(shape)
    weights = {name: weight.float() for name, weight in load_file(path).items()}
    missing, unknown = network.load_state_dict(weights, strict=False)
    if unknown:
        raise ValueError(f"{path.name} holds unknown weights, such as {unknown[0]}")
    if lacking := [name for name in missing if not name.startswith(UNTRAINED)]:
        raise ValueError(f"{path.name} lacks weights, such as {lacking[0]}")
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
