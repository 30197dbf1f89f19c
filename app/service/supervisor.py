"""Run one child process within its limits of time and memory."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_LOOK_S = 0.1


class End(Enum):
    """How a child came to its end."""

    BY_ITSELF = "by itself"
    TIME = "time limit"
    MEMORY = "memory limit"
    STOPPED = "service stopped"


@dataclass(frozen=True)
class Limits:
    """Budget of a child; ``grace_s`` is what it gets to finish when the service stops."""

    time_s: float
    memory_mib: int
    grace_s: float


def supervise(
    command: Sequence[str], log: Path, limits: Limits, stop: threading.Event
) -> tuple[End, int]:
    """Run ``command`` to its end, or end it; return how it ended and its exit status.

    Memory is what is resident, looked at ten times a second: a bound for runaway jobs, not a
    wall. The wall is the cgroup that the service runs in.
    """
    with log.open("wb") as stream:
        child = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    end = _wait(child, limits, stop)
    if end is not End.BY_ITSELF:
        os.killpg(child.pid, signal.SIGKILL)
    return end, child.wait()


def _wait(child: subprocess.Popen[bytes], limits: Limits, stop: threading.Event) -> End:
    deadline = time.monotonic() + limits.time_s
    stopping = False
    while True:
        try:
            child.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            pass
        else:
            return End.BY_ITSELF
        if stop.is_set() and not stopping:
            stopping, deadline = True, min(deadline, time.monotonic() + limits.grace_s)
        if time.monotonic() > deadline:
            return End.STOPPED if stopping else End.TIME
        if resident_mib(child.pid) > limits.memory_mib:
            return End.MEMORY


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process; 0 where it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
