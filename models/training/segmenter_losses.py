"""The loss of the segmenter, at the resolution of the network's input."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn import functional

GROWN = 1.5
OUTSIDE_WEIGHT = 0.1
IOU_WEIGHT = 0.1
OBJECT_WEIGHT = 0.02

_dice = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0)


@dataclass(frozen=True)
class LossTerms:
    """The sum to descend and its parts, for the log."""

    total: Float[Tensor, ""]
    cross_entropy: float
    dice: float
    iou: float


def segmentation_loss(
    outputs: tuple[Float[Tensor, "n 1 h h"], Float[Tensor, "n 1"], Float[Tensor, "n 1"]],
    boxes: Float[Tensor, "n 4"],
    targets: Float[Tensor, "n 1 s s"],
) -> LossTerms:
    """Weigh cross-entropy near the box, soft Dice, predicted IoU and object score.

    Logits are first brought to the targets' grid by bilinear interpolation, as at
    run time, so that sub-pixel positions of a small lesion's border are learnt.
    """
    logits, iou, score = outputs
    fine = functional.interpolate(logits, size=targets.shape[-2:], mode="bilinear")
    near = _near_box(boxes, targets.shape[-1])
    weights = torch.where(near, 1.0, OUTSIDE_WEIGHT)
    entropy = functional.binary_cross_entropy_with_logits(fine, targets, reduction="none")
    # Over the near pixels alone, so that a small lesion weighs as much as a large one.
    cross_entropy = ((entropy * weights).sum((1, 2, 3)) / near.sum((1, 2, 3)).clamp(min=1)).mean()
    dice = _dice(fine, targets)
    iou_error = (iou - _true_iou(fine.detach(), targets)).abs().mean()
    present = functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))
    total = cross_entropy + dice + IOU_WEIGHT * iou_error + OBJECT_WEIGHT * present
    parts = [float(part.detach()) for part in (cross_entropy, dice, iou_error)]
    return LossTerms(total, *parts)


def _near_box(boxes: Float[Tensor, "n 4"], side: int) -> Bool[Tensor, "n 1 s s"]:
    """Return which pixels lie in the box grown by half about its middle."""
    centres = torch.arange(side) + 0.5
    middle = (boxes[:, 2:] + boxes[:, :2]) / 2
    half = GROWN * (boxes[:, 2:] - boxes[:, :2]) / 2
    across = (centres - middle[:, :1]).abs() < half[:, :1]
    down = (centres - middle[:, 1:]).abs() < half[:, 1:]
    return (down[:, :, None] & across[:, None, :])[:, None]


def _true_iou(
    logits: Float[Tensor, "n 1 s s"], targets: Float[Tensor, "n 1 s s"]
) -> Float[Tensor, "n 1"]:
    found, wanted = logits > 0, targets > 0.5
    shared = (found & wanted).sum((2, 3)).float()
    return shared / (found | wanted).sum((2, 3)).clamp(min=1)
