"""What a training of the segmenter depends on; the same file gives the same run."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lesionmap.models.segmentation.networks.shape import REDUCED_256, NetworkShape

BRAIN_FIRST = {
    "brain": 0.54,
    "breast": 0.14,
    "polyps": 0.14,
    "sarcoma": 0.06,
    "organs": 0.06,
    "shapes": 0.06,
}
"""The last stage gives more room to the smallest lesions, which gained least before."""


@dataclass(frozen=True)
class Stage:
    """A stretch of steps at one image size; the learning rate falls to 2 % by cosine.

    ``shares``, where given, stand for those of the whole run.
    """

    size: int
    steps: int
    batch_size: int
    learning_rate: float
    shares: dict[str, float] | None = None


@dataclass(frozen=True)
class Augmentation:
    """Largest change of each kind; rotation in degrees, the rest as logarithms or shares.

    ``box_jitter`` is the range from which the largest shift of a box edge, as a
    share of the box's side, is drawn for each box.
    """

    rotation_deg: float = 12.0
    log_scale: float = 0.12
    log_aspect: float = 0.05
    shift: float = 0.04
    log_gamma: float = 0.25
    log_gain: float = 0.12
    noise: float = 0.03
    box_jitter: tuple[float, float] = (0.04, 0.14)


@dataclass(frozen=True)
class SegmenterTraining:
    """All settings of a run, with defaults that gave the shipped model.

    ``shares`` says how often a data set is drawn, not how large it is.
    """

    name: str = "sam2-small-256"
    seed: int = 0
    shape: NetworkShape = REDUCED_256
    stages: tuple[Stage, ...] = (
        Stage(128, 800, 8, 6e-4),
        Stage(256, 1700, 4, 3e-4),
        Stage(256, 600, 4, 2e-4),
        Stage(256, 800, 4, 3e-4, BRAIN_FIRST),
    )
    shares: dict[str, float] = field(
        default_factory=lambda: {
            "brain": 0.36,
            "breast": 0.20,
            "polyps": 0.20,
            "sarcoma": 0.08,
            "organs": 0.08,
            "shapes": 0.08,
        }
    )
    shape_count: int = 400
    boxes_per_image: int = 2
    augmentation: Augmentation = field(default_factory=Augmentation)
    weight_decay: float = 0.05
    warmup_steps: int = 60
    gradient_clip: float = 1.0
    ema_decay: float = 0.995
    threads: int = 1
    checkpoint_every: int = 200

    def to_json(self) -> str:
        """Return the settings as JSON text."""
        values = asdict(self)
        values["shape"] = self.shape.as_json()
        return json.dumps(values, indent=2)

    @classmethod
    def from_json(cls, text: str) -> "SegmenterTraining":
        """Return the settings that ``to_json`` wrote; an unknown key is a TypeError."""
        values = json.loads(text)
        values["shape"] = NetworkShape.from_json(values["shape"])
        values["stages"] = tuple(Stage(**stage) for stage in values["stages"])
        augmentation = values["augmentation"]
        augmentation["box_jitter"] = tuple(augmentation["box_jitter"])
        values["augmentation"] = Augmentation(**augmentation)
        return cls(**values)

    @classmethod
    def read(cls, path: Path) -> "SegmenterTraining":
        """Read settings from a JSON file."""
        return cls.from_json(path.read_text())
