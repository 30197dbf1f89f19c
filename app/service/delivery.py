"""Bring results to their destinations: each has a thread and a patience of its own."""

import logging
import math
import time
from pathlib import Path

from lesionmap.app.serve_settings import DeliverSettings
from lesionmap.app.service.deliveries import Deliveries
from lesionmap.app.service.destinations import DeliveryError, Sender
from lesionmap.app.service.job import Delivery, Job, State, backoff
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.logs import audit
from lesionmap.app.service.metrics import Metrics
from lesionmap.app.service.results import result_files
from lesionmap.app.service.spool import Spool
from lesionmap.models.weights.catalog import sha256_of
from lesionmap.operators.dicom.scan import UNREADABLE

logger = logging.getLogger(__name__)


class Courier:
    """Delivers to one destination."""

    def __init__(
        self,
        name: str,
        sender: Sender,
        settings: DeliverSettings,
        *,
        spool: Spool,
        ledger: Ledger,
        metrics: Metrics,
    ) -> None:
        """Deliver what ``ledger`` owes to the destination ``name``."""
        self._name = name
        self._sender = sender
        self._settings = settings
        self._spool = spool
        self._ledger = ledger
        self._deliveries = Deliveries(ledger)
        self._metrics = metrics

    def deliver(self) -> bool:
        """Hand over the next due result; False where there is none."""
        delivery = self._deliveries.due(self._name)
        if delivery is None:
            return False
        job = self._ledger.job(delivery.job)
        files = result_files(self._spool.folder(job.id) / job.results)
        if not files or any(not _is_whole(path, digest) for path, digest in files.items()):
            # A power cut can lose what was not on the disk yet: the job makes it again.
            self._ledger.move(job.id, [State.DELIVERING], state=State.QUEUED, attempts=0, due=0)
            return True
        self._hand_over(job, delivery, sorted(files))
        return True

    def _hand_over(self, job: Job, delivery: Delivery, paths: list[Path]) -> None:
        began = time.monotonic()
        try:
            self._sender.send(paths)
        except (DeliveryError, *UNREADABLE) as error:
            self._metrics.deliveries.labels(self._name, "refused").inc()
            known = isinstance(error, DeliveryError)
            self._refused(job, delivery, str(error) if known else type(error).__name__)
            return
        ended = self._deliveries.sent(delivery)
        self._metrics.deliveries.labels(self._name, "sent").inc()
        self._metrics.seconds.labels("deliver").observe(time.monotonic() - began)
        audit("results sent", job=job.id, destination=self._name, objects=len(paths))
        if ended:
            self._end(job.id)

    def _refused(self, job: Job, delivery: Delivery, reason: str) -> None:
        attempt = delivery.attempts + 1
        settings = self._settings
        audit(
            "results not sent",
            job=job.id,
            destination=self._name,
            attempt=attempt,
            reason=reason,
        )
        wait_s = backoff(attempt, settings.backoff_s, settings.longest_backoff_s)
        given_up = attempt >= settings.attempts
        if self._deliveries.postpone(delivery, math.inf if given_up else wait_s, reason):
            self._end(job.id)

    def _end(self, identifier: int) -> None:
        job = self._ledger.job(identifier)
        if job.state is State.FAILED:
            self._spool.fail(job.id, {"code": job.code, "reason": job.reason})
        self._metrics.jobs.labels(job.state.value, job.code).inc()


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
