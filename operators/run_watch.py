"""Time, progress and the time limit of a run."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lesionmap.models.core.errors import TimeLimitError

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """Somebody who shows progress."""

    def on_series(self, number: int, total: int, description: str) -> None:
        """Hear that a series begins."""

    def on_step(self, stage: str, done: int, total: int) -> None:
        """Hear how far a stage of the current series is."""


class RunWatch:
    """Measures each stage of each series, tells a listener, and ends overlong runs."""

    def __init__(self, listener: Listener | None = None) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self._limit_s: float | None = None
        self._listener = listener
        self._stage = ""
        self._timings: defaultdict[int, dict[str, float]] = defaultdict(dict)

    def limit(self, seconds: float | None) -> None:
        """End the run with TimeLimitError once it is ``seconds`` old; None for no limit."""
        self._limit_s = seconds

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the run began."""
        return (time.monotonic() - self._started) * 1e3

    def timings_ms(self, number: int) -> dict[str, float]:
        """Return milliseconds by stage for a series."""
        return dict(self._timings[number])

    @contextmanager
    def stage(self, name: str, number: int) -> Iterator[None]:
        """Measure a stage of a series; raises TimeLimitError if the run is over time."""
        self._stage = name
        self.check_limit()
        began = time.monotonic()
        try:
            yield
        finally:
            spent = (time.monotonic() - began) * 1e3
            self._timings[number][name] = round(spent, 1)
            logger.info("series %d: %s took %.0f ms", number, name, spent)

    def on_series(self, number: int, total: int, description: str) -> None:
        """Tell the listener that a series begins."""
        if self._listener:
            self._listener.on_series(number, total, description)

    def on_step(self, done: int, total: int) -> None:
        """Tell the listener how far the stage is, and check the time limit.

        Raises:
            TimeLimitError: the run exceeded its limit.
        """
        if self._listener:
            self._listener.on_step(self._stage, done, total)
        self.check_limit()

    def check_limit(self) -> None:
        """Raise TimeLimitError where the run exceeded its limit."""
        if self._limit_s is not None and self.elapsed_ms > self._limit_s * 1e3:
            raise TimeLimitError(
                f"the run exceeded its limit of {self._limit_s:g} s: raise limits.time_s"
            )
