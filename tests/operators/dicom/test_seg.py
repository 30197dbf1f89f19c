"""The SEG holds the right voxels in the right place, as readers that are not ours see it."""

import struct
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from lesionmap.models.core.errors import OutputError, PixelError
from lesionmap.models.core.finding import FindingReport
from lesionmap.operators.dicom.codes import LEFT
from lesionmap.operators.dicom.labelmap import build_labelmap
from lesionmap.operators.dicom.seg import build_seg
from lesionmap.operators.dicom.seg_check import check_seg
from lesionmap.operators.dicom.seg_reader import read_seg
from lesionmap.operators.dicom.subject import Provenance
from tests.dicom_series import ramp, write_series
from tests.seg_cases import CASES, MODEL, lesion, load, report_on, save, subject_of, write
from tests.seg_readers import dciodvfy_errors, read_with_dcmqi


def test_a_single_lesion_passes_the_check(tmp_path):
    volume, series = write(tmp_path / "in")
    report = FindingReport(report_on(volume).lesions[:1], (MODEL,))
    check_seg(save(series, report, tmp_path / "seg.dcm"), volume, report.lesions)


@pytest.mark.parametrize("case", CASES)
def test_highdicom_reads_the_same_voxels_at_the_same_place(case, tmp_path):
    volume, series = write(tmp_path / "in", **CASES[case])
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    check_seg(path, volume, report.lesions)
    seg = hd.seg.segread(path)
    for number, item in enumerate(report.lesions, start=1):
        found = seg.get_pixels_by_source_instance(
            volume.sources,
            segment_numbers=[number],
            assert_missing_frames_are_empty=True,
            ignore_spatial_locations=True,
        )[..., 0].astype(bool)
        whole = np.zeros(volume.grid.shape, bool)
        whole[item.mask.window] = item.mask.voxels
        assert np.array_equal(found, whole)


@pytest.mark.parametrize("case", CASES)
def test_dcmqi_reads_the_same_voxels_at_the_same_place(case, tmp_path):
    volume, series = write(tmp_path / "in", **CASES[case])
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    for number, (voxels, affine) in enumerate(read_with_dcmqi(path, tmp_path / "dcmqi"), start=1):
        mask = report.lesions[number - 1].mask
        wanted = volume.grid.to_patient(np.argwhere(mask.voxels) + np.array(mask.origin))
        indices = np.argwhere(voxels)
        found = indices @ affine[:3, :3].T + affine[:3, 3]
        assert len(found) == len(wanted)
        assert np.abs(sorted_points(found) - sorted_points(wanted)).max() < 1e-3


SPARSE = {
    "one slice of a stack": ([2], [2]),
    "every other slice": ([0, 2, 4], [2, 4]),
    "two lesions of one slice": ([1], [5]),
}


@pytest.mark.parametrize("build", [build_seg, build_labelmap])
@pytest.mark.parametrize("case", SPARSE)
def test_lesions_on_few_slices_state_the_spacing_of_the_images(case, build, tmp_path):
    volume, series = write(tmp_path / "in", spacing=(2.5, 0.8, 0.6), edit=thicken)
    masks = [np.zeros(volume.grid.shape, bool) for _ in range(2)]
    masks[0][SPARSE[case][0], 3:9, 5:17] = masks[1][SPARSE[case][1], 15:20, 20:22] = True
    lesions = tuple(lesion(volume, mask, n) for n, mask in enumerate(masks, start=1))
    path = tmp_path / "seg.dcm"
    build(subject_of(series, FindingReport(lesions, (MODEL,)))).save_as(path)
    check_seg(path, volume, lesions)
    found = [item.mask.voxel_count for item in read_seg(path) if item.mask]
    assert found == [mask.sum() for mask in masks]
    if build is build_seg:  # neither dciodvfy nor dcmqi know label maps
        assert dciodvfy_errors(path) == []
        for mask, (voxels, affine) in zip(
            masks, read_with_dcmqi(path, tmp_path / "q"), strict=True
        ):
            assert voxels.sum() * voxel_mm3(affine) == pytest.approx(mask.sum() * 2.5 * 0.8 * 0.6)


def thicken(_, dataset):
    dataset.SliceThickness = 5


def voxel_mm3(affine):
    return abs(np.linalg.det(affine[:3, :3]))


def test_dcmqi_reads_a_single_slice_as_deep_as_it_is(tmp_path):
    volume, series = write(tmp_path / "in", slices=1, edit=thicken)
    path = save(series, report_on(volume), tmp_path / "seg.dcm")
    for item, (voxels, affine) in zip(
        report_on(volume).lesions, read_with_dcmqi(path, tmp_path / "dcmqi"), strict=True
    ):
        assert voxels.sum() * voxel_mm3(affine) == pytest.approx(
            item.mask.voxel_count * 5 * 0.8 * 0.6
        )


def sorted_points(points):
    rounded = np.round(points, 2)
    return points[np.lexsort(rounded.T)]


@pytest.mark.parametrize("case", [*CASES, "ultrasound", "colour"])
def test_dciodvfy_finds_no_error(case, tmp_path):
    options = CASES.get(case)
    if case == "ultrasound":
        write_series(tmp_path / "in", ramp(1, dtype=np.uint8), modality="US")
    elif case == "colour":
        colour = np.zeros((1, 24, 32, 3), np.uint8)
        write_series(tmp_path / "in", colour, modality="ES")
    else:
        write(tmp_path / "in", **options)
    volume, series = load(tmp_path / "in")
    path = save(series, report_on(volume), tmp_path / "seg.dcm")
    check_seg(path, volume, report_on(volume).lesions)
    assert dciodvfy_errors(path) == []


def test_the_same_input_gives_the_same_bytes_and_other_voxels_other_uids(tmp_path):
    volume, series = write(tmp_path / "in")
    report = report_on(volume)
    first = save(series, report, tmp_path / "a.dcm").read_bytes()
    assert save(series, report, tmp_path / "b.dcm").read_bytes() == first
    fewer = FindingReport(report.lesions[:1], report.models)
    other = build_seg(subject_of(series, fewer))
    assert other.SOPInstanceUID != pydicom.dcmread(tmp_path / "a.dcm").SOPInstanceUID
    settings = build_seg(subject_of(series, report, provenance=Provenance("0.1.0", "other")))
    assert settings.SOPInstanceUID != pydicom.dcmread(tmp_path / "a.dcm").SOPInstanceUID


def test_the_header_says_who_made_it_and_that_it_is_no_diagnosis(tmp_path):
    volume, series = write(tmp_path / "in")
    report = report_on(volume)
    seg = pydicom.dcmread(save(series, report, tmp_path / "seg.dcm"))
    assert "not for diagnostic use" in seg.SeriesDescription
    assert seg.SegmentationType == "BINARY"
    assert seg.PatientID == "T-1"
    assert seg.FrameOfReferenceUID == volume.grid.frame_of_reference_uid
    for item, segment in zip(report.lesions, seg.SegmentSequence, strict=True):
        assert segment.TrackingUID == item.tracking_uid
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert MODEL.sha256 in algorithm.AlgorithmParameters
        assert segment.AnatomicRegionSequence[0].CodeValue == "39607008"
    for frame in seg.PerFrameFunctionalGroupsSequence:
        assert frame.DerivationImageSequence[0].SourceImageSequence


def test_the_side_of_the_site_is_written_and_valid(tmp_path):
    volume, series = write(tmp_path / "in")
    subject = subject_of(series, report_on(volume))
    sided = replace(subject, rule=replace(subject.rule, laterality=LEFT))
    path = tmp_path / "seg.dcm"
    build_seg(sided).save_as(path, enforce_file_format=True)
    for segment in pydicom.dcmread(path).SegmentSequence:
        (modifier,) = segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence
        assert (modifier.CodeValue, modifier.CodeMeaning) == ("7771000", "Left")
    assert dciodvfy_errors(path) == []


def shift(seg):
    position = seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    position.ImagePositionPatient[2] += 1.5


def flip(seg):
    frames = seg.pixel_array[:, :, ::-1]
    seg.PixelData = np.packbits(frames.reshape(-1).astype(bool), bitorder="little").tobytes()


def swap(seg):
    groups = seg.PerFrameFunctionalGroupsSequence
    groups[0].DerivationImageSequence, groups[1].DerivationImageSequence = (
        groups[1].DerivationImageSequence,
        groups[0].DerivationImageSequence,
    )


TAMPERING = {
    "moved by less than a slice": shift,
    "mirrored": flip,
    "references swapped": swap,
    "spacing swapped": lambda seg: (
        seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing.reverse()
    ),
    "spacing of slices": lambda seg: setattr(
        seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], "SpacingBetweenSlices", 4
    ),
    "no derivation": lambda seg: seg.PerFrameFunctionalGroupsSequence[0].__delattr__(
        "DerivationImageSequence"
    ),
    "frame of reference": lambda seg: setattr(seg, "FrameOfReferenceUID", "1.2.3"),
    "not listed": lambda seg: seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence.pop(0),
    "segments exchanged": lambda seg: seg.SegmentSequence.reverse(),
}


@pytest.mark.parametrize("fault", TAMPERING)
def test_the_check_sees_every_fault(fault, tmp_path):
    volume, series = write(tmp_path / "in")
    report = report_on(volume)
    path = save(series, report, tmp_path / "seg.dcm")
    check_seg(path, volume, report.lesions)
    seg = pydicom.dcmread(path)
    TAMPERING[fault](seg)
    seg.save_as(path)
    with pytest.raises(OutputError):
        check_seg(path, volume, report.lesions)


def test_lesions_that_overlap_are_refused(tmp_path):
    volume, series = write(tmp_path / "in")
    first, second = report_on(volume).lesions
    both = FindingReport((first, lesion(volume, whole(first), 2)), (MODEL,))
    assert second
    with pytest.raises(OutputError, match="claim one pixel"):
        build_seg(subject_of(series, both))


def whole(item):
    voxels = np.zeros(item.mask.grid.shape, bool)
    voxels[item.mask.window] = item.mask.voxels
    return voxels


def test_names_in_any_character_set_survive(tmp_path):
    def rename(_, dataset):
        dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        dataset.PatientName = "Yamada^Tarou=山田^太郎"

    volume, series = write(tmp_path / "in", edit=rename)
    seg = pydicom.dcmread(save(series, report_on(volume), tmp_path / "seg.dcm"))
    assert seg.PatientName.ideographic == "山田^太郎"


def test_a_header_that_nests_without_end_is_refused(tmp_path):
    volume, series = write(tmp_path / "in")
    report = report_on(volume)
    path = series.instances[0].path
    nested = b""
    for _ in range(4000):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(nested)) + nested
        nested = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, len(item)) + item
    content = path.read_bytes()
    place = content.index(struct.pack("<HH", 0x0008, 0x0020))
    path.write_bytes(content[:place] + nested + content[place:])
    with pytest.raises(PixelError, match="nested"):
        build_seg(subject_of(series, report))
