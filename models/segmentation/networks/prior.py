"""The ellipse inscribed in a box, as mask logits."""

import torch
from jaxtyping import Float
from torch import Tensor

SLOPE = 8.0
LIMIT = 6.0


def ellipse_logits(boxes: Float[Tensor, "n 4"], side: int, stride: int) -> Float[Tensor, "n 1 s s"]:
    """Return logits that are 0 on the ellipse, positive inside, negative outside.

    With q the squared radius in units of the ellipse, the logit is 8 (1 - sqrt q),
    clamped to ±6: most lesions are round, so the network only has to learn how a
    lesion differs from its ellipse.

    Args:
        boxes: x0, y0, x1, y1 in network pixels (edges).
        side: rows and columns of the logit grid.
        stride: network pixels per logit pixel.
    """
    centres = (torch.arange(side, dtype=boxes.dtype, device=boxes.device) + 0.5) * stride
    middle = (boxes[:, 2:] + boxes[:, :2]) / 2
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=0.5)
    x = (centres[None] - middle[:, :1]) / half[:, :1]
    y = (centres[None] - middle[:, 1:]) / half[:, 1:]
    radius = torch.sqrt(x[:, None, :] ** 2 + y[:, :, None] ** 2 + 1e-6)
    return (SLOPE * (1 - radius)).clamp(-LIMIT, LIMIT)[:, None]
