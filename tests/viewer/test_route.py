"""What the receiver did not take goes again, as often as is good."""

from collections import Counter
from contextlib import contextmanager

import pydicom
import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt

from lesionmap.operators.dicom.sample import write_sample
from tests.viewer.programs import Orthanc, free_port, wait_until

TAKEN, REFUSED = 0x0000, 0xA900
MOST_FAILURES = 10


@pytest.fixture
def orthanc(tmp_path):
    one = Orthanc(tmp_path / "orthanc", free_port(), free_port(), free_port())
    with one.running():
        yield one


@pytest.fixture
def new_series(tmp_path, orthanc):
    """Return a function that stores a series of one image and returns its UID."""
    write_sample(tmp_path / "sample")
    image = pydicom.dcmread(min((tmp_path / "sample/us").iterdir()))

    def stored(number):
        image.SeriesInstanceUID = f"2.25.{number}"
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}.1"
        image.save_as(tmp_path / "image.dcm")
        orthanc.upload(tmp_path / "image.dcm")
        return image.SeriesInstanceUID

    return stored


@contextmanager
def receiving(orthanc, refused=()):
    """Take every series but the refused ones; yields how often each was offered."""
    offered = Counter()

    def take(event):
        offered[event.dataset.SeriesInstanceUID] += 1
        return REFUSED if event.dataset.SeriesInstanceUID in refused else TAKEN

    entity = AE("LESIONMAP")
    entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(
        ("127.0.0.1", orthanc.receiver_port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)]
    )
    try:
        yield offered
    finally:
        server.shutdown()


def failed_jobs(orthanc):
    return sum(job["State"] == "Failure" for job in orthanc.get("/jobs?expand"))


def test_a_long_absence_of_the_receiver_loses_nothing(orthanc, new_series):
    lost = {new_series(number) for number in range(1, 13)}
    wait_until(lambda: failed_jobs(orthanc) == 12, seconds=60, what="the jobs do not fail")
    with receiving(orthanc) as offered:
        last = new_series(13)
        wait_until(lambda: offered.keys() == lost | {last}, seconds=60, what=f"{offered}")


def test_a_series_that_is_refused_for_good_is_given_up(orthanc, new_series):
    bad = new_series(1)
    with receiving(orthanc, refused=[bad]) as offered:
        for number in range(2, MOST_FAILURES + 4):
            good, failed = new_series(number), failed_jobs(orthanc)
            wait_until(lambda good=good: good in offered, seconds=60, what=f"{offered}")
            if number <= MOST_FAILURES:
                wait_until(
                    lambda failed=failed: failed_jobs(orthanc) > failed, seconds=60, what="no retry"
                )
    assert offered[bad] == MOST_FAILURES
    assert "given up" in (orthanc.folder / "orthanc.log").read_text()
