"""What one training run of the detector is made of; JSON in, JSON out."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

# Shares of the sampled images. Brain has most images and the hardest target; the
# soft-tissue and chest sets are demonstrators of a few patients.
DEFAULT_SHARES = {
    "brain": 0.52,
    "breast": 0.22,
    "polyps": 0.16,
    "sarcoma": 0.07,
    "chest": 0.03,
}


@dataclass(frozen=True)
class DetectorTraining:
    """Options of ``train``; everything that changes the weights is in here.

    The learning rate warms up, stays level, and falls linearly to zero over the last
    ``decay_steps``; until that point ``steps`` can still be changed and the run
    resumed, which a cosine would not allow. The first ``small_steps`` see images of
    ``small_size``. ``calm_steps`` at the end augment less.

    ``replicas`` copies share a batch, each with ``threads`` threads.
    """

    member: str = "nano"
    input_size: int = 256
    small_size: int = 192
    small_steps: int = 5600
    steps: int = 9700
    decay_steps: int = 3700
    calm_steps: int = 2300
    warmup_steps: int = 100
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    gradient_clip: float = 10.0
    ema_decay: float = 0.998
    seed: int = 20
    threads: int = 1
    replicas: int = 2
    checkpoint_seconds: float = 120.0
    shares: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_SHARES))

    def __post_init__(self) -> None:
        """Check that the numbers describe a run."""
        if self.input_size % 32 or self.small_size % 32:
            raise ValueError("input sizes are multiples of 32, the coarsest stride")
        if self.batch % self.replicas:
            raise ValueError("a batch divides evenly among the replicas")
        if not 0 < self.decay_steps <= self.steps:
            raise ValueError("decay_steps lies between 1 and steps")
        if not self.shares or min(self.shares.values()) <= 0:
            raise ValueError("every data set needs a share above zero")

    def size_at(self, step: int) -> int:
        """Return the image size of a step."""
        return self.small_size if step < self.small_steps else self.input_size

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warmup_steps)
        left = min(1.0, (self.steps - step) / self.decay_steps)
        return self.learning_rate * warm * max(left, 0.0)

    def is_calm(self, step: int) -> bool:
        """Tell whether a step augments less, to end near what the app will see."""
        return step >= self.steps - self.calm_steps

    def to_json(self) -> str:
        """Return the options as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options that ``to_json`` wrote.

        Raises:
            ValueError: a key is unknown.
        """
        values: dict[str, Any] = json.loads(text)
        unknown = sorted(set(values) - {option.name for option in fields(cls)})
        if unknown:
            raise ValueError(f"unknown training options {unknown}")
        return cls(**values)
