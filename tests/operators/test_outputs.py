"""Every kind of output, in every geometry and from bad headers: valid, repeatable, or a refusal."""

import json

import pydicom
import pytest

from lesionmap.models.core.errors import OutputError
from lesionmap.operators import outputs
from lesionmap.operators.dicom.mend import mend_identity
from lesionmap.operators.dicom.receipt import Receipt, read_receipt
from lesionmap.operators.outputs import OUTPUTS, obstacles, write_outputs
from tests.output_cases import CASES, UNPLACED, report_on, subject, write_case
from tests.seg_cases import subject_of
from tests.seg_readers import FAULTS_OF_THE_SOURCE, dciodvfy_errors

KINDS = [row.kind for row in OUTPUTS]
SWITCHED = ("labelmap", "rtstruct", "capture", "pdf", "nifti")
FAR_TOO_LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3


def write_all(folder, case="axial", edit=None):
    volume, series = write_case(folder / "in", case, edit)
    (folder / "out").mkdir()
    return write_outputs(subject_of(series, report_on(volume), volume), folder / "out", KINDS)


def objects(folder):
    """Return the DICOM outputs; dciodvfy of 2022 does not know the SOP class of label maps."""
    return [path for path in (folder / "out").glob("*.dcm") if path.name != "seg-labelmap.dcm"]


@pytest.mark.parametrize("case", CASES)
def test_every_output_is_valid(case, tmp_path):
    written = write_all(tmp_path, case)
    missing = {"seg", *SWITCHED} - {kind for kind, _ in written}
    assert missing == ({"rtstruct"} if case in UNPLACED else set())
    assert {name for _, name in written} == {path.name for path in (tmp_path / "out").iterdir()}
    assert {path.name: dciodvfy_errors(path) for path in objects(tmp_path)} == {
        path.name: [] for path in objects(tmp_path)
    }


def test_the_same_input_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_all(tmp_path / name)
    for path in (tmp_path / "a" / "out").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "out" / path.name).read_bytes(), path.name


def test_each_object_has_its_own_uids_and_the_study_of_its_source(tmp_path):
    write_all(tmp_path)
    headers = [pydicom.dcmread(path) for path in (tmp_path / "out").glob("*.dcm")]
    source = pydicom.dcmread(tmp_path / "in" / "0000.dcm")
    assert len({header.SOPInstanceUID for header in headers}) == len(headers)
    series = {header.SeriesInstanceUID: header.SOPClassUID for header in headers}
    assert len(series) == len(set(series.values()))
    assert source.SeriesInstanceUID not in series
    for header in headers:
        assert header.StudyInstanceUID == source.StudyInstanceUID
        assert header.PatientName == source.PatientName
        assert "not for diagnostic use" in header.SeriesDescription


def test_all_carry_the_receipt_of_their_series(tmp_path):
    made = subject(tmp_path / "in")
    receipt = Receipt.of_subject(made).digest
    (tmp_path / "all").mkdir()
    write_all(tmp_path / "all")
    for path in (tmp_path / "all" / "out").glob("*.dcm"):
        assert read_receipt(pydicom.dcmread(path)) == receipt, path.name
    table = json.loads((tmp_path / "all" / "out" / "lesions.json").read_text())
    assert table["receipt_sha256"] == receipt


def test_a_kind_that_an_image_cannot_have_is_left_out_with_a_reason(tmp_path):
    made = subject(tmp_path / "in", "ultrasound")
    (reason,) = obstacles(KINDS, made.display.grid)
    assert "RTSTRUCT" in reason
    assert obstacles(["pdf"], made.display.grid) == ()


@pytest.mark.parametrize("check", ["check_seg", "check_rtstruct"])
def test_an_output_that_fails_its_check_is_an_error(check, tmp_path, monkeypatch):
    def refuse(*_):
        raise OutputError("differs")

    monkeypatch.setattr(outputs, check, refuse)
    with pytest.raises(OutputError):
        write_all(tmp_path)


def sets(**values):
    def edit(_, dataset):
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)

    return edit


BAD_HEADERS = {
    "no name": sets(PatientName=None),
    "empty name": sets(PatientName=""),
    "name of one component": sets(PatientName="Test"),
    "Chinese name": sets(SpecificCharacterSet="GB18030", PatientName="Wang^XiaoDong=王^小东"),
    "Japanese name": sets(
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "no ID": sets(PatientID=None, StudyID=None),
    "no dates": sets(StudyDate=None, StudyTime=None, SeriesDate=None, SeriesTime=None),
    "dates that are none": sets(StudyDate="2020.01.02", SeriesDate="soon", StudyTime="99"),
    "birth date that is none": sets(PatientBirthDate="20011332"),
    "sex that is none": sets(PatientSex="X"),
    "age without a unit": sets(PatientAge="45"),
    "long descriptions": sets(StudyID="S" * 40, StudyDescription="D" * 100),
    "long comment": sets(PatientComments="c" * 11000),
    "no manufacturer": sets(Manufacturer=None),
    "negative series number": sets(SeriesNumber=-5),
    "no series number": sets(SeriesNumber=None),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BAD_HEADERS)
def test_bad_headers_give_valid_outputs_without_invented_values(name, tmp_path):
    write_all(tmp_path, edit=BAD_HEADERS[name])
    source = pydicom.dcmread(tmp_path / "in" / "0000.dcm")
    for path in objects(tmp_path):
        assert dciodvfy_errors(path, allowed=FAULTS_OF_THE_SOURCE) == []
        header = pydicom.dcmread(path)
        assert header.PatientName == source.get("PatientName", "")
        assert header.PatientID == source.get("PatientID", "")
        assert header.PatientBirthDate in ("", source.PatientBirthDate)
        assert header.PatientSex in ("", source.PatientSex)
        assert header.get("PatientAge", "") in ("", source.get("PatientAge"))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("keyword", ["PatientName", "PatientID", "AccessionNumber"])
def test_what_archives_match_on_is_never_cut(keyword, tmp_path):
    write_all(tmp_path, edit=sets(**{keyword: FAR_TOO_LONG}))
    for path in (tmp_path / "out").glob("*.dcm"):
        assert pydicom.dcmread(path)[keyword].value == FAR_TOO_LONG


def test_several_values_are_mended_one_by_one():
    header = pydicom.Dataset()
    header.OtherPatientNames = ["A^B", "C^D"]
    header.add_new("PerformedStationAETitle", "AE", "X")
    with pydicom.config.disable_value_validation():
        header.add_new("ImageType", "CS", ["DERIVED", "not a code string"])
        header.add_new("StudyDescription", "LO", "D" * 70)
    mend_identity(header)
    assert header.ImageType == ""
    assert header.StudyDescription == "D" * 64
    assert list(header.OtherPatientNames) == ["A^B", "C^D"]
