"""What a job owes to the service that started it."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


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
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
