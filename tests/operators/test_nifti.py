"""The label map lies where the DICOM series lies, as SimpleITK reads both."""

import json

import nibabel
import numpy as np
import pytest
import SimpleITK

from lesionmap.models.core.errors import OutputError
from lesionmap.operators import nifti
from lesionmap.operators.nifti import MASKS, TABLE, write_nifti
from tests.output_cases import PLACED, UNPLACED, subject


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
