"""Take jobs from the ledger and run the batch job on each, in a process of its own."""

import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionmap.app.serve_settings import ServeSettings
from lesionmap.app.service.deliveries import Deliveries
from lesionmap.app.service.job import Job, State, backoff
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.logs import audit
from lesionmap.app.service.metrics import Metrics
from lesionmap.app.service.results import read_result, result_files
from lesionmap.app.service.spool import Spool
from lesionmap.app.service.supervisor import End, Limits, supervise
from lesionmap.models.core.errors import ExitCode

logger = logging.getLogger(__name__)

LOG = "job.log"

_LONGEST_BACKOFF_S = 3600
_FINAL = frozenset({ExitCode.GEOMETRY, ExitCode.IDENTITY, ExitCode.PIXELS})
_KILLED = {
    End.TIME: (ExitCode.TIME_LIMIT, "the job exceeded serve.work.time_s"),
    End.MEMORY: (ExitCode.INTERNAL, "the job exceeded serve.work.memory_mib"),
}

JobCommand = Callable[[Path, Path], Sequence[str]]
"""Makes a command line from an input and an output folder."""


@dataclass(frozen=True)
class BatchCommand:
    """The command line of the real job."""

    config: Path
    store: Path

    def __call__(self, source: Path, target: Path) -> list[str]:
        """Return the command line for one input and one output folder."""
        module = "lesionmap.app.service.batch_job"
        folders = ["-i", source, "-o", target, "-m", self.store, "-c", self.config]
        arguments = [os.getpid(), *folders, "-l", "WARNING"]
        return [sys.executable, "-m", module, *map(str, arguments)]


@dataclass(frozen=True)
class Verdict:
    """What an attempt came to."""

    code: int
    reason: str
    summary: str = ""


class Worker:
    """Runs one job at a time."""

    def __init__(
        self,
        settings: ServeSettings,
        spool: Spool,
        ledger: Ledger,
        metrics: Metrics,
        command: JobCommand,
    ) -> None:
        """Work on jobs of ``ledger`` with ``command``."""
        self._settings = settings
        self._spool = spool
        self._ledger = ledger
        self._deliveries = Deliveries(ledger)
        self._metrics = metrics
        self._command = command
        self._unwritten: tuple[Job, Verdict | None] | None = None

    def work(self, stop: threading.Event) -> bool:
        """Run the next due job; False where there is none.

        An end that the ledger could not write comes first: no job stays "running".
        """
        if self._unwritten is None:
            job = self._ledger.claim()
            if job is None:
                return False
            self._unwritten = job, self._attempt(job, stop)
        self._end(*self._unwritten)
        self._unwritten = None
        return True

    def _attempt(self, job: Job, stop: threading.Event) -> Verdict | None:
        try:
            end, status = self._run(job, stop)
        except OSError as error:
            return Verdict(ExitCode.OUTPUT, f"the spool fails ({type(error).__name__})")
        if end is End.STOPPED:
            return None
        return self._judge(self._spool.folder(job.id) / job.results, end, status)

    def _end(self, job: Job, verdict: Verdict | None) -> None:
        if verdict is None:
            back = {"state": State.QUEUED, "attempts": job.attempts - 1}
            self._ledger.move(job.id, [State.RUNNING], **back)
        else:
            self._finish(job, verdict)

    def _run(self, job: Job, stop: threading.Event) -> tuple[End, int]:
        folder = self._spool.folder(job.id)
        target = folder / job.results
        if target.exists():
            shutil.rmtree(target)
        work = self._settings.work
        limits = Limits(work.time_s, work.memory_mib, self._settings.stop_s)
        command = self._command(folder / "in", target)
        with self._metrics.seconds.labels("run").time():
            return supervise(command, folder / LOG, limits, stop)

    def _judge(self, target: Path, end: End, status: int) -> Verdict:
        if end in _KILLED:
            code, reason = _KILLED[end]
            return Verdict(code, reason)
        result = read_result(target)
        if status < 0 or result is None:
            return Verdict(ExitCode.INTERNAL, f"the job was killed or left no receipt ({status})")
        if result.exit_code != status:
            return Verdict(ExitCode.INTERNAL, f"the job ended with {status}, unlike its receipt")
        for series in result.series:
            self._metrics.series.labels(series.verdict).inc()
            for stage, spent_ms in series.timings_ms.items():
                self._metrics.seconds.labels(stage).observe(spent_ms / 1e3)
        return Verdict(status, result.why, result.summary)

    def _finish(self, job: Job, verdict: Verdict) -> None:
        columns = {"code": verdict.code, "reason": verdict.reason, "summary": verdict.summary}
        if verdict.code == ExitCode.DONE:
            destinations = self._owed(job)
            state = State.DELIVERING if destinations else State.DONE
            moved = self._deliveries.owe(job, destinations, **columns)
        else:
            state = self._state_after(job, verdict.code)
            wait_s = backoff(job.attempts, self._settings.work.backoff_s, _LONGEST_BACKOFF_S)
            due = self._ledger.now() + wait_s
            moved = self._ledger.move(job.id, [State.RUNNING], state=state, due=due, **columns)
        self._metrics.attempts.labels(verdict.code).inc()
        if moved:
            self._tell(job, state, verdict)
        else:
            logger.info("job %d was replaced while it ran: its results are not used", job.id)

    def _state_after(self, job: Job, code: int) -> State:
        if code == ExitCode.NO_SERIES:
            return State.SKIPPED
        ended = code in _FINAL or job.attempts >= self._settings.work.attempts
        return State.FAILED if ended else State.QUEUED

    def _owed(self, job: Job) -> list[str]:
        target = self._spool.folder(job.id) / job.results
        names = [item.name for item in self._settings.deliver.destinations]
        return names if result_files(target) else []

    def _tell(self, job: Job, state: State, verdict: Verdict) -> None:
        audit(
            "job ran",
            job=job.id,
            state=state,
            code=verdict.code,
            attempt=job.attempts,
            summary=verdict.summary,
            reason=verdict.reason,
        )
        if state is State.FAILED:
            self._spool.fail(job.id, {"code": verdict.code, "reason": verdict.reason})
        if state in (State.FAILED, State.SKIPPED, State.DONE):
            self._metrics.jobs.labels(state.value, verdict.code).inc()
