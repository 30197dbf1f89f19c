"""A SEG and SR as an independent reader sees them, and where a viewer has to draw them."""

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom


@dataclass(frozen=True)
class Slice:
    """An image: its place in the patient, and its size."""

    sop_instance_uid: str
    corner: np.ndarray
    along_columns: np.ndarray
    along_rows: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(cls, header):
        """Return the slice of a header; one without a place gets the pixel as millimetre."""
        cosines = np.array(header.get("ImageOrientationPatient", (1, 0, 0, 0, 1, 0)), float)
        rows_mm, columns_mm = header.get("PixelSpacing", (1, 1))
        return cls(
            str(header.SOPInstanceUID),
            np.array(header.get("ImagePositionPatient", (0, 0, 0)), float),
            cosines[:3] * float(columns_mm),
            cosines[3:] * float(rows_mm),
            (int(header.Rows), int(header.Columns)),
        )

    def at(self, x, y):
        """Return the place of image coordinates; whole numbers are centres of pixels."""
        return self.corner + x * self.along_columns + y * self.along_rows


@dataclass(frozen=True)
class Result:
    """What LesionMAP wrote about a series, and the series."""

    seg: Path
    modality: str
    slices: tuple[Slice, ...]

    @classmethod
    def read(cls, seg, folder):
        """Find the images of a SEG in a folder."""
        series = str(pydicom.dcmread(seg).ReferencedSeriesSequence[0].SeriesInstanceUID)
        headers = (
            pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.rglob("*.dcm"))
        )
        images = [header for header in headers if header.SeriesInstanceUID == series]
        return cls(seg, str(images[0].Modality), tuple(map(Slice.of, images)))

    @property
    def header(self):
        """The data set of the SEG."""
        return pydicom.dcmread(self.seg)

    def labels(self):
        """Return the number of the segment at each pixel of each slice, by highdicom."""
        seg = hd.seg.segread(self.seg)
        planes = seg.get_pixels_by_source_instance(
            [item.sop_instance_uid for item in self.slices],
            combine_segments=True,
            assert_missing_frames_are_empty=True,
            ignore_spatial_locations=True,
        )
        return dict(zip((item.sop_instance_uid for item in self.slices), planes, strict=True))

    def colours(self):
        """Return the red, green and blue of each segment, by its number."""
        return {
            int(item.SegmentNumber): np.array(
                hd.color.CIELabColor.from_dicom_value(item.RecommendedDisplayCIELabValue).to_rgb()
            )
            for item in self.header.SegmentSequence
        }


def long_axes(report, slices):
    """Return the long axes of a report.

    Each is the SOP Instance UID of its slice and the ends, (2, 3) LPS mm.
    """
    places = {item.sop_instance_uid: item for item in slices}
    found = []
    for group in _walk(report):
        children = group.get("ContentSequence", ())
        if not any(
            child.ValueType == "NUM" and _meaning(child) == "Long Axis" for child in children
        ):
            continue
        for line in children:
            if line.get("GraphicType") == "POLYLINE":
                uid = line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
                points = np.array(line.GraphicData, float).reshape(-1, 2)
                # SCOORD counts from the corner of the first pixel: PS3.3, C.18.6.1.2.
                ends = [places[uid].at(x - 0.5, y - 0.5) for x, y in points]
                found.append((str(uid), np.array(ends)))
    return found


def _meaning(item):
    return item.ConceptNameCodeSequence[0].CodeMeaning


def _walk(item):
    yield item
    for child in item.get("ContentSequence", ()):
        yield from _walk(child)


def expected_labels(view, piece, labels, size):
    """Return the segment that each pixel of a canvas of ``size`` has to show, (rows, columns)."""
    corners = [piece.at(0, 0), piece.at(1, 0), piece.at(0, 1)]
    origin, right, down = view.project(corners)
    step = np.array([right - origin, down - origin]).T
    height, width = size
    # Pixels of the canvas have their centre at a half.
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) + 0.5
    x, y = np.moveaxis(np.rint((grid - origin) @ np.linalg.inv(step).T).astype(int), -1, 0)
    inside = (x >= 0) & (y >= 0) & (x < piece.shape[1]) & (y < piece.shape[0])
    found = np.zeros((height, width), int)
    found[inside] = labels[y[inside], x[inside]]
    return found


def overlap(first, second):
    """Return intersection over union of two masks."""
    return float((first & second).sum() / max(1, (first | second).sum()))
