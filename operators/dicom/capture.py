"""Pictures of lesions as DICOM Secondary Capture, for viewers that draw no SEG."""

import numpy as np
from jaxtyping import Float64
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.overlay import pictured_slice, render_finding
from lesionmap.operators.dicom.codes import LEFT, RIGHT, Code
from lesionmap.operators.dicom.derived import Kind, derive_object, reference
from lesionmap.operators.dicom.geometry import has_plane, read_plane
from lesionmap.operators.dicom.seg import NOT_FOR_DIAGNOSIS, read_source
from lesionmap.operators.dicom.selection import Rule
from lesionmap.operators.dicom.subject import Subject
from lesionmap.operators.dicom.uids import derive_uid

KIND = Kind("capture", SecondaryCaptureImageStorage, "OT", 12000)

SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")

_COPIED = (
    "BurnedInAnnotation",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)
"""What is true of the source image stays true of a picture of it: DICOM PS3.3, C.7.6.1."""

_PAIRED = frozenset({"BREAST", "KIDNEY", "EYE", "EAR", "SHOULDER", "ELBOW", "HAND", "HIP", "KNEE"})
"""Body parts whose side matters, in the words of Body Part Examined and of our sites."""

_SIDES: dict[Code | None, str] = {LEFT: "L", RIGHT: "R"}

_LEAST_COSINE = 0.0017
"""A tenth of a degree: a direction that is closer to square gets no letter."""


def build_captures(subject: Subject) -> list[Dataset]:
    """Return one RGB picture a lesion, its largest slice with contour, box and score.

    Raises:
        OutputError: the source headers do not allow it.

    Source: DICOM PS3.3, A.8.1, C.8.6.1 and C.7.6.1.
    """
    lesions = subject.report.lesions
    return [_capture(number, lesion, subject) for number, lesion in enumerate(lesions, start=1)]


def _capture(number: int, lesion: Lesion, subject: Subject) -> Dataset:
    picture = render_finding(subject.display, lesion, subject.report.lesions)
    source = read_source(subject.series.instances[pictured_slice(lesion)].path)

    def fill(derived: Dataset) -> None:
        derived.SOPInstanceUID = derive_uid("capture", str(derived.SOPInstanceUID), str(number))
        derived.file_meta.MediaStorageSOPInstanceUID = derived.SOPInstanceUID
        derived.InstanceNumber = number
        derived.ConversionType = "WSD"
        derived.ImageType = ["DERIVED", "SECONDARY"]
        _say_where(derived, source, subject.rule.for_label(lesion.label))
        derived.PatientOrientation = _orientation(source)
        derived.DerivationDescription = f"Lesion outlined by LesionMAP: {NOT_FOR_DIAGNOSIS}"
        derived.SourceImageSequence = [_source_image(source)]
        derived.ImageComments = (
            f"{lesion.label} {number}; score {lesion.score:.4f}; "
            f"tracking UID {lesion.tracking_uid}; {NOT_FOR_DIAGNOSIS}"
        )
        for keyword in _COPIED:
            if keyword in source:
                derived[keyword] = source[keyword]
        _set_pixels(derived, picture)

    return derive_object(subject, KIND, fill)


def _say_where(derived: Dataset, header: Dataset, rule: Rule) -> None:
    """Say the body part, and its side; a side that is needed and unknown stays empty.

    Source: DICOM PS3.3, C.7.3.1 (Laterality, type 2C).
    """
    part = str(header.get("BodyPartExamined") or "")
    if part:
        derived.BodyPartExamined = part
    if rule.site:
        derived.AnatomicRegionSequence = [rule.site.concept()]
        if rule.laterality:
            modifier = rule.laterality.concept()
            derived.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [modifier]
    names = {part.upper(), rule.site.meaning.upper() if rule.site else ""} - {""}
    side = header.get("Laterality") or _SIDES.get(rule.laterality, "")
    if side or not names or names & _PAIRED:
        derived.Laterality = side


def _set_pixels(derived: Dataset, picture: Image.Image) -> None:
    pixels = np.asarray(picture.convert("RGB"))
    derived.set_pixel_data(pixels, "RGB", 8, generate_instance_uid=False)


def _source_image(header: Dataset) -> Dataset:
    item = reference(header)
    item.PurposeOfReferenceCodeSequence = [SOURCE_IMAGE.concept()]
    return item


def _orientation(header: Dataset) -> list[str]:
    """Return where rows and columns lead, as letters; the source's own word without a plane.

    Source: DICOM PS3.3, C.7.6.1.1.1.
    """
    if not has_plane(header):
        said = "PatientOrientation" in header and header["PatientOrientation"].VM == 2
        return list(header.PatientOrientation) if said else []
    plane = read_plane(header)
    return [_letters(direction) for direction in (plane.along_columns, plane.along_rows)]


def _letters(direction: Float64[np.ndarray, " 3"]) -> str:
    axes = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(
        ("RAF", "LPH")[int(direction[axis] > 0)][axis]
        for axis in axes
        if abs(direction[axis]) > _LEAST_COSINE
    )
