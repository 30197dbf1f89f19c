"""The PDF is whole inside its object, which says whether its pictures may name the patient."""

import pytest

from lesionmap.operators.dicom.encapsulated_pdf import build_pdf
from tests.output_cases import subject


@pytest.mark.parametrize("pages", [b"%PDF even", b"%PDF odd."])
def test_the_document_comes_out_as_it_went_in(pages, tmp_path):
    made = subject(tmp_path / "in")
    derived = build_pdf(made, pages)
    assert derived.EncapsulatedDocument[: derived.EncapsulatedDocumentLength] == pages
    assert len(derived.EncapsulatedDocument) % 2 == 0
    referenced = {item.ReferencedSOPInstanceUID for item in derived.SourceInstanceSequence}
    assert referenced == {*made.display.volume.sources, made.seg.SOPInstanceUID}
    assert derived.PatientID == "T-1"


@pytest.mark.parametrize(
    ("case", "stated", "expected"),
    [
        ("axial", None, "NO"),
        ("axial", "YES", "YES"),
        ("ultrasound", None, "YES"),
        ("ultrasound", "NO", "NO"),
        ("ultrasound", "YES", "YES"),
    ],
)
def test_pixels_that_may_name_the_patient_are_not_called_free_of_names(
    case, stated, expected, tmp_path
):
    def edit(_, dataset):
        if stated:
            dataset.BurnedInAnnotation = stated

    assert build_pdf(subject(tmp_path / "in", case, edit), b"%PDF").BurnedInAnnotation == expected


def test_other_pages_are_another_object_and_the_same_are_the_same(tmp_path):
    made = subject(tmp_path / "in")
    first, same, other = (build_pdf(made, pages) for pages in (b"%PDF a", b"%PDF a", b"%PDF b"))
    assert first == same
    assert first.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID != other.SeriesInstanceUID
