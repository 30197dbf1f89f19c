"""Captures are the pictures, belong to their patient and say what they show."""

from dataclasses import replace

import numpy as np
import pytest

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.intensity import FixedWindow
from lesionmap.models.core.overlay import pictured_slice, render_finding
from lesionmap.operators.dicom.capture import build_captures
from lesionmap.operators.dicom.codes import LEFT
from tests.output_cases import CASES, PLACED, subject
from tests.seg_cases import lesion


@pytest.mark.parametrize("case", CASES)
def test_a_capture_is_the_picture_of_its_lesion(case, tmp_path):
    made = subject(tmp_path / "in", case)
    captures, lesions = build_captures(made), made.report.lesions
    assert len({capture.SOPInstanceUID for capture in captures}) == len(lesions)
    assert len({capture.SeriesInstanceUID for capture in captures}) == 1
    for number, (capture, item) in enumerate(zip(captures, lesions, strict=True), start=1):
        picture = np.asarray(render_finding(made.display, item, lesions))
        assert np.array_equal(capture.pixel_array, picture)
        assert capture.InstanceNumber == number
        assert capture.file_meta.MediaStorageSOPInstanceUID == capture.SOPInstanceUID
        assert capture.PatientID == "T-1"
        assert item.tracking_uid in capture.ImageComments
        source = capture.SourceImageSequence[0].ReferencedSOPInstanceUID
        assert source == made.display.volume.sources[pictured_slice(item)]


def test_the_slice_that_a_capture_names_is_the_one_it_shows(tmp_path):
    made = subject(tmp_path / "in")
    # Largest on slice 2, longest on slice 4: a picture of either is right if it says so.
    voxels = np.zeros(made.display.grid.shape, bool)
    voxels[2, 4:14, 6:16] = voxels[3, 6:10, 8:12] = voxels[4, 8:10, 2:28] = True
    one = lesion(made.display.volume, voxels, 1)

    def shown(marked):
        pixels = np.zeros(voxels.shape, np.int16)
        pixels[marked, 18:22, 4:9] = 200
        volume = replace(made.display.volume, voxels=pixels)
        return np.asarray(render_finding(DisplayVolume(volume, FixedWindow(-160, 240)), one, [one]))

    plain = shown([])
    seen = [index for index in range(len(voxels)) if not np.array_equal(shown([index]), plain)]
    assert seen == [pictured_slice(one)]


ORIENTATIONS = {
    "axial": ["L", "P"],
    "oblique": ["LHP", "HRP"],
    "sagittal": ["P", "F"],
    "negated rows and columns": ["R", "A"],
    "single slice": ["L", "P"],
    "mr": ["L", "P"],
}


@pytest.mark.parametrize("case", PLACED)
def test_the_letters_say_where_rows_and_columns_lead(case, tmp_path):
    capture = build_captures(subject(tmp_path / "in", case))[0]
    assert list(capture.PatientOrientation) == ORIENTATIONS[case]


def test_without_a_place_the_word_of_the_source_stands(tmp_path):
    def edit(_, dataset):
        dataset.PatientOrientation = ["A", "F"]

    assert not build_captures(subject(tmp_path / "us", "ultrasound"))[0].PatientOrientation
    capture = build_captures(subject(tmp_path / "in", "ultrasound", edit))[0]
    assert list(capture.PatientOrientation) == ["A", "F"]


def test_loss_and_burned_in_text_of_the_source_stay_said(tmp_path):
    def edit(_, dataset):
        dataset.BurnedInAnnotation = "YES"
        dataset.LossyImageCompression = "01"
        dataset.Laterality = "L"
        dataset.BodyPartExamined = "KIDNEY"

    capture = build_captures(subject(tmp_path / "in", "ultrasound", edit))[0]
    assert capture.BurnedInAnnotation == "YES"
    assert capture.LossyImageCompression == "01"
    assert (capture.BodyPartExamined, capture.Laterality) == ("KIDNEY", "L")
    assert "BurnedInAnnotation" not in build_captures(subject(tmp_path / "ct"))[0]


def test_the_side_of_the_rule_is_said_where_the_source_is_silent(tmp_path):
    made = subject(tmp_path / "in")
    left = replace(made, rule=replace(made.rule, laterality=LEFT))
    assert build_captures(left)[0].Laterality == "L"
    assert "Laterality" not in build_captures(made)[0]
