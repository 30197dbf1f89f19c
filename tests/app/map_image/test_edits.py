"""The adaptation: each edit finds its place, and the entry point does what it should."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import holoscan_cli
import pytest

from lesionmap.app.map_image import edits
from lesionmap.app.map_image.edits import adapt_dockerfile, adapt_entry_point
from lesionmap.app.map_image.profiles import PROFILES
from lesionmap.models.core.errors import SettingsError

TOOLS = Path(holoscan_cli.__file__).parent / "packager" / "templates" / "tools.sh"
EVERY_EDIT = edits._DOCKERFILE + edits._DOCKERFILE_WITH_PYTHON + edits._ENTRY_POINT


@pytest.mark.parametrize("edit", EVERY_EDIT, ids=lambda edit: edit.why)
def test_an_edit_without_its_place_is_refused(edit):
    with pytest.raises(SettingsError, match="0 places instead of 1") as caught:
        edit.apply("FROM scratch\n")
    assert edit.why in str(caught.value)


def test_a_dockerfile_of_another_packager_is_refused():
    with pytest.raises(SettingsError, match=r"holoscan-cli==4\.2\.0"):
        adapt_dockerfile("FROM scratch\n", PROFILES["cpu"])


needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="the entry point needs jq")


@pytest.fixture
def start(tmp_path):
    """Start the adapted entry point with an app of the given source."""

    def popen(source, *arguments, tools=None):
        script = tmp_path / "tools"
        script.write_text(tools or adapt_entry_point(TOOLS.read_text()))
        script.chmod(0o755)
        app = tmp_path / "app.py"
        app.write_text(source)
        manifest = tmp_path / "app.json"
        manifest.write_text(json.dumps({"command": json.dumps(["python3", str(app)])}))
        return subprocess.Popen(
            [script, *arguments],
            env={"PATH": os.environ["PATH"], "HOLOSCAN_APP_MANIFEST_PATH": str(manifest)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=tmp_path,
        )

    return popen


@needs_jq
@pytest.mark.parametrize("code", [0, 2, 11, 50])
def test_the_exit_code_of_the_app_is_that_of_the_container(start, code):
    process = start(f"raise SystemExit({code})")
    process.communicate(timeout=20)
    assert process.returncode == code


@needs_jq
def test_the_stock_entry_point_still_needs_the_edit(start):
    process = start("raise SystemExit(11)", tools=TOOLS.read_text())
    process.communicate(timeout=20)
    assert process.returncode == 0


@needs_jq
def test_arguments_arrive_as_they_were_given(start, tmp_path):
    given = ["-i", "a folder", "$(touch planted)", "*"]
    process = start("import sys, json; print(json.dumps(sys.argv[1:]))", *given)
    printed, _ = process.communicate(timeout=20)
    assert json.loads(printed) == given
    assert not (tmp_path / "planted").exists()


@needs_jq
def test_a_signal_reaches_the_app(start):
    process = start("import time; print('up', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - began < 20
