"""Look at the jobs of a spool from outside the service, and try one again."""

from pathlib import Path

from lesionmap.app.service.admission import FRAGMENT
from lesionmap.app.service.deliveries import Deliveries
from lesionmap.app.service.job import Delivery, Job, State
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.results import RunResult, read_result
from lesionmap.app.service.spool import Spool
from lesionmap.models.core.errors import SettingsError

_RETRIABLE = (State.FAILED, State.SKIPPED, State.DONE)


class JobBook:
    """The jobs below a spool folder; the service may run meanwhile."""

    def __init__(self, root: Path) -> None:
        """Open the ledger of the spool at ``root``.

        Raises:
            SettingsError: there is no spool.
        """
        self._spool = Spool(root)
        if not self._spool.database.is_file():
            raise SettingsError(f"no spool in {root}: did `lesionmap serve` run with it?")
        self._ledger = Ledger(self._spool.database)
        self._deliveries = Deliveries(self._ledger)

    def jobs(self, state: State | None, limit: int) -> list[Job]:
        """Return the latest jobs."""
        return self._ledger.jobs([state] if state else State, limit)

    def show(self, number: int) -> tuple[Job, list[Delivery], RunResult | None, Path]:
        """Return a job, its deliveries, the receipt of its last run, and its folder.

        Raises:
            SettingsError: there is no such job.
        """
        job = self._find(number)
        folder = self._spool.folder(number)
        return job, self._deliveries.of(number), read_result(folder / job.results), folder

    def retry(self, number: int) -> State:
        """Let the service take up an ended job again; return its new state.

        Results that only could not be sent are sent; everything else is run again.

        Raises:
            SettingsError: there is no such job, it has not ended, or its images are gone.
        """
        job = self._find(number)
        if job.state not in _RETRIABLE:
            raise SettingsError(f"job {number} is {job.state}: only ended jobs can be tried again")
        if job.reason == FRAGMENT or not self._spool.names(number):
            raise SettingsError(f"the images of job {number} are not all kept: send them again")
        self._spool.revive(number)
        owed = job.state is State.FAILED and self._deliveries.renew(number)
        state = State.DELIVERING if owed else State.QUEUED
        columns = {"state": state, "due": 0, "attempts": job.attempts if owed else 0}
        columns |= {"code": 0, "reason": ""}
        if not self._ledger.move(number, [job.state], **columns):
            raise SettingsError(f"job {number} changed meanwhile: look again")
        return state

    def _find(self, number: int) -> Job:
        try:
            return self._ledger.job(number)
        except KeyError:
            raise SettingsError(f"there is no job {number}") from None
