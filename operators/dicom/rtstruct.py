"""Lesions to a DICOM RT Structure Set: one ROI a lesion, closed contours slice by slice."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int64
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian, RTStructureSetStorage

from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.palette import lesion_colour
from lesionmap.models.core.polygons import trace_polygons
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.derived import Kind, derive_object, reference
from lesionmap.operators.dicom.geometry import Plane, read_plane
from lesionmap.operators.dicom.seg import NOT_FOR_DIAGNOSIS
from lesionmap.operators.dicom.subject import Subject

# Explicit VR writes a contour over 64 kB, about 2000 corners, as UN, which many programs refuse.
KIND = Kind("rtstruct", RTStructureSetStorage, "RTSTRUCT", 11000, ImplicitVRLittleEndian)

_STUDY_COMPONENT = UID("1.2.840.10008.3.1.2.3.1")
"""Detached Study Management, retired, which RT Referenced Study Sequence still asks for."""

_DECIMALS = 5
"""A hundredth of a micrometre, in the 16 characters of a decimal string up to 99 m."""


def rtstruct_obstacle(grid: Grid) -> str | None:
    """Return why an image can have no structure set: contours need a place in the patient."""
    if grid.frame_of_reference_uid:
        return None
    return "no RTSTRUCT was written: the images have no place in the patient"


def build_rtstruct(subject: Subject) -> Dataset:
    """Return the lesions as contours along the edges of their pixels, in patient millimetres.

    Each contour lies in the plane of the instance that it refers to. Holes hang
    on keyholes, so that a contour is one closed line (``trace_polygons``).

    Raises:
        OutputError: the source headers do not allow it.

    Source: DICOM PS3.3, A.19, C.8.8.5, C.8.8.6 and C.8.8.8.
    """

    def fill(derived: Dataset) -> None:
        del derived.ContentDate, derived.ContentTime  # no part of a structure set
        derived.StructureSetLabel = "LesionMAP"
        derived.StructureSetDescription = NOT_FOR_DIAGNOSIS
        derived.StructureSetDate = derived.SeriesDate
        derived.StructureSetTime = derived.SeriesTime
        derived.OperatorsName = ""
        derived.ApprovalStatus = "UNAPPROVED"
        derived.PositionReferenceIndicator = ""
        derived.FrameOfReferenceUID = subject.display.grid.frame_of_reference_uid
        derived.ReferencedFrameOfReferenceSequence = [_referenced_frame(subject)]
        lesions = list(enumerate(subject.report.lesions, start=1))
        derived.StructureSetROISequence = [_region(*pair, subject) for pair in lesions]
        derived.ROIContourSequence = [_contours(*pair, subject) for pair in lesions]
        derived.RTROIObservationsSequence = [_observation(*pair, subject) for pair in lesions]

    return derive_object(subject, KIND, fill)


def _referenced_frame(subject: Subject) -> Dataset:
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = subject.series.uid
    series.ContourImageSequence = [reference(item.header) for item in subject.series.instances]
    study.ReferencedSOPClassUID = _STUDY_COMPONENT
    study.ReferencedSOPInstanceUID = subject.series.header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = subject.display.grid.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _region(number: int, lesion: Lesion, subject: Subject) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = subject.display.grid.frame_of_reference_uid
    item.ROIName = f"{lesion.label} {number}"[:64]
    item.ROIDescription = (
        f"tracking UID {lesion.tracking_uid}; score {lesion.score:.4f}; {NOT_FOR_DIAGNOSIS}"
    )
    voxel_volume = lesion.mask.grid.voxel_volume_mm3
    if voxel_volume is not None:
        item.ROIVolume = f"{lesion.mask.voxel_count * voxel_volume / 1000:.9g}"
    item.ROIGenerationAlgorithm = "AUTOMATIC"
    models = ", ".join(model.name for model in subject.report.models)
    item.ROIGenerationDescription = f"LesionMAP: {models}"[:64]
    return item


def _observation(number: int, lesion: Lesion, subject: Subject) -> Dataset:
    item = Dataset()
    item.ObservationNumber = number
    item.ReferencedROINumber = number
    item.ROIObservationLabel = f"{lesion.label} {number}"[-16:]
    rule = subject.rule.for_label(lesion.label)
    item.RTROIIdentificationCodeSequence = [rule.segment_type.concept()]
    item.RTROIInterpretedType = ""
    item.ROIInterpreter = ""
    return item


def _contours(number: int, lesion: Lesion, subject: Subject) -> Dataset:
    item = Dataset()
    item.ROIDisplayColor = list(lesion_colour(number))
    item.ContourSequence = []
    for contour_number, (index, polygon) in enumerate(_polygons(lesion), start=1):
        header = subject.series.instances[index].header
        points = _to_patient(polygon, read_plane(header))
        contour = Dataset()
        contour.ContourNumber = contour_number
        contour.ContourImageSequence = [reference(header)]
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = len(points)
        text = "\\".join(f"{value:.{_DECIMALS}f}" for value in points.ravel())
        # Already text: pydicom would make an object of each of some hundred thousand numbers.
        contour["ContourData"] = DataElement("ContourData", "DS", text, already_converted=True)
        item.ContourSequence.append(contour)
    item.ReferencedROINumber = number
    return item


def _polygons(lesion: Lesion) -> Iterator[tuple[int, Int64[np.ndarray, "n 2"]]]:
    begin, row, column = lesion.mask.origin
    for index, plane in enumerate(lesion.mask.voxels, start=begin):
        for polygon in trace_polygons(plane):
            yield index, polygon + np.array([row, column])


def _to_patient(corners: Int64[np.ndarray, "n 2"], plane: Plane) -> Float64[np.ndarray, "n 3"]:
    """Map corners of pixels; the position of a plane is the centre of its first pixel."""
    rows, columns = (corners.T - 0.5) * np.array(plane.spacing)[:, None]
    return (
        plane.position + np.outer(rows, plane.along_rows) + np.outer(columns, plane.along_columns)
    )
