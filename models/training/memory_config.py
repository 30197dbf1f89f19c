"""What a training of the memory depends on; the same file gives the same run."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lesionmap.models.training.segmenter_config import Augmentation


@dataclass(frozen=True)
class MemoryStage:
    """A stretch of steps at one image size and clip length."""

    size: int
    steps: int
    batch_size: int
    length: int
    learning_rate: float


@dataclass(frozen=True)
class MemoryTraining:
    """All settings of a run that teaches a trained segmenter to follow objects.

    ``shares`` says how often a data set is drawn. The decoder learns at
    ``decoder_rate`` times the rate of the memory, which starts from nothing.
    """

    name: str = "sam2-small-256-memory"
    seed: int = 0
    stages: tuple[MemoryStage, ...] = (
        MemoryStage(128, 1500, 6, 6, 4e-4),
        MemoryStage(256, 400, 3, 6, 2e-4),
    )
    shares: dict[str, float] = field(
        default_factory=lambda: {
            "sarcoma": 0.3,
            "organs": 0.2,
            "brain": 0.15,
            "breast": 0.15,
            "polyps": 0.1,
            "shapes": 0.1,
        }
    )
    shape_count: int = 300
    augmentation: Augmentation = field(default_factory=Augmentation)
    decoder_rate: float = 0.5
    weight_decay: float = 0.05
    warmup_steps: int = 60
    gradient_clip: float = 1.0
    ema_decay: float = 0.99
    threads: int = 1
    checkpoint_every: int = 50

    def to_json(self) -> str:
        """Return the settings as JSON text."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def read(cls, path: Path) -> "MemoryTraining":
        """Read settings that ``to_json`` wrote; an unknown key is a TypeError."""
        values = json.loads(path.read_text())
        values["stages"] = tuple(MemoryStage(**stage) for stage in values["stages"])
        augmentation = values["augmentation"]
        augmentation["box_jitter"] = tuple(augmentation["box_jitter"])
        values["augmentation"] = Augmentation(**augmentation)
        return cls(**values)
