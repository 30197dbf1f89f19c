"""Read a written structure set back, fill its contours, and compare with the lesions."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Bool, Float64
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import OutputError
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.polygons import fill_polygon
from lesionmap.operators.dicom.gate import Series
from lesionmap.operators.dicom.geometry import Plane, read_plane
from lesionmap.operators.dicom.seg_check import mask_plane

_OUT_OF_PLANE_MM = 1e-3


def check_rtstruct(path: Path, series: Series, lesions: tuple[Lesion, ...]) -> None:
    """Refuse contours that do not give back exactly these masks on exactly these slices.

    Contours are put into the plane of the instance that they refer to, and a
    pixel belongs to an ROI if its centre lies inside an odd number of turns.

    Raises:
        OutputError: anything differs.

    Source: DICOM PS3.3, C.8.8.6.3 and C.7.6.2.1.1.
    """
    structures = pydicom.dcmread(path)
    regions, drawn = structures.StructureSetROISequence, structures.ROIContourSequence
    if not len(regions) == len(drawn) == len(lesions):
        raise OutputError("the RTSTRUCT does not hold one region for each lesion")
    for lesion, region, item in zip(lesions, regions, drawn, strict=True):
        _check_identity(region, item, lesion)
        filled = _fill(item.ContourSequence, series, lesion.mask.grid.shape[1:])
        for index in sorted({*filled, *range(len(series.instances))[lesion.mask.slices]}):
            found = filled.get(index, np.zeros(lesion.mask.grid.shape[1:], bool))
            if not np.array_equal(found, mask_plane(lesion, index)):
                raise OutputError(f"a contour differs from its mask on slice {index + 1}")


def _check_identity(region: Dataset, item: Dataset, lesion: Lesion) -> None:
    if item.ReferencedROINumber != region.ROINumber:
        raise OutputError("the RTSTRUCT does not list its regions in their order")
    if f"tracking UID {lesion.tracking_uid};" not in region.ROIDescription:
        raise OutputError("a region of the RTSTRUCT is not named after its lesion")
    if region.ReferencedFrameOfReferenceUID != lesion.mask.grid.frame_of_reference_uid:
        raise OutputError("the RTSTRUCT lies in another frame of reference than its source")


def _fill(
    contours: Iterable[Dataset], series: Series, shape: tuple[int, int]
) -> dict[int, Bool[np.ndarray, "rows columns"]]:
    """Return the filled contours of a region, by slice."""
    places = {instance.sop_instance_uid: n for n, instance in enumerate(series.instances)}
    filled: dict[int, Bool[np.ndarray, "rows columns"]] = {}
    for contour in contours:
        index = places.get(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)
        if index is None:
            raise OutputError("a contour refers to an instance of another series")
        # As bytes: pydicom would make an object of each of some hundred thousand numbers.
        written = contour.get_item("ContourData")
        if written.VR not in (None, "DS"):  # None: implicit, by the dictionary
            raise OutputError("a contour is not written as decimal strings")
        points = np.array(written.value.split(b"\\"), np.float64).reshape(-1, 3)
        corners = _to_corners(points, read_plane(series.instances[index].header))
        inside = fill_polygon(corners, shape)
        filled[index] = filled.get(index, False) ^ inside
    return filled


def _to_corners(points: Float64[np.ndarray, "n 3"], plane: Plane) -> Float64[np.ndarray, "n 2"]:
    offsets = points - plane.position
    normal = np.cross(plane.along_columns, plane.along_rows)
    if np.abs(offsets @ normal).max() > _OUT_OF_PLANE_MM:
        raise OutputError("a contour lies outside the plane of its instance")
    axes = np.stack([plane.along_rows, plane.along_columns], axis=1)
    return offsets @ np.linalg.pinv(axes).T / np.array(plane.spacing) + 0.5
