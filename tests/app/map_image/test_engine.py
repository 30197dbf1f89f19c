"""Calling an engine; a stand-in notes how it was called."""

import pytest
from typer.testing import CliRunner

from lesionmap.app.cli import app
from lesionmap.app.map_image.engine import build_image
from lesionmap.models.core.errors import OutputError, SettingsError


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Return a function that puts an engine of the given exit code on the path."""

    def install(code):
        program = tmp_path / "bin" / "sham-engine"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\nexit {code}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        return tmp_path / "called"

    return install


def test_the_context_is_built_under_its_name(engine, tmp_path):
    called = engine(0)
    build_image(tmp_path, "lesionmap:1", "sham-engine")
    assert called.read_text() == f"build --tag lesionmap:1 {tmp_path}\n"


def test_a_failed_build_is_an_output_error(engine, tmp_path):
    engine(7)
    with pytest.raises(OutputError, match="ended with 7") as caught:
        build_image(tmp_path, "lesionmap:1", "sham-engine")
    assert caught.value.code == 30


def test_an_absent_engine_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="lesionmap map context"):
        build_image(tmp_path, "lesionmap:1", "no-such-engine")


@pytest.mark.usefixtures("quick_stage")
def test_build_writes_a_context_and_calls_the_engine(engine):
    called = engine(0)
    result = CliRunner().invoke(app, ["map", "build", "lesionmap:9", "--engine", "sham-engine"])
    assert result.exit_code == 0, result.output
    assert called.read_text().startswith("build --tag lesionmap:9 ")


@pytest.mark.usefixtures("quick_stage")
def test_stage_and_context_say_what_comes_next(tmp_path):
    result = CliRunner().invoke(app, ["map", "context", str(tmp_path / "c"), "--profile", "gpu"])
    assert (result.exit_code, "docker build" in result.output) == (0, True)
    result = CliRunner().invoke(app, ["map", "stage", str(tmp_path / "s")])
    assert (result.exit_code, "is staged for the cpu image" in result.output) == (0, True)
