"""Link boxes on neighbouring slices into lesions."""

from collections.abc import Sequence

import numpy as np

from lesionmap.models.core.boxes import Detection, iou_matrix

MIN_IOU = 0.3
MAX_GAP = 1


def link_slices(
    detections: Sequence[Detection], *, min_iou: float = MIN_IOU, max_gap: int = MAX_GAP
) -> list[list[Detection]]:
    """Group detections into lesions, each with at most one box a slice.

    Slice by slice, the pair of a lesion's last box and a new box that overlaps
    most is joined first. A box that joins nothing begins a lesion. The result
    does not depend on the order of ``detections``, unless two are equal.

    Args:
        detections: boxes of one volume.
        min_iou: least intersection over union of two boxes that are joined.
        max_gap: how many slices without a box a lesion may skip.

    Returns:
        The lesions in the order of their first box; boxes in slice order.

    Raises:
        ValueError: ``min_iou`` is not in 0..1, or ``max_gap`` is negative.
    """
    if not 0 < min_iou <= 1 or max_gap < 0:
        raise ValueError("linking needs 0 < min_iou <= 1 and max_gap >= 0")
    lesions: list[list[Detection]] = []
    for index, arrivals in _by_slice(detections):
        reachable = [k for k, lesion in enumerate(lesions) if _last(lesion) >= index - 1 - max_gap]
        joined = _match([lesions[k][-1] for k in reachable], arrivals, min_iou)
        for position, arrival in enumerate(arrivals):
            if position in joined:
                lesions[reachable[joined[position]]].append(arrival)
            else:
                lesions.append([arrival])
    return lesions


def _by_slice(detections: Sequence[Detection]) -> list[tuple[int, list[Detection]]]:
    """Return the detections of each slice, best first, in slice order."""
    ordered = sorted(detections, key=lambda d: (d.box.slice_index, -d.score, d.box.xywh, d.label))
    slices: dict[int, list[Detection]] = {}
    for detection in ordered:
        slices.setdefault(detection.box.slice_index, []).append(detection)
    return list(slices.items())


def _last(lesion: Sequence[Detection]) -> int:
    return lesion[-1].box.slice_index


def _match(
    tails: Sequence[Detection], arrivals: Sequence[Detection], min_iou: float
) -> dict[int, int]:
    """Return which tail each arrival joins, the largest overlap first."""
    if not tails:
        return {}
    overlap = iou_matrix(_edges(tails), _edges(arrivals))
    pairs = np.argwhere(overlap >= min_iou)
    order = np.argsort(-overlap[overlap >= min_iou], kind="stable")
    joined: dict[int, int] = {}
    for tail, arrival in pairs[order].tolist():
        if arrival not in joined and tail not in joined.values():
            joined[arrival] = tail
    return joined


def _edges(detections: Sequence[Detection]) -> np.ndarray:
    return np.array([detection.box.xyxy for detection in detections], np.float64)
