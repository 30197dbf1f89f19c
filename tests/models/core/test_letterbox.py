import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lesionmap.models.core.letterbox import Letterbox

sides = st.integers(8, 700)


@given(sides, sides, st.sampled_from([64, 256, 512]), st.integers(0, 2**32 - 1))
def test_boxes_come_back_to_where_they_were(rows, columns, size, seed):
    corners = np.random.default_rng(seed).uniform(0, 1, (3, 2, 2))
    boxes = np.sort(corners, axis=1).reshape(3, 4) * np.array([columns, rows] * 2)
    letterbox = Letterbox(rows, columns, size)
    there = letterbox.to_network(boxes)
    assert np.allclose(letterbox.to_image(there), boxes, atol=1e-9)
    assert there.max() <= size + 1e-9


@given(sides, sides)
def test_boxes_outside_the_image_are_clipped_to_it(rows, columns):
    wide = np.array([[-50.0, -50.0, 5000.0, 5000.0]])
    assert Letterbox(rows, columns, 256).to_image(wide).tolist() == [[0, 0, columns, rows]]


def test_a_bright_square_lands_where_its_box_is_mapped():
    image = np.zeros((300, 500), np.uint8)
    image[120:180, 200:300] = 255
    letterbox = Letterbox(300, 500, 256)
    fitted = letterbox.fit(image)
    left, top, right, bottom = letterbox.to_network(np.array([[200.0, 120, 300, 180]]))[0]
    rows, columns = np.nonzero(fitted[0] > 0.5)
    assert abs(columns.min() - left) <= 1
    assert abs(columns.max() + 1 - right) <= 1
    assert abs(rows.min() - top) <= 1
    assert abs(rows.max() + 1 - bottom) <= 1


def test_grey_fills_three_channels_and_colour_keeps_its_own():
    grey = Letterbox(10, 10, 32).fit(np.full((10, 10), 51, np.uint8))
    assert grey.shape == (3, 32, 32)
    assert np.allclose(grey, 0.2)
    colour = Letterbox(10, 10, 32).fit(np.full((10, 10, 3), (255, 0, 51), np.uint8))
    assert np.allclose(colour[:, 5, 5], [1.0, 0.0, 0.2])
