import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.core.boxes import Box2D
from lesionmap.models.segmentation.prompts import (
    Prompt,
    PromptSource,
    grow_window,
    inscribed_ellipse,
    stack_boxes,
)

boxes = st.builds(
    Box2D, st.just(0), st.floats(0, 60), st.floats(0, 60), st.floats(1, 40), st.floats(1, 40)
)


def test_a_prompt_keeps_its_source():
    prompt = Prompt(Box2D(0, 1, 2, 3, 4), PromptSource.DETECTOR)
    assert prompt.source == "detector"


def test_no_box_stacks_to_no_rows():
    assert stack_boxes([]).shape == (0, 4)


def test_boxes_stack_as_edges():
    assert stack_boxes([Box2D(0, 1, 2, 3, 4)]).tolist() == [[1, 2, 4, 6]]


def test_the_ellipse_in_a_large_box_has_the_area_of_an_ellipse():
    mask = inscribed_ellipse(np.array([10.0, 20.0, 90.0, 70.0]), 100, 100)
    assert mask.sum() == pytest.approx(np.pi / 4 * 80 * 50, rel=0.01)


@given(boxes)
def test_the_ellipse_stays_in_its_box(box):
    mask = inscribed_ellipse(np.array(box.xyxy), 100, 100)
    rows, columns = np.nonzero(mask)
    left, top, right, bottom = box.xyxy
    assert ((columns + 0.5 >= left) & (columns + 0.5 <= right)).all()
    assert ((rows + 0.5 >= top) & (rows + 0.5 <= bottom)).all()


@given(boxes, st.floats(0, 1))
def test_a_grown_window_covers_its_box_and_stays_in_the_image(box, share):
    rows, columns = grow_window(box, share, 50, 64)
    assert 0 <= rows.start <= rows.stop <= 50 or box.y > 50
    assert columns.start <= box.x
    assert columns.stop >= min(64, box.x + box.width)
