"""Each thing that may be wrong is found, with what to do and the code of a run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lesionmap.app.doctor import host, software
from lesionmap.app.doctor.__main__ import main
from lesionmap.app.doctor.diagnosis import (
    Examination,
    State,
    Trouble,
    Visit,
    examine_all,
    exit_code,
)
from lesionmap.app.doctor.examinations import EXAMINATIONS
from lesionmap.app.doctor.report import write_diagnoses
from lesionmap.models.core.errors import ExitCode
from lesionmap.operators.dicom import pixels

NAMES = [examination.name for examination in EXAMINATIONS]


def look(name, visit=None):
    return next(item for item in EXAMINATIONS if item.name == name).make(visit or Visit())


@pytest.fixture(scope="module")
def diagnoses():
    return examine_all(EXAMINATIONS, Visit())


def test_this_machine_can_run_it(diagnoses):
    assert [item.name for item in diagnoses] == NAMES
    assert [item for item in diagnoses if item.state is State.WRONG] == []
    assert exit_code(diagnoses) == ExitCode.DONE


def other_version(name):
    return lambda monkeypatch, _: monkeypatch.setattr(
        software, "_installed", lambda asked: "0.0.1" if asked == name else software.version(asked)
    )


def no_python(monkeypatch, _):
    monkeypatch.setattr(software, "_PYTHONS", ((2, 7),))


def other_machine(monkeypatch, _):
    monkeypatch.setattr(host.platform, "machine", lambda: "aarch64")


def missing_package(monkeypatch, _):
    monkeypatch.setattr(software, "_installed", lambda _: None)


def no_library(monkeypatch, _):
    def refuse(path):
        raise OSError(path)

    monkeypatch.setattr(software.ctypes, "CDLL", refuse)


def broken_framework(monkeypatch, folder):
    script = folder / "python"
    script.write_text("#!/bin/sh\necho 'ImportError: libcudart.so.13' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(software.sys, "executable", str(script))


def no_decoder(monkeypatch, _):
    uid = next(iter(pixels.DECODERS))
    monkeypatch.setitem(pixels.DECODERS, uid, "nonesuch")


WRONG = [
    ("Python", no_python, ExitCode.USAGE, "3.11 or 3.12"),
    ("processor", other_machine, ExitCode.USAGE, "x86-64"),
    ("packages", other_version("numpy"), ExitCode.USAGE, "pip install numpy=="),
    ("packages", missing_package, ExitCode.USAGE, "pip install"),
    ("CUDA runtime", no_library, ExitCode.USAGE, "nvidia-cuda-runtime=="),
    ("Holoscan", broken_framework, ExitCode.USAGE, "requirements.txt"),
    ("decoders", no_decoder, ExitCode.PIXELS, "pip install nonesuch"),
]


@pytest.mark.parametrize(("name", "spoil", "code", "advice"), WRONG)
def test_what_is_wrong_is_found(monkeypatch, tmp_path, name, spoil, code, advice):
    spoil(monkeypatch, tmp_path)
    diagnosis = look(name)
    assert (diagnosis.state, diagnosis.code) == (State.WRONG, code)
    assert diagnosis.found
    assert advice in diagnosis.mend


def test_the_gpu_build_of_onnxruntime_will_do(monkeypatch):
    pins = software.read_pins()
    there = {**pins, "onnxruntime-gpu": pins["onnxruntime"]}
    del there["onnxruntime"]
    monkeypatch.setattr(software, "_installed", there.get)
    assert look("packages").state is State.OK


def test_wrong_settings_are_found(tmp_path):
    config = tmp_path / "app.yaml"
    config.write_text("lesionmap: {colour: blue}")
    diagnosis = look("settings", Visit(config=config))
    assert (diagnosis.state, diagnosis.code) == (State.WRONG, ExitCode.USAGE)
    assert "colour" in diagnosis.found


def test_an_altered_model_is_found(tmp_path, store):
    for folder in store.iterdir():
        (tmp_path / folder.name).mkdir()
        (tmp_path / folder.name / "model.onnx").write_bytes(b"altered")
    diagnosis = look("models", Visit(store=tmp_path))
    assert (diagnosis.state, diagnosis.code) == (State.WRONG, ExitCode.MODEL)
    assert "altered" in diagnosis.found


def test_an_output_that_cannot_be_written_is_found(tmp_path):
    (tmp_path / "file").touch()
    diagnosis = look("output", Visit(output=tmp_path / "file"))
    assert (diagnosis.state, diagnosis.code) == (State.WRONG, ExitCode.OUTPUT)


def test_a_full_disk_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "_SPACE_NEEDED", 1 << 62)
    assert look("output", Visit(output=tmp_path)).code is ExitCode.OUTPUT


def test_an_output_that_is_still_to_be_made_is_fine(tmp_path):
    assert look("output", Visit(output=tmp_path / "a" / "b")).state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_needed_to_run_is_absent_not_wrong(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    other_version("holoscan-cli")(monkeypatch, None)
    for name in ("output", "packager", "containers", "GPU"):
        diagnosis = look(name)
        assert diagnosis.state is State.ABSENT
        assert diagnosis.mend


def test_little_memory_is_said(monkeypatch):
    monkeypatch.setattr(host, "MEMORY_NEEDED", 1 << 60)
    assert look("memory").state is State.ABSENT


def test_the_memory_needed_is_what_app_yaml_asks_for(repository):
    asked = yaml.safe_load((repository / "app.yaml").read_text())["resources"]["memory"]
    assert asked == f"{host.MEMORY_NEEDED >> 30}Gi"


def test_a_gpu_and_an_engine_are_named(monkeypatch, tmp_path):
    answers = {"nvidia-smi": "H200, 575.1", "docker": "28.2.2"}
    for program, answer in answers.items():
        (tmp_path / program).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert look("GPU").found == "H200, driver 575.1"
    assert look("containers").found == "docker 28.2.2"


def test_an_examination_that_breaks_is_a_diagnosis():
    def break_down(_):
        raise ModuleNotFoundError("No module named 'yaml'")

    diagnosis = Examination("settings", break_down).make(Visit())
    assert (diagnosis.state, diagnosis.code) == (State.WRONG, ExitCode.USAGE)
    assert "No module named 'yaml'" in diagnosis.found


def test_the_code_is_that_of_the_first_thing_wrong():
    def fail(code):
        def look(_):
            raise Trouble("found", "mend", code)

        return look

    table = [Examination("a", lambda _: "fine"), Examination("b", fail(ExitCode.MODEL))]
    table.append(Examination("c", fail(ExitCode.OUTPUT)))
    assert exit_code(examine_all(table, Visit())) is ExitCode.MODEL


def test_the_json_has_every_diagnosis(capsys, tmp_path):
    assert main(["--json", "-m", str(tmp_path)]) == ExitCode.MODEL
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == ExitCode.MODEL
    assert [item["name"] for item in report["diagnoses"]] == NAMES


def test_each_diagnosis_is_a_line(capsys, diagnoses):
    write_diagnoses(diagnoses)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES) + 1
    assert lines[-1] == "nothing to mend"


NOTHING_INSTALLED = """
import runpy, sys
for name in ("holoscan", "monai", "numpy", "onnxruntime", "pydicom", "yaml", "pydantic", "typer",
             "rich", "packaging", "holoscan_cli"):
    sys.modules[name] = None
sys.argv = ["doctor"]
runpy.run_module("lesionmap.app.doctor", run_name="__main__")
"""


def test_an_answer_comes_where_nothing_can_be_imported(tmp_path):
    """Also where standard output knows ASCII only, and without PATH."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_INSTALLED],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.USAGE
    assert done.stderr == ""
    assert "settings" in done.stdout
    assert "No module named" in done.stdout or "None in sys.modules" in done.stdout


def test_lesionmap_doctor_is_the_same():
    tool = Path(sys.executable).parent / "lesionmap"
    done = subprocess.run([tool, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "nothing to mend" in done.stdout
