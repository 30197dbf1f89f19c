"""The label map lies where the DICOM series lies, as SimpleITK reads both."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK

from lesionmap.models.core.errors import OutputError
from lesionmap.operators import nifti
from lesionmap.operators.nifti import MASKS, TABLE, write_nifti
from tests.dicom_series import ramp, write_series
from tests.output_cases import PLACED, UNPLACED, subject
from tests.seg_cases import load, report_on, subject_of


@pytest.mark.parametrize("case", PLACED)
def test_each_voxel_lies_on_its_dicom_pixel(case, tmp_path):
    made = subject(tmp_path / "in", case)
    assert write_nifti(made, tmp_path) == [MASKS, TABLE]
    masks = SimpleITK.ReadImage(tmp_path / MASKS)
    files = sorted(map(str, (tmp_path / "in").iterdir()))
    scan = SimpleITK.ReadImage(files)
    labels = SimpleITK.GetArrayFromImage(masks)
    assert labels.shape == made.display.grid.shape
    for number, lesion in enumerate(made.report.lesions, start=1):
        whole = np.zeros(labels.shape, bool)
        whole[lesion.mask.window] = lesion.mask.voxels
        assert np.array_equal(labels == number, whole)
    for index in np.argwhere(labels):
        point = masks.TransformIndexToPhysicalPoint(index[::-1].tolist())
        place = scan.TransformPhysicalPointToContinuousIndex(point)
        assert np.allclose(place, np.round(place), atol=1e-3)
        value = scan[tuple(round(step) for step in place)]
        assert value == made.display.volume.voxels[tuple(index)]


ROUGH = (-0.6193, 0.2591, -0.7412, -0.7834, -0.1419, 0.6051)
"""Cosines of four decimals, as scanners write them: not quite at right angles."""


def test_a_plane_that_no_quaternion_holds_is_placed_by_the_sform(tmp_path):
    write_series(tmp_path / "in", ramp(3, 512, 512), orientation=ROUGH)
    volume, series = load(tmp_path / "in")
    made = subject_of(series, report_on(volume), volume)
    write_nifti(made, tmp_path)
    image = nibabel.load(tmp_path / MASKS)
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (0, 1)
    assert np.abs(image.affine - nifti.to_ras(volume.grid)).max() < 1e-4


@pytest.mark.parametrize("case", UNPLACED)
def test_an_image_without_a_place_says_so(case, tmp_path):
    made = subject(tmp_path / "in", case)
    write_nifti(made, tmp_path)
    image = nibabel.load(tmp_path / MASKS)
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (0, 0)
    assert image.header.get_xyzt_units()[0] == "unknown"
    table = json.loads((tmp_path / TABLE).read_text())
    assert (table["unit"], table["has_depth"]) == ("pixel", False)
    row, size = table["lesions"][0], made.report.lesions[0].size
    assert row["volume_mm3"] is row["long_axis_mm"] is None
    assert (row["long_axis_px"], row["short_axis_px"]) == (size.diameter.length, size.width.length)


def test_the_table_names_what_the_voxels_hold(tmp_path):
    made = subject(tmp_path / "in")
    write_nifti(made, tmp_path)
    labels = np.asarray(nibabel.load(tmp_path / MASKS).dataobj)
    text = (tmp_path / TABLE).read_text()
    for row, lesion in zip(json.loads(text)["lesions"], made.report.lesions, strict=True):
        assert row["tracking_uid"] == lesion.tracking_uid
        assert row["voxel_count"] == (labels == row["value"]).sum()
    assert "Test^Case" not in text
    assert "T-1" not in text


def test_a_map_that_lies_elsewhere_is_refused(tmp_path, monkeypatch):
    made = subject(tmp_path / "in")
    moved = nifti.to_ras(made.display.grid)
    moved[0, 3] += 0.1
    monkeypatch.setattr(nifti, "_image", lambda labels, _: nibabel.Nifti1Image(labels, moved))
    with pytest.raises(OutputError, match="elsewhere"):
        write_nifti(made, tmp_path)


def test_a_map_with_other_voxels_is_refused(tmp_path, monkeypatch):
    made = subject(tmp_path / "in")
    right = nifti.to_ras(made.display.grid)
    monkeypatch.setattr(nifti, "_image", lambda labels, _: nibabel.Nifti1Image(labels[::-1], right))
    with pytest.raises(OutputError, match="differs"):
        write_nifti(made, tmp_path)
