"""A table of what must not pass, and with which code."""

import shutil

import numpy as np
import pytest

from lesionmap.models.core.errors import (
    GeometryError,
    IdentityError,
    LesionMapError,
    PixelError,
)
from lesionmap.operators.dicom.gate import check_series, group_series, uid_owners
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import build_volume
from lesionmap.operators.dicom.scan import scan_folder
from tests.dicom_series import ramp, write_series


def load(folder, limits=None):
    limits = limits or Limits()
    scan = scan_folder(folder, limits)
    (series,) = group_series(scan.instances)
    checked = check_series(series, limits, owners=uid_owners(scan.instances))
    return build_volume(checked, gap_tolerance=0.01)


def on_slice(number, **changes):
    def edit(index, dataset):
        if index == number:
            for keyword, value in changes.items():
                setattr(dataset, keyword, value)

    return edit


REFUSALS = {
    "two patients": (on_slice(2, PatientID="T-2"), IdentityError),
    "two names": (on_slice(2, PatientName="Other^Case"), IdentityError),
    "two studies": (on_slice(1, StudyInstanceUID="1.2.3"), IdentityError),
    "two frames of reference": (on_slice(1, FrameOfReferenceUID="1.2.3"), IdentityError),
    "two modalities": (on_slice(1, Modality="PT"), IdentityError),
    "no frame of reference": (
        lambda _, dataset: delattr(dataset, "FrameOfReferenceUID"),
        GeometryError,
    ),
    "no position": (on_slice(1, ImagePositionPatient=None), GeometryError),
    "no position anywhere": (
        lambda _, dataset: delattr(dataset, "ImagePositionPatient"),
        GeometryError,
    ),
    "duplicate position": (on_slice(1, ImagePositionPatient=[-10, 20, 30]), GeometryError),
    "slice turned by 90 degrees": (
        on_slice(1, ImageOrientationPatient=[0, 1, 0, -1, 0, 0]),
        GeometryError,
    ),
    "mixed spacing": (on_slice(1, PixelSpacing=[0.9, 0.6]), GeometryError),
    "mosaic": (
        lambda _, dataset: setattr(dataset, "ImageType", ["ORIGINAL", "PRIMARY", "MOSAIC"]),
        GeometryError,
    ),
    "mixed rescale type": (on_slice(1, RescaleType="US"), PixelError),
    "mixed photometric": (on_slice(1, PhotometricInterpretation="MONOCHROME1"), PixelError),
    "unknown photometric": (
        lambda _, dataset: setattr(dataset, "PhotometricInterpretation", "HSV"),
        PixelError,
    ),
    "mixed sign": (on_slice(1, PixelRepresentation=0), PixelError),
    "truncated pixels": (on_slice(1, PixelData=b"\0" * 100), PixelError),
    "no pixels": (lambda _, dataset: delattr(dataset, "PixelData"), PixelError),
    "slope that is not a number": (on_slice(1, RescaleSlope="inf", RescaleIntercept=0), PixelError),
    "65535 squared": (
        lambda _, dataset: (setattr(dataset, "Rows", 65535), setattr(dataset, "Columns", 65535)),
        PixelError,
    ),
    "no rows": (lambda _, dataset: setattr(dataset, "Rows", 0), PixelError),
}


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("case", REFUSALS)
def test_refused(case, tmp_path):
    edit, error = REFUSALS[case]
    write_series(tmp_path, ramp(), edit=edit)
    with pytest.raises(error) as refusal:
        load(tmp_path)
    assert "T-1" not in str(refusal.value)
    assert "Test" not in str(refusal.value)


def test_a_missing_slice_is_refused(tmp_path):
    paths = write_series(tmp_path, ramp())
    paths[2].unlink()
    with pytest.raises(GeometryError, match="missing"):
        load(tmp_path)


def test_mixed_size_is_refused(tmp_path):
    write_series(tmp_path / "a", ramp(2))
    write_series(
        tmp_path / "b",
        ramp(1, 20, 32),
        origin=(-10, 20, 34),
        edit=lambda _, dataset: setattr(dataset, "SOPInstanceUID", "1.2.3.4"),
    )
    with pytest.raises(GeometryError, match="Rows"):
        load(tmp_path)


def test_identical_copies_are_dropped_with_a_note(tmp_path):
    paths = write_series(tmp_path, ramp())
    shutil.copy(paths[1], tmp_path / "copy.dcm")
    volume, series = load(tmp_path)
    assert volume.grid.shape[0] == 5
    assert series.notes == ("1 identical copies of instances were left out",)


def test_one_uid_with_different_content_is_refused(tmp_path):
    write_series(tmp_path / "a", ramp())
    write_series(tmp_path / "b", ramp()[1:2] + 1, origin=(-10, 20, 32))
    for path in (tmp_path / "b").iterdir():
        path.rename(tmp_path / "a" / "changed.dcm")
    with pytest.raises(IdentityError, match="SOP Instance UID"):
        load(tmp_path / "a")


def test_one_instance_in_two_series_is_refused(tmp_path):
    write_series(tmp_path / "a", ramp())
    write_series(
        tmp_path / "b",
        ramp(),
        key="other",
        edit=on_slice(0, SOPInstanceUID=_first_uid(tmp_path / "a")),
    )
    scan = scan_folder(tmp_path, Limits())
    for series in group_series(scan.instances):
        with pytest.raises(IdentityError, match="two series"):
            check_series(series, Limits(), owners=uid_owners(scan.instances))


def _first_uid(folder):
    return scan_folder(folder, Limits()).instances[0].sop_instance_uid


def test_a_series_over_the_budget_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    write_series(tmp_path, ramp())
    monkeypatch.setattr(
        "pydicom.dataset.Dataset.pixel_array", property(lambda _: pytest.fail("decoded"))
    )
    with pytest.raises(PixelError, match="MiB"):
        load(tmp_path, Limits(series_bytes=1000))


def test_the_order_of_series_does_not_depend_on_file_names(tmp_path):
    write_series(tmp_path / "z", ramp(), key="one", edit=lambda _, d: setattr(d, "SeriesNumber", 1))
    write_series(tmp_path / "a", ramp(), key="two", edit=lambda _, d: setattr(d, "SeriesNumber", 2))
    found = group_series(scan_folder(tmp_path, Limits()).instances)
    assert [int(series.header.SeriesNumber) for series in found] == [1, 2]


def test_images_without_a_place_are_one_item_each(tmp_path):
    write_series(tmp_path, ramp(3, dtype=np.uint8), modality="US")
    scan = scan_folder(tmp_path, Limits())
    assert [len(series.instances) for series in group_series(scan.instances)] == [1, 1, 1]


def test_every_refusal_has_a_code_of_its_branch():
    codes = [error.code for error in (GeometryError, IdentityError, PixelError)]
    assert codes == [11, 12, 13]
    assert issubclass(GeometryError, LesionMapError)


def test_two_patients_among_images_without_a_place_are_refused(tmp_path):
    write_series(
        tmp_path, ramp(3, dtype=np.uint8), modality="US", edit=on_slice(2, PatientID="T-2")
    )
    for series in group_series(scan_folder(tmp_path, Limits()).instances):
        with pytest.raises(IdentityError, match="PatientID"):
            check_series(series, Limits())


def test_malformed_numbers_do_not_stop_the_sorting(tmp_path):
    def edit(_, dataset):
        dataset.InstanceNumber = [1, 2]
        dataset.SeriesNumber = [3, 4]

    write_series(tmp_path / "a", ramp(3), edit=edit)
    write_series(tmp_path / "b", ramp(3), key="whole")
    assert len(group_series(scan_folder(tmp_path, Limits()).instances)) == 2
