"""Contours give back the masks where they were, as readers that are not ours see them."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.uid import ExplicitVRLittleEndian

from lesionmap.models.core.errors import OutputError
from lesionmap.models.core.finding import FindingReport
from lesionmap.operators.dicom.rtstruct import build_rtstruct, rtstruct_obstacle
from lesionmap.operators.dicom.rtstruct_check import check_rtstruct
from tests import seg_cases
from tests.dicom_series import ramp, write_series
from tests.output_cases import PLACED, ring_subject, save, subject, with_seg
from tests.polygon_filling import fill_with_pillow
from tests.seg_readers import dciodvfy_errors


def fill(region, volume):
    """Return the voxels of a region, through the affine of the grid and Pillow."""
    voxels = np.zeros(volume.grid.shape, bool)
    for contour in region.ContourSequence:
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert len(points) == contour.NumberOfContourPoints
        homogeneous = np.column_stack([points, np.ones(len(points))])
        indices = (homogeneous @ np.linalg.inv(volume.grid.affine).T)[:, :3]
        index = volume.sources.index(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)
        assert np.abs(indices[:, 0] - index).max() < 1e-3
        voxels[index] ^= fill_with_pillow(indices[:, 1:] + 0.5, volume.grid.shape[1:])
    return voxels


@pytest.mark.parametrize("make", [subject, ring_subject])
@pytest.mark.parametrize("case", PLACED)
def test_another_rasteriser_finds_the_same_voxels_at_the_same_place(case, make, tmp_path):
    made = make(tmp_path / "in", case)
    path = save(build_rtstruct(made), tmp_path / "rtstruct.dcm")
    check_rtstruct(path, made.series, made.report.lesions)
    regions = pydicom.dcmread(path).ROIContourSequence
    for lesion, region in zip(made.report.lesions, regions, strict=True):
        whole = np.zeros(lesion.mask.grid.shape, bool)
        whole[lesion.mask.window] = lesion.mask.voxels
        assert np.array_equal(fill(region, made.display.volume), whole)


# plastimatch 1.9.4 loses the last point of a contour that agrees with its first in x and y:
# sagittal contours lack a corner there.
@pytest.mark.parametrize("case", ["axial", "oblique", "negated rows and columns", "mr"])
def test_plastimatch_finds_the_same_voxels(case, tmp_path):
    if not shutil.which("plastimatch"):
        pytest.skip("plastimatch is not installed (Debian: plastimatch)")
    made = ring_subject(tmp_path / "in", case)
    path = save(build_rtstruct(made), tmp_path / "rtstruct.dcm")
    grid, fixed = made.display.grid, tmp_path / "fixed.nrrd"
    image = SimpleITK.GetImageFromArray(np.zeros(grid.shape, np.uint8))
    image.SetSpacing(grid.spacing[::-1])
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, 2::-1] / grid.spacing[::-1]).ravel().tolist())
    SimpleITK.WriteImage(image, fixed)
    command = ["plastimatch", "convert", "--input", path, "--fixed", fixed]
    options = ["--output-prefix", tmp_path / "masks", "--prefix-format", "nrrd"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    (found,) = (tmp_path / "masks").iterdir()
    mask = made.report.lesions[0].mask
    whole = np.zeros(grid.shape, bool)
    whole[mask.window] = mask.voxels
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(found)) > 0, whole)


def test_regions_carry_the_identity_of_their_lesions(tmp_path):
    made = subject(tmp_path / "in")
    structures = build_rtstruct(made)
    volumes = []
    for number, lesion in enumerate(made.report.lesions, start=1):
        region = structures.StructureSetROISequence[number - 1]
        assert region.ROINumber == number
        assert region.ROIName == f"Lesion {number}"
        assert lesion.tracking_uid in region.ROIDescription
        assert f"{lesion.score:.4f}" in region.ROIDescription
        volumes.append(float(region.ROIVolume) * 1000)
        assert volumes[-1] == pytest.approx(lesion.mask.voxel_count * 2.0 * 0.8 * 0.6)
    assert {item.RTROIInterpretedType for item in structures.RTROIObservationsSequence} == {""}


def test_images_without_a_place_have_no_structure_set(tmp_path):
    made = subject(tmp_path / "in", "ultrasound")
    assert "no place in the patient" in rtstruct_obstacle(made.display.grid)
    assert rtstruct_obstacle(subject(tmp_path / "ct").display.grid) is None


def ragged_subject(folder):
    """Return a subject whose lesion has a hole at every other corner: one very long contour."""
    write_series(folder, ramp(3, 96, 96))
    volume, series = seg_cases.load(folder)
    voxels = np.zeros(volume.grid.shape, bool)
    voxels[1, 2:94, 2:94] = True
    voxels[1, 4:92:2, 4:92:2] = False
    report = FindingReport((seg_cases.lesion(volume, voxels, 1),), (seg_cases.MODEL,))
    return with_seg(seg_cases.subject_of(series, report, volume))


def test_a_contour_of_any_length_stays_a_decimal_string(tmp_path):
    made = ragged_subject(tmp_path / "in")
    path = save(build_rtstruct(made), tmp_path / "rtstruct.dcm")
    check_rtstruct(path, made.series, made.report.lesions)
    structures = pydicom.dcmread(path)
    assert len(contour(structures).get_item("ContourData").value) > 0xFFFF
    assert contour(structures)["ContourData"].VR == "DS"
    assert dciodvfy_errors(path) == []
    structures.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with pytest.warns(UserWarning, match="64 kByte"):
        structures.save_as(path, implicit_vr=False, little_endian=True)
    with pytest.raises(OutputError, match="decimal"):
        check_rtstruct(path, made.series, made.report.lesions)


def contour(structures):
    return structures.ROIContourSequence[0].ContourSequence[0]


def move(axis, millimetres):
    def edit(structures):
        points = np.array(contour(structures).ContourData, float).reshape(-1, 3)
        points[:, axis] += millimetres
        contour(structures).ContourData = [f"{value:.4f}" for value in points.ravel()]

    return edit


TAMPERING = {
    "moved by a pixel": move(0, 0.6),
    "moved out of its plane": move(2, 0.5),
    "a contour left out": lambda rt: rt.ROIContourSequence[0].ContourSequence.pop(0),
    "a contour twice": lambda rt: rt.ROIContourSequence[0].ContourSequence.append(contour(rt)),
    "another slice": lambda rt: setattr(
        contour(rt).ContourImageSequence[0],
        "ReferencedSOPInstanceUID",
        rt.ROIContourSequence[1]
        .ContourSequence[-1]
        .ContourImageSequence[0]
        .ReferencedSOPInstanceUID,
    ),
    "another series": lambda rt: setattr(
        contour(rt).ContourImageSequence[0], "ReferencedSOPInstanceUID", "1.2.3"
    ),
    "regions exchanged": lambda rt: rt.ROIContourSequence.reverse(),
    "names exchanged": lambda rt: rt.StructureSetROISequence.reverse(),
    "another frame of reference": lambda rt: setattr(
        rt.StructureSetROISequence[0], "ReferencedFrameOfReferenceUID", "1.2.3"
    ),
    "a region left out": lambda rt: rt.ROIContourSequence.pop(),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_structure_set_that_differs_is_refused(name, tmp_path):
    made = subject(tmp_path / "in")
    structures = pydicom.dcmread(save(build_rtstruct(made), tmp_path / "rtstruct.dcm"))
    TAMPERING[name](structures)
    path = save(structures, tmp_path / "changed.dcm")
    with pytest.raises(OutputError):
        check_rtstruct(path, made.series, made.report.lesions)
