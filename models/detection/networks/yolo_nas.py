"""Members of the YOLO-NAS family, built from super-gradients' own classes.

All are the published S architecture; the narrow ones have fewer channels, fewer
blocks a stage and a slimmer head. None starts from published weights, which may not
be redistributed.

Source: super-gradients 3.7.1, recipes/arch_params/yolo_nas_s_arch_params.yaml.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from lesionmap.models.detection.networks.compatibility import load_super_gradients


@dataclass(frozen=True)
class Member:
    """How far S is narrowed: factors of its channels, blocks and head channels."""

    width: float
    depth: float
    head: float


MEMBERS: Mapping[str, Member] = {
    "s": Member(width=1.0, depth=1.0, head=0.5),
    "nano": Member(width=0.5, depth=0.5, head=0.25),
    "pico": Member(width=0.33, depth=0.34, head=0.125),
}


def build_yolo_nas(member: str, *, classes: int = 1) -> nn.Module:
    """Return an untrained network.

    It maps (n, 3, s, s) in 0..1 with s a multiple of 32 to raw distances and logits
    in training mode, and to decoded boxes and scores in evaluation mode.

    Raises:
        ValueError: ``member`` is not in ``MEMBERS``.
    """
    if member not in MEMBERS:
        raise ValueError(f"unknown YOLO-NAS member {member!r}; known are {sorted(MEMBERS)}")
    variants = load_super_gradients("training.models.detection_models.yolo_nas.yolo_nas_variants")
    network: nn.Module = variants.YoloNAS(
        **_narrowed(_published_s(), MEMBERS[member], classes), num_classes=classes
    )
    return network


def detection_loss(*, classes: int = 1) -> nn.Module:
    """Return the task-aligned loss of PP-YOLOE with super-gradients' weights."""
    losses = load_super_gradients("training.losses")
    loss: nn.Module = losses.PPYoloELoss(num_classes=classes, use_static_assigner=False)
    return loss


def _published_s() -> dict[str, Any]:
    factory = load_super_gradients("training.models.arch_params_factory")
    parameters = factory.get_arch_params("yolo_nas_s_arch_params")
    return copy.deepcopy(dict(parameters))


def _narrowed(parameters: dict[str, Any], member: Member, classes: int) -> dict[str, Any]:
    backbone = parameters["backbone"]["NStageBackbone"]
    stem = backbone["stem"]["YoloNASStem"]
    stem["out_channels"] = _channels(stem["out_channels"], member.width)
    pooling = backbone["context_module"]["SPP"]
    pooling["output_channels"] = _channels(pooling["output_channels"], member.width)
    stages = [stage["YoloNASStage"] for stage in backbone["stages"]]
    necks = parameters["neck"]["YoloNASPANNeckWithC2"].values()
    for stage in (*stages, *(next(iter(neck.values())) for neck in necks)):
        stage["out_channels"] = _channels(stage["out_channels"], member.width)
        stage["hidden_channels"] = _channels(stage["hidden_channels"], member.width)
        stage["num_blocks"] = max(1, round(stage["num_blocks"] * member.depth))
    heads = parameters["heads"]["NDFLHeads"]
    heads["num_classes"] = classes
    for head in heads["heads_list"]:
        head["YoloNASDFLHead"]["width_mult"] = member.head
    kept = ("backbone", "neck", "heads", "bn_eps", "bn_momentum", "inplace_act", "in_channels")
    return {name: parameters[name] for name in kept}


def _channels(published: int, factor: float) -> int:
    """Scale a channel count, keeping a multiple of eight for the vector kernels."""
    return max(8, round(published * factor / 8) * 8)
