"""The label map holds the lesions of the SEG, and a wrong one is refused."""

import highdicom as hd
import numpy as np
import pydicom
import pytest

from lesionmap.models.core.errors import OutputError
from lesionmap.operators.dicom.labelmap import build_labelmap
from lesionmap.operators.dicom.seg_check import check_seg
from tests.output_cases import CASES, save, subject


@pytest.mark.parametrize("case", CASES)
def test_highdicom_reads_the_same_voxels(case, tmp_path):
    made = subject(tmp_path / "in", case)
    volume, lesions = made.display.volume, made.report.lesions
    path = save(build_labelmap(made), tmp_path / "seg-labelmap.dcm")
    check_seg(path, volume, lesions)
    seg = hd.seg.segread(path)
    found = seg.get_pixels_by_source_instance(
        volume.sources,
        combine_segments=True,
        assert_missing_frames_are_empty=True,
        ignore_spatial_locations=True,
    )
    wanted = np.zeros(volume.grid.shape, np.uint8)
    for number, lesion in enumerate(lesions, start=1):
        wanted[lesion.mask.window][lesion.mask.voxels] = number
    assert np.array_equal(found, wanted)


def test_it_is_another_object_than_the_seg_with_the_same_identities(tmp_path):
    made = subject(tmp_path / "in")
    labelmap = build_labelmap(made)
    assert labelmap.SegmentationType == "LABELMAP"
    assert labelmap.SOPInstanceUID != made.seg.SOPInstanceUID
    assert labelmap.SeriesInstanceUID != made.seg.SeriesInstanceUID
    lesions = [segment for segment in labelmap.SegmentSequence if segment.SegmentNumber]
    for segment, twin in zip(lesions, made.seg.SegmentSequence, strict=True):
        assert segment.TrackingUID == twin.TrackingUID
        assert segment.RecommendedDisplayCIELabValue == twin.RecommendedDisplayCIELabValue


def change(values):
    def edit(seg):
        frames = seg.pixel_array.copy()
        for old, new in values.items():
            frames[seg.pixel_array == old] = new
        seg.PixelData = frames.tobytes()

    return edit


TAMPERING = {
    "numbers exchanged": change({1: 2, 2: 1}),
    "an unknown number": change({2: 3}),
    "a lesion left out": change({2: 0}),
    "mirrored": lambda seg: setattr(seg, "PixelData", seg.pixel_array[:, :, ::-1].tobytes()),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_label_map_that_differs_is_refused(name, tmp_path):
    made = subject(tmp_path / "in")
    seg = pydicom.dcmread(save(build_labelmap(made), tmp_path / "seg-labelmap.dcm"))
    TAMPERING[name](seg)
    path = save(seg, tmp_path / "changed.dcm")
    with pytest.raises(OutputError):
        check_seg(path, made.display.volume, made.report.lesions)
