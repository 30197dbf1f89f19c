"""Lesions to a DICOM Segmentation (BINARY, one segment a lesion)."""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from jaxtyping import UInt8
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from lesionmap.models.core.errors import OutputError, PixelError
from lesionmap.models.core.finding import FindingReport, Lesion
from lesionmap.models.core.palette import lesion_colour
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.codes import ARTIFICIAL_INTELLIGENCE
from lesionmap.operators.dicom.gate import read_number
from lesionmap.operators.dicom.limits import check_nesting
from lesionmap.operators.dicom.mend import mend_identity
from lesionmap.operators.dicom.receipt import Receipt, add_receipt
from lesionmap.operators.dicom.scan import UNREADABLE
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.dicom.subject import Provenance, Subject
from lesionmap.operators.dicom.uids import derive_uid

MANUFACTURER = "LesionMAP"
NOT_FOR_DIAGNOSIS = "AI - not for diagnostic use"
MOST_LESIONS = 255

_SERIES_NUMBER_OFFSET = 9000


def build_seg(subject: Subject) -> Dataset:
    """Return the SEG of a series with at least one lesion.

    Every frame refers to the instance it was derived from: viewers that get
    no derivation reference draw the mask on a wrong slice without a word.
    Dates are those of the source, so that the same input gives the same object.

    Raises:
        OutputError: highdicom or the source headers do not allow a SEG.

    Source: DICOM PS3.3, A.51 and C.8.20.
    """
    return build_segmentation(subject, hd.seg.SegmentationTypeValues.BINARY, "seg")


def build_segmentation(
    subject: Subject, encoding: hd.seg.SegmentationTypeValues, name: str
) -> Dataset:
    """Return a SEG in the given encoding; ``name`` ends in its UIDs. Raises as ``build_seg``."""
    report = subject.report
    slices = lesion_slices(report.lesions)
    labels = label_planes(report.lesions, slices)
    grid = report.lesions[0].mask.grid
    first, *others = (subject.series.instances[index] for index in slices)
    # Patient and study are those of the first; of the others the places are needed.
    sources = [read_source(first.path), *(Dataset(instance.header) for instance in others)]
    for source in sources:
        _mend_measures(source, grid)
    key = fingerprint(subject, labels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seg = _segmentation(sources, labels, subject, encoding, (name, key))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(
            f"no SEG can be made of this series ({type(error).__name__}): its headers lack "
            "what the standard requires"
        ) from error
    _state_spacing(seg, grid)
    _add_laterality(seg, subject)
    add_receipt(seg, Receipt.of_subject(subject))
    return _fix_identity(seg, sources[0], key)


def lesion_slices(lesions: Sequence[Lesion]) -> list[int]:
    """Return the indices of the slices on which any lesion has a voxel."""
    held: set[int] = set()
    for lesion in lesions:
        used = np.flatnonzero(lesion.mask.voxels.any(axis=(1, 2)))
        held.update((used + lesion.mask.origin[0]).tolist())
    return sorted(held)


def label_planes(
    lesions: Sequence[Lesion], slices: Sequence[int]
) -> UInt8[np.ndarray, "planes rows columns"]:
    """Return one plane a slice, holding the number of the lesion that owns each pixel.

    Raises:
        OutputError: two lesions claim one pixel, or there are over 255 lesions.
    """
    if len(lesions) > MOST_LESIONS:
        raise OutputError(f"{len(lesions)} lesions; a SEG holds {MOST_LESIONS} at most")
    grid = lesions[0].mask.grid
    place = {index: plane for plane, index in enumerate(slices)}
    labels = np.zeros((len(slices), *grid.shape[1:]), np.uint8)
    for number, lesion in enumerate(lesions, start=1):
        span, rows, columns = lesion.mask.window
        for index, part in zip(range(span.start, span.stop), lesion.mask.voxels, strict=True):
            if not part.any():
                continue
            window = labels[place[index], rows, columns]
            if window[part].any():
                raise OutputError("two lesions claim one pixel")
            window[part] = number
    return labels


def fingerprint(subject: Subject, labels: UInt8[np.ndarray, "planes rows columns"]) -> str:
    """Return a hash of the receipt and of all that a result says: lesions, boxes, voxels.

    Scores and boxes are hashed as the outputs write them: another processor that
    moves only them gives other objects, which need other UIDs.
    """
    digest = hashlib.sha256()
    for part in (
        Receipt.of_subject(subject).digest,
        *(_words_of(lesion) for lesion in subject.report.lesions),
    ):
        digest.update(part.encode() + b"\0")
    digest.update(labels.tobytes())
    return digest.hexdigest()


def _words_of(lesion: Lesion) -> str:
    """Return what the outputs say of a lesion beside its voxels, as text to hash."""
    boxes = [
        f"{item.box.slice_index} {np.array(item.box.xyxy, np.float32).tobytes().hex()}"
        for item in (lesion.key_detection, *lesion.detections)
    ]
    return "\n".join([f"{lesion.tracking_uid}", lesion.label, f"{100 * lesion.score:.3f}", *boxes])


def read_source(path: Path) -> Dataset:
    """Read a source header and mend what would make the SEG invalid.

    Sources in the field lack type 2 elements, exceed the length of their VR, or
    hold half a reference; highdicom copies or refuses all of that.

    Raises:
        PixelError: the header is damaged where only a full reading shows it.
    """
    try:
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            check_nesting(source)
            source.decode()
            source.SeriesNumber = read_number(source, "SeriesNumber")
    except UNREADABLE as error:
        raise PixelError(f"a source header is damaged ({type(error).__name__})") from error
    source.SpecificCharacterSet = "ISO_IR 192"
    mend_identity(source)
    for keyword in ("ReferencedStudySequence", "ReferencedPatientSequence"):
        if not all("ReferencedSOPClassUID" in item for item in source.get(keyword) or ()):
            delattr(source, keyword)
    return source


def _mend_measures(source: Dataset, grid: Grid) -> None:
    """Say the slice thickness where only positions give it; drop a spacing that is none."""
    if grid.has_depth and not source.get("SliceThickness"):
        source.SliceThickness = round(grid.spacing[0], 6)
    if grid.unit == "pixel" and "PixelSpacing" in source:
        del source.PixelSpacing


def _state_spacing(seg: Dataset, grid: Grid) -> None:
    """Say the spacing of the slices of the image; highdicom says that of the frames it was given.

    Those are the slices with a lesion: readers such as dcmqi would believe a
    spacing that is 1 mm or several slices, and with it a wrong volume.
    """
    for measures in seg.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence", ()):
        if "SpacingBetweenSlices" in measures:
            del measures.SpacingBetweenSlices
        if grid.shape[0] > 1:
            measures.SpacingBetweenSlices = round(grid.spacing[0], 10)


def _segmentation(
    sources: Sequence[Dataset],
    labels: UInt8[np.ndarray, "planes rows columns"],
    subject: Subject,
    encoding: hd.seg.SegmentationTypeValues,
    identity: tuple[str, str],
) -> Dataset:
    name, key = identity
    report, rule, provenance = subject.report, subject.rule, subject.provenance
    algorithm = _algorithm(report, provenance)
    return hd.seg.Segmentation(
        source_images=sources,
        pixel_array=labels,
        segmentation_type=encoding,
        segment_descriptions=[
            _describe(number, lesion, rule.for_label(lesion.label), algorithm)
            for number, lesion in enumerate(report.lesions, start=1)
        ],
        series_instance_uid=derive_uid(f"{name} series", key),
        series_number=_SERIES_NUMBER_OFFSET + int(sources[0].SeriesNumber) % 1000,
        sop_instance_uid=derive_uid(f"{name} instance", key),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=provenance.software_version,
        device_serial_number=key[:16],
        content_label="LESIONS",
        content_description=NOT_FOR_DIAGNOSIS,
        content_creator_name=None,
        series_description=f"LesionMAP {rule.label}: {NOT_FOR_DIAGNOSIS}"[:64],
        omit_empty_frames=True,
    )


def _algorithm(report: FindingReport, provenance: Provenance) -> hd.AlgorithmIdentificationSequence:
    return hd.AlgorithmIdentificationSequence(
        name=MANUFACTURER,
        family=ARTIFICIAL_INTELLIGENCE.concept(),
        version=provenance.software_version,
        source=MANUFACTURER,
        parameters={
            model.name: f"{model.version} sha256:{model.sha256}" for model in report.models
        },
    )


def _describe(
    number: int, lesion: Lesion, rule: Rule, algorithm: hd.AlgorithmIdentificationSequence
) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{lesion.label} {number}"[:64],
        segmented_property_category=rule.category.concept(),
        segmented_property_type=rule.segment_type.concept(),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=lesion.tracking_uid,
        tracking_id=f"{rule.name} {number}",
        anatomic_regions=[rule.site.concept()] if rule.site else None,
        display_color=hd.color.CIELabColor.from_rgb(*lesion_colour(number)),
    )


def _add_laterality(seg: Dataset, subject: Subject) -> None:
    """Say the side of each segment's site, for which highdicom has no argument.

    Source: DICOM PS3.3, 10.5 (General Anatomy Macro), Anatomic Region Modifier Sequence.
    """
    for segment in seg.SegmentSequence:
        for region in segment.get("AnatomicRegionSequence", ()):
            lesion = subject.report.lesions[segment.SegmentNumber - 1]
            side = subject.rule.for_label(lesion.label).laterality
            if side is not None:
                region.AnatomicRegionModifierSequence = [side.concept()]


def _fix_identity(seg: Dataset, source: Dataset, key: str) -> Dataset:
    """Replace what highdicom draws at random or from the clock."""
    organization = derive_uid("dimension organization", key)
    for item in [*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence]:
        item.DimensionOrganizationUID = organization
    fix_dates(seg, source)
    if "FrameOfReferenceUID" not in source and "PatientOrientation" not in seg:
        seg.PatientOrientation = source.get("PatientOrientation") or ""
    return seg


def fix_dates(result: Dataset, source: Dataset) -> Dataset:
    """Date an object by its source, so that the same input gives the same bytes."""
    date = source.get("SeriesDate") or source.get("StudyDate") or "19000101"
    clock = source.get("SeriesTime") or source.get("StudyTime") or "000000"
    for keyword in ("SeriesDate", "ContentDate", "InstanceCreationDate"):
        setattr(result, keyword, date)
    for keyword in ("SeriesTime", "ContentTime", "InstanceCreationTime"):
        setattr(result, keyword, clock)
    for equipment in result.get("ContributingEquipmentSequence", ()):
        equipment.ContributionDateTime = f"{date}{clock}"
    return result
