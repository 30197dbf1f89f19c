"""Average precision of boxes, for one class, with weights on images.

A weight is how often an image was drawn by the bootstrap: matching happens once, and
every resample is only a new weighted sum.

Source: COCO detection evaluation (greedy matching by score, 101 recall levels).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from lesionmap.models.core.boxes import iou_matrix

RECALL_LEVELS = np.linspace(0, 1, 101)
COCO_OVERLAPS = tuple(round(0.5 + 0.05 * n, 2) for n in range(10))


@dataclass(frozen=True, eq=False)
class ImageBoxes:
    """What was found on one image, and what is there; x0, y0, x1, y1."""

    found: Float64[np.ndarray, "found 4"]
    scores: Float64[np.ndarray, " found"]
    lesions: Float64[np.ndarray, "lesions 4"]


@dataclass(frozen=True, eq=False)
class Matched:
    """All boxes found on a set of images, best score first, and which are hits."""

    scores: Float64[np.ndarray, " found"]
    hits: Bool[np.ndarray, " found"]
    image: Int64[np.ndarray, " found"]
    lesions: Int64[np.ndarray, " images"]


def match_boxes(images: Sequence[ImageBoxes], overlap: float) -> Matched:
    """Give every box, best score first, the free lesion it overlaps most.

    Args:
        images: boxes of every image.
        overlap: the least intersection over union of a hit.
    """
    scores = np.concatenate([image.scores for image in images] or [np.zeros(0)])
    hits = np.concatenate([_hits(image, overlap) for image in images] or [np.zeros(0, bool)])
    owner = np.repeat(np.arange(len(images)), [len(image.scores) for image in images])
    order = np.argsort(-scores, kind="stable")
    lesions = np.array([len(image.lesions) for image in images], np.int64)
    return Matched(scores[order], hits[order], owner[order], lesions)


def average_precision(matched: Matched, weights: Float64[np.ndarray, " images"]) -> float:
    """Return the interpolated area under the precision-recall curve, 0 without lesions."""
    total = float(weights @ matched.lesions)
    if not total or not len(matched.scores):
        return 0.0
    precision, recall = precision_recall(matched, weights)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALL_LEVELS - 1e-12, side="left")
    reached = place < len(recall)
    return float(envelope[place[reached]].sum() / len(RECALL_LEVELS))


def precision_recall(
    matched: Matched, weights: Float64[np.ndarray, " images"]
) -> tuple[Float64[np.ndarray, " found"], Float64[np.ndarray, " found"]]:
    """Return precision and recall after each box, best score first."""
    drawn = weights[matched.image]
    hits = np.cumsum(drawn * matched.hits)
    found = np.cumsum(drawn)
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    return precision, hits / max(float(weights @ matched.lesions), 1e-12)


def _hits(image: ImageBoxes, overlap: float) -> Bool[np.ndarray, " found"]:
    hits = np.zeros(len(image.scores), bool)
    if not len(image.lesions):
        return hits
    overlaps = iou_matrix(image.found, image.lesions)
    for index in np.argsort(-image.scores, kind="stable"):
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= overlap:
            hits[index] = True
            overlaps[:, best] = -1.0
    return hits
