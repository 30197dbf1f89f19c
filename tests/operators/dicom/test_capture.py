"""Captures are the pictures, belong to their patient and say what they show."""

import numpy as np
import pytest

from lesionmap.models.core.overlay import render_finding
from lesionmap.operators.dicom.capture import build_captures
from tests.output_cases import CASES, PLACED, subject


@pytest.mark.parametrize("case", CASES)
def test_a_capture_is_the_picture_of_its_lesion(case, tmp_path):
    made = subject(tmp_path / "in", case)
    captures, lesions = build_captures(made), made.report.lesions
    assert len({capture.SOPInstanceUID for capture in captures}) == len(lesions)
    assert len({capture.SeriesInstanceUID for capture in captures}) == 1
    for number, (capture, lesion) in enumerate(zip(captures, lesions, strict=True), start=1):
        picture = np.asarray(render_finding(made.display, lesion, lesions))
        assert np.array_equal(capture.pixel_array, picture)
        assert capture.InstanceNumber == number
        assert capture.file_meta.MediaStorageSOPInstanceUID == capture.SOPInstanceUID
        assert capture.PatientID == "T-1"
        assert lesion.tracking_uid in capture.ImageComments
        source = capture.SourceImageSequence[0].ReferencedSOPInstanceUID
        assert source == made.display.volume.sources[lesion.key_slice]


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
