"""Axial DICOM stacks for training: sorted, rescaled, with their geometry.

This reads the well-behaved series of the training sets only. The app's gate and
reader, which refuse what is broken, live in ``operators`` above this layer.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from jaxtyping import Bool, Float32, Float64
from skimage.draw import polygon2mask

# Contours were drawn on the slices; any farther and they belong to another series.
PLANE_TOLERANCE_MM = 0.5


@dataclass(frozen=True, eq=False)
class AxialStack:
    """Voxels in modality units, the height of every slice, and the in-plane grid."""

    voxels: Float32[np.ndarray, "slices rows columns"]
    z_mm: Float64[np.ndarray, " slices"]
    corner_mm: tuple[float, float]
    spacing_mm: tuple[float, float]
    files: tuple[str, ...]


def read_stack(folder: Path) -> AxialStack:
    """Read every DICOM file of a folder as one axial stack, lowest slice first.

    Raises:
        ValueError: the slices are not axial.
    """
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    planes = [(pydicom.dcmread(path), path.name) for path in paths]
    planes.sort(key=lambda plane: float(plane[0].ImagePositionPatient[2]))
    first = planes[0][0]
    if not np.allclose([float(v) for v in first.ImageOrientationPatient], [1, 0, 0, 0, 1, 0]):
        raise ValueError(f"{folder.name}: only axial series are read for training")
    return AxialStack(
        voxels=np.stack([_rescaled(plane) for plane, _ in planes]),
        z_mm=np.array([float(plane.ImagePositionPatient[2]) for plane, _ in planes]),
        corner_mm=(float(first.ImagePositionPatient[0]), float(first.ImagePositionPatient[1])),
        spacing_mm=(float(first.PixelSpacing[0]), float(first.PixelSpacing[1])),
        files=tuple(name for _, name in planes),
    )


def read_contours(path: Path) -> list[Float64[np.ndarray, "points 3"]]:
    """Return the closed planar contours of the first region of an RTSTRUCT, in mm."""
    structures = pydicom.dcmread(path)
    contours = structures.ROIContourSequence[0].ContourSequence
    return [np.array(c.ContourData, np.float64).reshape(-1, 3) for c in contours]


def rasterise(
    contours: list[Float64[np.ndarray, "points 3"]], stack: AxialStack
) -> Bool[np.ndarray, "slices rows columns"]:
    """Fill contours on the slices that lie at their height.

    A pixel belongs to the lesion if its centre lies inside an odd number of the
    slice's contours, so an inner contour cuts a hole. Slices are matched by
    position, because the contours name instances of another export.

    Source: DICOM PS3.3, C.8.8.6.3 (keyhole and inner contours).
    """
    mask = np.zeros(stack.voxels.shape, bool)
    for contour in contours:
        distance = np.abs(stack.z_mm - contour[0, 2])
        nearest = int(distance.argmin())
        if distance[nearest] <= PLANE_TOLERANCE_MM:
            columns = (contour[:, 0] - stack.corner_mm[0]) / stack.spacing_mm[1]
            rows = (contour[:, 1] - stack.corner_mm[1]) / stack.spacing_mm[0]
            polygon = np.column_stack([rows, columns])
            mask[nearest] ^= polygon2mask(mask.shape[1:], polygon)
    return mask


def _rescaled(plane: pydicom.Dataset) -> Float32[np.ndarray, "rows columns"]:
    slope = float(plane.get("RescaleSlope", None) or 1.0)
    intercept = float(plane.get("RescaleIntercept", None) or 0.0)
    return (plane.pixel_array * slope + intercept).astype(np.float32)
