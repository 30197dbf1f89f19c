"""Each flag rises for what it names and for nothing else."""

import numpy as np
import pytest

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.flags import Flag
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.quality import QualityLimits, lesion_flags, series_flags
from lesionmap.models.core.volume import Grid

LIMITS = QualityLimits(many_findings=2, tiny_voxels=8, low_score=0.5)
SHAPE = (6, 20, 20)


def lesion(*blocks, shape=SHAPE, score=0.9):
    voxels = np.zeros(shape, bool)
    for block in blocks:
        voxels[block] = True
    detection = Detection(Box2D(0, 1, 1, 4, 4), "lesion", score)
    return Lesion("Lesion", score, Mask.crop(voxels, Grid(np.eye(4), shape)), (detection,))


INSIDE = np.s_[2:4, 5:9, 5:9]


def test_a_lesion_without_a_doubt_has_no_flag():
    assert lesion_flags(lesion(INSIDE), LIMITS) == ()


@pytest.mark.parametrize(
    "block",
    [
        np.s_[2:4, 0:5, 5:9],
        np.s_[2:4, 15:20, 5:9],
        np.s_[2:4, 5:9, 0:5],
        np.s_[2:4, 5:9, 16:20],
        np.s_[0:2, 5:9, 5:9],
        np.s_[4:6, 5:9, 5:9],
    ],
)
def test_every_side_of_the_volume_counts(block):
    assert lesion_flags(lesion(block), LIMITS) == (Flag.TOUCHES_EDGE,)


def test_a_single_image_has_no_first_and_last_slice():
    shape = (1, 20, 20)
    assert lesion_flags(lesion(np.s_[0, 5:9, 5:9], shape=shape), LIMITS) == ()
    assert lesion_flags(lesion(np.s_[0, 0:9, 5:9], shape=shape), LIMITS) == (Flag.TOUCHES_EDGE,)


def test_a_crumb_beside_a_lesion_is_flagged():
    assert lesion_flags(lesion(INSIDE, np.s_[3, 15, 15]), LIMITS) == (Flag.TINY_COMPONENT,)
    assert lesion_flags(lesion(np.s_[3, 5:7, 5:8]), LIMITS) == (Flag.TINY_COMPONENT,)
    assert lesion_flags(lesion(np.s_[3, 5:7, 5:9]), LIMITS) == ()


def test_parts_on_slices_with_a_gap_between_them_are_no_crumbs():
    assert lesion_flags(lesion(np.s_[1, 5:9, 5:9], np.s_[3, 5:9, 5:9]), LIMITS) == ()


def test_a_score_at_the_limit_is_not_low():
    assert lesion_flags(lesion(INSIDE, score=0.49), LIMITS) == (Flag.LOW_SCORE,)
    assert lesion_flags(lesion(INSIDE, score=0.5), LIMITS) == ()


def test_a_series_is_flagged_for_more_findings_than_the_limit():
    assert series_flags([lesion(INSIDE)] * 2, LIMITS) == ()
    assert series_flags([lesion(INSIDE)] * 3, LIMITS) == (Flag.TOO_MANY_FINDINGS,)


@pytest.mark.parametrize("flag", Flag)
def test_every_flag_has_its_words(flag):
    assert flag.meaning
