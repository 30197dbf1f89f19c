"""Plant texts that must not get out into every element of a header that can hold text."""

from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

NAME, WORD = "Kanarienvogel^Zacharias", "CANARY-73194"
TEXTS = {
    "AE": WORD,
    "AS": "094Y",
    "CS": "CANARY_73194",
    "DA": "19470317",
    "DS": "73194.2517",
    "DT": "19470317071319",
    "IS": "731942517",
    "LO": f"{WORD} Käfigstraße 7",
    "LT": f"{WORD} lives in Käfigstraße 7",
    "PN": f"{NAME}=金絲雀^札=카나리아^자",
    "SH": WORD,
    "ST": f"{WORD} Käfigstraße 7",
    "TM": "071319.473194",
    "UC": WORD,
    "UR": "http://canary-73194.example/patient",
    "UT": f"{WORD} lives in Käfigstraße 7",
}
"""What is planted, by value representation."""

LEAKS = (
    "kanarienvogel", "zacharias", "canary", "käfigstra", "金絲雀", "카나리아", "73194.25",
    "73194251", "19470317", "1947-03-17", "17.03.1947", "mar 1947", "094y", "071319.4", "07:13:19",
)  # fmt: skip
"""What is looked for, in lower case."""

_LEFT_ALONE = frozenset(
    (
        "ImageOrientationPatient",
        "ImageOrientationSlide",
        "ImagePositionPatient",
        "ImageType",
        "InstanceNumber",
        "Modality",
        "NumberOfFrames",
        "PatientSex",
        "PhotometricInterpretation",
        "PixelSpacing",
        "RescaleIntercept",
        "RescaleSlope",
        "SpecificCharacterSet",
        "SliceThickness",
    )
)
"""What decides whether a series can be read at all: places, numbers of the pixels, codes."""

_NESTS = (
    "RequestAttributesSequence",
    "OtherPatientIDsSequence",
    "ReferringPhysicianIdentificationSequence",
)


def plant(_: int, dataset: Dataset) -> None:
    """Fill every element of the dictionary that can hold text, nested and private ones too."""
    for tag, (representation, multiplicity, _name, _retired, keyword) in DicomDictionary.items():
        kind = representation.split(" or ")[0]
        if kind in TEXTS and keyword not in _LEFT_ALONE and tag >> 16 > 4:
            count = 1 if multiplicity == "1" or kind in ("LT", "ST", "UT", "UR") else 2
            dataset.add_new(tag, kind, [TEXTS[kind]] * count if count > 1 else TEXTS[kind])
    for keyword in _NESTS:
        setattr(dataset, keyword, [_nested(depth=3)])
    for overlay_label, kind in ((0x60001500, "LO"), (0x60000022, "LO"), (0x50002500, "LO")):
        dataset.add_new(overlay_label, kind, TEXTS[kind])
    block = dataset.private_block(0x0099, WORD, create=True)
    for offset, (kind, value) in enumerate(TEXTS.items()):
        block.add_new(offset, kind, value)
    block.add_new(0x7F, "UN", NAME.encode())


def _nested(depth: int) -> Dataset:
    item = Dataset()
    item.PatientName = item.PersonName = TEXTS["PN"]
    item.PatientID, item.StudyDate, item.InstitutionAddress = WORD, TEXTS["DA"], TEXTS["ST"]
    if depth:
        item.ContentSequence = [_nested(depth - 1)]
    return item
