"""Coded concepts that outputs carry."""

from dataclasses import dataclass

from highdicom.sr.coding import CodedConcept


@dataclass(frozen=True)
class Code:
    """A code value, its coding scheme and its meaning.

    Source: DICOM PS3.3, 8.8; PS3.16, CID 7150 to 7159.
    """

    value: str
    scheme: str
    meaning: str

    def concept(self) -> CodedConcept:
        """Return the code as highdicom writes it."""
        return CodedConcept(self.value, self.scheme, self.meaning)


ABNORMAL_STRUCTURE = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LESION = Code("52988006", "SCT", "Lesion")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
