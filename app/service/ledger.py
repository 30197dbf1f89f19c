"""The ledger: the state of every job, in SQLite; each change is on disk before it is used."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lesionmap.app.service.arrivals import Standing
from lesionmap.app.service.job import ENDED, Job, State
from lesionmap.models.core.errors import OutputError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS open (
  key TEXT PRIMARY KEY, interrupted INTEGER NOT NULL, expected INTEGER, sender TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS jobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, state TEXT NOT NULL,
  contents TEXT NOT NULL DEFAULT '', build TEXT NOT NULL DEFAULT '', created REAL NOT NULL,
  changed REAL NOT NULL, due REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  code INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
  summary TEXT NOT NULL DEFAULT '', sender TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, due);
CREATE INDEX IF NOT EXISTS jobs_by_key ON jobs (key);
CREATE TABLE IF NOT EXISTS deliveries (
  job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, destination TEXT NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job, destination));
"""
_WAIT_S = 30
_COLUMNS = frozenset(
    {"state", "contents", "build", "due", "attempts", "code", "reason", "summary"},
)


class Ledger:
    """One connection that the threads of the service share."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Open or create the database.

        Raises:
            OutputError: it cannot be opened.
        """
        self._clock = clock
        self._lock = threading.RLock()
        try:
            self._rows = sqlite3.connect(
                path, timeout=_WAIT_S, check_same_thread=False, isolation_level=None
            )
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.execute("PRAGMA synchronous=FULL")
            self._rows.execute("PRAGMA foreign_keys=ON")
            self._rows.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OutputError(f"{path.name} cannot be opened: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._rows.close()

    def now(self) -> float:
        """Return the time that the ledger writes."""
        return self._clock()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Let several statements happen at once, or not at all."""
        with self._lock:
            self._rows.execute("BEGIN IMMEDIATE")
            try:
                yield self._rows
                self._rows.execute("COMMIT")
            except BaseException:
                if self._rows.in_transaction:
                    self._rows.execute("ROLLBACK")
                raise

    def read(self, statement: str, *values: object) -> list[Any]:
        """Return the rows of a SELECT."""
        with self._lock:
            return self._rows.execute(statement, values).fetchall()

    def note_open(self, standing: Standing) -> None:
        """Note that a series is open, and whether its sender went away without a word."""
        with self.transaction() as rows:
            rows.execute(
                "INSERT OR REPLACE INTO open VALUES (?, ?, ?, ?)",
                (standing.key, standing.interrupted, standing.expected, standing.sender),
            )

    def open_series(self) -> dict[str, Standing]:
        """Return what is kept about each open series."""
        found = self.read("SELECT key, sender, expected, interrupted FROM open")
        return {row[0]: Standing(row[0], row[1], row[2], bool(row[3])) for row in found}

    def begin_job(self, key: str, sender: str, *, reason: str = "") -> Job:
        """Create a job that takes over an open series."""
        with self.transaction() as rows:
            rows.execute("DELETE FROM open WHERE key = ?", (key,))
            made = rows.execute(
                "INSERT INTO jobs (key, state, created, changed, sender, reason) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (key, State.CLOSING, self.now(), self.now(), sender, reason),
            )
            identifier = made.lastrowid or 0
        return self.job(identifier)

    def job(self, identifier: int) -> Job:
        """Return a job.

        Raises:
            KeyError: there is none of that number.
        """
        found = self.select("WHERE id = ?", identifier)
        if not found:
            raise KeyError(identifier)
        return found[0]

    def jobs(self, states: Iterable[State] = State, limit: int = -1) -> list[Job]:
        """Return jobs in the given states, latest first."""
        chosen = tuple(states)
        marks = ", ".join("?" * len(chosen))
        return self.select(f"WHERE state IN ({marks}) ORDER BY id DESC LIMIT ?", *chosen, limit)

    def earlier(self, job: Job) -> Job | None:
        """Return the latest earlier job on the same series that still counts."""
        found = self.select(
            "WHERE key = ? AND id < ? AND state NOT IN (?, ?) ORDER BY id DESC LIMIT 1",
            job.key,
            job.id,
            State.DUPLICATE,
            State.SUPERSEDED,
        )
        return found[0] if found else None

    def claim(self) -> Job | None:
        """Give the next due job to a worker, and count the attempt."""
        with self.transaction() as rows:
            due = rows.execute(
                "UPDATE jobs SET state = ?, attempts = attempts + 1, changed = ? WHERE id = "
                "(SELECT id FROM jobs WHERE state = ? AND due <= ? ORDER BY due, id LIMIT 1) "
                "RETURNING id",
                (State.RUNNING, self.now(), State.QUEUED, self.now()),
            ).fetchone()
        return self.job(due[0]) if due else None

    def move(self, job: int, sources: Iterable[State], **columns: object) -> bool:
        """Change a job that is in one of ``sources``; False where it is not."""
        with self.transaction() as rows:
            return self.change(rows, job, sources, **columns)

    def change(
        self, rows: sqlite3.Connection, job: int, sources: Iterable[State], **columns: object
    ) -> bool:
        """Do the same inside a transaction."""
        assert set(columns) <= _COLUMNS
        chosen = tuple(sources)
        sets = ", ".join(f"{name} = ?" for name in (*columns, "changed"))
        marks = ", ".join("?" * len(chosen))
        changed = rows.execute(
            f"UPDATE jobs SET {sets} WHERE id = ? AND state IN ({marks})",  # noqa: S608
            (*columns.values(), self.now(), job, *chosen),
        )
        return changed.rowcount == 1

    def counts(self) -> dict[str, int]:
        """Return the number of jobs in each state."""
        found = dict(self.read("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state.value: found.get(state.value, 0) for state in State}

    def queued(self) -> int:
        """Return the number of jobs that wait for a worker."""
        waiting = "SELECT count(*) FROM jobs WHERE state IN (?, ?)"
        return int(self.read(waiting, State.CLOSING, State.QUEUED)[0][0])

    def forget(self, before: float) -> None:
        """Remove the rows of jobs that ended before the given time."""
        marks = ", ".join("?" * len(ENDED))
        with self.transaction() as rows:
            rows.execute(
                f"DELETE FROM jobs WHERE changed < ? AND state IN ({marks})",  # noqa: S608
                (before, *ENDED),
            )

    def select(self, where: str, *values: object) -> list[Job]:
        """Return the jobs that a condition of ours takes."""
        columns = "id, key, state, contents, build, created, changed, due, attempts, code, "
        found = self.read(f"SELECT {columns} reason, summary, sender FROM jobs {where}", *values)  # noqa: S608
        return [_job(row) for row in found]


def _job(row: tuple[Any, ...]) -> Job:
    identifier, key, state, contents, *rest = row
    return Job(identifier, key, State(state), frozenset(contents.split()), *rest)
