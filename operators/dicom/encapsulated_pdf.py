"""The PDF report inside a DICOM object, for archives that take documents."""

import hashlib

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from lesionmap.operators.dicom.codes import Code
from lesionmap.operators.dicom.derived import Kind, derive_object, reference
from lesionmap.operators.dicom.seg import NOT_FOR_DIAGNOSIS
from lesionmap.operators.dicom.subject import Subject

KIND = Kind("pdf", EncapsulatedPDFStorage, "DOC", 13000)

MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")

_NOT_WRITTEN_ON = frozenset({"CT", "MR", "PT", "NM"})


def build_pdf(subject: Subject, pages: bytes) -> Dataset:
    """Return ``pages``, a PDF document on the series, as an Encapsulated PDF.

    Its UIDs follow from the pages: they say notes and warnings, which the SEG does not hold.

    Raises:
        OutputError: the source headers do not allow it.

    Source: DICOM PS3.3, A.45.1 and C.24.2.
    """

    def fill(derived: Dataset) -> None:
        derived.ConversionType = "WSD"
        derived.BurnedInAnnotation = _burned_in(subject)
        derived.AcquisitionDateTime = ""
        derived.DocumentTitle = f"LesionMAP report: {NOT_FOR_DIAGNOSIS}"
        derived.ConceptNameCodeSequence = [MEASUREMENT_REPORT.concept()]
        derived.SourceInstanceSequence = [
            reference(subject.written_seg),
            *(reference(instance.header) for instance in subject.series.instances),
        ]
        derived.MIMETypeOfEncapsulatedDocument = "application/pdf"
        derived.EncapsulatedDocumentLength = len(pages)
        derived.EncapsulatedDocument = pages + b"\0" * (len(pages) % 2)

    return derive_object(subject, KIND, fill, hashlib.sha256(pages).hexdigest())


def _burned_in(subject: Subject) -> str:
    """Return whether the pictures may name the patient; unknown counts as yes.

    Scanners of the listed modalities write nothing into the pixels; ultrasound and video do.
    """
    stated = {item.header.get("BurnedInAnnotation") for item in subject.series.instances}
    if stated == {"NO"}:
        return "NO"
    known = stated == {None} and subject.display.volume.modality in _NOT_WRITTEN_ON
    return "NO" if known else "YES"
