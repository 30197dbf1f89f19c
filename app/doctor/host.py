"""The machine: processor, memory, output folder, container engine, GPU."""

import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lesionmap.app.doctor.diagnosis import Trouble, Visit
from lesionmap.models.core.errors import ExitCode

MEMORY_NEEDED = 4 << 30
"""Bytes; app.yaml asks platforms for the same."""

_SPACE_NEEDED = 256 << 20
_ENGINES = ("docker", "podman")


def look_at_processor(_: Visit) -> str:
    """Return the widest INT8 instructions; LesionMAP runs on x86-64 Linux only."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise Trouble(f"{system} on {machine}", "use Linux on x86-64")
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    flags = set(" ".join(re.findall(r"^flags\s*:(.*)$", text, re.MULTILINE)).split())
    found = next((flag for flag in ("avx512_vnni", "avx_vnni", "avx2") if flag in flags), None)
    return f"INT8 by {found.replace('_', '-').upper()}" if found else "no AVX2: INT8 will be slow"


def look_at_memory(_: Visit) -> str:
    """Compare the memory that is free, or that this container may use, with what runs need."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    free = int(dict(re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE))["MemAvailable"]) << 10
    limit = Path("/sys/fs/cgroup/memory.max")
    allowed = limit.read_text(encoding="ascii").strip() if limit.is_file() else "max"
    usable = free if allowed == "max" else min(free, int(allowed))
    if usable < MEMORY_NEEDED:
        raise Trouble(
            f"{usable / 2**30:.1f} GiB free",
            f"give it {MEMORY_NEEDED >> 30} GiB; large series are killed with less",
            needed=False,
        )
    return f"{usable / 2**30:.1f} GiB free"


def look_at_output(visit: Visit) -> str:
    """Write a file where results would be written, and remove it."""
    if visit.output is None:
        raise Trouble("not examined", "name the folder with --output", needed=False)
    place = next(path for path in (visit.output, *visit.output.absolute().parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            file.write(b"?")
            file.flush()
        space = shutil.disk_usage(place).free
    except OSError as error:
        raise Trouble(
            f"cannot be written to ({error.strerror})",
            "give this user the right to write there, or name another folder",
            ExitCode.OUTPUT,
        ) from error
    if space < _SPACE_NEEDED:
        raise Trouble(f"{space >> 20} MiB left", "free some space", ExitCode.OUTPUT)
    return f"writable, {space / 2**30:.1f} GiB left"


def look_at_engine(_: Visit) -> str:
    """Find a container engine that answers."""
    for program in _ENGINES:
        answer = _ask(program, "version", "--format", "{{.Server.Version}}")
        if answer:
            return f"{program} {answer}"
    raise Trouble("none answers", "to build or check images: start docker or podman", needed=False)


def look_at_gpu(_: Visit) -> str:
    """Ask the driver for GPUs; LesionMAP needs none."""
    answer = _ask("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    if not answer:
        raise Trouble("none", "nothing to do: models run on the CPU", needed=False)
    return "; ".join(f"{line.replace(',', ', driver')}" for line in answer.splitlines())


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
