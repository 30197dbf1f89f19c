import numpy as np
import pytest

from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import Grid, ImageVolume


def grid(shape=(3, 4, 5), **changes):
    return Grid(np.diag([2.0, 0.8, 0.6, 1.0]), shape, **changes)


def test_sheared_singular_and_empty_grids_cannot_be_made():
    sheared = np.eye(4)
    sheared[0, 1] = 0.1
    for affine in (sheared, np.zeros((4, 4)), np.full((4, 4), np.nan)):
        with pytest.raises(ValueError, match=r"affine|axes"):
            Grid(affine, (3, 4, 5))
    with pytest.raises(ValueError, match="positive"):
        grid((0, 4, 5))


def test_grids_compare_by_value():
    assert grid() == grid()
    assert grid() != grid((3, 4, 6))
    assert grid() != grid(frame_of_reference_uid="1.2")


def test_only_a_grid_with_depth_in_mm_has_a_voxel_volume():
    assert grid().voxel_volume_mm3 == pytest.approx(0.96)
    assert grid(unit="pixel").voxel_volume_mm3 is None
    assert grid(has_depth=False).voxel_volume_mm3 is None


def test_voxels_cannot_be_changed_by_a_later_operator():
    volume = ImageVolume(np.zeros((3, 4, 5), np.int16), grid(), "CT", ("1", "2", "3"))
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0] = 1


def test_voxels_grid_and_sources_must_agree():
    with pytest.raises(ValueError, match="shape"):
        ImageVolume(np.zeros((3, 4, 6), np.int16), grid(), "CT", ("1", "2", "3"))
    with pytest.raises(ValueError, match="source"):
        ImageVolume(np.zeros((3, 4, 5), np.int16), grid(), "CT", ("1", "2"))


def test_a_mask_is_kept_tight_and_an_empty_one_cannot_be_made():
    whole = np.zeros((3, 4, 5), bool)
    with pytest.raises(ValueError, match="at least one"):
        Mask.crop(whole.copy(), grid())
    whole[1, 2:4, 3] = True
    mask = Mask.crop(whole, grid())
    assert mask.origin == (1, 2, 3)
    assert mask.voxels.shape == (1, 2, 1)
    assert mask.voxel_count == 2
