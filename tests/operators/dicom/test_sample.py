import pydicom

from lesionmap.operators.dicom.gate import check_series, group_series
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import build_volume
from lesionmap.operators.dicom.sample import write_sample
from lesionmap.operators.dicom.scan import scan_folder
from tests.seg_readers import dciodvfy_errors


def test_the_sample_is_one_study_that_passes_the_gate(tmp_path):
    count = write_sample(tmp_path)
    scan = scan_folder(tmp_path, Limits())
    assert len(scan.instances) == count
    series = group_series(scan.instances)
    assert [str(item.header.Modality) for item in series] == ["CT", "MR", "US"]
    assert len({item.header.StudyInstanceUID for item in series}) == 1
    for item in series:
        build_volume(check_series(item, Limits()), gap_tolerance=0.01)


def test_the_same_command_writes_the_same_bytes(tmp_path):
    write_sample(tmp_path / "a")
    write_sample(tmp_path / "b")
    for path in (tmp_path / "a").rglob("*.dcm"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes()


def test_its_files_are_valid_dicom_of_no_real_person(tmp_path):
    write_sample(tmp_path)
    for folder in ("ct", "mr", "us"):
        path = tmp_path / folder / "0001.dcm"
        assert dciodvfy_errors(path) == []
        assert pydicom.dcmread(path).PatientName == "PHANTOM^LESIONMAP"
