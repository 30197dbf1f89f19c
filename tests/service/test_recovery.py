"""What a sudden end leaves, state by state: the next service goes on, and loses nothing."""

import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from lesionmap.models.core.errors import SettingsError
from tests.service.harness import (
    build_service,
    running,
    send,
    small_series,
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
