"""Modality → Orthanc → LesionMAP → Orthanc → OHIF, with the shipped models and recipes."""

import pydicom
import pytest
import requests

from lesionmap.operators.dicom.sample import write_sample
from tests.viewer.conftest import SCREENSHOTS
from tests.viewer.drawn import Result, long_axes
from tests.viewer.programs import Orthanc, free_port, serving_lesionmap, serving_ohif, wait_until
from tests.viewer.test_ohif import check_every_slice, check_lines

SERIES = 3
WITHIN_S = 180


def results_are_back(orthanc):
    return all(len(orthanc.instance_uids(kind)) >= SERIES for kind in ("SEG", "SR"))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Orthanc, LesionMAP and OHIF, and the sample study on its way through them."""
    folder = tmp_path_factory.mktemp("hospital")
    orthanc = Orthanc(folder / "orthanc", free_port(), free_port(), free_port())
    write_sample(folder / "sample")
    with (
        orthanc.running(),
        serving_lesionmap(folder / "lesionmap", orthanc),
        serving_ohif(folder / "ohif", orthanc) as url,
    ):
        orthanc.send(folder / "sample")
        wait_until(lambda: results_are_back(orthanc), seconds=WITHIN_S, what=f"see {folder}")
        yield orthanc, url, folder


@pytest.fixture(scope="module")
def results(hospital):
    """The results as the archive has them, by modality of their images."""
    orthanc, _, folder = hospital
    found = {}
    for path in orthanc.download("SEG", folder / "results"):
        result = Result.read(path, folder / "sample")
        found[result.modality] = result
    return found


def test_results_come_back_once_into_the_study_of_their_images(hospital):
    orthanc = hospital[0]
    assert len(orthanc.get("/studies")) == 1
    check_each_once(orthanc)


def check_each_once(orthanc):
    for kind in ("SEG", "SR"):
        uids = orthanc.instance_uids(kind)
        assert len(uids) == len(set(uids)) == SERIES


def test_results_are_not_routed_again(hospital):
    assert job_states(hospital[0]) == ["Success"] * SERIES


def job_states(orthanc):
    jobs = orthanc.get("/jobs?expand")
    return [job["State"] for job in jobs if job["Type"] == "DicomModalityStore"]


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_link_opens_the_study_with_its_lesions_in_place(modality, hospital, results, open_page):
    result, view = results[modality], open_page(hospital[1])
    view.open(result.header.StudyInstanceUID, result.header.SeriesInstanceUID)
    segments = view.wait_for_segments()
    assert segments == [str(item.SegmentLabel) for item in result.header.SegmentSequence]
    for number in range(1, len(segments) + 1):
        shown = view.jump_to_segment(number)
        view.screenshot(SCREENSHOTS / f"loop-{modality}-{number}.png")
        assert (result.labels()[shown] == number).any()
    check_every_slice(view, result)
    assert view.errors == []
    if modality == "CT":
        picture_for_the_readme(view)


def picture_for_the_readme(view):
    view.page.set_viewport_size({"width": 1400, "height": 800})
    view.open_panel()
    view.jump_to_segment(1)
    view.page.wait_for_timeout(1000)
    view.screenshot(SCREENSHOTS / "ohif.png")


def test_ohif_shows_no_seg_of_images_without_a_place(hospital, results, open_page):
    """It wants pixel measures, which an ultrasound image does not have. The report is drawn."""
    header, view = results["US"].header, open_page(hospital[1])
    # Where this waits in vain, OHIF has learned it: mend docs/viewer.md.
    with view.page.expect_console_message(lambda message: "PixelMeasures" in message.text):
        view.open(header.StudyInstanceUID, header.SeriesInstanceUID)


@pytest.mark.parametrize("modality", ["CT", "MR", "US"])
def test_the_report_draws_the_long_axis(modality, hospital, results, open_page):
    orthanc, url, folder = hospital
    result, view = results[modality], open_page(url)
    reports = [pydicom.dcmread(path) for path in orthanc.download("SR", folder / "reports")]
    mine = [item for item in reports if refers_to(item, result.header.SOPInstanceUID)]
    assert len(mine) == 1
    view.open(mine[0].StudyInstanceUID, mine[0].SeriesInstanceUID)
    check_lines(view, long_axes(mine[0], result.slices))
    view.screenshot(SCREENSHOTS / f"loop-report-{modality}.png")
    assert view.errors == []


def refers_to(report, sop_instance_uid):
    return any(
        str(item.ReferencedSOPInstanceUID) == sop_instance_uid
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    )


def test_dicomweb_is_read_only_through_the_viewer(hospital):
    url = hospital[1]
    assert requests.get(f"{url}/dicom-web/studies", timeout=30).ok
    assert requests.post(f"{url}/dicom-web/studies", data=b"", timeout=30).status_code == 403
    for path in ("/studies", "/jobs", "/tools"):
        assert "html" in requests.get(f"{url}{path}", timeout=30).headers["Content-Type"]


def test_what_found_no_receiver_is_routed_again_with_the_next_series(tmp_path):
    orthanc = Orthanc(tmp_path / "orthanc", free_port(), free_port(), free_port())
    write_sample(tmp_path / "sample")
    with orthanc.running():
        orthanc.send(tmp_path / "sample/us")
        wait_until(lambda: job_states(orthanc) == ["Failure"], seconds=60, what="no failed job")
        with serving_lesionmap(tmp_path / "lesionmap", orthanc):
            orthanc.send(tmp_path / "sample/mr")
            wait_until(
                lambda: len(orthanc.instance_uids("SEG")) == 2,
                seconds=WITHIN_S,
                what=f"jobs {job_states(orthanc)}, see {tmp_path}",
            )


def test_results_survive_a_killed_archive(tmp_path):
    """Orthanc dies while results come back: none is lost, and none is there twice."""
    orthanc = Orthanc(tmp_path / "orthanc", free_port(), free_port(), free_port())
    images = write_sample(tmp_path / "sample")
    with serving_lesionmap(tmp_path / "lesionmap", orthanc):
        with orthanc.running() as process:
            orthanc.send(tmp_path / "sample")
            wait_until(lambda: orthanc.instance_uids("SEG"), seconds=WITHIN_S, what="no result")
            process.kill()
            process.wait()
        with orthanc.running():
            wait_until(lambda: results_are_back(orthanc), seconds=WITHIN_S, what=f"see {tmp_path}")
            check_each_once(orthanc)
            assert orthanc.get("/statistics")["CountInstances"] == images + 2 * SERIES
