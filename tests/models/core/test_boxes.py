import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.core.boxes import Box2D, Detection, iou_matrix

edges = st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(0.1, 50), st.floats(0.1, 50)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)


@pytest.mark.parametrize(
    "box",
    [(0, -1, 0, 5, 5), (0, 0, 0, 0, 5), (0, 0, 0, 5, -1), (-1, 0, 0, 5, 5)]
    + [(0, bad, 0, 5, 5) for bad in (float("nan"), float("inf"))],
)
def test_a_box_that_is_none_cannot_be_made(box):
    with pytest.raises(ValueError, match="box"):
        Box2D(*box)


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_outside_0_to_1_cannot_be_made(score):
    with pytest.raises(ValueError, match="score"):
        Detection(Box2D(0, 0, 0, 1, 1), "lesion", score)


def test_edges_and_extents_agree():
    box = Box2D(2, 3.0, 4.0, 5.0, 6.0)
    assert box.xyxy == (3, 4, 8, 10)
    assert box.xywh == (3, 4, 5, 6)


@given(edges, edges)
def test_overlap_is_symmetric_and_within_0_and_1(first, second):
    a, b = np.array([first]), np.array([second])
    there, back = iou_matrix(a, b), iou_matrix(b, a)
    assert np.allclose(there, back.T)
    assert 0 <= there[0, 0] <= 1 + 1e-12
    assert np.isclose(iou_matrix(a, a)[0, 0], 1)


def test_half_overlap_is_one_third():
    a, b = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])
    assert np.isclose(iou_matrix(a, b)[0, 0], 1 / 3)
