"""How far a second set of models, of higher precision, agrees with what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lesionmap.models.core.boxes import Detection, iou_matrix
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.mask import Mask
from lesionmap.models.detection.detector import LesionDetector
from lesionmap.models.detection.linking import link_slices
from lesionmap.models.segmentation.lesions import segment_groups
from lesionmap.models.segmentation.prompts import stack_boxes
from lesionmap.models.segmentation.segmenter import BoxSegmenter

SAME_BOX_IOU = 0.5

OnSlice = Callable[[int, int], None]


@dataclass(frozen=True)
class Reference:
    """A detector and a segmenter that a result is compared with."""

    detector: LesionDetector
    segmenter: BoxSegmenter


@dataclass(frozen=True)
class Agreement:
    """What the reference says of each lesion, and how many it found where there was no box.

    ``dice`` compares masks made from the same boxes; ``confirmed`` is whether
    the reference's detector has a box where the lesion has one.
    """

    dice: tuple[float, ...]
    confirmed: tuple[bool, ...]
    missed: int


def compare(
    display: DisplayVolume,
    detections: Sequence[Detection],
    lesions: Sequence[Lesion],
    reference: Reference,
    *,
    score_threshold: float | None = None,
    on_slice: OnSlice | None = None,
) -> Agreement:
    """Run the reference on a series and compare its result with the lesions found.

    ``detections`` are all boxes found: what the reference has where one of them
    lies was not missed, even if its lesion was dropped.
    """
    boxes = reference.detector.detect(display, score_threshold=score_threshold, on_slice=on_slice)
    groups = [lesion.detections for lesion in lesions]
    redrawn = segment_groups(display, groups, reference.segmenter, on_slice=on_slice)
    masks = {lesion.detections: lesion.mask for lesion in redrawn}
    return Agreement(
        dice=tuple(dice(lesion.mask, masks.get(lesion.detections)) for lesion in lesions),
        confirmed=tuple(_meets(group, boxes) for group in groups),
        missed=sum(not _meets(detections, found) for found in link_slices(boxes)),
    )


def dice(first: Mask, second: Mask | None) -> float:
    """Return twice the shared voxels over the sum of both; 0 for a mask that is not there.

    Source: Dice, Measures of the amount of ecologic association, Ecology 26 (1945).
    """
    if second is None:
        return 0.0
    begin = np.minimum(first.origin, second.origin)
    ends = [np.add(mask.origin, mask.voxels.shape) for mask in (first, second)]
    counts = np.zeros(np.maximum(*ends) - begin, np.uint8)
    for mask in (first, second):
        corner = np.subtract(mask.origin, begin)
        inside = tuple(slice(a, b) for a, b in zip(corner, corner + mask.voxels.shape, strict=True))
        counts[inside] += mask.voxels
    shared = int(np.count_nonzero(counts == 2))
    return 2 * shared / (first.voxel_count + second.voxel_count)


def _meets(first: Sequence[Detection], second: Sequence[Detection]) -> bool:
    """Whether two boxes of the same slice are about the same."""
    overlaps = iou_matrix(*(stack_boxes([item.box for item in part]) for part in (first, second)))
    slices = (np.array([item.box.slice_index for item in part]) for part in (first, second))
    same_slice = np.equal.outer(*slices)
    return bool((same_slice & (overlaps >= SAME_BOX_IOU)).any())
