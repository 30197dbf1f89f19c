"""Write small DICOM series with any property a test asks for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    VLEndoscopicImageStorage,
)

from lesionmap.operators.dicom.uids import derive_uid

SOP_CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
    "US": UltrasoundImageStorage,
    "ES": VLEndoscopicImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
    "OT": SecondaryCaptureImageStorage,
}
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

Edit = Callable[[int, Dataset], None]


def write_series(
    folder: Path,
    voxels: np.ndarray,
    *,
    modality: str = "CT",
    spacing: tuple[float, float, float] = (2.0, 0.8, 0.6),
    orientation: tuple[float, ...] = AXIAL,
    origin: tuple[float, float, float] = (-10.0, 20.0, 30.0),
    edit: Edit | None = None,
    key: str = "series",
) -> list[Path]:
    """Write (slices, rows, columns[, 3]) voxels, one file a slice; ``edit`` changes each header."""
    folder.mkdir(parents=True, exist_ok=True)
    cosines = np.array(orientation, float)
    normal = np.cross(cosines[:3], cosines[3:])
    paths = []
    for index, plane in enumerate(voxels):
        dataset = _header(modality, key, index)
        if modality in ("CT", "MR", "PT"):
            dataset.FrameOfReferenceUID = derive_uid("test frame", key)
            dataset.ImageOrientationPatient = [float(f"{value:.10f}") for value in cosines]
            dataset.ImagePositionPatient = [
                float(f"{value:.8f}") for value in np.array(origin) + index * spacing[0] * normal
            ]
            dataset.PixelSpacing = list(spacing[1:])
            dataset.SliceThickness = spacing[0]
        _store(dataset, plane)
        if edit:
            edit(index, dataset)
        paths.append(folder / f"{index:04d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def _header(modality: str, key: str, index: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = SOP_CLASSES[modality]
    dataset.SOPInstanceUID = derive_uid("test instance", key, str(index))
    dataset.SeriesInstanceUID = derive_uid("test series", key)
    dataset.StudyInstanceUID = derive_uid("test study")
    dataset.Modality = modality
    dataset.PatientID = "T-1"
    dataset.PatientName = "Test^Case"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.StudyID = "1"
    dataset.StudyDate = dataset.SeriesDate = "20260102"
    dataset.StudyTime = dataset.SeriesTime = "101112"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""
    dataset.Manufacturer = "Test"
    dataset.SeriesNumber = 3
    dataset.InstanceNumber = index + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian)
    return dataset


def _store(dataset: Dataset, plane: np.ndarray) -> None:
    photometric = "RGB" if plane.ndim == 3 else "MONOCHROME2"
    dataset.set_pixel_data(
        np.ascontiguousarray(plane),
        photometric,
        plane.dtype.itemsize * 8,
        generate_instance_uid=False,
    )


def ramp(slices: int = 5, rows: int = 24, columns: int = 32, dtype: type = np.int16) -> np.ndarray:
    """Return voxels that are all different within a slice, so that a flip shows."""
    z, y, x = np.meshgrid(np.arange(slices), np.arange(rows), np.arange(columns), indexing="ij")
    return (z * 7 + y * columns + x).astype(dtype)
