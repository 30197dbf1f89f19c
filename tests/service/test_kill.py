"""kill -9 of the service: every acknowledged object is there once, every series once."""

from pathlib import Path

from tests.service.harness import small_series, wait_for
from tests.service.killing import Killable, send_surely, storm


def test_the_service_is_killed_while_series_come(tmp_path):
    storm(tmp_path, count=3, kills=1)


def test_a_job_does_not_outlive_its_service(tmp_path):
    with Killable(tmp_path, mode="hang") as service:
        send_surely(service, small_series(tmp_path))
        wait_for((tmp_path / "runs.log").exists, what="for the job")
        children = _children(service.pid)
        assert len(children) == 1
        service.kill()
        wait_for(lambda: not Path(f"/proc/{children[0]}").exists(), what="for its end")


def _children(pid):
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for path in lists for child in path.read_text().split()]
