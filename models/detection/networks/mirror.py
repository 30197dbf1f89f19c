"""A detector that looks at an image and at its mirror image, and answers once.

Detectors trained for a short time differ on the two; the mean of both answers is better
than either. It costs a second pass and changes neither inputs nor outputs of the graph.
"""

import torch
from jaxtyping import Float32, Int64
from torch import nn

STRIDES = (8, 16, 32)


class Mirrored(nn.Module):
    """Averages the decoded boxes and scores of an image and its mirror image.

    Anchor by anchor: the anchor of column c answers for column n - 1 - c in the mirror.
    """

    anchors: Int64[torch.Tensor, " anchors"]

    def __init__(self, network: nn.Module, size: int) -> None:
        """Wrap a fused network for images of ``size`` pixels."""
        super().__init__()
        self.network = network
        self.size = size
        self.register_buffer("anchors", mirrored_anchors(size), persistent=False)

    def forward(
        self, image: Float32[torch.Tensor, "1 3 size size"]
    ) -> tuple[Float32[torch.Tensor, "1 anchors 4"], Float32[torch.Tensor, "1 anchors labels"]]:
        """Return boxes and scores, decoded."""
        answer = self.network(torch.cat([image, image.flip(-1)]))
        boxes, scores = answer[0] if isinstance(answer[0], tuple) else answer
        x0, y0, x1, y1 = boxes[1:, self.anchors].split(1, dim=-1)
        mirrored = torch.cat([self.size - x1, y0, self.size - x0, y1], dim=-1)
        return (boxes[:1] + mirrored) / 2, (scores[:1] + scores[1:, self.anchors]) / 2


def mirrored_anchors(size: int) -> Int64[torch.Tensor, " anchors"]:
    """Return, for every anchor, the index of the one at its mirrored place."""
    orders, first = [], 0
    for stride in STRIDES:
        cells = size // stride
        grid = torch.arange(cells * cells).reshape(cells, cells)
        orders.append(grid.flip(1).reshape(-1) + first)
        first += cells * cells
    return torch.cat(orders)
