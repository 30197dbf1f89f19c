"""A running average of the weights, which is what gets evaluated and shipped."""

import copy
import math

import torch
from torch import nn

_RAMP_STEPS = 300


class WeightAverage:
    """Exponential moving average of parameters and normalisation statistics."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Start from a copy of ``network``."""
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards ``network``; early steps move faster."""
        decay = self._decay * (1 - math.exp(-(step + 1) / _RAMP_STEPS))
        pairs = list(
            zip(self.network.state_dict().values(), network.state_dict().values(), strict=True)
        )
        moving = [(mine, other) for mine, other in pairs if mine.dtype.is_floating_point]
        torch._foreach_lerp_([m for m, _ in moving], [o for _, o in moving], 1 - decay)
        for mine, other in pairs:
            if not mine.dtype.is_floating_point:
                mine.copy_(other)
