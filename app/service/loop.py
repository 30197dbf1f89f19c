"""A thread that does one thing again and again, and survives what goes wrong in it."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_AFTER_ERROR_S = 1.0


class Loop:
    """Calls ``step`` until it returns False, then waits to be woken or for ``pause_s``."""

    def __init__(self, name: str, step: Callable[[], object], pause_s: float) -> None:
        """Prepare the thread; `start` runs it."""
        self.name = name
        self.beat = time.monotonic()
        self._step = step
        self._pause_s = pause_s
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Let it look now."""
        self._wake.set()

    def stop(self) -> None:
        """Let it end after the step under way."""
        self._stop.set()
        self._wake.set()

    def join(self, deadline: float) -> None:
        """Wait for the end until ``deadline`` (monotonic)."""
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            self.beat = time.monotonic()
            try:
                while self._step() and not self._stop.is_set():
                    self.beat = time.monotonic()
                pause_s = self._pause_s
            except Exception as error:  # noqa: BLE001
                # A thread that dies would stop the service without a word.
                logger.error("%s: %s", self.name, type(error).__name__)
                pause_s = _AFTER_ERROR_S
            self._wake.wait(pause_s)
