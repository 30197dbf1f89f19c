"""A service with short waits, senders and archives to test it with; all on loopback."""

import os
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
from pynetdicom import AE, StoragePresentationContexts, evt

from lesionmap.app.serve_settings import ServeSettings
from lesionmap.app.service.job import ENDED
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.service import Service
from tests.dicom_series import ramp, write_series

QUIET = 0.15
FAKE_JOB = Path(__file__).with_name("fake_job.py")


def settings(root: Path, **parts: dict) -> ServeSettings:
    """Return settings with short waits, and ports that the system chooses."""
    document = {
        "spool": root / "spool",
        "receive": {"port": 0},
        "close": {"quiet_s": QUIET, "interrupted_s": 2 * QUIET},
        "work": {"least_free_mib": 0, "backoff_s": 0.05, "time_s": 30},
        "deliver": {"backoff_s": 0.05, "longest_backoff_s": 0.2, "timeout_s": 5},
        "web": {"port": 0},
        "stop_s": 10,
    }
    for name, values in parts.items():
        document[name] = document.get(name, {}) | values if isinstance(values, dict) else values
    return ServeSettings.model_validate(document)


@dataclass(frozen=True)
class FakeCommand:
    """The command line of the fake job."""

    log: Path
    mode: str = "ok"

    def __call__(self, source: Path, target: Path) -> list[str]:
        arguments = [FAKE_JOB, os.getpid(), self.mode, self.log, source, target]
        return [sys.executable, "-I", "-S", *map(str, arguments)]

    def runs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


def build_service(root: Path, mode: str = "ok", build: str = "build", **parts: dict) -> Service:
    return Service(settings(root, **parts), FakeCommand(root / "runs.log", mode), build)


@contextmanager
def running(root: Path, mode: str = "ok", **options):
    """Run a service inside this process."""
    service = build_service(root, mode, **options)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def wait_for(condition, timeout_s: float = 60.0, what: str = "") -> None:
    """Look until the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain {what}"
        time.sleep(0.01)


def states(service: Service) -> dict[str, int]:
    return {state: count for state, count in service.ledger.counts().items() if count}


def deliveries(service: Service, outcome: str) -> float:
    """Return how often the archive took, or refused, results."""
    labels = {"destination": "archive", "outcome": outcome}
    return service.metrics.registry.get_sample_value("lesionmap_deliveries_total", labels) or 0


def wait_idle(service: Service, jobs: int, timeout_s: float = 120.0) -> dict[str, int]:
    """Wait until that many jobs exist and all of them ended; return counts by state."""

    def idle() -> bool:
        found = service.ledger.jobs()
        return len(found) == jobs and all(job.state in ENDED for job in found)

    wait_for(idle, timeout_s, f"for {jobs} ended jobs: {service.ledger.counts()}")
    return states(service)


def small_series(folder: Path, key: str = "a", slices: int = 3, **options) -> list[Path]:
    return write_series(folder / key, ramp(slices), key=key, **options)


def associate(port: int, *, called: str = "LESIONMAP", calling: str = "SENDER", **options):
    """Return an association, established or not."""
    entity = AE(ae_title=calling)
    entity.requested_contexts = StoragePresentationContexts
    entity.add_requested_context("1.2.840.10008.1.1")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    return entity.associate("127.0.0.1", port, ae_title=called, **options)


def send(port: int, paths: list[Path], **options) -> list[int | None]:
    """Send files in one association; return the status of each, None where there was none."""
    assoc = associate(port, **options)
    assert assoc.is_established
    try:
        return [send_one(assoc, path) for path in paths]
    finally:
        if assoc.is_established:
            assoc.release()


def send_one(assoc, path: Path) -> int | None:
    try:
        return assoc.send_c_store(pydicom.dcmread(path)).get("Status")
    except RuntimeError:
        return None


@dataclass
class Archive:
    """A destination that counts what it gets; ``answer`` is its status."""

    port: int = 0
    answer: int = 0
    stored: Counter = field(default_factory=Counter)
    bytes_of: dict = field(default_factory=dict)
    die_after: int = -1
    tls: object = None
    _server: object = None

    def start(self) -> "Archive":
        entity = AE(ae_title="ARCHIVE")
        entity.supported_contexts = StoragePresentationContexts
        entity.require_called_aet = True
        self._server = entity.start_server(
            ("127.0.0.1", self.port),
            block=False,
            evt_handlers=[(evt.EVT_C_STORE, self._store)],
            ssl_context=self.tls,
        )
        self.port = self._server.server_address[1]
        return self

    def stop(self) -> None:
        if self._server:
            for assoc in self._server.active_associations:
                assoc.abort()
            self._server.shutdown()
            self._server = None

    def settings(self, name: str = "archive") -> dict:
        return {
            "name": name,
            "dicom": {"ae_title": "ARCHIVE", "address": "127.0.0.1", "port": self.port},
        }

    def _store(self, event) -> int:
        if self.answer == 0:
            uid = str(event.request.AffectedSOPInstanceUID)
            self.stored[uid] += 1
            self.bytes_of[uid] = event.encoded_dataset(include_meta=False)
        if len(self.stored) == self.die_after:
            # As if killed: the object is stored, the answer never comes.
            event.assoc.dul.socket.close()
        return self.answer


@contextmanager
def archive(**options):
    destination = Archive(**options).start()
    try:
        yield destination
    finally:
        destination.stop()


def ledger_of(root: Path) -> Ledger:
    return Ledger(root / "spool" / "jobs.db")
