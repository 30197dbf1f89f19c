"""How good a detector is on the ``val`` splits: AP with intervals, by source.

All lesions count as one class. Boxes down to a score of 0.001 take part in AP, as in
COCO; what the app does with a score threshold is reported beside it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, UInt8

from lesionmap.models.core.boxes import Detection
from lesionmap.models.evaluation.average_precision import (
    COCO_OVERLAPS,
    ImageBoxes,
    Matched,
    average_precision,
    match_boxes,
    precision_recall,
)
from lesionmap.models.training.datasets.sample import Sample

logger = logging.getLogger(__name__)

LOWEST_SCORE = 0.001
RESAMPLES = 1000
LEVEL = 0.95
THRESHOLDS = np.round(np.arange(0.05, 0.95, 0.01), 2)


class SliceDetector(Protocol):
    """Something that finds boxes on one image, such as ``LesionDetector``."""

    def detect_slice(
        self, image: UInt8[np.ndarray, "rows columns *channels"], *, score_threshold: float
    ) -> list[Detection]:
        """Return boxes, best score first."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval over resampled patients."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SourceResult:
    """One source: AP, and what happens at the score threshold of the app.

    ``negatives_hit`` is the part of the images without a lesion that get a box all the
    same, None where every image has a lesion.
    """

    images: int
    patients: int
    lesions: int
    ap50: Estimate
    ap: Estimate
    recall: float
    precision: float
    false_per_image: float
    negatives_hit: float | None


@dataclass(frozen=True, eq=False)
class Found:
    """Everything a detector found on some samples; metrics are computed from this."""

    samples: Sequence[Sample]
    images: Sequence[ImageBoxes]

    def of(self, source: str) -> "Found":
        """Return the part that belongs to one source."""
        return self.where(lambda sample: sample.source == source)

    def where(self, wanted: Callable[[Sample], bool]) -> "Found":
        """Return the part whose samples are wanted."""
        kept = [n for n, sample in enumerate(self.samples) if wanted(sample)]
        return Found([self.samples[n] for n in kept], [self.images[n] for n in kept])

    @property
    def sources(self) -> list[str]:
        """The sources, in order of appearance."""
        return list(dict.fromkeys(sample.source for sample in self.samples))


def find_all(detector: SliceDetector, samples: Sequence[Sample]) -> Found:
    """Run a detector over samples."""
    return Found(samples, [_find_one(detector, sample) for sample in samples])


def evaluate(found: Found, threshold: float, *, seed: int = 20) -> dict[str, SourceResult]:
    """Return the results of every source.

    Args:
        found: what the detector found.
        threshold: the score from which the app reports a box.
        seed: of the bootstrap.
    """
    return {name: evaluate_part(found.of(name), threshold, seed=seed) for name in found.sources}


def evaluate_part(found: Found, threshold: float, *, seed: int = 20) -> SourceResult:
    """Return the results over all samples as one source."""
    matched = {overlap: match_boxes(found.images, overlap) for overlap in COCO_OVERLAPS}
    recall, precision, false_per_image = _at_threshold(matched[0.5], threshold)
    return SourceResult(
        images=len(found.samples),
        patients=len({sample.patient for sample in found.samples}),
        lesions=int(matched[0.5].lesions.sum()),
        ap50=bootstrap(
            found.samples, lambda weights: average_precision(matched[0.5], weights), seed=seed
        ),
        ap=bootstrap(
            found.samples,
            lambda weights: float(
                np.mean([average_precision(part, weights) for part in matched.values()])
            ),
            seed=seed,
        ),
        recall=recall,
        precision=precision,
        false_per_image=false_per_image,
        negatives_hit=_negatives_hit(found, threshold),
    )


def compare_ap50(first: Found, second: Found, *, seed: int = 20) -> dict[str, Estimate]:
    """Return AP50 of ``second`` minus ``first`` by source, resampling the same patients.

    Raises:
        ValueError: the two were not found on the same samples.
    """
    if [s.name for s in first.samples] != [s.name for s in second.samples]:
        raise ValueError("a comparison needs the same samples in the same order")
    differences = {}
    for name in first.sources:
        one, two = first.of(name), second.of(name)
        difference = partial(
            _ap_difference,
            before=match_boxes(one.images, 0.5),
            after=match_boxes(two.images, 0.5),
        )
        differences[name] = bootstrap(one.samples, difference, seed=seed)
    return differences


def bootstrap(
    samples: Sequence[Sample],
    metric: Callable[[Float64[np.ndarray, " images"]], float],
    *,
    seed: int,
) -> Estimate:
    """Return a metric of image weights with its percentile interval over patients.

    Images of one patient are alike, so patients are drawn, with all their images.

    Source: Davison and Hinkley 1997, 3.8 (resampling of clusters).
    """
    names, owner = np.unique([sample.patient for sample in samples], return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    values = [metric(draw[owner].astype(np.float64)) for draw in draws]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(metric(np.ones(len(samples))), float(low), float(high))


def recommend_threshold(found: Found) -> float:
    """Return the score threshold with the best F1, averaged over the sources."""
    curves = []
    for name in found.sources:
        part = found.of(name)
        matched = match_boxes(part.images, 0.5)
        points = [_at_threshold(matched, threshold) for threshold in THRESHOLDS]
        curves.append([2 * p * r / max(p + r, 1e-12) for r, p, _ in points])
    return float(THRESHOLDS[int(np.mean(curves, axis=0).argmax())])


def to_json(results: Mapping[str, SourceResult]) -> dict[str, Any]:
    """Return results as plain numbers, rounded to four digits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        return round(value, 4) if isinstance(value, float) else value

    return {name: rounded(asdict(result)) for name, result in results.items()}


def _ap_difference(
    weights: Float64[np.ndarray, " images"], *, before: Matched, after: Matched
) -> float:
    return average_precision(after, weights) - average_precision(before, weights)


def _find_one(detector: SliceDetector, sample: Sample) -> ImageBoxes:
    found = detector.detect_slice(sample.image, score_threshold=LOWEST_SCORE)
    boxes = np.array([detection.box.xyxy for detection in found], np.float64).reshape(-1, 4)
    scores = np.array([detection.score for detection in found], np.float64)
    return ImageBoxes(boxes, scores, sample.boxes.astype(np.float64))


def _at_threshold(matched: Matched, threshold: float) -> tuple[float, float, float]:
    """Return recall, precision and false boxes an image at a score threshold."""
    count = int((matched.scores >= threshold).sum())
    if not count:
        return 0.0, 0.0, 0.0
    images = len(matched.lesions)
    precision, recall = precision_recall(matched, np.ones(images))
    false = count - int(matched.hits[:count].sum())
    return float(recall[count - 1]), float(precision[count - 1]), false / images


def _negatives_hit(found: Found, threshold: float) -> float | None:
    hit = [
        bool((image.scores >= threshold).any()) for image in found.images if not len(image.lesions)
    ]
    return float(np.mean(hit)) if hit else None
