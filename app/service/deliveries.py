"""The part of the ledger that says which results are owed to which destination."""

import math
import sqlite3
from collections.abc import Collection, Iterable

from lesionmap.app.service.job import Delivery, Job, State
from lesionmap.app.service.ledger import Ledger
from lesionmap.models.core.errors import ExitCode

GONE = "it is no longer a destination"


class Deliveries:
    """The part of the ledger that says what is owed to which destination."""

    def __init__(self, ledger: Ledger) -> None:
        """Use the tables of ``ledger``."""
        self._ledger = ledger

    def owe(self, job: Job, destinations: Iterable[str], **columns: object) -> bool:
        """Turn a running job into one whose results go to ``destinations``."""
        names = tuple(destinations)
        state = State.DELIVERING if names else State.DONE
        with self._ledger.transaction() as rows:
            if not self._ledger.change(rows, job.id, [State.RUNNING], state=state, **columns):
                return False
            rows.execute("DELETE FROM deliveries WHERE job = ?", (job.id,))
            rows.executemany(
                "INSERT INTO deliveries (job, destination) VALUES (?, ?)",
                [(job.id, name) for name in names],
            )
        return True

    def due(self, destination: str) -> Delivery | None:
        """Return the next result that a destination should get now."""
        found = self._select(
            "JOIN jobs ON jobs.id = job WHERE destination = ? AND NOT sent AND state = ? "
            "AND deliveries.due <= ? ORDER BY deliveries.due, job LIMIT 1",
            destination,
            State.DELIVERING,
            self._ledger.now(),
        )
        return found[0] if found else None

    def of(self, job: int) -> list[Delivery]:
        """Return the deliveries of a job."""
        return self._select("WHERE job = ? ORDER BY destination", job)

    def sent(self, delivery: Delivery) -> bool:
        """Note that a destination has the results; return whether that ended the job."""
        with self._ledger.transaction() as rows:
            self._count(rows, delivery, sent=True, due=0, reason="")
            return self._settle(rows, delivery.job)

    def postpone(self, delivery: Delivery, wait_s: float, reason: str) -> bool:
        """Note that a destination did not take the results, and when to try again.

        Args:
            delivery: what it did not take.
            wait_s: seconds to wait; infinite to give up.
            reason: why.

        Returns:
            Whether that ended the job.
        """
        with self._ledger.transaction() as rows:
            due = self._ledger.now() + wait_s
            self._count(rows, delivery, sent=False, due=due, reason=reason)
            return self._settle(rows, delivery.job)

    def abandon(self, known: Collection[str]) -> list[Delivery]:
        """Give up, and return, what is owed to destinations that are not known."""
        owed = self._select(
            "JOIN jobs ON jobs.id = job WHERE NOT sent AND state = ? AND deliveries.due < ?",
            State.DELIVERING,
            math.inf,
        )
        lost = [delivery for delivery in owed if delivery.destination not in known]
        with self._ledger.transaction() as rows:
            for delivery in lost:
                rows.execute(
                    "UPDATE deliveries SET due = ?, reason = ? WHERE job = ? AND destination = ?",
                    (math.inf, GONE, delivery.job, delivery.destination),
                )
                self._settle(rows, delivery.job)
        return lost

    def renew(self, job: int) -> bool:
        """Let all destinations that a job still owes try again now; False if there are none."""
        with self._ledger.transaction() as rows:
            renewed = rows.execute(
                "UPDATE deliveries SET attempts = 0, due = 0 WHERE job = ? AND NOT sent", (job,)
            )
        return renewed.rowcount > 0

    @staticmethod
    def _count(
        rows: sqlite3.Connection, delivery: Delivery, *, sent: bool, due: float, reason: str
    ) -> None:
        rows.execute(
            "UPDATE deliveries SET sent = ?, attempts = attempts + 1, due = ?, reason = ? "
            "WHERE job = ? AND destination = ?",
            (sent, due, reason, delivery.job, delivery.destination),
        )

    def _settle(self, rows: sqlite3.Connection, job: int) -> bool:
        """End a job that nothing is tried for any more: done where all have the results."""
        left = rows.execute(
            "SELECT destination, reason, due FROM deliveries WHERE job = ? AND NOT sent "
            "ORDER BY destination",
            (job,),
        ).fetchall()
        if any(due < math.inf for _, _, due in left):
            return False
        columns: dict[str, object] = {"state": State.DONE}
        if left:
            lost = "; ".join(f"{name} did not take the results: {why}" for name, why, _ in left)
            columns = {"state": State.FAILED, "code": int(ExitCode.OUTPUT), "reason": lost}
        return self._ledger.change(rows, job, [State.DELIVERING], **columns)

    def _select(self, where: str, *values: object) -> list[Delivery]:
        columns = "job, destination, sent, deliveries.attempts, deliveries.due, deliveries.reason"
        found = self._ledger.read(f"SELECT {columns} FROM deliveries {where}", *values)  # noqa: S608
        return [Delivery(job, name, bool(sent), *rest) for job, name, sent, *rest in found]
