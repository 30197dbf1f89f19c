"""Write phantoms as a DICOM study that belongs to no real person."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    UltrasoundImageStorage,
)

from lesionmap.models.core.phantoms import (
    Phantom,
    draw_brain_mr,
    draw_breast_us,
    draw_chest_ct,
)
from lesionmap.operators.dicom.uids import derive_uid

SAMPLE_DATE = "20260101"

_SOP_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "US": UltrasoundImageStorage}
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_SAFE_CT_INTERCEPT = -1024


def write_sample(folder: Path) -> int:
    """Write a phantom study of three series below ``folder``; return the number of files.

    The drawings were chosen so that the shipped models find their lesions: they show how the
    app works, not how well.
    """
    phantoms = (draw_chest_ct(seed=5), draw_brain_mr(), draw_breast_us())
    return sum(
        write_phantom(phantom, folder / phantom.modality.lower(), series_number=number)
        for number, phantom in enumerate(phantoms, start=1)
    )


def write_phantom(phantom: Phantom, folder: Path, *, series_number: int = 1) -> int:
    """Write each slice of ``phantom`` as one DICOM file; return the number of files."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(len(phantom.voxels)):
        dataset = _image(phantom, index, series_number)
        dataset.save_as(folder / f"{index + 1:04d}.dcm", enforce_file_format=True)
    return len(phantom.voxels)


def _image(phantom: Phantom, index: int, series_number: int) -> Dataset:
    dataset = Dataset()
    _describe_study(dataset)
    _describe_series(dataset, phantom, series_number)
    key = f"{phantom.modality} {series_number}"
    dataset.SOPClassUID = _SOP_CLASSES[phantom.modality]
    dataset.SOPInstanceUID = derive_uid("sample instance", key, str(index))
    dataset.SeriesInstanceUID = derive_uid("sample series", key)
    dataset.InstanceNumber = index + 1
    if phantom.modality == "US":
        _describe_ultrasound(dataset, phantom)
    else:
        _describe_plane(dataset, phantom, index)
    _store_pixels(dataset, phantom, index)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _describe_study(dataset: Dataset) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = "PHANTOM^LESIONMAP"
    dataset.PatientID = "LESIONMAP-SAMPLE"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = derive_uid("sample study")
    dataset.StudyID = "SAMPLE"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = SAMPLE_DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.StudyDescription = "LesionMAP phantom, no real person"


def _describe_series(dataset: Dataset, phantom: Phantom, series_number: int) -> None:
    dataset.Modality = phantom.modality
    dataset.Manufacturer = "LesionMAP"
    dataset.SeriesNumber = series_number
    dataset.SeriesDescription = f"Phantom {phantom.modality}"
    dataset.BodyPartExamined = phantom.body_part
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    if phantom.modality != "US":
        third = "AXIAL" if phantom.modality == "CT" else "OTHER"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", third]


def _describe_plane(dataset: Dataset, phantom: Phantom, index: int) -> None:
    between_slices, between_rows, between_columns = phantom.spacing_mm
    slices, rows, columns = phantom.voxels.shape
    dataset.FrameOfReferenceUID = derive_uid("sample frame of reference", phantom.modality)
    dataset.PositionReferenceIndicator = ""
    dataset.ImageOrientationPatient = list(_AXIAL)
    dataset.ImagePositionPatient = [
        round(-(columns - 1) / 2 * between_columns, 6),
        round(-(rows - 1) / 2 * between_rows, 6),
        round((index - (slices - 1) / 2) * between_slices, 6),
    ]
    dataset.PixelSpacing = [round(between_rows, 6), round(between_columns, 6)]
    dataset.SliceThickness = round(between_slices, 6)
    if phantom.modality == "CT":
        dataset.KVP = 120
        dataset.AcquisitionNumber = 1
    else:
        dataset.ScanningSequence = "GR"
        dataset.SequenceVariant = "SP"
        dataset.ScanOptions = ""
        dataset.MRAcquisitionType = "2D"
        dataset.EchoTime = 3
        dataset.RepetitionTime = 500
        dataset.EchoTrainLength = 1


def _describe_ultrasound(dataset: Dataset, phantom: Phantom) -> None:
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.RegionDataType = 1
    region.RegionFlags = 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1 = phantom.voxels.shape[2] - 1
    region.RegionLocationMaxY1 = phantom.voxels.shape[1] - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = phantom.spacing_mm[2] / 10
    region.PhysicalDeltaY = phantom.spacing_mm[1] / 10
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.Laterality = "L"
    dataset.PatientOrientation = ""


def _store_pixels(dataset: Dataset, phantom: Phantom, index: int) -> None:
    plane = phantom.voxels[index]
    if phantom.modality == "CT":
        dataset.RescaleIntercept, dataset.RescaleSlope = _SAFE_CT_INTERCEPT, 1
        dataset.RescaleType = "HU"
        plane = (plane.astype(np.int32) - _SAFE_CT_INTERCEPT).astype(np.uint16)
    bits = plane.dtype.itemsize * 8
    dataset.set_pixel_data(
        np.ascontiguousarray(plane),
        "MONOCHROME2",
        bits if bits == 8 else 12,
        generate_instance_uid=False,
    )
