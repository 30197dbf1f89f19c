"""Dice of a segmenter with reference boxes, beside the ellipse in the same box.

Everything runs through the run-time path, on the pixel grid of the original image.
An image with several lesions counts once, with the mean of its lesions.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from monai.metrics import compute_dice

from lesionmap.models.core.boxes import Box2D
from lesionmap.models.evaluation.bootstrap import Interval, bootstrap_mean
from lesionmap.models.segmentation.prompts import inscribed_ellipse
from lesionmap.models.segmentation.segmenter import BoxSegmenter
from lesionmap.models.training.datasets import Sample

logger = logging.getLogger(__name__)

JITTER = 0.1
DRAWS = 5

Masks = Bool[np.ndarray, "n rows columns"]


@dataclass(frozen=True)
class ImageDice:
    """Mean Dice of one image's lesions: segmenter and ellipse, tight and jittered boxes."""

    source: str
    name: str
    patient: str
    tight: float
    tight_ellipse: float
    jittered: float
    jittered_ellipse: float


@dataclass(frozen=True)
class SourceReport:
    """One data set: mean Dice with intervals by patient."""

    tight: Interval
    tight_ellipse: Interval
    tight_gain: Interval
    jittered: Interval
    jittered_ellipse: Interval
    jittered_gain: Interval

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values, rounded to four digits."""
        return {
            name: {k: round(v, 4) if isinstance(v, float) else v for k, v in interval.items()}
            for name, interval in asdict(self).items()
        }


def evaluate_segmenter(
    segmenter: BoxSegmenter, samples: Iterable[Sample], *, seed: int = 0
) -> list[ImageDice]:
    """Measure every sample that has a mask; the same seed gives the same boxes."""
    measured = []
    for index, sample in enumerate(sample for sample in samples if sample.masks):
        measured.append(_measure(segmenter, sample, np.random.default_rng([seed, index])))
    logger.info("measured %d images", len(measured))
    return measured


def summarise(measured: Sequence[ImageDice]) -> dict[str, SourceReport]:
    """Return one report a data set, intervals by patient."""
    sources = sorted({item.source for item in measured})
    return {name: _report([i for i in measured if i.source == name]) for name in sources}


def jitter_reference(
    boxes: Float[np.ndarray, "n 4"], shape: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "n 4"]:
    """Shift each edge by up to ±10 % of its side, then clip to the image."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], (1, 2))
    moved = boxes + sides * rng.uniform(-JITTER, JITTER, boxes.shape)
    return np.clip(moved, 0, [shape[1], shape[0]] * 2)


def _measure(segmenter: BoxSegmenter, sample: Sample, rng: np.random.Generator) -> ImageDice:
    shape = sample.image.shape[0], sample.image.shape[1]
    embedding = segmenter.encode(sample.image)
    wanted = np.stack(sample.masks)

    def by_segmenter(boxes: Float[np.ndarray, "n 4"]) -> Masks:
        return segmenter.decode(embedding, [_box(edges) for edges in boxes]) > 0

    def by_ellipse(boxes: Float[np.ndarray, "n 4"]) -> Masks:
        return np.stack([inscribed_ellipse(edges, *shape) for edges in boxes])

    tight = sample.boxes.astype(np.float64)
    drawn = [jitter_reference(tight, shape, rng) for _ in range(DRAWS)]
    return ImageDice(
        sample.source,
        sample.name,
        sample.patient,
        _mean_dice(by_segmenter, [tight], wanted),
        _mean_dice(by_ellipse, [tight], wanted),
        _mean_dice(by_segmenter, drawn, wanted),
        _mean_dice(by_ellipse, drawn, wanted),
    )


def _mean_dice(
    segment: Callable[[Float[np.ndarray, "n 4"]], Masks],
    draws: Sequence[Float[np.ndarray, "n 4"]],
    wanted: Masks,
) -> float:
    reference = torch.from_numpy(wanted)[:, None]
    scores = [compute_dice(torch.from_numpy(segment(boxes))[:, None], reference) for boxes in draws]
    return float(torch.stack(scores).mean())


def _report(measured: Sequence[ImageDice]) -> SourceReport:
    patients = [item.patient for item in measured]

    def interval(score: Callable[[ImageDice], float]) -> Interval:
        return bootstrap_mean(np.array([score(item) for item in measured]), patients)

    return SourceReport(
        tight=interval(lambda i: i.tight),
        tight_ellipse=interval(lambda i: i.tight_ellipse),
        tight_gain=interval(lambda i: i.tight - i.tight_ellipse),
        jittered=interval(lambda i: i.jittered),
        jittered_ellipse=interval(lambda i: i.jittered_ellipse),
        jittered_gain=interval(lambda i: i.jittered - i.jittered_ellipse),
    )


def _box(edges: Float[np.ndarray, " 4"]) -> Box2D:
    left, top, right, bottom = (float(edge) for edge in edges)
    return Box2D(0, left, top, right - left, bottom - top)
