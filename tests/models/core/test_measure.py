"""Measurements against shapes whose size is known in closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionmap.models.core.mask import Mask
from lesionmap.models.core.measure import measure, measure_brightness
from lesionmap.models.core.volume import Grid, ImageVolume
from tests.phantom_shapes import draw_ellipsoid, turned_axes

SPACINGS = st.tuples(st.floats(0.7, 2.5), st.floats(0.4, 1.2), st.floats(0.4, 1.2))
PLACES = st.tuples(*[st.floats(-0.5, 0.5)] * 3)


def on_one_slice(plane, spacing=(1.0, 1.0), unit="mm"):
    grid = Grid(np.diag([3.0, *spacing, 1]), (1, *plane.shape), unit=unit)
    return measure(Mask.crop(plane[None], grid))


def axes_of(size):
    return pytest.approx((size.diameter.length, size.width.length), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.floats(6, 12), st.floats(6, 9), st.floats(9, 15), st.floats(0, np.pi), SPACINGS, PLACES)
def test_an_ellipsoid_measures_what_it_is(depth, short, long, angle, spacing, place):
    """Axes within a pixel beside what slices miss of the middle, volume within half a layer."""
    size = measure(draw_ellipsoid((depth, short, long), spacing, angle=angle, place=place))
    pixel = max(spacing[1:])
    off_middle = 1 - np.sqrt(1 - min(1, spacing[0] / 2 / depth) ** 2)
    assert abs(size.long_axis_mm - 2 * long) <= pixel + 2 * long * off_middle
    # An axis turned by what a pixel allows meets the ellipse beside its short axis.
    turn = np.sqrt(pixel / long) * (1 - short / long)
    assert abs(size.short_axis_mm - 2 * short) <= pixel * 1.25 + 2 * short * (off_middle + turn)
    shell = _ellipsoid_volume(depth, short, long, grown=max(spacing) / 2) - _ellipsoid_volume(
        depth, short, long
    )
    assert abs(size.volume_mm3 - _ellipsoid_volume(depth, short, long)) <= shell


def _ellipsoid_volume(*radii, grown=0.0):
    return 4 / 3 * np.pi * np.prod(np.add(radii, grown))


@settings(max_examples=25, deadline=None)
@given(st.floats(5, 12), SPACINGS, st.integers(0, 2**31))
def test_a_sphere_measures_the_same_on_any_oblique_grid(radius, spacing, seed):
    straight = draw_ellipsoid((radius,) * 3, spacing)
    turned = Grid(turned_axes(seed) @ straight.grid.affine, straight.grid.shape)
    found, expected = measure(Mask(straight.voxels, straight.origin, turned)), measure(straight)
    assert found.volume_mm3 == pytest.approx(expected.volume_mm3, rel=1e-9)
    assert (found.diameter.length, found.width.length) == axes_of(expected)
    assert abs(found.long_axis_mm - 2 * radius) <= max(spacing[1:]) + 2 * radius * (
        1 - np.sqrt(1 - min(1, spacing[0] / 2 / radius) ** 2)
    )


BLOBS = st.builds(
    lambda seed, side, share: np.random.default_rng(seed).random((side, side)) < share,
    st.integers(0, 2**31),
    st.integers(2, 12),
    st.floats(0.2, 0.9),
).filter(np.any)


@settings(max_examples=60, deadline=None)
@given(BLOBS, st.integers(0, 3), st.booleans())
def test_turning_and_mirroring_change_no_measure(blob, turns, mirrored):
    other = np.rot90(blob[::-1] if mirrored else blob, turns)
    found, expected = on_one_slice(np.ascontiguousarray(other)), on_one_slice(blob)
    assert (found.diameter.length, found.width.length) == axes_of(expected)


@settings(max_examples=40, deadline=None)
@given(BLOBS, st.integers(0, 9), st.integers(0, 9))
def test_moving_moves_the_ends_alone(blob, down, right):
    canvas = np.zeros((24, 24), bool)
    canvas[: blob.shape[0], : blob.shape[1]] = blob
    moved = np.roll(canvas, (down, right), (0, 1))
    found, expected = on_one_slice(moved), on_one_slice(canvas)
    for line, other in (
        (found.diameter, expected.diameter),
        (found.width, expected.width),
    ):
        assert line.length == pytest.approx(other.length)
        assert np.allclose(np.subtract(line.start, other.start), (down, right))


@settings(max_examples=40, deadline=None)
@given(BLOBS, st.floats(0.1, 10), st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)))
def test_lengths_grow_with_the_pixels(blob, factor, spacing):
    larger = on_one_slice(blob, tuple(factor * step for step in spacing))
    smaller = on_one_slice(blob, spacing)
    assert larger.diameter.length == pytest.approx(factor * smaller.diameter.length, rel=1e-6)
    assert larger.width.length == pytest.approx(factor * smaller.width.length, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(BLOBS, st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)))
def test_the_axes_are_perpendicular_and_their_ends_give_their_lengths(blob, spacing):
    size = on_one_slice(blob, spacing)
    long, short = (
        np.subtract(line.end, line.start) * spacing for line in (size.diameter, size.width)
    )
    assert np.hypot(*long) == pytest.approx(size.diameter.length)
    assert np.hypot(*short) == pytest.approx(size.width.length, abs=1e-6)
    assert abs(long @ short) <= 1e-6 * size.diameter.length**2
    assert size.width.length <= size.diameter.length + 1e-9


def test_a_single_pixel_measures_one_pixel():
    voxels = np.zeros((1, 5, 5), bool)
    voxels[0, 2, 2] = True
    size = measure(Mask.crop(voxels, Grid(np.diag([3.0, 0.5, 0.5, 1]), (1, 5, 5))))
    assert size.long_axis_mm == pytest.approx(0.5)
    assert size.short_axis_mm == pytest.approx(0.5)
    assert size.volume_mm3 == pytest.approx(0.75)


def test_without_a_scale_there_are_pixels_and_no_millimetres():
    size = measure(Mask.crop(np.ones((1, 5, 9), bool), Grid(np.eye(4), (1, 5, 9), unit="pixel")))
    assert (size.volume_mm3, size.long_axis_mm, size.short_axis_mm) == (None, None, None)
    assert size.unit == "pixel"
    assert size.diameter.length == pytest.approx(np.hypot(5, 9), abs=1)
    assert size.voxel_count == 45


def test_the_diameter_runs_between_the_outer_edges_of_the_mask():
    voxels = np.zeros((3, 20, 30), bool)
    voxels[1, 5, 4:24] = True
    size = measure(Mask.crop(voxels, Grid(np.diag([3.0, 0.5, 0.5, 1]), (3, 20, 30))))
    assert size.diameter.slice_index == size.width.slice_index == 1
    assert {size.diameter.start, size.diameter.end} == {(5.0, 3.5), (5.0, 23.5)}
    assert size.long_axis_mm == pytest.approx(10.0)


def test_the_short_axis_ends_on_the_contour_of_a_bent_lesion():
    """An L of two bars, 4 pixels wide: its hull is far wider than any line across it."""
    plane = np.zeros((40, 40), bool)
    plane[2:38, 2:6] = plane[34:38, 2:38] = True
    size = on_one_slice(plane)
    rows, columns = np.nonzero(plane)
    for row, column in (size.width.start, size.width.end):
        assert np.hypot(rows - row, columns - column).min() <= 1
    assert size.diameter.length == pytest.approx(np.hypot(36, 36), abs=1.5)


def test_the_longest_slice_wins_even_if_another_is_larger():
    voxels = np.zeros((2, 40, 40), bool)
    voxels[0, 5:25, 5:25] = True
    voxels[1, 20, 2:38] = True
    size = measure(Mask.crop(voxels, Grid(np.eye(4), (2, 40, 40))))
    assert size.diameter.slice_index == 1
    assert (size.long_axis_mm, size.short_axis_mm) == pytest.approx((36, 1))


def test_noise_over_a_whole_slice_is_measured_too():
    plane = np.random.default_rng(0).random((200, 200)) < 0.5
    size = on_one_slice(plane)
    assert size.diameter.length == pytest.approx(np.hypot(200, 200), abs=6)


def test_brightness_is_that_of_the_voxels_inside():
    voxels = np.zeros((2, 4, 4), np.int16)
    voxels[1, 1, 1:3] = (10, 30)
    grid = Grid(np.eye(4), (2, 4, 4))
    volume = ImageVolume(voxels, grid, "CT", ("1", "2"))
    found = measure_brightness(volume, Mask.crop(voxels > 0, grid))
    assert (found.mean, found.deviation) == (20.0, 10.0)
