"""A second set of models: the same answer agrees, another does not."""

import numpy as np
import pytest

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.intensity import FullRange
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import Grid, ImageVolume
from lesionmap.models.segmentation.agreement import Agreement, Reference, compare, dice
from lesionmap.models.segmentation.lesions import segment_lesions
from tests.fakes import BrightDetector, BrightSegmenter

GRID = Grid(np.eye(4), (4, 30, 40))


class NoDetector(BrightDetector):
    def detect(self, display, **_):
        return []


class HalfSegmenter(BrightSegmenter):
    """Loses the upper half of every mask."""

    def decode(self, embedding, boxes):
        logits = super().decode(embedding, boxes)
        logits[:, :10] = -10
        return logits


class EmptySegmenter(BrightSegmenter):
    def decode(self, embedding, boxes):
        return np.full_like(super().decode(embedding, boxes), -10)


def display_with_lesion():
    voxels = np.zeros(GRID.shape, np.uint8)
    voxels[1:3, 5:15, 10:20] = 255
    return DisplayVolume(ImageVolume(voxels, GRID, "MR", ("1", "2", "3", "4")), FullRange(0, 255))


def detected(display):
    return BrightDetector().detect(display)


def found_in(display):
    return segment_lesions(display, detected(display), BrightSegmenter())


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (Reference(BrightDetector(), BrightSegmenter()), Agreement((1.0,), (True,), 0)),
        (Reference(NoDetector(), BrightSegmenter()), Agreement((1.0,), (False,), 0)),
        (Reference(BrightDetector(), HalfSegmenter()), Agreement((2 / 3,), (True,), 0)),
        (Reference(BrightDetector(), EmptySegmenter()), Agreement((0.0,), (True,), 0)),
    ],
)
def test_each_lesion_is_compared(reference, expected):
    display = display_with_lesion()
    assert compare(display, detected(display), found_in(display), reference) == expected


def test_what_the_reference_found_alone_is_counted():
    reference = Reference(BrightDetector(), BrightSegmenter())
    assert compare(display_with_lesion(), [], [], reference) == Agreement((), (), 1)


def test_a_box_whose_lesion_was_dropped_was_not_missed():
    reference, display = Reference(BrightDetector(), BrightSegmenter()), display_with_lesion()
    assert compare(display, detected(display), [], reference) == Agreement((), (), 0)


def test_dice_of_masks_in_other_corners_of_the_grid():
    first, second = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, bool)
    first[0, 2:6, 2:6] = True
    second[0, 4:8, 2:6] = True
    masks = [Mask.crop(voxels, GRID) for voxels in (first, second)]
    assert dice(*masks) == dice(*masks[::-1]) == 0.5
    assert dice(masks[0], masks[0]) == 1.0
    apart = np.zeros(GRID.shape, bool)
    apart[3, 20, 30] = True
    assert dice(masks[0], Mask.crop(apart, GRID)) == 0.0
    assert dice(masks[0], None) == 0.0
