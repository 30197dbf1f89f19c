"""From boxes on slices to lesions with masks that never overlap."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from lesionmap.models.core.boxes import Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import Grid
from lesionmap.models.detection.linking import MAX_GAP, MIN_IOU, link_slices
from lesionmap.models.segmentation.segmenter import BoxSegmenter

Plane = Bool[np.ndarray, "rows columns"]


@dataclass(frozen=True, eq=False)
class Piece:
    """The part of a lesion's mask on one slice, with its corner in the image."""

    slice_index: int
    row: int
    column: int
    pixels: Plane


def segment_lesions(
    display: DisplayVolume,
    detections: Sequence[Detection],
    segmenter: BoxSegmenter,
    *,
    min_iou: float = MIN_IOU,
    max_gap: int = MAX_GAP,
    on_slice: Callable[[int, int], None] | None = None,
) -> list[Lesion]:
    """Segment every box, link boxes into lesions, and settle who owns each pixel.

    Each slice with a box is encoded once for all its boxes. A pixel that two
    lesions claim goes to the one with the higher score; a lesion left without
    a pixel is dropped.

    Args:
        display: the slices as the network sees them.
        detections: boxes in the pixels of those slices.
        segmenter: what turns boxes into masks.
        min_iou: least overlap of boxes on neighbouring slices of one lesion.
        max_gap: how many slices without a box a lesion may skip.
        on_slice: called after each encoded slice with the number done and the total.

    Returns:
        The lesions, highest score first.
    """
    groups = link_slices(detections, min_iou=min_iou, max_gap=max_gap)
    return segment_groups(display, groups, segmenter, on_slice=on_slice)


def segment_groups(
    display: DisplayVolume,
    groups: Iterable[Sequence[Detection]],
    segmenter: BoxSegmenter,
    *,
    on_slice: Callable[[int, int], None] | None = None,
) -> list[Lesion]:
    """Segment boxes that are already linked, one group a lesion; see ``segment_lesions``."""
    groups = sorted(groups, key=_rank)
    pieces: list[list[Piece]] = [[] for _ in groups]
    owners = _owners_by_slice(groups)
    for done, index in enumerate(sorted(owners), start=1):
        for owner, piece in _segment_slice(display, index, owners[index], segmenter):
            pieces[owner].append(piece)
        if on_slice:
            on_slice(done, len(owners))
    return [
        _lesion(group, parts, display.grid)
        for group, parts in zip(groups, pieces, strict=True)
        if parts
    ]


def _rank(group: Sequence[Detection]) -> tuple[float, int, tuple[float, ...]]:
    """Order lesions by score, then by where they begin."""
    return -_score(group), group[0].box.slice_index, group[0].box.xywh


def _score(group: Sequence[Detection]) -> float:
    return max(detection.score for detection in group)


def _owners_by_slice(
    groups: Sequence[Sequence[Detection]],
) -> dict[int, list[tuple[int, Detection]]]:
    """Return the boxes of each slice with the number of their lesion, best lesion first."""
    owners: dict[int, list[tuple[int, Detection]]] = {}
    for number, group in enumerate(groups):
        for detection in group:
            owners.setdefault(detection.box.slice_index, []).append((number, detection))
    return owners


def _segment_slice(
    display: DisplayVolume,
    index: int,
    owners: Sequence[tuple[int, Detection]],
    segmenter: BoxSegmenter,
) -> list[tuple[int, Piece]]:
    """Return the pieces on one slice; the best lesion takes its pixels first."""
    embedding = segmenter.encode(display.slice(index))
    logits = segmenter.decode(embedding, [detection.box for _, detection in owners])
    taken = np.zeros(logits.shape[1:], bool)
    pieces = []
    for (owner, _), plane in zip(owners, logits, strict=True):
        own = (plane > 0) & ~taken
        taken |= own
        if own.any():
            pieces.append((owner, _cut(own, index)))
    return pieces


def _cut(plane: Plane, index: int) -> Piece:
    """Keep the part of a plane that holds pixels."""
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    row, column = int(rows[0]), int(columns[0])
    pixels = plane[row : rows[-1] + 1, column : columns[-1] + 1].copy()
    return Piece(index, row, column, pixels)


def _lesion(group: Sequence[Detection], pieces: Sequence[Piece], grid: Grid) -> Lesion:
    best = max(group, key=lambda detection: detection.score)
    return Lesion(best.label, best.score, _join(pieces, grid), tuple(group))


def _join(pieces: Sequence[Piece], grid: Grid) -> Mask:
    """Put the pieces of a lesion into one sub-array of the grid."""
    begin = np.array([[p.slice_index, p.row, p.column] for p in pieces])
    shapes = np.array([(1, *p.pixels.shape) for p in pieces])
    origin = begin.min(axis=0)
    voxels = np.zeros((begin + shapes).max(axis=0) - origin, bool)
    for piece, (depth, row, column) in zip(pieces, (begin - origin).tolist(), strict=True):
        height, width = piece.pixels.shape
        voxels[depth, row : row + height, column : column + width] = piece.pixels
    slice_index, row, column = origin.tolist()
    return Mask(voxels, (slice_index, row, column), grid)
