"""What a sudden end leaves, state by state: the next service goes on, and loses nothing."""

import json
import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lesionmap.app.service.janitor import tidy
from lesionmap.models.core.errors import SettingsError
from tests.service.harness import (
    build_service,
    running,
    send,
    small_series,
    wait_for,
    wait_idle,
)


@contextmanager
def listening(root: Path, **options):
    """A service that takes objects, and whose end leaves everything as it is."""
    service = build_service(root, **options)
    service.receiver.start()
    try:
        yield service
    finally:
        service.receiver.stop(time.monotonic() + 5)
        service.ledger.close()
        service._lock.close()


def test_an_object_that_came_between_closing_and_the_end_joins_its_series(tmp_path):
    paths = small_series(tmp_path, slices=4)
    with listening(tmp_path) as service:
        send(service.receiver.port, paths[:2])
        (key,) = service.spool.open_keys()
        service._intake.close(key)
        send(service.receiver.port, paths[2:])
    with running(tmp_path) as service:
        wait_idle(service, 2)
        assert service.ledger.job(2).state == "done"
        assert len(service.spool.names(2)) == 4


def test_a_port_in_use_costs_no_job_an_attempt(tmp_path):
    with listening(tmp_path) as service:
        send(service.receiver.port, small_series(tmp_path))
        (key,) = service.spool.open_keys()
        service._intake.close(key)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = build_service(tmp_path, receive={"port": taken.getsockname()[1]})
        with pytest.raises(SettingsError, match="cannot listen"):
            service.start()
        time.sleep(0.3)
        job = service.ledger.job(1)
        service.stop()
    assert (job.state, job.attempts) == ("queued", 0)


def test_a_failed_job_whose_folder_was_not_moved_yet_is_moved(tmp_path):
    with running(tmp_path, "geometry") as service:
        service.spool.fail = lambda *_: None  # what a sudden end leaves
        send(service.receiver.port, small_series(tmp_path))
        assert wait_idle(service, 1) == {"failed": 1}
    with running(tmp_path):
        reason = json.loads((tmp_path / "spool/failed/1/reason.json").read_text())
    assert reason == {"code": 11, "reason": "planted"}


def test_without_a_destination_results_stay_and_images_go_after_their_time(tmp_path):
    with running(tmp_path) as service:
        send(service.receiver.port, small_series(tmp_path))
        wait_idle(service, 1)
        tidy(service.settings, service.spool, service.ledger)
        assert len(service.spool.names(1)) == 3
    with running(tmp_path, keep={"done_h": 0}) as service:
        wait_for(lambda: service.spool.names(1) == [])
        assert (service.spool.folder(1) / "run-1/001/seg.dcm").is_file()
