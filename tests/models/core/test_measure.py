import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionmap.models.core.mask import Mask
from lesionmap.models.core.measure import measure, measure_brightness
from lesionmap.models.core.volume import Grid, ImageVolume


def ellipsoid(radii_mm, spacing, angle=0.0):
    shape = tuple(int(np.ceil(2 * max(radii_mm) / step)) + 5 for step in spacing)
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (z / radii_mm[0]) ** 2 + (across / radii_mm[1]) ** 2 + (along / radii_mm[2]) ** 2 < 1
    return Mask.crop(inside, Grid(np.diag([*spacing, 1.0]), shape))


@settings(max_examples=30, deadline=None)
@given(
    st.floats(6, 12),
    st.floats(6, 9),
    st.floats(9, 15),
    st.floats(0, np.pi),
    st.tuples(st.floats(0.7, 2.5), st.floats(0.4, 1.2), st.floats(0.4, 1.2)),
)
def test_axes_are_right_within_a_pixel_and_volume_within_a_voxel_layer(a, b, c, angle, spacing):
    size = measure(ellipsoid((a, b, c), spacing, angle))
    pixel = float(np.hypot(*spacing[1:]))
    assert abs(size.long_axis_mm - 2 * c) <= pixel + (spacing[0] / a) ** 2 * c
    assert abs(size.short_axis_mm - 2 * b) <= pixel + (spacing[0] / a) ** 2 * b + 0.05 * c
    surface = 4 * np.pi * max(a, b, c) ** 2
    assert abs(size.volume_mm3 - 4 / 3 * np.pi * a * b * c) <= surface * max(spacing) / 2


def test_a_single_pixel_measures_one_pixel():
    voxels = np.zeros((1, 5, 5), bool)
    voxels[0, 2, 2] = True
    size = measure(Mask.crop(voxels, Grid(np.diag([3.0, 0.5, 0.5, 1]), (1, 5, 5))))
    assert size.long_axis_mm == pytest.approx(0.5)
    assert size.short_axis_mm == pytest.approx(0.5)
    assert size.volume_mm3 == pytest.approx(0.75)


def test_without_a_scale_there_is_no_length():
    voxels = np.ones((1, 5, 5), bool)
    grid = Grid(np.eye(4), (1, 5, 5), unit="pixel", has_depth=False)
    size = measure(Mask.crop(voxels, grid))
    assert (size.volume_mm3, size.long_axis_mm, size.short_axis_mm) == (None, None, None)
    assert size.voxel_count == 25


def test_the_diameter_runs_between_the_outer_edges_of_the_mask():
    voxels = np.zeros((3, 20, 30), bool)
    voxels[1, 5, 4:24] = True
    size = measure(Mask.crop(voxels, Grid(np.diag([3.0, 0.5, 0.5, 1]), (3, 20, 30))))
    assert size.diameter.slice_index == 1
    assert {size.diameter.start, size.diameter.end} == {(5.0, 3.5), (5.0, 23.5)}
    assert size.long_axis_mm == pytest.approx(10.0)


def test_brightness_is_that_of_the_voxels_inside():
    voxels = np.zeros((2, 4, 4), np.int16)
    voxels[1, 1, 1:3] = (10, 30)
    grid = Grid(np.eye(4), (2, 4, 4))
    volume = ImageVolume(voxels, grid, "CT", ("1", "2"))
    found = measure_brightness(volume, Mask.crop(voxels > 0, grid))
    assert (found.mean, found.deviation) == (20.0, 10.0)
