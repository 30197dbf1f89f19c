"""Find DICOM images in a folder by reading headers only."""

import logging
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.config import IGNORE, disable_value_validation
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from lesionmap.models.core.errors import PixelError
from lesionmap.operators.dicom.limits import Limits, check_file_size

logger = logging.getLogger(__name__)

HEADER_KEYWORDS = (
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyDate",
    "SeriesDate",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "BodyPartExamined",
    "SeriesNumber",
    "InstanceNumber",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SequenceOfUltrasoundRegions",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "Units",
    "ScanningSequence",
    "SequenceName",
    "ContrastBolusAgent",
    "MRAcquisitionType",
    "ViewPosition",
    "Laterality",
    "ImageLaterality",
    "BurnedInAnnotation",
)
"""What the gate and the usual rules look at; everything else stays on disk."""

UNREADABLE = (
    AttributeError,
    EOFError,
    IndexError,
    InvalidDicomError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What pydicom and its decoders raise on damaged or hostile files."""

_PREAMBLE = 132
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
_REQUIRED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
_IMAGE_NAME = "Image Storage"


@dataclass(frozen=True)
class Instance:
    """One DICOM image: where it is, and the header elements that rules and gate read.

    ``sha256`` is that of the data set whose pixels were decoded; None until then.
    """

    path: Path
    header: Dataset
    sha256: str | None = None

    @property
    def sop_instance_uid(self) -> str:
        """SOP Instance UID as text."""
        return str(self.header.SOPInstanceUID)

    @property
    def series_instance_uid(self) -> str:
        """Series Instance UID as text."""
        return str(self.header.SeriesInstanceUID)


@dataclass(frozen=True)
class Scan:
    """The images of a folder, and a count of what was left aside and why."""

    instances: tuple[Instance, ...]
    left_aside: dict[str, int]


def scan_folder(root: Path, limits: Limits, keywords: Collection[str] = ()) -> Scan:
    """Read the header of every file below ``root``, in a stable order.

    Args:
        root: a folder, searched with its sub-folders.
        limits: the budget of the run.
        keywords: elements to read beside HEADER_KEYWORDS, for rules that test them.

    Returns:
        The images. Files that are not DICOM, cannot be read, hold no image or are
        localizers are counted under ``left_aside``; nothing else is dropped.
    """
    instances: list[Instance] = []
    left_aside: Counter[str] = Counter()
    for path in walk_files(root):
        header, reason = _sort_out(path, limits, keywords)
        if header is None:
            left_aside[reason] += 1
        else:
            instances.append(Instance(path, header))
    return Scan(tuple(instances), dict(sorted(left_aside.items())))


def walk_files(root: Path) -> Iterator[Path]:
    """Yield the regular files below ``root`` in a stable order; links are not followed."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def read_header(path: Path, limits: Limits, keywords: Collection[str] = ()) -> Dataset | None:
    """Read HEADER_KEYWORDS and ``keywords`` of one file, without pixel data.

    Returns:
        None where the file does not look like DICOM.

    Raises:
        PixelError: the file is damaged, or larger than the budget.
    """
    try:
        if not _looks_like_dicom(path):
            return None
        check_file_size(path, limits)
        # Validation warnings quote the values they complain about, names included.
        with disable_value_validation(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(
                path,
                stop_before_pixels=True,
                specific_tags=[*HEADER_KEYWORDS, *keywords],
                force=True,
            )
            list(header)  # converts every element now, while nobody hears the warnings
            return header
    except UNREADABLE as error:
        raise PixelError(f"a DICOM header is damaged ({type(error).__name__})") from error


def _looks_like_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.read(_PREAMBLE)
    return start[128:] == b"DICM" or start.startswith(_FIRST_GROUPS)


def _sort_out(path: Path, limits: Limits, keywords: Collection[str]) -> tuple[Dataset | None, str]:
    try:
        header = read_header(path, limits, keywords)
        if header is None:
            return None, "not_dicom"
        return _sort_out_header(header)
    except (PixelError, *UNREADABLE) as error:
        logger.info("one unreadable file left aside (%s)", type(error).__name__)
        return None, "unreadable"


def _sort_out_header(header: Dataset) -> tuple[Dataset | None, str]:
    sop_class = _uid(header, "SOPClassUID")
    if sop_class.name.startswith("Media Storage Directory"):
        return None, "directory"
    if not all(str(header.get(keyword, "")) for keyword in _REQUIRED):
        return None, "unreadable"
    if not all(_uid(header, keyword).is_valid for keyword in _REQUIRED[:4]):
        return None, "invalid_uid"
    if "Rows" not in header or _IMAGE_NAME not in sop_class.name:
        return None, "non_image"
    if "LOCALIZER" in [str(value).upper() for value in header.get("ImageType") or ()]:
        return None, "localizer"
    return header, ""


def _uid(header: Dataset, keyword: str) -> UID:
    return UID(str(header.get(keyword, "")), IGNORE)
