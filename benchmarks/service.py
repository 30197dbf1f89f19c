"""What `lesionmap serve` takes in and gets done, on loopback.

    python benchmarks/service.py receive        # seconds for a CT of 300 × 512² slices
    python benchmarks/service.py work           # CT studies an hour, real job, 1 and 2 workers
    python benchmarks/service.py memory         # of the service over 200 small studies

`receive` sends with storescu (dcmtk) where it is installed, and with pynetdicom. `memory` uses
the stand-in job of the tests: jobs are processes of their own.
"""

import argparse
import copy
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import yaml
from pynetdicom import AE, StoragePresentationContexts

from lesionmap.app.service.job import ENDED
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.settings import settings_file
from lesionmap.models.core.phantoms import draw_chest_ct
from lesionmap.operators.dicom.sample import write_phantom
from lesionmap.operators.dicom.uids import derive_uid

SLICES, SIDE, LESIONS = 300, 512, 5
REPOSITORY = Path(__file__).parent.parent


def main() -> None:
    """Run the chosen part and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["receive", "work", "memory"])
    parser.add_argument("--count", type=int, help="rounds, studies or small studies")
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()};", end=""
    )
    print(f" load {os.getloadavg()[0]:.1f} at the start")
    parts: dict[str, tuple[Callable[[Path, int], None], int]] = {
        "receive": (measure_receive, 5),
        "work": (measure_work, 6),
        "memory": (measure_memory, 200),
    }
    measure, count = parts[options.part]
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), options.count or count)


def measure_receive(scratch: Path, rounds: int) -> None:
    """Print seconds until a CT is acknowledged, object for object on the disk."""
    paths = write_ct(scratch / "ct", "receive")
    size_mib = sum(path.stat().st_size for path in paths) >> 20
    senders: dict[str, Callable[[int, list[Path]], None]] = {"pynetdicom": send_by_pynetdicom}
    if shutil.which("storescu"):
        senders["storescu"] = send_by_storescu
    for name, send in senders.items():
        seconds, spent = [], []
        for number in range(rounds):
            config = write_config(scratch / f"{name}-{number}", {"close": {"quiet_s": 3600}})
            with serving(config) as ports:
                began, before = time.perf_counter(), cpu_s(ports["pid"])
                send(ports["dicom_port"], paths)
                seconds.append(time.perf_counter() - began)
                spent.append(cpu_s(ports["pid"]) - before)
            shutil.rmtree(config.parent)
        shown = ", ".join(f"{value:.2f}" for value in seconds)
        print(f"{name}: {len(paths)} objects, {size_mib} MiB: ", end="")
        print(f"median {statistics.median(seconds):.2f} s of {shown}; ", end="")
        print(f"processor time of the service {statistics.median(spent):.2f} s")


def measure_work(scratch: Path, studies: int) -> None:
    """Print CT studies an hour from the first object to the last result."""
    for workers, threads in ((1, 2), (2, 1)):
        root = scratch / f"{workers}x{threads}"
        serve = {"close": {"quiet_s": 1}, "work": {"workers": workers, "least_free_mib": 0}}
        config = write_config(root, serve, threads=threads)
        batches = [write_ct(root / f"ct{number}", f"work {number}") for number in range(studies)]
        with serving(config) as ports:
            began = time.perf_counter()
            for paths in batches:
                send_by_pynetdicom(ports["dicom_port"], paths)
            wait_for_jobs(root / "spool", studies)
            spent = time.perf_counter() - began
            states = Ledger(root / "spool" / "jobs.db").counts()
        print(
            f"{workers} workers of {threads} threads: {studies} studies in {spent:.0f} s, ", end=""
        )
        print(f"{studies / spent * 3600:.0f} an hour, {states['done']} done")
        shutil.rmtree(root)


def measure_memory(scratch: Path, studies: int) -> None:
    """Print the resident memory of the service as small studies go through."""
    paths = write_ct(scratch / "small", "memory", slices=3, side=64)
    parts = json.dumps({"close": {"quiet_s": 0.2}})
    command = [sys.executable, "-m", "tests.service.run_service", str(scratch), parts]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as child:
        while not (scratch / "port").exists():
            time.sleep(0.1)
        port = int((scratch / "port").read_text())
        for number in range(1, studies + 1):
            send_by_pynetdicom(port, rename(paths, scratch / "next", f"memory {number}"))
            wait_for_jobs(scratch / "spool", number)
            if number in (1, 10) or number % 50 == 0:
                print(f"after {number} studies: {resident_mib(child.pid):.1f} MiB", flush=True)
        child.send_signal(signal.SIGTERM)


def write_ct(folder: Path, key: str, slices: int = SLICES, side: int = SIDE) -> list[Path]:
    """Write a CT phantom with UIDs of its own."""
    write_phantom(draw_chest_ct(slices=slices, side=side, lesions=LESIONS), folder)
    return rename(sorted(folder.iterdir()), folder, key)


def rename(paths: list[Path], folder: Path, key: str) -> list[Path]:
    """Write the same images as another study."""
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        dataset = copy.deepcopy(pydicom.dcmread(path))
        dataset.StudyInstanceUID = derive_uid("benchmark study", key)
        dataset.SeriesInstanceUID = derive_uid("benchmark series", key)
        dataset.SOPInstanceUID = derive_uid("benchmark instance", key, str(number))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / path.name, enforce_file_format=True)
    return [folder / path.name for path in paths]


def write_config(root: Path, serve: dict[str, Any], threads: int = 2) -> Path:
    """Write an app.yaml for a service below ``root``."""
    with settings_file() as shipped:
        document = yaml.safe_load(shipped.read_text())
    document["lesionmap"]["threads"] = threads
    ports = {"receive": {"port": 0}, "web": {"port": 0}}
    document["lesionmap"]["serve"] = {"spool": str(root / "spool")} | ports | serve
    root.mkdir(parents=True)
    config = root / "app.yaml"
    config.write_text(yaml.safe_dump(document, sort_keys=False))
    return config


@contextmanager
def serving(config: Path) -> Iterator[dict[str, int]]:
    """Run `lesionmap serve`; yield the line that says where it listens."""
    command = [sys.executable, "-c", "from lesionmap.app.cli import main; main()", "serve"]
    log = config.parent / "service.log"
    with log.open("wb") as stream:
        child = subprocess.Popen([*command, "-c", str(config)], stderr=stream)
    try:
        while not (ready := [line for line in read_lines(log) if line["event"] == "ready"]):
            time.sleep(0.1)
        yield ready[0] | {"pid": child.pid}
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


def read_lines(log: Path) -> list[Any]:
    """Return the whole lines of a log."""
    whole = log.read_text().rpartition("\n")[0].splitlines()
    return [json.loads(line) for line in whole]


def wait_for_jobs(spool: Path, count: int) -> None:
    """Wait until that many jobs ended."""
    ledger = Ledger(spool / "jobs.db")
    while len(ledger.jobs(ENDED)) < count:
        time.sleep(0.05)
    ledger.close()


def send_by_pynetdicom(port: int, paths: list[Path]) -> None:
    """Send in one association."""
    entity = AE(ae_title="BENCHMARK")
    entity.requested_contexts = StoragePresentationContexts
    assoc = entity.associate("127.0.0.1", port, ae_title="LESIONMAP", max_pdu=131072)
    for path in paths:
        assert assoc.send_c_store(path).Status == 0
    assoc.release()


def send_by_storescu(port: int, paths: list[Path]) -> None:
    """Send in one association of dcmtk, which needs to be told not to wait for full packets."""
    folder = str(paths[0].parent)
    command = ["storescu", "-aet", "BENCHMARK", "-aec", "LESIONMAP", "-pdu", "131072"]
    subprocess.run(
        [*command, "+sd", "127.0.0.1", str(port), folder],
        check=True,
        env=os.environ | {"TCP_NODELAY": "1"},
    )


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


if __name__ == "__main__":
    main()
