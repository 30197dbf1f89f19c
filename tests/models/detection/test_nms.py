"""Suppression: properties over random boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lesionmap.models.core.boxes import iou_matrix
from lesionmap.models.detection.nms import suppress

CORNERS = arrays(np.float64, st.tuples(st.integers(0, 25), st.just(2)), elements=st.floats(0, 50))


@st.composite
def boxes_and_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    corners = draw(CORNERS)
    sides = draw(arrays(np.float64, corners.shape, elements=st.floats(1, 40)))
    scores = draw(arrays(np.float64, len(corners), elements=st.floats(0, 1)))
    return np.concatenate([corners, corners + sides], axis=1), scores


@given(boxes_and_scores(), st.floats(0.1, 0.9))
def test_kept_boxes_overlap_no_more_than_allowed(drawn, iou):
    boxes, scores = drawn
    kept = suppress(boxes, scores, iou=iou, limit=100)
    overlaps = iou_matrix(boxes[kept], boxes[kept])
    np.fill_diagonal(overlaps, 0)
    assert (overlaps <= iou).all()


@given(boxes_and_scores(), st.floats(0.1, 0.9))
def test_every_dropped_box_overlaps_a_kept_one_of_no_lower_score(drawn, iou):
    boxes, scores = drawn
    kept = suppress(boxes, scores, iou=iou, limit=100)
    for index in set(range(len(boxes))) - set(kept.tolist()):
        rivals = kept[scores[kept] >= scores[index]]
        assert iou_matrix(boxes[[index]], boxes[rivals]).max() > iou


@given(boxes_and_scores())
def test_scores_fall_and_the_best_box_stays(drawn):
    boxes, scores = drawn
    kept = suppress(boxes, scores, iou=0.5, limit=100)
    assert (np.diff(scores[kept]) <= 0).all()
    if len(boxes):
        assert scores[kept[0]] == scores.max()


@given(boxes_and_scores(), st.integers(0, 5))
def test_the_limit_keeps_the_best(drawn, limit):
    boxes, scores = drawn
    few = suppress(boxes, scores, iou=0.5, limit=limit)
    all_kept = suppress(boxes, scores, iou=0.5, limit=100)
    assert few.tolist() == all_kept[:limit].tolist()


@given(boxes_and_scores())
def test_suppressing_twice_changes_nothing(drawn):
    boxes, scores = drawn
    kept = suppress(boxes, scores, iou=0.5, limit=100)
    again = suppress(boxes[kept], scores[kept], iou=0.5, limit=100)
    assert again.tolist() == list(range(len(kept)))


def test_boxes_without_scores_are_refused():
    with pytest.raises(ValueError, match="2 boxes have 1 scores"):
        suppress(np.zeros((2, 4)), np.zeros(1), iou=0.5, limit=10)
