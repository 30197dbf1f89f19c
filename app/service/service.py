"""The service: the receiver, and the threads that close, work, deliver and tidy."""

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from functools import partial

from lesionmap.app.serve_settings import ServeSettings
from lesionmap.app.service.admission import Admission
from lesionmap.app.service.delivery import Courier
from lesionmap.app.service.destinations import build_sender
from lesionmap.app.service.intake import Intake
from lesionmap.app.service.janitor import tidy
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.logs import audit
from lesionmap.app.service.loop import Loop
from lesionmap.app.service.metrics import Metrics
from lesionmap.app.service.receiver import Receiver
from lesionmap.app.service.spool import Spool
from lesionmap.app.service.web import WebServer
from lesionmap.app.service.worker import JobCommand, Worker
from lesionmap.app.settings import SOFTWARE_VERSION, Settings
from lesionmap.models.weights.catalog import Catalog

logger = logging.getLogger(__name__)

_TIDY_S = 60
_POLL_S = 1.0
_STALE_S = 60


class Service:
    """Everything between a sender and a destination."""

    def __init__(self, settings: ServeSettings, command: JobCommand, build: str) -> None:
        """Take possession of the spool and go on where an earlier service stopped.

        Args:
            settings: the ``serve:`` part of app.yaml.
            command: the batch job.
            build: stands for models, settings and version.

        Raises:
            SettingsError: another service owns the spool, or a secret or TLS file is missing.
            OutputError: the spool is not writable.
        """
        self.settings = settings
        self.spool = Spool(settings.spool)
        self._lock = self.spool.prepare()
        self.ledger = Ledger(self.spool.database)
        self.metrics = Metrics()
        self._stop = threading.Event()
        admission = Admission(self.spool, self.ledger, settings, build)
        admission.recover()
        self._intake = Intake(settings, self.spool, self.ledger, self.metrics)
        self._loops = self._build_loops(admission, command)
        self.receiver = Receiver(settings.receive, self._intake, self.metrics, self._wake)
        self.metrics.watch(self.gauges)
        self.web = WebServer(settings.web, self)

    def start(self) -> None:
        """Begin to listen, then to work: a port in use costs no job an attempt.

        Raises:
            SettingsError: an address cannot be used.
        """
        self.web.start()
        self.receiver.start()
        for loop in self._loops:
            loop.start()
        if not self.settings.deliver.destinations:
            logger.warning("no destination is set: results stay in the spool")
        audit("ready", dicom_port=self.receiver.port, web_port=self.web.port)

    def stop(self) -> None:
        """Stop listening, let what is under way come to its end for ``stop_s``, then stop it."""
        deadline = time.monotonic() + self.settings.stop_s
        self._stop.set()
        for loop in self._loops:
            loop.stop()
        self.receiver.stop(deadline)
        for loop in self._loops:
            loop.join(deadline + _POLL_S)
        self.web.stop()
        self.ledger.close()
        self._lock.close()
        audit("stopped")

    def problems(self) -> list[str]:
        """Return why the service should not get work now; none if it is ready."""
        now = time.monotonic()
        found = [f"thread {loop.name} ended" for loop in self._loops if not loop.is_alive]
        if now - self._loops[0].beat > _STALE_S:
            found.append("closing is stuck")
        if self.spool.free_mib < self.settings.work.least_free_mib:
            found.append("disk nearly full")
        if self.ledger.queued() >= self.settings.work.most_queued:
            found.append("queue full")
        if not self.receiver.port:
            found.append("not listening")
        return found

    @property
    def open_series(self) -> int:
        """How many series are open."""
        return len(self._intake)

    def gauges(self) -> Mapping[str, Mapping[str, float]]:
        """Return what is measured at each scrape."""
        return {
            "jobs": self.ledger.counts(),
            "open_series": {"": self.open_series},
            "spool_free_mib": {"": self.spool.free_mib},
        }

    def _build_loops(self, admission: Admission, command: JobCommand) -> list[Loop]:
        settings = self.settings

        def close() -> bool:
            if admission.close_ready(self._intake):
                self._wake()
            return False

        pause_s = min(_POLL_S, settings.close.quiet_s / 4)
        loops = [Loop("close", close, pause_s)]
        for number in range(settings.work.workers):
            worker = Worker(settings, self.spool, self.ledger, self.metrics, command)
            loops.append(Loop(f"work-{number + 1}", partial(self._work, worker), _POLL_S))
        for destination in settings.deliver.destinations:
            sender = build_sender(
                destination, settings.receive.ae_title, settings.deliver.timeout_s
            )
            courier = Courier(
                destination.name,
                sender,
                settings.deliver,
                spool=self.spool,
                ledger=self.ledger,
                metrics=self.metrics,
            )
            loops.append(Loop(f"deliver-{destination.name}", courier.deliver, _POLL_S))
        loops.append(Loop("tidy", partial(self._tidy, admission), _TIDY_S))
        return loops

    def _work(self, worker: Worker) -> bool:
        worked = worker.work(self._stop)
        if worked:
            self._wake()
        return worked

    def _tidy(self, admission: Admission) -> None:
        # A retry may have let a job wait again for a destination that is gone.
        admission.abandon()
        tidy(self.settings, self.spool, self.ledger)

    def _wake(self) -> None:
        for loop in self._loops:
            loop.wake()


def build_of(settings: Settings) -> str:
    """Return a name for models, settings and version: the same name, the same results."""
    catalog = Catalog.load().extended(settings.artifacts)
    parts = (
        SOFTWARE_VERSION,
        settings.model_dump_json(exclude={"threads", "serve", "pull"}),
        catalog.model_dump_json(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
