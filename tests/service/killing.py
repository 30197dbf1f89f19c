"""A service that is killed at random moments, and the count of what is lost or doubled."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.service.harness import (
    archive,
    associate,
    ledger_of,
    send_one,
    small_series,
    wait_for,
)

BUSY = ("closing", "queued", "running", "delivering")


class Killable:
    """A service in a process of its own, restarted as often as it is killed."""

    def __init__(self, root, **parts):
        self.root, self.parts = root, parts
        self.kills = 0
        self._child = None
        self._lock = threading.Lock()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()

    def start(self):
        port = self.root / "port"
        port.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.service.run_service", str(self.root)]
        with (self.root / "service.log").open("ab") as log:
            self._child = subprocess.Popen([*command, json.dumps(self.parts)], stderr=log)
        wait_for(port.exists, what="for the service")
        return self

    @property
    def pid(self):
        return self._child.pid

    @property
    def port(self):
        return int((self.root / "port").read_text())

    def kill(self):
        with self._lock:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self.kills += 1
            self.start()

    def stop(self):
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(60)


def send_surely(service, paths):
    """Send as an archive does: all again until an association took all and ended well."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            assoc = associate(service.port)
        except FileNotFoundError:
            assoc = None
        if assoc and assoc.is_established:
            answers = []
            for path in paths:
                answers.append(send_one(assoc, path))
                if answers[-1] is None:
                    break
            if answers == [0] * len(paths) and assoc.is_established:
                assoc.release()
                if assoc.is_released:
                    return
        time.sleep(0.05)
    raise AssertionError("could not be sent")


def send_all(service, series):
    for paths in series:
        send_surely(service, paths)


def check(root, pacs, series):
    """Count what is lost and what is doubled."""
    ledger = ledger_of(root)
    wait_for(lambda: len(pacs.stored) >= len(series), 300, f"for results {ledger.counts()}")
    wait_for(lambda: not sum(ledger.counts()[state] for state in BUSY), 120)
    counted = [job for job in ledger.jobs() if job.state not in ("duplicate", "superseded")]
    lost = len(series) - len({job.key for job in counted if job.state == "done"})
    objects = {name for job in counted for name in job.contents}
    doubled = len(pacs.stored) - len(series)
    assert (lost, doubled) == (0, 0), f"{lost} lost, {doubled} doubled"
    assert len(objects) == sum(map(len, series))
    assert len({job.key for job in counted}) == len(counted), "a series has two jobs"
    ledger.close()


def storm(root, count, kills, slices=3):
    """Send series while the service is killed at random moments."""
    series = [small_series(root, f"s{number}", slices=slices) for number in range(count)]
    dice = random.Random(7)
    parts = {
        "close": {"quiet_s": 0.3, "interrupted_s": 600},
        "work": {"attempts": 100},
    }
    with (
        archive() as pacs,
        Killable(root, deliver={"destinations": [pacs.settings()]}, **parts) as service,
        ThreadPoolExecutor(1) as pool,
    ):
        sent = pool.submit(send_all, service, series)
        for _ in range(kills):
            time.sleep(dice.uniform(0.1, 1.5))
            service.kill()
        sent.result()
        check(root, pacs, series)
        assert service.stop() == 0
    assert service.kills == kills
