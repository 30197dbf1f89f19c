"""From a sender through the service to an archive, and what a re-send does."""

import json
import threading
import time

import numpy as np
import pydicom
import pytest

from lesionmap.app.service.admission import FRAGMENT, INTERRUPTED
from lesionmap.app.service.jobs import JobBook
from lesionmap.models.core.errors import SettingsError
from tests.service.harness import (
    FakeCommand,
    archive,
    associate,
    running,
    send,
    send_one,
    small_series,
    wait_for,
    wait_idle,
)


def runs(root):
    return FakeCommand(root / "runs.log").runs()


def test_a_series_comes_back_as_results(tmp_path):
    paths = small_series(tmp_path)
    with (
        archive() as pacs,
        running(tmp_path, deliver={"destinations": [pacs.settings()]}) as service,
    ):
        assert send(service.receiver.port, paths) == [0, 0, 0]
        assert wait_idle(service, 1) == {"done": 1}
        (job,) = service.ledger.jobs()
        result = service.spool.folder(job.id) / job.results / "001" / "seg.dcm"
        assert list(pacs.stored.values()) == [1]
        assert result.read_bytes().endswith(*pacs.bytes_of.values())
        assert (len(job.contents), job.sender) == (3, "SENDER")
        assert job.summary == "1 processed, 0 lesions"


def test_what_is_stored_is_what_was_sent_to_the_byte(tmp_path):
    paths = small_series(tmp_path, slices=1)
    with running(tmp_path) as service:
        send(service.receiver.port, paths)
        wait_idle(service, 1)
        (stored,) = (service.spool.folder(1) / "in").iterdir()
        assert pydicom.dcmread(stored) == pydicom.dcmread(paths[0])


def test_a_resend_neither_runs_nor_doubles(tmp_path):
    paths = small_series(tmp_path)
    with (
        archive() as pacs,
        running(tmp_path, deliver={"destinations": [pacs.settings()]}) as service,
    ):
        for count, part in enumerate((paths, paths[::-1], paths[:1]), start=1):
            send(service.receiver.port, part)
            found = wait_idle(service, count)
        assert found == {"done": 1, "duplicate": 2}
        assert list(pacs.stored.values()) == [1]
        assert runs(tmp_path) == 1


def test_another_model_version_runs_again(tmp_path):
    paths = small_series(tmp_path)
    for count, build in enumerate(("old", "new", "new"), start=1):
        with running(tmp_path, build=build) as service:
            send(service.receiver.port, paths)
            wait_idle(service, count)
    assert runs(tmp_path) == 2


def test_late_objects_join_the_series(tmp_path):
    paths = small_series(tmp_path, slices=4)
    with running(tmp_path) as service:
        send(service.receiver.port, paths[:2])
        wait_idle(service, 1)
        send(service.receiver.port, paths[2:])
        assert wait_idle(service, 2) == {"done": 2}
        assert len(service.ledger.job(2).contents) == 4
        assert len(service.spool.names(2)) == 4


def test_of_an_instance_that_was_corrected_the_later_one_counts(tmp_path):
    paths = small_series(tmp_path)

    def correct(_, dataset):
        dataset.PatientID = "T-2"

    corrected = small_series(tmp_path / "again", edit=correct)
    with running(tmp_path) as service:
        send(service.receiver.port, paths)
        wait_idle(service, 1)
        send(service.receiver.port, corrected)
        wait_idle(service, 2)
        assert len(service.spool.names(2)) == 3
        assert not set(service.spool.names(1)) & set(service.spool.names(2))


def test_of_an_instance_that_was_corrected_while_its_series_is_open_the_later_one_counts(tmp_path):
    def correct(_, dataset):
        dataset.PatientID = "T-2"

    paths = small_series(tmp_path)
    corrected = small_series(tmp_path / "again", edit=correct)
    with running(tmp_path, close={"quiet_s": 60}) as service:
        # The middle one is put right twice: what came last counts, though it came before.
        order = [*paths, *corrected, paths[1], corrected[1]]
        assert set(send(service.receiver.port, order)) == {0}
    with running(tmp_path) as service:
        assert wait_idle(service, 1) == {"done": 1}
        inside = service.spool.folder(1) / "in"
        stored = [pydicom.dcmread(path) for path in inside.iterdir()]
        assert [dataset.PatientID for dataset in stored] == ["T-2"] * 3
        assert {path.name for path in inside.iterdir()} == set(service.ledger.job(1).contents)


def test_a_part_of_a_series_that_is_no_longer_kept_is_refused_until_all_came(tmp_path):
    paths = small_series(tmp_path, slices=4)
    with running(tmp_path) as service:
        send(service.receiver.port, paths[:2])
        wait_idle(service, 1)
        service.spool.discard(1)
        send(service.receiver.port, paths[2:3])
        assert wait_idle(service, 2) == {"done": 1, "failed": 1}
        assert FRAGMENT in service.ledger.job(2).reason
        send(service.receiver.port, paths[3:])
        assert wait_idle(service, 3) == {"done": 1, "failed": 1, "superseded": 1}
        send(service.receiver.port, paths)
        assert wait_idle(service, 4) == {"done": 2, "superseded": 2}
        assert len(service.spool.names(4)) == 4


def test_a_study_can_be_waited_for(tmp_path):
    first, second = small_series(tmp_path, "a"), small_series(tmp_path, "b")
    with running(tmp_path, close={"wait_for": "study"}) as service:
        send(service.receiver.port, [*first, *second])
        assert wait_idle(service, 1) == {"done": 1}
        assert len(service.ledger.job(1).contents) == 6


def test_an_announced_count_spares_the_wait(tmp_path):
    def announce(_, dataset):
        dataset.NumberOfSeriesRelatedInstances = 3

    paths = small_series(tmp_path, edit=announce)
    with running(tmp_path, close={"quiet_s": 600}) as service:
        send(service.receiver.port, paths)
        assert wait_idle(service, 1) == {"done": 1}


def test_fewer_objects_than_announced_are_not_taken_for_the_series(tmp_path):
    def announce(_, dataset):
        dataset.NumberOfSeriesRelatedInstances = 4

    paths = small_series(tmp_path, edit=announce)
    with running(tmp_path) as service:
        send(service.receiver.port, paths)
        assert wait_idle(service, 1) == {"failed": 1}
        assert service.ledger.job(1).reason == INTERRUPTED


def test_a_broken_off_series_waits_for_its_retry(tmp_path):
    paths = small_series(tmp_path, slices=4)
    with running(tmp_path, close={"interrupted_s": 60}) as service:
        assoc = associate(service.receiver.port)
        assert [send_one(assoc, path) for path in paths[:2]] == [0, 0]
        assoc.abort()
        send(service.receiver.port, paths[2:])
        assert wait_idle(service, 1) == {"done": 1}
        assert len(service.ledger.job(1).contents) == 4


def test_a_broken_off_series_without_retry_fails_and_can_be_run_on_demand(tmp_path):
    paths = small_series(tmp_path)
    with running(tmp_path) as service:
        assoc = associate(service.receiver.port)
        send_one(assoc, paths[0])
        assoc.abort()
        assert wait_idle(service, 1) == {"failed": 1}
        wait_for((tmp_path / "spool/failed/1/in").is_dir)
        reason = json.loads((tmp_path / "spool/failed/1/reason.json").read_text())
        assert reason == {"code": 11, "reason": INTERRUPTED}
        assert runs(tmp_path) == 0
        assert JobBook(tmp_path / "spool").retry(1) == "queued"
        wait_for(lambda: service.ledger.job(1).state == "done")


def test_a_slow_sender_is_waited_for_while_its_association_lasts(tmp_path):
    paths = small_series(tmp_path, slices=4)
    with running(tmp_path) as service:
        assoc = associate(service.receiver.port)
        for path in paths:
            assert send_one(assoc, path) == 0
            wait_for(lambda: not service.ledger.jobs(), 1)
            pause(service, 0.3)
        assoc.release()
        assert wait_idle(service, 1) == {"done": 1}
        assert len(service.ledger.job(1).contents) == 4


def pause(service, seconds):
    """Let the service be quiet for longer than its quiet time."""
    time.sleep(seconds)
    assert not service.ledger.jobs()


def test_the_next_series_of_an_association_lets_the_last_one_go(tmp_path):
    first, second = small_series(tmp_path, "a"), small_series(tmp_path, "b")
    with running(tmp_path) as service:
        assoc = associate(service.receiver.port)
        for path in [*first, second[0]]:
            send_one(assoc, path)
        assert wait_idle(service, 1) == {"done": 1}
        assoc.release()
        wait_idle(service, 2)


@pytest.mark.parametrize(
    ("mode", "state", "code"), [("skip", "skipped", 10), ("geometry", "failed", 11)]
)
def test_verdicts_end_in_states_with_their_codes(tmp_path, mode, state, code):
    paths = small_series(tmp_path)
    with running(tmp_path, mode) as service:
        send(service.receiver.port, paths)
        assert wait_idle(service, 1) == {state: 1}
        job = service.ledger.job(1)
        assert (job.code, job.attempts, job.reason) == (code, 1, "planted")
        if state == "failed":
            wait_for((tmp_path / "spool/failed/1").is_dir)
        send(service.receiver.port, paths)
        assert wait_idle(service, 2) == {state: 1, "duplicate": 1}


def test_our_own_results_and_other_non_images_are_ignored_with_success(tmp_path):
    paths = small_series(tmp_path, slices=1)
    own = small_series(
        tmp_path,
        "own",
        slices=1,
        edit=lambda _, d: d.update({"Manufacturer": "LesionMAP", "ImageType": ["DERIVED"]}),
    )
    with archive() as pacs:
        parts = {"deliver": {"destinations": [pacs.settings()]}}
        with running(tmp_path, **parts) as service:
            send(service.receiver.port, paths)
            wait_idle(service, 1)
            seg = next((tmp_path / "spool/jobs/1").rglob("seg.dcm"))
            assert send(service.receiver.port, [seg, *own]) == [0, 0]
            assert len(service.ledger.jobs()) == 1
            assert service.open_series == 0


def test_two_senders_of_one_series_make_one_job(tmp_path):
    paths = small_series(tmp_path, slices=12)
    with running(tmp_path) as service:
        answers = []
        threads = [
            threading.Thread(
                target=lambda part=part: answers.extend(send(service.receiver.port, part))
            )
            for part in (paths, paths[::-1])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [0] * 24
        found = wait_idle(service, len(service.ledger.jobs()) or 1)
        assert found["done"] == 1
        assert runs(tmp_path) == 1
        assert len(service.spool.names(1)) == 12


def test_out_of_order_and_mixed_series_are_sorted(tmp_path):
    keys = ("a", "b", "c")
    paths = [path for key in keys for path in small_series(tmp_path, key, slices=10)]
    order = np.random.default_rng(0).permutation(len(paths))
    with running(tmp_path, close={"quiet_s": 2}) as service:
        assert set(send(service.receiver.port, [paths[i] for i in order])) == {0}
        assert wait_idle(service, 3) == {"done": 3}
        assert [len(service.spool.names(number)) for number in (1, 2, 3)] == [10, 10, 10]


def test_jobs_can_be_looked_at_and_only_ended_ones_tried_again(tmp_path):
    with pytest.raises(SettingsError, match="no spool"):
        JobBook(tmp_path)
    with running(tmp_path) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_idle(service, 1)
        send(service.receiver.port, small_series(tmp_path))
        wait_idle(service, 2)
        book = JobBook(tmp_path / "spool")
        job, deliveries, record, folder = book.show(1)
        assert (job.state, deliveries, record.exit_code, folder.name) == ("done", [], 0, "1")
        assert [job.id for job in book.jobs(None, 10)] == [2, 1]
        with pytest.raises(SettingsError, match="duplicate"):
            book.retry(2)
        with pytest.raises(SettingsError, match="no job 3"):
            book.retry(3)
        assert book.retry(1) == "queued"
        wait_for(lambda: service.ledger.job(1).attempts == 1 and runs(tmp_path) == 2)
