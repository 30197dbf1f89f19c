"""Look at an object that arrives over the network without decoding it."""

import re
from dataclasses import dataclass
from io import BytesIO

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from lesionmap.models.core.errors import PixelError
from lesionmap.operators.dicom.scan import UNREADABLE
from lesionmap.operators.dicom.seg import MANUFACTURER

_KEYWORDS = (
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "Manufacturer",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "NumberOfSeriesRelatedInstances",
)
_TAGS = {keyword: BaseTag(tag_for_keyword(keyword) or 0) for keyword in _KEYWORDS}
_LAST = max(_TAGS.values())
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64


@dataclass(frozen=True)
class Arrival:
    """Who an object says it is; the count is None where the sender gives none."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    is_own_result: bool
    instances_of_series: int | None = None


def peek(stream: BytesIO, transfer_syntax: UID) -> Arrival:
    """Read the few elements that decide where an object belongs.

    Elements stay raw: nothing is converted, validated, inflated or decoded, and reading
    stops before the pixels, so that a hostile object costs nothing.

    Raises:
        PixelError: the data set is damaged, or one of its UIDs is missing or not a UID.
    """
    try:
        dataset = read_dataset(
            stream,
            transfer_syntax.is_implicit_VR,
            transfer_syntax.is_little_endian,
            stop_when=lambda tag, _vr, _length: tag > _LAST,
            specific_tags=list(_TAGS.values()),
        )
        texts = {keyword: _text(dataset, tag) for keyword, tag in _TAGS.items()}
    except UNREADABLE as error:
        raise PixelError(f"a data set cannot be read ({type(error).__name__})") from error
    if not all(is_uid(texts[keyword]) for keyword in _KEYWORDS if keyword.endswith("UID")):
        raise PixelError("a UID is missing, or is not a UID")
    return Arrival(
        texts["SOPClassUID"],
        texts["SOPInstanceUID"],
        texts["StudyInstanceUID"],
        texts["SeriesInstanceUID"],
        is_own_result=_is_own(texts),
        instances_of_series=_count(texts["NumberOfSeriesRelatedInstances"]),
    )


def is_uid(text: str) -> bool:
    """Whether the text is digits and dots, of a UID's length.

    Source: DICOM PS3.5, 9.1.
    """
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def is_image_class(sop_class_uid: str) -> bool:
    """Whether objects of the class can be input: our own SEG and SR, and others', cannot."""
    return "Image Storage" in UID(sop_class_uid).name


def _is_own(texts: dict[str, str]) -> bool:
    # The phantoms of `lesionmap sample` are ours too, but original.
    return texts["Manufacturer"] == MANUFACTURER and not texts["ImageType"].startswith("ORIGINAL")


def _text(dataset: Dataset, tag: BaseTag) -> str:
    element = dataset.get_item(tag) if tag in dataset else None
    value = element.value if isinstance(element, RawDataElement) else None
    return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else ""


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 7 else None
