"""Members of the SAM2 family, built from sam2's own classes at a chosen width."""

from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from sam2.modeling.sam2_base import SAM2Base

STRIDE = 16
"""Image pixels per embedding pixel; fixed by the trunk's three poolings."""


@dataclass(frozen=True)
class NetworkShape:
    """What tells one member of the family from another.

    ``input_size`` is the side of the square the encoder takes, in pixels.
    ``ellipse_prior`` gives the ellipse inscribed in the box as mask prompt and
    adds it to the mask logits. ``mask_count`` is 1 (the single-mask token) or
    4 (the single mask and the three of the ambiguous case).
    """

    input_size: int = 256
    embed_dim: int = 48
    stages: tuple[int, int, int, int] = (1, 1, 2, 1)
    global_attention_blocks: tuple[int, ...] = (3,)
    window_spec: tuple[int, int, int, int] = (8, 4, 8, 4)
    memory_layers: int = 2
    ellipse_prior: bool = True
    mask_count: int = 1

    def __post_init__(self) -> None:
        """Refuse sizes that the strides do not divide, and mask counts SAM2 lacks."""
        if self.input_size % (2 * STRIDE):
            raise ValueError(f"input size {self.input_size} is not a multiple of {2 * STRIDE}")
        if self.mask_count not in (1, 4):
            raise ValueError(f"mask count is {self.mask_count}, expected 1 or 4")

    def as_json(self) -> dict[str, Any]:
        """Return the shape as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "NetworkShape":
        """Return the shape that ``as_json`` described."""
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return cls(**known)


REDUCED_256 = NetworkShape()
"""The member that LesionMAP trains from scratch."""

MEDSAM2_TINY_512 = NetworkShape(
    input_size=512,
    embed_dim=96,
    stages=(1, 2, 7, 2),
    global_attention_blocks=(5, 7, 9),
    window_spec=(8, 4, 14, 7),
    memory_layers=4,
    ellipse_prior=False,
    mask_count=4,
)
"""MedSAM2: SAM 2.1 hiera-tiny at 512 (Ma et al. 2025, arXiv:2504.03600)."""


def build_network(shape: NetworkShape, seed: int = 0) -> SAM2Base:
    """Build a SAM2 network with random weights drawn from ``seed``."""
    torch.manual_seed(seed)
    network = instantiate(_configuration(shape), _recursive_=True)
    assert isinstance(network, SAM2Base)
    return network


def _configuration(shape: NetworkShape) -> DictConfig:
    """Return sam2's own hiera_t configuration, changed to ``shape``."""
    source = files("sam2").joinpath("configs/sam2.1/sam2.1_hiera_t.yaml")
    config = OmegaConf.create(source.read_text()).model
    side = shape.input_size // STRIDE
    widths = [shape.embed_dim * 2**stage for stage in (3, 2, 1, 0)]
    changes: dict[str, object] = {
        "image_size": shape.input_size,
        "image_encoder.trunk.embed_dim": shape.embed_dim,
        "image_encoder.trunk.stages": list(shape.stages),
        "image_encoder.trunk.global_att_blocks": list(shape.global_attention_blocks),
        "image_encoder.trunk.window_spec": list(shape.window_spec),
        "image_encoder.neck.backbone_channel_list": widths,
        "memory_attention.num_layers": shape.memory_layers,
        "memory_attention.layer.self_attention.feat_sizes": [side, side],
        "memory_attention.layer.cross_attention.feat_sizes": [side, side],
    }
    for key, value in changes.items():
        OmegaConf.update(config, key, value, force_add=True)
    return config
