"""Turn closed series into jobs: known ones end here, later parts join earlier ones."""

from collections.abc import Collection
from dataclasses import dataclass

from lesionmap.app.serve_settings import ServeSettings
from lesionmap.app.service.arrivals import Closing
from lesionmap.app.service.deliveries import GONE, Deliveries
from lesionmap.app.service.intake import Intake
from lesionmap.app.service.job import Job, State
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.logs import audit
from lesionmap.app.service.spool import Spool, instance_of
from lesionmap.models.core.errors import ExitCode

INTERRUPTED = (
    "the sender broke off, or sent fewer objects than announced, and did not send again: "
    "the series may be incomplete"
)
FRAGMENT = "part of a series that came before and is no longer kept: send the whole series again"

FATAL = "each time this job ran, the service or its machine came to a sudden end"

_REFUSALS = frozenset({ExitCode.GEOMETRY, ExitCode.IDENTITY, ExitCode.PIXELS})
_REPLACEABLE = (State.QUEUED, State.RUNNING, State.FAILED, State.SKIPPED)


@dataclass(frozen=True)
class Admission:
    """Decides what becomes of a closed series.

    ``build`` stands for models, settings and version: what was done with another
    build is done again.
    """

    spool: Spool
    ledger: Ledger
    settings: ServeSettings
    build: str

    def close_ready(self, intake: Intake) -> int:
        """Close what is complete or given up; return how many jobs that made."""
        for key, closing in intake.ready():
            refuse = closing is Closing.INTERRUPTED and self.settings.close.interrupted == "refuse"
            intake.close(key, INTERRUPTED if refuse else "")
        closed = self.ledger.jobs([State.CLOSING])
        for job in reversed(closed):
            self.settle(job)
        return len(closed)

    def recover(self) -> None:
        """Go on with what an earlier service was closing or running."""
        for job in reversed(self.ledger.jobs([State.CLOSING])):
            self.spool.close(job.key, job.id)
            self.settle(job)
        for job in self.ledger.jobs([State.RUNNING]):
            if job.attempts < self.settings.work.attempts:
                self.ledger.move(job.id, [State.RUNNING], state=State.QUEUED, due=0)
            else:
                self._give_up(job)
        self.abandon()

    def abandon(self) -> None:
        """Fail jobs whose results nobody waits for: their destinations are no longer set."""
        known = {item.name for item in self.settings.deliver.destinations}
        for lost in Deliveries(self.ledger).abandon(known):
            audit("results not sent", job=lost.job, destination=lost.destination, reason=GONE)
            job = self.ledger.job(lost.job)
            if job.state is State.FAILED:
                self.spool.fail(job.id, {"code": job.code, "reason": job.reason})

    def settle(self, job: Job) -> None:
        """Give a job in the state "closing" its next state."""
        names = frozenset(self.spool.names(job.id))
        earlier = self.ledger.earlier(job)
        if not names:
            self.ledger.move(job.id, [State.CLOSING], state=State.SUPERSEDED)
        elif earlier is None:
            self._open(job, names, job.reason)
        elif names <= earlier.contents and self._is_answered(earlier):
            self._drop(job, names, earlier)
        else:
            self._follow(job, names, earlier)

    def _is_answered(self, earlier: Job) -> bool:
        """Whether the same objects need no other run: it is done, under way, or would refuse."""
        if earlier.build != self.build:
            return False
        refused = earlier.attempts > 0 and earlier.code in _REFUSALS
        return earlier.state is not State.FAILED or refused

    def _follow(self, job: Job, names: frozenset[str], earlier: Job) -> None:
        """Add what came before; where an instance came twice, the later one counts."""
        new = _instances(names)
        lacking = {name for name in earlier.contents if instance_of(name) not in new}
        kept = lacking & set(self.spool.names(earlier.id))
        self.spool.link(earlier.id, job.id, sorted(kept))
        self.ledger.move(earlier.id, _REPLACEABLE, state=State.SUPERSEDED)
        # Contents also name what is lost, so that the next part does not pass for the whole.
        self._open(job, names | lacking, FRAGMENT if lacking - kept else job.reason)

    def _open(self, job: Job, names: Collection[str], reason: str) -> None:
        state = State.FAILED if reason else State.QUEUED
        code = ExitCode.GEOMETRY if reason else ExitCode.DONE
        self.ledger.move(
            job.id,
            [State.CLOSING],
            state=state,
            contents=" ".join(sorted(names)),
            build=self.build,
            code=int(code),
            reason=reason,
        )
        audit("closed", job=job.id, state=state, objects=len(names), sender=job.sender)
        if reason:
            self.spool.fail(job.id, {"code": int(code), "reason": reason})

    def _give_up(self, job: Job) -> None:
        columns = {"code": int(ExitCode.INTERNAL), "reason": FATAL}
        self.ledger.move(job.id, [State.RUNNING], state=State.FAILED, **columns)
        audit("given up", job=job.id, state=State.FAILED, attempt=job.attempts)
        self.spool.fail(job.id, columns)

    def _drop(self, job: Job, names: Collection[str], earlier: Job) -> None:
        self.ledger.move(
            job.id,
            [State.CLOSING],
            state=State.DUPLICATE,
            contents=" ".join(sorted(names)),
            build=self.build,
            reason=f"the same objects as job {earlier.id}",
        )
        audit("closed", job=job.id, state=State.DUPLICATE, objects=len(names), sender=job.sender)
        self.spool.discard(job.id)


def _instances(names: Collection[str]) -> set[str]:
    return {instance_of(name) for name in names}
