import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionmap.models.core.components import component_sizes


def flooded_sizes(voxels):
    """The same by flood fill, voxel by voxel."""
    left, sizes = {tuple(place) for place in np.argwhere(voxels)}, []
    while left:
        front, size = [left.pop()], 0
        while front:
            z, y, x = front.pop()
            size += 1
            near = {
                (z + i, y + j, x + k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)
            } & left
            left -= near
            front += near
        sizes.append(size)
    return sorted(sizes)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**31),
    st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    st.floats(0.05, 0.6),
)
def test_parts_are_those_of_a_flood_fill(seed, shape, share):
    voxels = np.random.default_rng(seed).random(shape) < share
    assert sorted(component_sizes(voxels).tolist()) == flooded_sizes(voxels)


@pytest.mark.parametrize(
    ("second", "sizes"),
    [((0, 1, 1), [2]), ((1, 1, 1), [2]), ((0, 0, 2), [1, 1]), ((2, 0, 0), [1, 1])],
)
def test_voxels_that_share_a_corner_are_connected(second, sizes):
    voxels = np.zeros((3, 3, 3), bool)
    voxels[0, 0, 0] = voxels[second] = True
    assert component_sizes(voxels).tolist() == sizes


def test_a_winding_line_is_one_part():
    plane = np.zeros((41, 41), bool)
    plane[::4] = True
    plane[2::8, -1] = plane[1::8, -1] = plane[3::8, -1] = True
    plane[6::8, 0] = plane[5::8, 0] = plane[7::8, 0] = True
    assert component_sizes(plane[None]).tolist() == [np.count_nonzero(plane)]
