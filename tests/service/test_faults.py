"""What goes wrong between a sender and an archive: nothing is lost, nothing comes twice."""

import errno
import math
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from lesionmap.app.service.admission import INTERRUPTED
from lesionmap.app.service.deliveries import Deliveries
from lesionmap.app.service.job import State
from lesionmap.app.service.jobs import JobBook
from tests.service.harness import (
    Archive,
    FakeCommand,
    archive,
    associate,
    deliveries,
    running,
    send,
    send_one,
    small_series,
    states,
    wait_for,
    wait_idle,
)

FULL, SUCCESS = 0xA700, 0


def runs(root):
    return FakeCommand(root / "runs.log").runs()


def to(*destinations, **more):
    return {"deliver": {"destinations": list(destinations)} | more}


def test_a_killed_worker_is_tried_again(tmp_path):
    with archive() as pacs, running(tmp_path, "crash-once", **to(pacs.settings())) as service:
        send(service.receiver.port, small_series(tmp_path))
        assert wait_idle(service, 1) == {"done": 1}
        assert list(pacs.stored.values()) == [1]
        assert runs(tmp_path) == 2


def test_a_poisoned_study_costs_its_attempts_and_not_the_service(tmp_path):
    with running(tmp_path, "crash") as service:
        send(service.receiver.port, small_series(tmp_path))
        assert wait_idle(service, 1) == {"failed": 1}
        job = service.ledger.job(1)
        assert (job.code, job.attempts, runs(tmp_path)) == (50, 3, 3)
        wait_for((tmp_path / "spool/failed/1/reason.json").is_file)
        assert len(list((tmp_path / "spool/failed/1/in").iterdir())) == 3
        assert service.problems() == []


@pytest.mark.parametrize(
    ("mode", "work", "code", "reason"),
    [
        ("hang", {"time_s": 0.5, "attempts": 1}, 40, "time_s"),
        ("eat", {"memory_mib": 200, "attempts": 1}, 50, "memory_mib"),
        ("full", {"attempts": 2}, 30, "planted"),
    ],
)
def test_limits_end_a_job(tmp_path, mode, work, code, reason):
    with running(tmp_path, mode, work=work) as service:
        send(service.receiver.port, small_series(tmp_path))
        assert wait_idle(service, 1) == {"failed": 1}
        job = service.ledger.job(1)
        assert (job.code, job.attempts) == (code, work["attempts"])
        assert reason in job.reason


def test_an_archive_that_dies_during_the_return_gets_everything_later(tmp_path):
    with archive(die_after=1) as pacs, running(tmp_path, **to(pacs.settings())) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_for(lambda: pacs.stored, what="for the first result")
        pacs.stop()
        pacs.die_after = -1
        wait_for(lambda: deliveries(service, "refused") >= 2)
        pacs.start()
        assert wait_idle(service, 1) == {"done": 1}
        assert len(pacs.stored) == 1
        assert runs(tmp_path) == 1


def test_an_archive_that_is_down_is_waited_for_and_does_not_hold_up_others(tmp_path):
    down = Archive().start()
    down.stop()
    with archive() as up:
        destinations = (down.settings("down"), up.settings("up"))
        with running(tmp_path, **to(*destinations)) as service:
            send(service.receiver.port, small_series(tmp_path))
            wait_for(lambda: up.stored)
            assert states(service) == {"delivering": 1}
            down.start()
            assert wait_idle(service, 1) == {"done": 1}
            assert up.stored == down.stored
            down.stop()


def test_an_archive_that_refuses_ends_in_failed_and_a_retry_only_sends(tmp_path):
    with archive(answer=FULL) as pacs:
        with running(tmp_path, **to(pacs.settings(), attempts=2)) as service:
            send(service.receiver.port, small_series(tmp_path))
            assert wait_idle(service, 1) == {"failed": 1}
            assert "archive did not take the results: refused with status 0xA700" in (
                service.ledger.job(1).reason
            )
            pacs.answer = SUCCESS
            wait_for((tmp_path / "spool/failed/1/reason.json").is_file)
            assert JobBook(tmp_path / "spool").retry(1) == "delivering"
            wait_for(lambda: states(service) == {"done": 1})
            job = service.ledger.job(1)
            assert (job.code, job.reason) == (0, "")
        assert list(pacs.stored.values()) == [1]
        assert runs(tmp_path) == 1


def test_damaged_results_are_made_again_and_not_sent(tmp_path):
    down = Archive().start()
    down.stop()
    with running(tmp_path, **to(down.settings())) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_for(lambda: states(service) == {"delivering": 1})
        next((tmp_path / "spool/jobs/1").rglob("seg.dcm")).write_bytes(b"")
        down.start()
        wait_for(lambda: states(service) == {"done": 1})
        assert list(down.stored.values()) == [1]
        assert b"" not in down.bytes_of.values()
        down.stop()


class _Full:
    """Makes the disk full for what a test says."""

    def __init__(self, monkeypatch):
        self.on = False
        whole = os.fsync

        def fsync(descriptor):
            if self.on:
                raise OSError(errno.ENOSPC, "planted")
            whole(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)


def test_a_full_disk_is_answered_with_a700_and_leaves_nothing(tmp_path, monkeypatch):
    disk = _Full(monkeypatch)
    paths = small_series(tmp_path)
    with running(tmp_path) as service:
        disk.on = True
        assert send(service.receiver.port, paths) == [FULL] * 3
        assert list((tmp_path / "spool/partial").iterdir()) == []
        assert list((tmp_path / "spool/incoming").iterdir()) == []
        disk.on = False
        assert send(service.receiver.port, paths) == [SUCCESS] * 3
        assert wait_idle(service, 1) == {"done": 1}


def test_a_ledger_that_cannot_write_is_answered_with_a700(tmp_path, monkeypatch):
    paths = small_series(tmp_path)
    with running(tmp_path) as service:

        def refuse(_):
            raise sqlite3.OperationalError("disk I/O error")

        assoc = associate(service.receiver.port)
        with monkeypatch.context() as patch:
            patch.setattr(service.ledger, "note_open", refuse)
            assert [send_one(assoc, paths[0]) for _ in range(3)] == [FULL] * 3
            held = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
            incoming = str(tmp_path / "spool/incoming")
            assert not [path for path in held if os.path.realpath(path).startswith(incoming)]
        assert [send_one(assoc, path) for path in paths] == [SUCCESS] * 3
        (standing,) = service.ledger.open_series().values()
        assert standing.sender == "SENDER"
        assoc.release()
        assert wait_idle(service, 1) == {"done": 1}


@pytest.mark.parametrize("cause", [errno.ENOSPC, errno.EIO, "overload", "unknown load"])
def test_a_series_with_refused_objects_fails_until_they_came(tmp_path, monkeypatch, cause):
    paths = small_series(tmp_path, slices=5)

    def fail(*_):
        raise OSError(cause, "planted") if isinstance(cause, int) else sqlite3.Error

    with running(tmp_path) as service:
        assoc = associate(service.receiver.port)
        assert [send_one(assoc, path) for path in paths[:3]] == [SUCCESS] * 3
        with monkeypatch.context() as patch:
            if cause == "overload":
                patch.setattr(service.ledger, "queued", lambda: 1 << 30)
            elif cause == "unknown load":
                patch.setattr(service.ledger, "queued", fail)
            else:
                patch.setattr(service.spool, "write_partial", fail)
            answer = 0x0110 if cause == errno.EIO else FULL
            assert [send_one(assoc, path) for path in paths[3:]] == [answer] * 2
        assoc.release()
        assert wait_idle(service, 1) == {"failed": 1}
        assert service.ledger.job(1).reason == INTERRUPTED
        assert send(service.receiver.port, paths[3:]) == [SUCCESS] * 2
        assert wait_idle(service, 2) == {"superseded": 1, "done": 1}
        assert len(service.spool.names(2)) == 5


@pytest.mark.parametrize("work", [{"least_free_mib": 1 << 40}, {"most_queued": 1}])
def test_back_pressure_is_answered_with_a700(tmp_path, work):
    with running(tmp_path, "hang", work=work, stop_s=0.1) as service:
        if "most_queued" in work:
            for key in ("a", "b"):
                send(service.receiver.port, small_series(tmp_path, key))
                wait_for(lambda: service.open_series == 0)
            wait_for(lambda: states(service) == {"running": 1, "queued": 1})
        assert send(service.receiver.port, small_series(tmp_path, "c")) == [FULL] * 3
        assert len(service.problems()) == 1


def test_a_restart_goes_on_with_open_queued_running_and_owed(tmp_path):
    down = Archive().start()
    down.stop()
    parts = to(down.settings())
    with running(tmp_path, **parts) as service:
        send(service.receiver.port, small_series(tmp_path, "owed"))
        wait_for(lambda: states(service) == {"delivering": 1})
    with running(tmp_path, "hang", **parts, stop_s=0.1) as service:
        send(service.receiver.port, small_series(tmp_path, "running"))
        wait_for(lambda: states(service) == {"delivering": 1, "running": 1})
        send(service.receiver.port, small_series(tmp_path, "queued"))
        wait_for(lambda: states(service).get("queued"))
    with running(tmp_path, **parts, close={"quiet_s": 60}, work={"workers": 2}) as service:
        send(service.receiver.port, small_series(tmp_path, "open"))
        assert service.open_series == 1
    down.start()
    with running(tmp_path, **parts) as service:
        assert wait_idle(service, 4) == {"done": 4}
    assert list(down.stored.values()) == [1] * 4
    down.stop()


def test_an_object_is_acknowledged_only_when_file_and_folder_are_on_disk(tmp_path, monkeypatch):
    events = []
    lock = threading.Lock()
    whole_sync, whole_replace = os.fsync, type(tmp_path).replace

    def fsync(descriptor):
        with lock:
            events.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().parent.name}")
        whole_sync(descriptor)

    def replace(self, target):
        with lock:
            events.append("rename")
        return whole_replace(self, target)

    paths = small_series(tmp_path, slices=1)
    with running(tmp_path, close={"quiet_s": 60}) as service:
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(type(tmp_path), "replace", replace)
        assert send(service.receiver.port, paths) == [SUCCESS]
        # The object, the folder of the series in its parent, the name, the series' folder.
        assert events == ["sync partial", "sync spool", "rename", "sync incoming"]
        monkeypatch.undo()


def test_a_study_that_takes_the_service_down_each_time_is_given_up(tmp_path):
    with running(tmp_path, "hang", stop_s=0.1) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_for(lambda: states(service) == {"running": 1})
    with running(tmp_path, "hang", stop_s=0.1, work={"attempts": 1}) as service:
        wait_for(lambda: states(service) == {"running": 1})
        service.ledger.move = lambda *_, **__: False  # what a sudden end leaves
    with running(tmp_path, work={"attempts": 1}) as service:
        assert states(service) == {"failed": 1}
        assert service.ledger.job(1).code == 50
        assert (tmp_path / "spool/failed/1/reason.json").is_file()


def test_a_series_that_cannot_be_closed_yet_is_closed_later(tmp_path, monkeypatch):
    with running(tmp_path) as service:
        whole, calls = service.spool.close, []

        def refuse_once(key, job):
            calls.append(job)
            if len(calls) == 1:
                raise OSError(errno.ENOSPC, "planted")
            whole(key, job)

        monkeypatch.setattr(service.spool, "close", refuse_once)
        send(service.receiver.port, small_series(tmp_path))
        assert wait_idle(service, 2) == {"done": 1, "superseded": 1}
        assert len(service.spool.names(2)) == 3


def test_a_job_whose_end_the_ledger_could_not_write_ends_later(tmp_path, monkeypatch):
    with running(tmp_path) as service:
        whole, refused = service.ledger.change, []

        def refuse_twice(rows, job, sources, **columns):
            if State.RUNNING in sources and len(refused) < 2:
                refused.append(job)
                raise sqlite3.OperationalError("database or disk is full")
            return whole(rows, job, sources, **columns)

        monkeypatch.setattr(service.ledger, "change", refuse_twice)
        send(service.receiver.port, small_series(tmp_path))
        assert wait_idle(service, 1) == {"done": 1}
        assert (len(refused), runs(tmp_path)) == (2, 1)


def test_a_destination_that_gives_up_does_not_keep_results_from_another(tmp_path):
    slow = Archive().start()
    slow.stop()
    with archive(answer=FULL) as pacs:
        parts = to(pacs.settings(), slow.settings("slow"), attempts=1000)
        with running(tmp_path, **parts) as service:
            send(service.receiver.port, small_series(tmp_path))
            wait_for(lambda: deliveries(service, "refused") >= 1)
            with service.ledger.transaction() as rows:
                rows.execute("UPDATE deliveries SET attempts = 999 WHERE destination = 'archive'")
            wait_for(lambda: Deliveries(service.ledger).of(1)[0].due == math.inf)
            assert states(service) == {"delivering": 1}
            slow.start()
            assert wait_idle(service, 1) == {"failed": 1}
            assert list(slow.stored.values()) == [1]
            assert [item.sent for item in Deliveries(service.ledger).of(1)] == [False, True]
            wait_for((tmp_path / "spool/failed/1/reason.json").is_file)
    slow.stop()


def test_what_is_owed_to_a_destination_that_is_gone_ends_in_failed(tmp_path, caplog):
    caplog.set_level("INFO", "lesionmap.audit")
    down = Archive().start()
    down.stop()
    with running(tmp_path, **to(down.settings("old"))) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_for(lambda: states(service) == {"delivering": 1})
    caplog.clear()
    with running(tmp_path, **to(down.settings("new"))) as service:
        job = service.ledger.job(1)
        assert (job.state, job.code) == ("failed", 30)
        assert job.reason == "old did not take the results: it is no longer a destination"
        assert (tmp_path / "spool/failed/1/reason.json").is_file()
    (line,) = (item for item in caplog.records if item.message == "results not sent")
    assert line.fields["destination"] == "old"
