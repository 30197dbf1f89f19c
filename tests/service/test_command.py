"""`lesionmap serve` with the real job and the shipped models, and `lesionmap jobs`."""

import json
import signal
import subprocess
import sys
import threading
from importlib.resources import files

import pytest
import yaml
from typer.testing import CliRunner

from lesionmap.app import serve_cli
from lesionmap.app.batch import run_batch
from lesionmap.app.cli import app
from lesionmap.app.settings import Folders, Settings
from lesionmap.models.core.errors import SettingsError
from lesionmap.models.core.phantoms import draw_brain_mr
from lesionmap.operators.dicom.sample import write_phantom
from tests.service.harness import archive, ledger_of, send, wait_for

LESIONMAP = [sys.executable, "-c", "from lesionmap.app.cli import main; main()"]


class Serving:
    """The command as a child; its log lines are collected."""

    def __init__(self, config):
        command = [*LESIONMAP, "serve", "-c", str(config)]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.child.stderr:
            self.lines.append(json.loads(line))
        self.child.stderr.close()

    def find(self, event):
        return next((line for line in self.lines if line["event"] == event), None)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        status = self.child.wait(60)
        self._reader.join()
        return status


def write_config(root, destinations):
    document = yaml.safe_load((files("lesionmap.app") / "app.yaml").read_text())
    document["lesionmap"]["serve"] = {
        "spool": str(root / "spool"),
        "receive": {"port": 0},
        "close": {"quiet_s": 0.3},
        "work": {"least_free_mib": 0},
        "deliver": {"destinations": destinations},
        "web": {"port": 0},
    }
    config = root / "app.yaml"
    config.write_text(yaml.safe_dump(document))
    return config


def test_the_real_job_gives_what_the_app_gives(tmp_path, store):
    write_phantom(draw_brain_mr(), tmp_path / "in")
    paths = sorted((tmp_path / "in").iterdir())
    with archive() as pacs:
        config = write_config(tmp_path, [pacs.settings()])
        serving = Serving(config)
        wait_for(lambda: serving.find("ready"), 120, "for the start")
        port = serving.find("ready")["dicom_port"]
        assert set(send(port, paths)) == {0}
        wait_for(lambda: serving.find("results sent"), 120, f"for results {serving.lines}")
        assert serving.stop() == 0
    record = run_batch(Folders(tmp_path / "in", tmp_path / "out", store), config)
    outputs = [item for series in record.series for item in series.outputs]
    objects = [(tmp_path / "out" / item.path) for item in outputs if item.path.endswith(".dcm")]
    assert len(objects) == len(pacs.stored) >= 2
    for path in objects:
        assert any(path.read_bytes().endswith(body) for body in pacs.bytes_of.values())
    ran = serving.find("job ran")
    assert (ran["code"], ran["state"]) == (0, "delivering")
    assert "PHANTOM" not in json.dumps(serving.lines)
    listed = CliRunner().invoke(app, ["jobs", "list", "-c", str(config)])
    assert "1 lesions" in listed.output
    shown = CliRunner().invoke(app, ["jobs", "show", "1", "-c", str(config)])
    assert "archive: sent" in shown.output
    assert ledger_of(tmp_path).counts()["done"] == 1


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(serve_cli, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'lesionmap\[serve\]'"):
        serve_cli.serve()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"portt": 1}, "serve.portt"),
        ({"receive": {"port": 70000}}, "serve.receive.port"),
        ({"receive": {"ae_title": "MORE THAN SIXTEEN"}}, "serve.receive.ae_title"),
        ({"deliver": {"destinations": [{"name": "a"}]}}, "dicom, stow"),
        ({"deliver": {"destinations": [{"name": "a", "stow": {"url": "http://u:p@h"}}]}}, "url"),
    ],
)
def test_wrong_settings_are_refused_and_named(tmp_path, change, named):
    config = write_config(tmp_path, [])
    document = yaml.safe_load(config.read_text())
    document["lesionmap"]["serve"] |= change
    config.write_text(yaml.safe_dump(document))
    with pytest.raises(SettingsError, match=named):
        Settings.load(config)


def test_a_state_that_is_none_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no such state"):
        serve_cli.list_jobs(spool=tmp_path, state="nonsense")


def test_the_run_time_of_the_map_needs_nothing_of_the_service():
    code = (
        "import sys, lesionmap.app.cli, lesionmap.app.batch;"
        "print([n for n in ('pynetdicom', 'starlette', 'dicomweb_client') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
