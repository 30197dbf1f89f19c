"""Polygons along pixel edges give back the mask, whoever fills them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lesionmap.models.core.polygons import fill_polygon, trace_polygons
from tests.polygon_filling import fill_with_pillow

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans())


def rings():
    """A ring within a ring, its outer hole touching the edge of another hole at a corner."""
    plane = np.zeros((15, 17), bool)
    plane[1:14, 1:16] = True
    plane[3:12, 3:12] = False
    plane[5:10, 5:10] = True
    plane[6:8, 6:9] = False
    plane[12, 12:14] = False
    return plane


DRAWN = {
    "one pixel": np.ones((1, 1), bool),
    "a full image": np.ones((5, 7), bool),
    "rings": rings(),
    "a chessboard": np.indices((7, 8)).sum(axis=0) % 2 == 0,
    "a frame of chessboard": np.pad(np.indices((5, 6)).sum(axis=0) % 2 == 0, 2, constant_values=1),
    "nothing": np.zeros((3, 4), bool),
}


def check(plane):
    polygons = trace_polygons(plane)
    filled = [fill_polygon(polygon.astype(float), plane.shape) for polygon in polygons]
    for counts in (filled, [fill_with_pillow(polygon, plane.shape) for polygon in polygons]):
        # Even-odd and union agree: no pixel belongs to two polygons.
        assert np.array_equal(np.sum([np.zeros(plane.shape, int), *counts], axis=0), plane)
    assert sum(area(polygon) for polygon in polygons) == plane.sum()


def area(polygon):
    rows, columns = polygon.T
    return int((columns * np.roll(rows, -1) - np.roll(columns, -1) * rows).sum()) / 2


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawn_mask_comes_back(name):
    check(DRAWN[name])


@given(MASKS)
def test_any_mask_comes_back(plane):
    check(plane)


def test_a_part_is_one_polygon_with_its_holes():
    assert len(trace_polygons(rings())) == 2
    assert len(trace_polygons(DRAWN["a chessboard"])) == 28


def test_a_square_has_four_corners_on_the_edges_of_its_pixels():
    plane = np.zeros((6, 6), bool)
    plane[2:5, 1:4] = True
    (polygon,) = trace_polygons(plane)
    assert sorted(map(tuple, polygon.tolist())) == [(2, 1), (2, 4), (5, 1), (5, 4)]


def test_slanting_edges_are_filled_by_pixel_centres():
    triangle = np.array([[0.0, 0.0], [0.0, 8.0], [8.0, 0.0]])
    assert np.array_equal(fill_polygon(triangle, (8, 8)), np.add(*np.indices((8, 8))) < 7)


def test_a_polygon_that_reaches_outside_is_cut():
    square = np.array([[-3.0, -2.0], [-3.0, 20.0], [2.0, 20.0], [2.0, -2.0]])
    filled = fill_polygon(square, (4, 5))
    assert filled[:2].all()
    assert not filled[2:].any()
