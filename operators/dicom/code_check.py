"""Compare codes with the dictionaries of the standard, before they reach an archive."""

from pydicom.sr.codedict import codes

from lesionmap.operators.dicom.codes import Code

_SNOMED = "SCT"
_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTATION = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def code_fault(code: Code, *, trusted: bool = False) -> str | None:
    """Return what is wrong with a code, or None.

    A code that the dictionaries of DICOM hold must have one of its meanings
    there; one that they lack, or with a meaning of its own (another language),
    has to be called trusted. The check digit of a SNOMED CT identifier is
    compared in any case: it tells a slip of the finger.
    """
    if code.scheme == _SNOMED and not has_check_digit(code.value):
        return f"{code.value} is no SNOMED CT identifier: its check digit is wrong"
    if trusted:
        return None
    known = _meanings(code)
    if not known:
        return (
            f"{code.value} ({code.scheme}) is in no dictionary of DICOM: "
            "look it up, then add trusted: true"
        )
    if _plain(code.meaning) not in {_plain(meaning) for meaning in known}:
        return (
            f"{code.value} ({code.scheme}) means {' or '.join(known)}, not {code.meaning}: "
            "mend one of them, or add trusted: true"
        )
    return None


def has_check_digit(identifier: str) -> bool:
    """Whether the last digit of a SNOMED CT identifier fits the others.

    Source: SNOMED CT Release File Specification, 5.5 (Verhoeff's dihedral check).
    """
    if not (identifier.isascii() and identifier.isdigit() and 6 <= len(identifier) <= 18):
        return False
    check = 0
    for place, digit in enumerate(reversed(identifier)):
        check = int(_DIHEDRAL[check][int(_PERMUTATION[place % 8][int(digit)])])
    return check == 0


def _meanings(code: Code) -> list[str]:
    if code.scheme not in codes.schemes():
        return []
    concepts = getattr(codes, code.scheme).concepts.values()
    return sorted({item.meaning for item in concepts if item.value == code.value})


def _plain(meaning: str) -> str:
    return " ".join(meaning.casefold().split())
