"""Where the frames of anybody's SEG lie on a grid, or why they lie on none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import GeometryError, IdentityError
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.geometry import Plane, read_plane

_TOLERANCE = 0.1
"""Largest distance, in voxels, of a frame's corner from the voxel it stands for."""

_DEPTHS = ("SpacingBetweenSlices", "SliceThickness")


@dataclass(frozen=True)
class Place:
    """The grid index (slice, row, column) of a frame's first pixel, and its steps.

    ``down`` leads to the frame's next row, ``across`` to its next column.
    """

    origin: Int64[np.ndarray, " 3"]
    down: Int64[np.ndarray, " 3"]
    across: Int64[np.ndarray, " 3"]

    def index(
        self, rows: Int64[np.ndarray, " n"], columns: Int64[np.ndarray, " n"]
    ) -> Int64[np.ndarray, "n 3"]:
        """Return the grid indices of pixels of the frame."""
        return self.origin + np.outer(rows, self.down) + np.outer(columns, self.across)


def has_places(seg: Dataset) -> bool:
    """Whether every frame of a SEG says where it lies in the patient."""
    return all(
        find_group(seg, frame, name) is not None
        for frame in seg.PerFrameFunctionalGroupsSequence
        for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    )


def place_by_position(seg: Dataset, grid: Grid) -> list[Place]:
    """Return the place of each frame on ``grid``, by its position and orientation.

    Frames may be turned or mirrored against the grid, smaller than it, and
    lack derivation references; they may not lie between its voxels.

    Raises:
        IdentityError: the SEG has another frame of reference.
        GeometryError: a frame does not fall on voxels of the grid, or the
            frames are by their own account further apart than its slices.

    Source: DICOM PS3.3, C.7.6.16.2.1 to C.7.6.16.2.4.
    """
    if str(seg.get("FrameOfReferenceUID", "")) != grid.frame_of_reference_uid:
        raise IdentityError("the SEG lies in another frame of reference than the images")
    planes = _planes(seg)
    inverse = np.linalg.inv(grid.affine[:3, :3])
    places = [_place(plane, inverse, grid, (seg.Rows, seg.Columns)) for plane in planes]
    axis = int(np.flatnonzero(places[0].down + places[0].across == 0)[0])
    step = _stated_step(planes, _depths(seg)) / grid.spacing[axis]
    if step > 1 + _TOLERANCE:
        raise GeometryError(
            f"the frames of the SEG are {step:.2f} slices of the images apart: "
            "resample it to their spacing"
        )
    return places


def place_by_source(seg: Dataset, grid: Grid, sources: Sequence[str]) -> list[Place]:
    """Return the place of each frame on ``grid``, by the instance it was derived from.

    Args:
        seg: a SEG whose frames have no position in the patient.
        grid: the lattice of the images.
        sources: their SOP Instance UIDs, slice by slice.

    Raises:
        GeometryError: a frame names none of the instances, or differs in size.
    """
    if (seg.Rows, seg.Columns) != grid.shape[1:]:
        raise GeometryError("the SEG has no positions, and other rows or columns than the images")
    along = np.eye(3, dtype=np.int64)
    places = []
    for frame in seg.PerFrameFunctionalGroupsSequence:
        try:
            derivation = find_group(seg, frame, "DerivationImageSequence")
            source = derivation.SourceImageSequence[0]  # type: ignore[union-attr]
            index = list(sources).index(str(source.ReferencedSOPInstanceUID))
        except (AttributeError, IndexError, ValueError):
            raise GeometryError(
                "a frame of the SEG names no place and none of the images"
            ) from None
        places.append(Place(np.array([index, 0, 0]), along[1], along[2]))
    return places


def own_grid(seg: Dataset) -> Grid:
    """Return the smallest grid that holds every frame of a SEG.

    Raises:
        GeometryError: the frames are not parallel or not evenly spaced, or have no place.
    """
    if not has_places(seg):
        raise GeometryError("the SEG has no positions: give the images it was derived from")
    planes = _planes(seg)
    first, step = planes[0], slice_step(planes, _depths(seg))
    affine = np.eye(4)
    affine[:3, 0] = _normal(first) * (step or 1.0)
    affine[:3, 1] = first.along_rows * first.spacing[0]
    affine[:3, 2] = first.along_columns * first.spacing[1]
    offsets = np.stack([plane.position - first.position for plane in planes])
    index = np.rint(offsets @ np.linalg.inv(affine[:3, :3]).T)
    low, high = index.min(axis=0), index.max(axis=0)
    affine[:3, 3] = first.position + affine[:3, :3] @ low
    extent = np.add(np.rint(high - low).astype(int), (1, seg.Rows, seg.Columns))
    return Grid(
        affine=affine,
        shape=(int(extent[0]), int(extent[1]), int(extent[2])),
        frame_of_reference_uid=str(seg.get("FrameOfReferenceUID", "")) or None,
        has_depth=step > 0,
    )


def slice_step(planes: Sequence[Plane], stated: Sequence[float]) -> float:
    """Return the distance between slices in mm; 0 where nothing tells it.

    Frames without a voxel are often left out, so that the smallest gap may be
    several slices: a stated distance that divides all gaps is believed first.

    Raises:
        GeometryError: no distance divides all gaps.
    """
    heights = _heights(planes)
    gaps = np.diff(heights)
    if not gaps.size:
        return next(iter(stated), 0.0)
    # Small errors of the smallest gap would add up over the stack.
    smallest = float(heights[-1] / np.rint(heights[-1] / gaps.min()))
    for step in (*stated, smallest):
        count = max(1.0, np.rint(heights[-1] / step))
        index = heights * count / heights[-1]
        off = max(np.abs(index - np.rint(index)).max(), abs(heights[-1] / step - count))
        if off < _TOLERANCE:
            return float(heights[-1] / count)
    raise GeometryError("the frames of the SEG are not evenly spaced")


def find_group(seg: Dataset, frame: Dataset, name: str) -> Dataset | None:
    """Return a functional group of a frame, its own or the one that all share."""
    shared = seg.get("SharedFunctionalGroupsSequence") or [Dataset()]
    found = frame.get(name) or shared[0].get(name)
    return found[0] if found else None


def _planes(seg: Dataset) -> list[Plane]:
    planes = []
    for frame in seg.PerFrameFunctionalGroupsSequence:
        header = Dataset()
        for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence"):
            header.update(find_group(seg, frame, name) or {})
        planes.append(read_plane(header))
    return planes


def _depths(seg: Dataset) -> list[float]:
    frame = seg.PerFrameFunctionalGroupsSequence[0]
    measures = find_group(seg, frame, "PixelMeasuresSequence") or Dataset()
    found = [float(measures.get(name) or 0) for name in _DEPTHS]
    return [depth for depth in found if depth > 0]


def _heights(planes: Sequence[Plane]) -> Float64[np.ndarray, " n"]:
    """Return the distinct heights of frames over the lowest, in mm, sorted."""
    heights = np.stack([plane.position for plane in planes]) @ _normal(planes[0])
    heights = np.sort(heights - heights.min())
    distinct = np.diff(heights, prepend=-np.inf) > _TOLERANCE * min(planes[0].spacing)
    return heights[distinct]


def _stated_step(planes: Sequence[Plane], stated: Sequence[float]) -> float:
    """Return the distance of slices in mm that all of a SEG agrees on; 0 where there is none.

    Frames without a voxel are left out, and the stated spacing may be that of
    the others: gaps alone do not tell a coarse SEG from a sparse one.
    """
    heights = _heights(planes)
    if len(heights) < 3 or len(stated) < len(_DEPTHS):
        return 0.0
    index = np.append(np.diff(heights), stated[1]) / stated[0]
    agreed = np.abs(index - np.rint(index)).max() < _TOLERANCE and round(index[-1]) == 1
    return stated[0] if agreed else 0.0


def _normal(plane: Plane) -> Float64[np.ndarray, " 3"]:
    return np.cross(plane.along_columns, plane.along_rows)


def _place(
    plane: Plane, inverse: Float64[np.ndarray, "3 3"], grid: Grid, size: tuple[int, int]
) -> Place:
    origin = inverse @ (plane.position - grid.affine[:3, 3])
    down = inverse @ (plane.along_rows * plane.spacing[0])
    across = inverse @ (plane.along_columns * plane.spacing[1])
    place = Place(*(np.rint(vector).astype(np.int64) for vector in (origin, down, across)))
    if not (np.abs(place.down).sum() == np.abs(place.across).sum() == 1) or (
        place.down @ place.across
    ):
        raise GeometryError("a frame of the SEG is turned against the images, or of other spacing")
    rows, columns = (np.array([0, 0, 1, 1]) * (size[0] - 1), np.array([0, 1, 0, 1]) * (size[1] - 1))
    exact = origin + np.outer(rows, down) + np.outer(columns, across)
    if np.abs(exact - place.index(rows, columns)).max() > _TOLERANCE:
        raise GeometryError("a frame of the SEG lies between the voxels of the images")
    return place
