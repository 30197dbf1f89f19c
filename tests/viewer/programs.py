"""Start Orthanc, a web server with OHIF, and storescu as a hospital would; all on loopback."""

import os
import shutil
import socket
import string
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
OHIF_DIST = ROOT / ".cache/viewer/ohif/package/dist"
STARTS_WITHIN_S = 60


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(done, *, seconds, what):
    """Return the first true value of ``done()``; fail with ``what`` after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := done():
            return value
        time.sleep(0.2)
    raise AssertionError(f"after {seconds} s: {what}")


def answers(url):
    """Tell whether a web server is there."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def program(command, log, *, env=None, stop_within_s=15):
    """Run a program for the time of a block, its output in a file."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(stop_within_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(process, url, log):
    """Wait until a program answers; fail at once where it ended instead."""
    wait_until(
        lambda: process.poll() is not None or answers(url),
        seconds=STARTS_WITHIN_S,
        what=f"{url} does not answer, see {log}",
    )
    assert process.poll() is None, f"it ended with {process.returncode}, see {log}"


def build_loopback_shim(folder):
    """Compile what keeps Orthanc, which has no option for it, on the loopback address."""
    shim = folder / "loopback_bind.so"
    source = Path(__file__).with_name("loopback_bind.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    return shim


@dataclass(frozen=True)
class Orthanc:
    """An Orthanc with the configuration of deploy/orthanc, in a folder of its own."""

    folder: Path
    http_port: int
    dicom_port: int
    receiver_port: int
    routes: bool = True

    @property
    def url(self):
        """The root of its REST interface."""
        return f"http://127.0.0.1:{self.http_port}"

    def get(self, path):
        """Return a JSON answer of the REST interface."""
        answer = requests.get(f"{self.url}{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def download(self, modality, folder):
        """Write every object of a modality into a folder; return the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for item in self.series(modality):
            for instance in item["Instances"]:
                answer = requests.get(f"{self.url}/instances/{instance}/file", timeout=30)
                answer.raise_for_status()
                paths.append(folder / f"{instance}.dcm")
                paths[-1].write_bytes(answer.content)
        return paths

    def upload(self, *paths):
        """Store files through the REST interface."""
        for path in paths:
            answer = requests.post(f"{self.url}/instances", data=path.read_bytes(), timeout=30)
            answer.raise_for_status()

    def send(self, folder):
        """Send a folder of files as a modality does, with storescu."""
        command = ["storescu", "-aec", "ORTHANC", "+sd", "+r", "127.0.0.1", self.dicom_port, folder]
        subprocess.run(
            [str(part) for part in command], check=True, env={**os.environ, "TCP_NODELAY": "1"}
        )

    def series(self, modality=None):
        """Return the series that it holds, as its REST interface describes them."""
        found = self.get("/series?expand")
        return [item for item in found if modality in (None, item["MainDicomTags"]["Modality"])]

    def instance_uids(self, modality):
        """Return the SOP Instance UID of every object of a modality; a doubled one stands twice."""
        return [
            self.get(f"/instances/{instance}")["MainDicomTags"]["SOPInstanceUID"]
            for item in self.series(modality)
            for instance in item["Instances"]
        ]

    def running(self, *, stable_age_s=1):
        """Run it for the time of a block; yields the process once it answers."""
        return _running_orthanc(self, stable_age_s)


@contextmanager
def _running_orthanc(orthanc, stable_age_s):
    orthanc.folder.mkdir(parents=True, exist_ok=True)
    idle = orthanc.folder / "idle.lua"
    idle.touch()
    env = {
        "LD_PRELOAD": str(build_loopback_shim(orthanc.folder)),
        "TCP_NODELAY": "1",
        "ORTHANC_STORAGE": str(orthanc.folder / "store"),
        "ORTHANC_ROUTE": str(DEPLOY / "orthanc/route.lua" if orthanc.routes else idle),
        "ORTHANC_HTTP_PORT": str(orthanc.http_port),
        "ORTHANC_DICOM_PORT": str(orthanc.dicom_port),
        "ORTHANC_STABLE_AGE": str(stable_age_s),
        "LESIONMAP_PORT": str(orthanc.receiver_port),
    }
    command = [shutil.which("Orthanc") or "/usr/sbin/Orthanc", DEPLOY / "orthanc/orthanc.json"]
    with program(command, orthanc.folder / "orthanc.log", env=env) as process:
        wait_until_ready(process, f"{orthanc.url}/system", orthanc.folder / "orthanc.log")
        yield process


@contextmanager
def serving_lesionmap(folder, orthanc):
    """Run `lesionmap serve` for the time of a block: receives from Orthanc, and returns to it."""
    folder.mkdir(parents=True, exist_ok=True)
    document = yaml.safe_load((ROOT / "app.yaml").read_text())
    web_port = free_port()
    document["lesionmap"]["serve"] = {
        "spool": str(folder / "spool"),
        "receive": {"port": orthanc.receiver_port, "calling_ae": ["ORTHANC"]},
        "close": {"quiet_s": 1},
        "work": {"backoff_s": 1, "least_free_mib": 0},
        "deliver": {
            "backoff_s": 1,
            "longest_backoff_s": 2,
            "destinations": [
                {
                    "name": "orthanc",
                    "dicom": {
                        "ae_title": "ORTHANC",
                        "address": "127.0.0.1",
                        "port": orthanc.dicom_port,
                    },
                }
            ],
        },
        "web": {"port": web_port},
    }
    config = folder / "app.yaml"
    config.write_text(yaml.safe_dump(document))
    command = [Path(sys.executable).with_name("lesionmap"), "serve", "-c", config]
    with program(command, folder / "serve.log", stop_within_s=60) as process:
        url = f"http://127.0.0.1:{web_port}/health/live"
        wait_until_ready(process, url, folder / "serve.log")
        yield process


@contextmanager
def serving_ohif(folder, orthanc):
    """Serve OHIF and Orthanc's DICOMweb from one origin; yields its URL."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    template = string.Template((DEPLOY / "ohif/nginx.conf").read_text())
    filled = template.safe_substitute(
        RUN=folder,
        LISTEN=f"127.0.0.1:{port}",
        OHIF_DIST=OHIF_DIST,
        OHIF_CONFIG=DEPLOY / "ohif/app-config.js",
        ORTHANC=f"127.0.0.1:{orthanc.http_port}",
    )
    (folder / "nginx.conf").write_text(filled)
    command = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]
    url = f"http://127.0.0.1:{port}"
    with program(command, folder / "nginx.log") as process:
        wait_until_ready(process, url, folder / "nginx.log")
        yield url
