"""Where a voxel is must not depend on file order, direction or obliqueness."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import GeometryError
from lesionmap.operators.dicom.geometry import image_grid, read_plane, stack_planes


def rotation(seed):
    matrix, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


def plane(position, cosines, spacing=(0.8, 0.6)):
    header = Dataset()
    header.ImagePositionPatient = [float(f"{value:.8f}") for value in position]
    header.ImageOrientationPatient = [float(f"{value:.8f}") for value in cosines]
    header.PixelSpacing = list(spacing)
    return read_plane(header)


def stack(planes, gap_tolerance=0.01):
    return stack_planes(planes, thickness_mm=None, gap_tolerance=gap_tolerance)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 12),
    st.floats(0.3, 8),
    st.floats(0.2, 4),
    st.floats(0.2, 4),
)
def test_any_order_and_any_orientation_give_the_place_of_every_voxel(
    seed, count, gap, between_rows, between_columns
):
    rng = np.random.default_rng(seed)
    axes = rotation(seed)
    along_row, along_column, normal = axes[:, 0], axes[:, 1], axes[:, 2]
    origin = rng.uniform(-300, 300, 3)
    order = rng.permutation(count)
    planes = [
        plane(
            origin + index * gap * normal,
            [*along_row, *along_column],
            (between_rows, between_columns),
        )
        for index in order
    ]
    result = stack(planes)
    assert np.array_equal(order[result.order], np.arange(count))
    index = np.array([count - 1, 5, 7, 1])
    wanted = (
        origin
        + (count - 1) * gap * normal
        + 5 * between_rows * along_column
        + 7 * between_columns * along_row
    )
    assert np.allclose((result.affine @ index)[:3], wanted, atol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(3, 10))
def test_a_missing_slice_is_refused(seed, count):
    axes = rotation(seed)
    removed = np.random.default_rng(seed).integers(1, count - 1)
    planes = [
        plane(index * 3.0 * axes[:, 2], [*axes[:, 0], *axes[:, 1]])
        for index in range(count)
        if index != removed
    ]
    assume(len(planes) > 2)
    with pytest.raises(GeometryError, match=r"off by 3\.000 mm"):
        stack(planes)


def test_two_slices_at_one_position_are_refused():
    planes = [plane((0, 0, z), (1, 0, 0, 0, 1, 0)) for z in (0, 2, 2, 4)]
    with pytest.raises(GeometryError, match="same position"):
        stack(planes)


def test_gantry_tilt_is_refused():
    tilt = np.radians(8)
    step = 4 * np.array([0, np.sin(tilt), np.cos(tilt)])
    planes = [plane(index * step, (1, 0, 0, 0, 1, 0)) for index in range(20)]
    with pytest.raises(GeometryError, match="tilt"):
        stack(planes)


def test_a_turned_slice_and_a_slice_of_other_spacing_are_refused():
    planes = [plane((0, 0, z), (1, 0, 0, 0, 1, 0)) for z in range(4)]
    turned = [*planes[:2], plane((0, 0, 2), (0, 1, 0, -1, 0, 0)), planes[3]]
    with pytest.raises(GeometryError, match="parallel"):
        stack(turned)
    coarse = [*planes[:2], plane((0, 0, 2), (1, 0, 0, 0, 1, 0), (0.9, 0.6)), planes[3]]
    with pytest.raises(GeometryError, match="pixel spacing"):
        stack(coarse)


def test_rounded_positions_are_accepted():
    rng = np.random.default_rng(0)
    planes = [
        plane((0, 0, 5 * index + rng.uniform(-0.02, 0.02)), (1, 0, 0, 0, 1, 0))
        for index in range(30)
    ]
    assert stack(planes).affine[2, 0] == pytest.approx(5, abs=0.01)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]),
        ("ImageOrientationPatient", [2, 0, 0, 0, 1, 0]),
        ("ImagePositionPatient", [0, 0]),
        ("PixelSpacing", [0, 1]),
        ("PixelSpacing", None),
    ],
)
def test_a_plane_without_a_valid_place_is_refused(keyword, value):
    header = Dataset()
    header.ImagePositionPatient = [0, 0, 0]
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.PixelSpacing = [1, 1]
    setattr(header, keyword, value)
    with pytest.raises(GeometryError):
        read_plane(header)


def test_a_single_slice_has_the_depth_it_states():
    one = [plane((1, 2, 3), (1, 0, 0, 0, 1, 0))]
    known = stack_planes(one, thickness_mm=4.0, gap_tolerance=0.01)
    assert (known.has_depth, known.affine[2, 0]) == (True, 4.0)
    assert not stack_planes(one, thickness_mm=None, gap_tolerance=0.01).has_depth


def ultrasound(*regions):
    header = Dataset()
    header.Rows, header.Columns = 10, 20
    header.SequenceOfUltrasoundRegions = []
    for units, delta in regions:
        item = Dataset()
        item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
        item.PhysicalDeltaX = item.PhysicalDeltaY = delta
        header.SequenceOfUltrasoundRegions.append(item)
    return header


def test_one_region_in_centimetres_calibrates_an_ultrasound_image():
    grid = image_grid(ultrasound((3, 0.02)))
    assert grid.unit == "mm"
    assert grid.spacing[1:] == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize("regions", [(), ((3, 0.02), (3, 0.02)), ((4, 0.02),), ((3, 0.0),)])
def test_anything_else_leaves_it_in_pixels(regions):
    assert image_grid(ultrasound(*regions)).unit == "pixel"
