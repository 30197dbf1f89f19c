"""The part of the ledger that says which results are owed to which destination."""

import sqlite3
from collections.abc import Iterable

from lesionmap.app.service.job import Delivery, Job, State
from lesionmap.app.service.ledger import Ledger


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

    def sent(self, delivery: Delivery) -> None:
        """Note that a destination has the results; the job is done when all have them."""
        with self._ledger.transaction() as rows:
            self._count(rows, delivery, sent=True, due=0, reason="")
            self._settle(rows, delivery.job)

    def postpone(self, delivery: Delivery, wait_s: float, reason: str) -> None:
        """Note that a destination did not take the results, and when to try again."""
        with self._ledger.transaction() as rows:
            due = self._ledger.now() + wait_s
            self._count(rows, delivery, sent=False, due=due, reason=reason)

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

    def _settle(self, rows: sqlite3.Connection, job: int) -> None:
        owed = rows.execute("SELECT 1 FROM deliveries WHERE job = ? AND NOT sent", (job,))
        if owed.fetchone() is None:
            self._ledger.change(rows, job, [State.DELIVERING], state=State.DONE)

    def _select(self, where: str, *values: object) -> list[Delivery]:
        columns = "job, destination, sent, deliveries.attempts, deliveries.due, deliveries.reason"
        found = self._ledger.read(f"SELECT {columns} FROM deliveries {where}", *values)  # noqa: S608
        return [Delivery(job, name, bool(sent), *rest) for job, name, sent, *rest in found]
