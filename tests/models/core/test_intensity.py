import numpy as np
import pytest

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.intensity import (
    FixedWindow,
    FullRange,
    PercentileWindow,
    resolve,
    to_display,
)
from lesionmap.models.core.volume import Grid, ImageVolume


def test_a_window_maps_its_ends_to_0_and_255_and_clips_outside():
    hounsfield = np.array([-1000, -160, 40, 240, 3000], np.int16)
    assert to_display(hounsfield, FixedWindow(-160, 240)).tolist() == [0, 0, 128, 255, 255]


def test_an_8_bit_image_stays_as_it_is():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_display(image, FullRange()), image)


def test_flat_images_are_black_and_not_a_division_by_zero():
    assert to_display(np.full((4, 4), 7, np.int16), PercentileWindow()).max() == 0


@pytest.mark.parametrize("gain", [0.01, 1.0, 50.0])
def test_percentiles_do_not_depend_on_the_scale_of_the_series(gain):
    voxels = np.random.default_rng(0).normal(100, 20, (5, 40, 40)).astype(np.float32)
    shown = to_display(voxels, PercentileWindow())
    rescaled = to_display(voxels * np.float32(gain), PercentileWindow())
    assert np.abs(shown.astype(int) - rescaled.astype(int)).max() <= 1


def test_percentiles_of_a_large_volume_are_taken_on_a_bounded_subset():
    voxels = np.tile(np.arange(1000, dtype=np.int16), 9000).reshape(9, 1000, 1000)
    low, high = resolve(voxels, PercentileWindow(10, 90))
    assert abs(low - 100) < 5
    assert abs(high - 899) < 5


def test_monochrome1_is_shown_with_bright_as_bright():
    grid = Grid(np.eye(4), (1, 1, 2), unit="pixel", has_depth=False)
    voxels = np.array([[[0, 255]]], np.uint8)
    volume = ImageVolume(voxels, grid, "DX", ("1.2",), low_is_white=True)
    assert DisplayVolume(volume, FullRange()).slice(0).tolist() == [[255, 0]]
    assert np.array_equal(volume.voxels, voxels), "the voxels themselves are never inverted"
