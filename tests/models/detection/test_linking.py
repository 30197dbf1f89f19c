"""Linking of slice boxes into lesions."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.detection.linking import link_slices


def detect(slice_index: int, x: float, y: float = 10, side: float = 20, score: float = 0.5):
    return Detection(Box2D(slice_index, x, y, side, side), "lesion", score)


detections = st.lists(
    st.builds(
        detect,
        st.integers(0, 8),
        st.floats(0, 60),
        st.floats(0, 60),
        st.floats(5, 40),
        st.floats(0, 1),
    ),
    max_size=25,
    unique_by=lambda d: (d.box, d.score),
)


def test_boxes_in_a_column_are_one_lesion():
    column = [detect(z, 10 + z) for z in range(5)]
    assert link_slices(column) == [column]


def test_two_columns_are_two_lesions_in_the_order_of_their_first_box():
    left = [detect(z, 10) for z in range(1, 4)]
    right = [detect(z, 80) for z in range(3)]
    assert link_slices([*left, *right]) == [right, left]


@pytest.mark.parametrize(("gap", "lesions"), [(0, 1), (1, 1), (2, 2)])
def test_one_empty_slice_is_bridged_and_two_are_not(gap, lesions):
    assert len(link_slices([detect(0, 10), detect(gap + 1, 10)])) == lesions


def test_the_larger_overlap_is_joined_first():
    begun = detect(0, 10)
    close, far = detect(1, 11, score=0.1), detect(1, 16, score=0.9)
    assert link_slices([begun, close, far]) == [[begun, close], [far]]


def test_boxes_of_one_slice_are_never_joined():
    assert len(link_slices([detect(0, 10), detect(0, 11, score=0.4)])) == 2


def test_nothing_gives_nothing():
    assert link_slices([]) == []


@pytest.mark.parametrize("options", [{"min_iou": 0.0}, {"min_iou": 1.5}, {"max_gap": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match="linking needs"):
        link_slices([], **options)


@given(detections)
def test_every_box_is_in_exactly_one_lesion(found):
    linked = [box for lesion in link_slices(found) for box in lesion]
    assert sorted(map(repr, linked)) == sorted(map(repr, found))


@given(detections)
def test_a_lesion_has_one_box_a_slice_and_no_long_gap(found):
    for lesion in link_slices(found):
        slices = [detection.box.slice_index for detection in lesion]
        steps = [b - a for a, b in pairwise(slices)]
        assert all(1 <= step <= 2 for step in steps)


@given(detections, st.integers(0, 1000))
def test_the_order_of_the_detections_does_not_matter(found, seed):
    shuffled = random.Random(seed).sample(found, len(found))
    assert link_slices(shuffled) == link_slices(found)
