"""Bad values of a source header: what is copied into results is mended, never invented."""

from collections.abc import Callable

from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, DT, MAX_VALUE_LEN, TM, validate_value

_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Type 2 elements of the patient and study modules: DICOM PS3.3, C.7.1.1 and C.7.2.1."""

_MATCHED_ON = ("PatientID", "IssuerOfPatientID", "OtherPatientIDs", "AccessionNumber")
_CLOCKS: dict[str, Callable[[str], object]] = {"DA": DA, "DT": DT, "TM": TM}
_EMPTIED = frozenset({"AS", "CS", *_CLOCKS})
_CUT = frozenset({"LO", "SH", "ST", "LT"})


def mend_identity(source: Dataset) -> None:
    """Add the type 2 elements that a header lacks; mend values that their VR does not allow.

    Dates, times, ages and code strings that are none become empty, which
    means unknown; descriptions are cut to the allowed length. Names and what
    archives match on stay as they came, even where they are too long: a cut
    ID would be another patient's.

    Source: DICOM PS3.5, 6.2 (value representations) and 7.4.3 (type 2).
    """
    for keyword in _MAY_BE_EMPTY:
        if keyword not in source:
            setattr(source, keyword, "")
    for element in source:
        if element.VR in _EMPTIED and not _is_valid(element):
            element.value = ""
        elif element.VR in _CUT and element.keyword not in _MATCHED_ON:
            longest = MAX_VALUE_LEN.get(element.VR, len(str(element.value)))
            if element.VM == 1:
                element.value = str(element.value)[:longest]
    if source.PatientSex not in ("M", "F", "O"):
        source.PatientSex = ""


def _is_valid(element: DataElement) -> bool:
    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values:
            text = str(value or "")
            validate_value(element.VR, text, RAISE)
            _CLOCKS.get(element.VR, str)(text)
    except ValueError:
        return False
    return True
