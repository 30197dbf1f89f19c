"""A job: its states, and what is known about it.

closing ─→ queued ─→ running ─→ delivering ─→ done
↑ └ wait ┘  │            │
│           ├─→ skipped  │   no rule takes the series
└── retry ──┴─→ failed ←─┘
closing ─→ duplicate                      it came before
queued, running, failed ─→ superseded     more of the series came
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a job is; as in the drawing above."""

    CLOSING = "closing"
    QUEUED = "queued"
    RUNNING = "running"
    DELIVERING = "delivering"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"


ENDED = frozenset(
    {State.DONE, State.SKIPPED, State.FAILED, State.DUPLICATE, State.SUPERSEDED},
)


@dataclass(frozen=True)
class Job:
    """A row of the ledger; times are seconds since 1970.

    ``key`` stands for the series or study, ``contents`` are the names of its
    objects, ``build`` what decides a result beside them, and ``attempts`` how
    often a worker took it.
    """

    id: int
    key: str
    state: State
    contents: frozenset[str]
    build: str
    created: float
    changed: float
    due: float
    attempts: int
    code: int
    reason: str
    summary: str
    sender: str

    @property
    def results(self) -> str:
        """Name of the folder of the latest attempt."""
        return f"run-{self.attempts}"


@dataclass(frozen=True)
class Delivery:
    """What a job still owes to a destination, or has sent there."""

    job: int
    destination: str
    sent: bool
    attempts: int
    due: float
    reason: str


def backoff(attempt: int, first_s: float, longest_s: float) -> float:
    """Return how long to wait after the given attempt, counted from 1."""
    return min(longest_s, first_s * 2.0 ** min(attempt - 1, 40))
