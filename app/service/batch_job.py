"""The batch job of `python app`, as a child of the service: it dies with its parent.

python -m lesionmap.app.service.batch_job PARENT -i IN -o OUT ...
"""

import ctypes
import os
import resource
import signal
import sys

from lesionmap.app.__main__ import main

_PR_SET_PDEATHSIG = 1


def run(arguments: list[str]) -> int:
    """Tie this process to its parent, then run the job; return its exit code."""
    tie_to_parent(int(arguments[0]))
    return main(arguments[1:])


def tie_to_parent(parent: int) -> None:
    """End with the parent, leave no core dump, and be the first to go if memory runs out.

    Else a restarted service would work on a job that its predecessor's child still writes.

    Source: prctl(2), PR_SET_PDEATHSIG; proc(5), oom_score_adj.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    # A dump would hold pixels and headers.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
        score.write("1000")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
