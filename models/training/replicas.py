"""One optimizer step's gradient on several cores, without threads inside kernels.

Every copy of the network takes a part of the batch and runs on one thread. Kernels that
share their work among threads wait for the slowest at each layer, which on a machine
that is busy with other things costs more than the second core brings; copies wait once a
step.
"""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from jaxtyping import Float32
from torch import nn

Targets = Float32[torch.Tensor, "n 6"]
LossParts = Float32[torch.Tensor, " 4"]


class Replicas:
    """A network and copies of it that compute gradients together.

    Normalisation uses the part of the batch that a copy sees; the running statistics are
    those of the network itself.
    """

    def __init__(self, network: nn.Module, loss: Callable[[], nn.Module], count: int) -> None:
        """Make ``count - 1`` copies of ``network``, each with a loss of its own."""
        self._networks = [network, *(copy.deepcopy(network) for _ in range(count - 1))]
        self._losses = [loss() for _ in self._networks]
        self._pool = ThreadPoolExecutor(count)

    def backward(self, images: Float32[torch.Tensor, "b 3 s s"], targets: Targets) -> LossParts:
        """Leave the mean gradient in the network; return the mean total and loss parts.

        Args:
            images: a batch that divides evenly among the copies.
            targets: rows of (index in batch, class, cx, cy, w, h).
        """
        count = len(self._networks)
        each = len(images) // count
        parts = [_part(targets, place * each, each) for place in range(count)]
        self._share_weights()
        losses = self._pool.map(_backward, self._networks, self._losses, images.split(each), parts)
        mean = torch.stack(list(losses)).mean(dim=0)
        self._average_gradients()
        return mean

    @torch.no_grad()
    def _share_weights(self) -> None:
        own = list(self._networks[0].parameters())
        for other in self._networks[1:]:
            torch._foreach_copy_(list(other.parameters()), own)

    @torch.no_grad()
    def _average_gradients(self) -> None:
        # Blocks keep a fused convolution that training does not touch: it has no gradient.
        gradients = [
            [p.grad for p in network.parameters() if p.grad is not None]
            for network in self._networks
        ]
        for other in gradients[1:]:
            torch._foreach_add_(gradients[0], other)
        torch._foreach_div_(gradients[0], len(gradients))


def _part(targets: Targets, first: int, count: int) -> Targets:
    """Return the targets of ``count`` images, numbered from zero."""
    inside = targets[(targets[:, 0] >= first) & (targets[:, 0] < first + count)].clone()
    inside[:, 0] -= first
    return inside


def _backward(
    network: nn.Module, loss: nn.Module, images: torch.Tensor, targets: Targets
) -> LossParts:
    network.zero_grad(set_to_none=True)
    total, parts = loss(network(images), targets)
    total.backward()
    return torch.cat([total.detach().reshape(1), parts.detach()[:3]])
