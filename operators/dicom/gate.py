"""The gate: what must agree within a series before a pixel is decoded."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from lesionmap.models.core.errors import (
    GeometryError,
    IdentityError,
    LesionMapError,
    PixelError,
)
from lesionmap.operators.dicom.geometry import has_plane
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.scan import Instance

logger = logging.getLogger(__name__)

_SAME_PATIENT = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate")
_SAME_IDENTITY = ("StudyInstanceUID", "FrameOfReferenceUID", "Modality", "SOPClassUID")
_SAME_PIXELS = (
    "PhotometricInterpretation",
    "SamplesPerPixel",
    "BitsAllocated",
    "PixelRepresentation",
    "RescaleType",
    "Units",
)
_PLANAR_MODALITIES = frozenset({"CT", "MR", "PT", "NM"})
"""Modalities whose single-frame images must say where they lie."""


@dataclass(frozen=True)
class Series:
    """Instances to be read as one volume, or one image without a place.

    ``notes`` tell what was left out without harm, such as identical copies.
    ``siblings`` are all instances of the DICOM series that an image without a
    place was taken from: they too must show the same patient.
    """

    instances: tuple[Instance, ...]
    notes: tuple[str, ...] = ()
    siblings: tuple[Instance, ...] = ()

    @property
    def header(self) -> Dataset:
        """Header of the first instance, for what all of them share."""
        return self.instances[0].header

    @property
    def uid(self) -> str:
        """Series Instance UID."""
        return self.instances[0].series_instance_uid


def group_series(instances: Iterable[Instance]) -> list[Series]:
    """Group instances by series, in the order of study, series number and UID.

    A series of images that have no place in the patient's frame (ultrasound,
    endoscopy, radiographs) becomes one item for each image.
    """
    by_uid: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[instance.series_instance_uid].append(instance)
    groups = sorted(by_uid.values(), key=lambda group: _series_order(group[0].header))
    return [series for group in groups for series in _split_images(group)]


def check_series(
    series: Series, limits: Limits, *, owners: dict[str, set[str]] | None = None
) -> Series:
    """Refuse a series whose instances do not belong together.

    Args:
        series: as grouped; identical copies of an instance are dropped with a note.
        limits: the budget of the run.
        owners: series UIDs by SOP Instance UID over the whole input, to refuse
            an instance that claims to belong to two series.

    Raises:
        IdentityError: several patients, studies, frames of reference,
            modalities; one SOP Instance UID with different content.
        GeometryError: mixed sizes, or no position where the modality needs one.
        PixelError: mixed pixel formats, multi-frame, or over the budget.
    """
    kept, copies = _drop_copies(series.instances)
    headers = [instance.header for instance in kept]
    _check_owners(kept, owners or {})
    family = [instance.header for instance in series.siblings or kept]
    _require_same(family, _SAME_PATIENT, IdentityError, "are several patients mixed?")
    _require_same(family, ("StudyInstanceUID",), IdentityError, "split the series")
    _require_same(headers, _SAME_IDENTITY, IdentityError, "split the series")
    _require_same(headers, ("Rows", "Columns"), GeometryError, "split the series")
    _require_same(headers, _SAME_PIXELS, PixelError, "split the series")
    _check_places(headers)
    _check_budget(headers, limits)
    notes = (f"{copies} identical copies of instances were left out",) if copies else ()
    return Series(tuple(kept), series.notes + notes, series.siblings)


def uid_owners(instances: Iterable[Instance]) -> dict[str, set[str]]:
    """Map every SOP Instance UID to the series that contain it."""
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for instance in instances:
        owners[instance.sop_instance_uid].add(instance.series_instance_uid)
    return dict(owners)


def is_multi_frame(header: Dataset) -> bool:
    """Whether the object holds more than one frame, or frames by functional groups."""
    return int(header.get("NumberOfFrames") or 1) > 1 or "Enhanced" in header.SOPClassUID.name


def read_number(header: Dataset, keyword: str) -> int:
    """Return a number that serves order alone; 0 where it is malformed, which costs nothing."""
    try:
        return int(header.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0


def _series_order(header: Dataset) -> tuple[str, str, int, str]:
    return (
        str(header.get("StudyDate") or ""),
        str(header.StudyInstanceUID),
        read_number(header, "SeriesNumber"),
        str(header.SeriesInstanceUID),
    )


def _split_images(group: list[Instance]) -> list[Series]:
    ordered = sorted(group, key=_instance_order)
    if any(_needs_place(instance.header) or has_plane(instance.header) for instance in ordered):
        return [Series(tuple(ordered))]
    by_uid: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in ordered:
        by_uid[instance.sop_instance_uid].append(instance)
    return [Series(tuple(copies), siblings=tuple(ordered)) for copies in by_uid.values()]


def _instance_order(instance: Instance) -> tuple[int, str]:
    return read_number(instance.header, "InstanceNumber"), instance.sop_instance_uid


def _needs_place(header: Dataset) -> bool:
    return str(header.Modality) in _PLANAR_MODALITIES


def _drop_copies(instances: Sequence[Instance]) -> tuple[list[Instance], int]:
    by_uid: defaultdict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[instance.sop_instance_uid].append(instance)
    for copies in by_uid.values():
        if len(copies) > 1 and len({_digest(copy.path) for copy in copies}) > 1:
            raise IdentityError(
                "two different objects share one SOP Instance UID: which of them is right?"
            )
    kept = [copies[0] for copies in by_uid.values()]
    return kept, len(instances) - len(kept)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_owners(instances: Iterable[Instance], owners: dict[str, set[str]]) -> None:
    for instance in instances:
        if len(owners.get(instance.sop_instance_uid, ())) > 1:
            raise IdentityError("one SOP Instance UID stands in two series")


def _require_same(
    headers: Sequence[Dataset],
    keywords: Iterable[str],
    error: type[LesionMapError],
    advice: str,
) -> None:
    for keyword in keywords:
        found = {str(header.get(keyword, "")) for header in headers}
        if len(found) > 1:
            raise error(f"{len(found)} different values of {keyword} in one series: {advice}")


def _check_places(headers: Sequence[Dataset]) -> None:
    if any("MOSAIC" in (header.get("ImageType") or ()) for header in headers):
        raise GeometryError("mosaic images tile many slices in one: send unpacked slices")
    placed = sum(has_plane(header) for header in headers)
    if placed not in (0, len(headers)):
        raise GeometryError(f"{len(headers) - placed} of {len(headers)} slices have no position")
    if placed == 0 and _needs_place(headers[0]):
        raise GeometryError(
            f"{headers[0].Modality} slices without Image Position and Orientation (Patient)"
        )
    if placed and not headers[0].get("FrameOfReferenceUID"):
        raise GeometryError("slices have positions, but no Frame of Reference UID to refer to")


def _check_budget(headers: Sequence[Dataset], limits: Limits) -> None:
    total = 0
    for header in headers:
        if min(int(header.Rows or 0), int(header.Columns or 0)) < 1:
            raise PixelError("an image has no rows or no columns")
        samples = int(header.get("SamplesPerPixel") or 1)
        depth = max(1, int(header.get("BitsAllocated") or 8) // 8)
        frames = int(header.get("NumberOfFrames") or 1)
        total += int(header.Rows) * int(header.Columns) * samples * depth * frames
    if total > limits.series_bytes:
        raise PixelError(
            f"the series claims {total >> 20} MiB of pixels, {limits.series_bytes >> 20} MiB "
            "are allowed: raise limits.series_mib or split the series"
        )
