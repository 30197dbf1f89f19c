"""A container engine for the tests: the one that runs, or one of our own, ended with them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 60
_SHIM = '''#!{python}
"""The runtime called nvidia, which `monai-deploy run` asks for, on a host without a GPU: runc.

It drops the memlock limit, which a host may not let us raise.
"""
import json, os, sys
if "--bundle" in sys.argv:
    path = os.path.join(sys.argv[sys.argv.index("--bundle") + 1], "config.json")
    with open(path) as stream:
        config = json.load(stream)
    limits = config["process"].get("rlimits", [])
    config["process"]["rlimits"] = [x for x in limits if x["type"] != "RLIMIT_MEMLOCK"]
    with open(path, "w") as stream:
        json.dump(config, stream)
os.execv("{runc}", ["runc", *sys.argv[1:]])
'''


class Engine:
    """Runs docker commands against one engine, with a home of their own."""

    def __init__(self, folder: Path, host: str | None) -> None:
        """Talk to ``host``, None for the engine that docker finds by itself."""
        self.environment = {**os.environ, "HOME": str(folder), "DOCKER_BUILDKIT": "0"}
        if host:
            self.environment["DOCKER_HOST"] = host

    def docker(self, *arguments: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run ``docker`` and return what became of it, whatever its exit code."""
        return self.call("docker", *arguments, timeout=timeout)

    def call(
        self, program: object, *arguments: object, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run a program that may talk to the engine."""
        return subprocess.run(
            [str(program), *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def need(self, *arguments: object, timeout: float = 600) -> str:
        """Run ``docker``, which must succeed, and return its output."""
        done = self.docker(*arguments, timeout=timeout)
        assert done.returncode == 0, f"docker {arguments[0]}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout.strip()


@contextmanager
def running_engine(folder: Path) -> Iterator[Engine]:
    """Yield the engine that runs; start one below ``folder`` where none does."""
    found = Engine(folder, None)
    if shutil.which("docker") and found.docker("version").returncode == 0:
        yield found
        return
    with _own_daemon(folder) as host:
        yield Engine(folder, host)


@contextmanager
def _own_daemon(folder: Path) -> Iterator[str]:
    program, runc = shutil.which("dockerd"), shutil.which("runc")
    assert program, "no container engine runs and dockerd is not installed: tests/map/install.sh"
    assert runc
    shim = folder / "nvidia-runc"
    shim.write_text(_SHIM.format(python=sys.executable, runc=runc))
    shim.chmod(0o755)
    host = f"unix://{folder}/docker.sock"
    options = [
        *("--data-root", folder / "data", "--exec-root", folder / "exec"),
        *("--host", host, "--pidfile", folder / "docker.pid"),
        *("--add-runtime", f"nvidia={shim}"),
        # No bridge and no rule of a firewall stays on this machine: containers get its network,
        # or none.
        *("--bridge", "none", "--iptables=false", "--ip-forward=false"),
    ]
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen([program, *map(str, options)], stdout=log, stderr=log)
        try:
            _await(Engine(folder, host), daemon, folder / "dockerd.log")
            yield host
        finally:
            daemon.terminate()
            daemon.wait(timeout=60)
            _unmount_below(folder)


def _await(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while engine.docker("version").returncode:
        assert daemon.poll() is None, f"dockerd ended:\n{log.read_text()[-2000:]}"
        assert time.monotonic() < until, f"dockerd is not up:\n{log.read_text()[-2000:]}"
        time.sleep(0.2)


def _unmount_below(folder: Path) -> None:
    """Undo the mount of a network name space that dockerd leaves behind."""
    mounts = Path("/proc/mounts").read_text().splitlines()
    left = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{folder}/")]
    for place in sorted(left, reverse=True):
        subprocess.run(["umount", place], check=True)
