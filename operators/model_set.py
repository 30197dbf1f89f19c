"""Loaded models, and which of them a rule wants."""

from collections.abc import Mapping
from dataclasses import dataclass

from lesionmap.models.core.finding import ModelIdentity
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.models.weights.names import ModelNames


@dataclass(frozen=True)
class LoadedModels:
    """The verified models of a series and what outputs record about them."""

    detector: LesionDetector
    segmenter: BoxSegmenter
    identities: tuple[ModelIdentity, ...]


ModelSets = Mapping[ModelNames | None, LoadedModels]
"""Models by what a rule names; the graphs that several sets name are loaded once."""
