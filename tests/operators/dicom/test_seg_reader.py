"""Other people's SEGs are read as dcmqi and highdicom read them, or refused with the reason."""

from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from lesionmap.models.core.errors import GeometryError, IdentityError, PixelError
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.geometry import Plane
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.seg_places import slice_step
from lesionmap.operators.dicom.seg_reader import ImageGrid, read_seg
from tests.dicom_series import ramp, write_series
from tests.seg_cases import CASES, load, report_on, save, write
from tests.seg_cases import lesion as make_lesion
from tests.seg_readers import read_with_dcmqi


def points_of(mask):
    """Return the voxel centres of a mask in LPS millimetres, in a fixed order."""
    return in_order(mask.grid.to_patient(np.argwhere(mask.voxels) + np.array(mask.origin)))


def in_order(points):
    return points[np.lexsort(np.round(points, 1).T)]


def assert_same_voxels(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 0.05 * 0.3  # mm, a fraction of the smallest voxel


def whole(mask):
    voxels = np.zeros(mask.grid.shape, bool)
    voxels[mask.window] = mask.voxels
    return voxels


@pytest.mark.parametrize("case", CASES)
def test_our_own_seg_comes_back_on_the_images_and_on_its_own_grid(case, tmp_path):
    volume, series = write(tmp_path / "in", **CASES[case])
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    for segment, lesion in zip(
        read_seg(path, onto=ImageGrid(volume.grid)), report.lesions, strict=True
    ):
        assert segment.tracking_uid == lesion.tracking_uid
        assert segment.mask.grid == volume.grid
        assert np.array_equal(whole(segment.mask), whole(lesion.mask))
    for segment, lesion in zip(read_seg(path), report.lesions, strict=True):
        assert_same_voxels(points_of(segment.mask), points_of(lesion.mask))


def test_a_seg_without_derivation_references_is_placed_by_position(tmp_path):
    volume, series = write(tmp_path / "in")
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    seg = pydicom.dcmread(path)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence
    seg.save_as(path)
    (first, _) = read_seg(path, onto=ImageGrid(volume.grid))
    assert np.array_equal(whole(first.mask), whole(report.lesions[0].mask))


TURNS = {
    "sagittal": [2, 0, 1],
    "coronal": [1, 0, 2],
    "transposed": [0, 2, 1],
}


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
@pytest.mark.parametrize("turn", TURNS)
def test_frames_turned_or_mirrored_against_the_images_find_their_voxels(turn, flips, tmp_path):
    volume, series = write(tmp_path / "in", spacing=(2.0, 0.8, 0.6))
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    onto = turned(volume.grid, TURNS[turn], flips)
    for segment, lesion in zip(read_seg(path, onto=ImageGrid(onto)), report.lesions, strict=True):
        wanted = whole(lesion.mask).transpose(TURNS[turn])
        wanted = wanted[tuple(slice(None, None, flip) for flip in flips)]
        assert np.array_equal(whole(segment.mask), wanted)


def turned(grid, axes, flips):
    """Return the same lattice, counted along other axes and from other ends."""
    affine = np.eye(4)
    affine[:3, :3] = grid.affine[:3, :3][:, axes] * flips
    ends = [0 if flip > 0 else grid.shape[axis] - 1 for axis, flip in zip(axes, flips, strict=True)]
    corner = np.zeros((1, 3))
    corner[0, axes] = ends
    affine[:3, 3] = grid.to_patient(corner)[0]
    shape = tuple(grid.shape[axis] for axis in axes)
    return Grid(affine, shape, grid.frame_of_reference_uid)


@pytest.mark.parametrize(("stated", "step"), [([5.0], 7.5), ([5.0, 2.5], 2.5), ([], 7.5)])
def test_a_stated_distance_is_believed_where_it_divides_the_gap(stated, step):
    axes = np.eye(3)
    planes = [Plane(height * axes[2], axes[0], axes[1], (0.8, 0.6)) for height in (0.0, 7.5)]
    assert slice_step(planes, stated) == pytest.approx(step)


def forget_depths(measures):
    del measures.SpacingBetweenSlices, measures.SliceThickness


def state_coarse_frames(measures):
    measures.SpacingBetweenSlices = 4.0  # as highdicom does of frames on every other slice


@pytest.mark.parametrize("used", [[0, 2, 5], [0, 2, 4, 6], [1, 4]])
@pytest.mark.parametrize("change", [forget_depths, state_coarse_frames])
def test_a_seg_whose_frames_skip_slices_is_read_on_its_images(used, change, tmp_path):
    volume, series = write(tmp_path / "in")
    voxels = np.zeros(volume.grid.shape, bool)
    voxels[used, 3:9, 5:17] = True
    report = replace(report_on(volume), lesions=(make_lesion(volume, voxels, 1),))
    path = save(series, report, tmp_path / "seg.dcm")
    seg = pydicom.dcmread(path)
    change(seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0])
    seg.save_as(path)
    (segment,) = read_seg(path, onto=ImageGrid(volume.grid))
    assert np.array_equal(whole(segment.mask), voxels)


def test_images_without_a_place_are_found_by_reference(tmp_path):
    write_series(tmp_path / "in", ramp(1, dtype=np.uint8), modality="US")
    volume, series = load(tmp_path / "in")
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    (first, _) = read_seg(path, onto=ImageGrid(volume.grid, volume.sources))
    assert np.array_equal(whole(first.mask), whole(report.lesions[0].mask))
    for onto in (None, ImageGrid(volume.grid), ImageGrid(volume.grid, ("1.2.3",))):
        with pytest.raises(GeometryError):
            read_seg(path, onto=onto)


def fractional(folder):
    volume, series = write(folder / "in")
    fractions = np.zeros(volume.grid.shape, np.float32)
    fractions[2, 3:9, 4:8], fractions[3, 3:9, 4:6] = 0.9, 0.4
    described = pydicom.dcmread(save(series, report_on(volume), folder / "binary.dcm"))
    seg = hd.seg.Segmentation(
        [pydicom.dcmread(item.path) for item in series.instances],
        fractions,
        "FRACTIONAL",
        [hd.seg.SegmentDescription.from_dataset(described.SegmentSequence[0])],
        hd.UID(),
        1,
        hd.UID(),
        1,
        "Test",
        "Test",
        "1",
        "1",
    )
    seg.save_as(folder / "seg.dcm")
    return folder / "seg.dcm", volume, fractions


def test_fractions_need_a_threshold(tmp_path):
    path, volume, fractions = fractional(tmp_path)
    with pytest.raises(PixelError, match="threshold"):
        read_seg(path, onto=ImageGrid(volume.grid))
    for threshold in (0.3, 0.5):
        (segment,) = read_seg(path, onto=ImageGrid(volume.grid), threshold=threshold)
        assert np.array_equal(whole(segment.mask), fractions >= threshold)


def move(grid, millimetres):
    affine = grid.affine.copy()
    affine[0, 3] += millimetres
    return replace(grid, affine=affine)


MISFITS = {
    "other frame of reference": (
        lambda grid: replace(grid, frame_of_reference_uid="1.2.3"),
        IdentityError,
    ),
    "half a voxel away": (lambda grid: move(grid, 0.3), GeometryError),
    "outside": (lambda grid: move(grid, 60.0), GeometryError),
    "finer slices": (
        lambda grid: Grid(
            grid.affine @ np.diag([0.5, 1, 1, 1]),
            (13, *grid.shape[1:]),
            grid.frame_of_reference_uid,
        ),
        GeometryError,
    ),
    "finer pixels": (
        lambda grid: Grid(
            grid.affine @ np.diag([1, 0.5, 1, 1]), (7, 48, 32), grid.frame_of_reference_uid
        ),
        GeometryError,
    ),
    "turned by a little": (
        lambda grid: replace(grid, affine=np.array(_TURN) @ grid.affine),
        GeometryError,
    ),
}
_TURN = [[0.9998, -0.02, 0, 0], [0.02, 0.9998, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_cannot_be_placed_is_refused(misfit, tmp_path):
    volume, series = write(tmp_path / "in")
    path = save(series, report_on(volume), tmp_path / "seg.dcm")
    change, error = MISFITS[misfit]
    with pytest.raises(error):
        read_seg(path, onto=ImageGrid(change(volume.grid)))


def uneven(seg):
    seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0].ImagePositionPatient[2] += 0.5


FAULTS = {
    "frames not evenly spaced": (uneven, GeometryError),
    "positions without a number": (
        lambda seg: (
            seg.PerFrameFunctionalGroupsSequence[0]
            .PlanePositionSequence[0]
            .__delattr__("ImagePositionPatient")
        ),
        GeometryError,
    ),
    "a segment that is not described": (lambda seg: seg.SegmentSequence.pop(1), PixelError),
    "a frame too few": (lambda seg: seg.PerFrameFunctionalGroupsSequence.pop(), PixelError),
    "pixels cut off": (
        lambda seg: setattr(seg, "PixelData", seg.PixelData[: len(seg.PixelData) // 2]),
        PixelError,
    ),
    "no SEG": (lambda seg: setattr(seg, "Modality", "CT"), PixelError),
    "unknown type": (lambda seg: setattr(seg, "SegmentationType", "OTHER"), PixelError),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_damaged_is_refused(fault, tmp_path):
    volume, series = write(tmp_path / "in")
    path = save(series, report_on(volume), tmp_path / "seg.dcm")
    seg = pydicom.dcmread(path)
    change, error = FAULTS[fault]
    change(seg)
    seg.save_as(path)
    with pytest.raises(error):
        read_seg(path)


def test_a_seg_over_the_budget_is_refused(tmp_path):
    volume, series = write(tmp_path / "in")
    path = save(series, report_on(volume), tmp_path / "seg.dcm")
    with pytest.raises(PixelError, match="series_mib"):
        read_seg(path, limits=Limits(series_bytes=100))


def test_frames_a_world_apart_cost_no_memory(tmp_path):
    volume, series = write(tmp_path / "in")
    path = save(series, report_on(volume), tmp_path / "seg.dcm")
    seg = pydicom.dcmread(path)
    seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient[2] = 2e9
    seg.save_as(path)
    with pytest.raises((GeometryError, PixelError)):
        read_seg(path)


BY_DCMQI = [
    "seg_sr_dcmqi/segmentations_liver.dcm",
    "seg_sr_dcmqi/segmentations_partial_overlaps.dcm",
    "seg_sr_dcmqi/sr-example_seg.dcm",
    "seg_sr_highdicom/seg_image_ct_binary.dcm",
    "seg_sr_highdicom/seg_image_ct_binary_single_frame.dcm",
    "seg_sr_highdicom/seg_image_ct_binary_overlap.dcm",
    "mr_brain_glioma_ReMIND022_t1c_seg/SEG/Tumor_segmentation.dcm",
]


@pytest.mark.data
@pytest.mark.parametrize("name", BY_DCMQI)
def test_dcmqi_reads_the_same_voxels(name, shared_images, tmp_path):
    found = [item for item in read_seg(shared_images / name) if item.mask]
    read = read_with_dcmqi(shared_images / name, tmp_path / "dcmqi")
    for segment, (voxels, affine) in zip(found, read, strict=True):
        indices = np.argwhere(voxels)
        wanted = in_order(indices @ affine[:3, :3].T + affine[:3, 3])
        assert_same_voxels(points_of(segment.mask), wanted)


BY_HIGHDICOM = [*BY_DCMQI, "seg_sr_dcmqi/segmentations_sparse-labelmap-noppv.dcm"]


@pytest.mark.data
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BY_HIGHDICOM)
def test_highdicom_reads_the_same_voxels(name, shared_images):
    seg = hd.seg.segread(shared_images / name)
    for segment in read_seg(shared_images / name):
        if segment.mask is None:
            continue
        read = seg.get_volume(segment_numbers=[segment.number], allow_missing_positions=True)
        voxels = read.array[..., 0] if read.array.ndim == 4 else read.array
        indices = np.argwhere(voxels > 0)
        wanted = in_order(indices @ read.affine[:3, :3].T + read.affine[:3, 3])
        assert_same_voxels(points_of(segment.mask), wanted)


@pytest.mark.data
def test_padding_in_a_label_map_belongs_to_no_segment(shared_images):
    plain, padded = (
        read_seg(shared_images / "seg_sr_dcmqi" / f"segmentations_sparse-labelmap-{kind}.dcm")
        for kind in ("noppv", "ppv5")
    )
    assert [item.mask and item.mask.voxel_count for item in plain] == [
        item.mask and item.mask.voxel_count for item in padded
    ]


@pytest.mark.data
def test_an_expert_mask_with_frames_smaller_than_the_image_lands_in_the_tumour(shared_images):
    folder = shared_images / "mr_brain_glioma_ReMIND022_t1c_seg"
    volume, _ = load(folder / "T1_postcontrast")
    path = folder / "SEG" / "Tumor_segmentation.dcm"
    (on_images,) = read_seg(path, onto=ImageGrid(volume.grid))
    (alone,) = read_seg(path)
    assert on_images.mask.grid == volume.grid
    assert on_images.mask.voxel_count == alone.mask.voxel_count
    assert_same_voxels(points_of(on_images.mask), points_of(alone.mask))
