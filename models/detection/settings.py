"""What a detector's graph says about itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from lesionmap.models.core.errors import ModelError

PREFIX = "lesionmap."
ROLE = "detector"


@dataclass(frozen=True)
class DetectorSettings:
    """How the outputs of a graph become detections.

    ``candidates`` boxes with the highest scores go into the suppression and at most
    ``limit`` come out; both are far above what a slice holds.
    """

    input_size: int
    labels: tuple[str, ...]
    score_threshold: float
    nms_iou: float
    candidates: int = 300
    limit: int = 100

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.input_size <= 0 or not self.labels:
            raise ValueError("a detector has an input size and at least one label")
        if not (0 <= self.score_threshold <= 1 and 0 <= self.nms_iou <= 1):
            raise ValueError("score threshold and overlap lie between 0 and 1")

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """Read the settings that ``to_metadata`` wrote into a graph.

        Raises:
            ModelError: the graph is not a detector of ours, or a value is missing.
        """
        try:
            if metadata[f"{PREFIX}role"] != ROLE:
                raise ModelError(
                    f"the graph is a {metadata[f'{PREFIX}role']!r}, expected a {ROLE!r}: "
                    "check the model names in app.yaml"
                )
            return cls(
                input_size=int(metadata[f"{PREFIX}input_size"]),
                labels=tuple(json.loads(metadata[f"{PREFIX}labels"])),
                score_threshold=float(metadata[f"{PREFIX}score_threshold"]),
                nms_iou=float(metadata[f"{PREFIX}nms_iou"]),
            )
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"the detector's description is incomplete ({error}): export it again"
            ) from error

    def to_metadata(self) -> dict[str, str]:
        """Return the settings as metadata of a graph."""
        return {
            f"{PREFIX}role": ROLE,
            f"{PREFIX}input_size": str(self.input_size),
            f"{PREFIX}labels": json.dumps(self.labels),
            f"{PREFIX}score_threshold": str(self.score_threshold),
            f"{PREFIX}nms_iou": str(self.nms_iou),
        }
