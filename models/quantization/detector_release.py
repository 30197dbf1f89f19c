"""From a checkpoint to the two graphs of a detector: float, and the INT8 one to ship."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from lesionmap.models.detection.networks.export import export_onnx, load_checkpoint
from lesionmap.models.detection.networks.mirror import Mirrored
from lesionmap.models.detection.settings import DetectorSettings
from lesionmap.models.quantization.detector import (
    Quantization,
    calibration_images,
    quantize_detector,
)
from lesionmap.models.training.datasets import load_samples
from lesionmap.models.training.datasets.sample import Sample

FLOAT_GRAPH = "model-fp32.onnx"
INT8_GRAPH = "model.onnx"


@dataclass(frozen=True)
class DetectorRelease:
    """Everything that the graphs of a release depend on, apart from the checkpoint.

    With ``mirror`` the graph looks at every image twice; see ``Mirrored``.
    """

    name: str = "yolo-nas-nano-256-int8"
    member: str = "nano"
    input_size: int = 256
    labels: tuple[str, ...] = ("lesion",)
    score_threshold: float = 0.4
    nms_iou: float = 0.5
    mirror: bool = True
    sources: tuple[str, ...] = ("brain", "breast", "polyps", "sarcoma", "chest")
    quantization: Quantization = field(default_factory=Quantization)

    @property
    def settings(self) -> DetectorSettings:
        """What the graphs say about themselves."""
        return DetectorSettings(self.input_size, self.labels, self.score_threshold, self.nms_iou)

    def to_json(self) -> str:
        """Return the release as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the release that ``to_json`` wrote.

        Raises:
            TypeError: a key is unknown.
        """
        values = json.loads(text)
        for key in ("labels", "sources"):
            values[key] = tuple(values[key])
        values["quantization"] = Quantization(**values["quantization"])
        return cls(**values)


def release_detector(
    release: DetectorRelease,
    checkpoint: Path,
    *,
    store: Path,
    float_folder: Path,
    samples: Sequence[Sample],
) -> tuple[Path, Path]:
    """Export and quantise a checkpoint; return the float and the INT8 graph.

    Args:
        release: names and options.
        checkpoint: the fused weights in half precision.
        store: the INT8 graph goes to ``store/<name>/model.onnx``.
        float_folder: the float graph goes here; it is not shipped.
        samples: calibration draws from those of the ``train`` split.
    """
    float_graph = float_folder / FLOAT_GRAPH
    export_release(release, checkpoint, float_graph)
    images = calibration_images(samples, release.input_size, release.quantization)
    int8_graph = store / release.name / INT8_GRAPH
    quantize_detector(float_graph, int8_graph, images, release.quantization)
    return float_graph, int8_graph


def export_release(release: DetectorRelease, checkpoint: Path, path: Path) -> None:
    """Write the float graph of a checkpoint."""
    network = load_checkpoint(checkpoint, release.member, release.input_size)
    graph = Mirrored(network, release.input_size) if release.mirror else network
    export_onnx(graph, release.settings, path)


def release_samples(release: DetectorRelease, root: Path) -> list[Sample]:
    """Read the data sets of a release."""
    return load_samples(release.sources, root)
