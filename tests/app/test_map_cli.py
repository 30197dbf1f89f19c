"""The exit codes and the JSON of `lesionmap map check`."""

import json
import sys

import pytest

from lesionmap.app import cli
from tests.map_cases import change_json, write_context


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["lesionmap", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_a_map_that_conforms_ends_with_0(tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, "map", "check", write_context(tmp_path / "context")) == 0
    assert "conforms: 17 ok" in capsys.readouterr().out


def test_a_map_that_does_not_ends_with_1_and_says_why(tmp_path, monkeypatch, capsys):
    context = write_context(tmp_path / "context")
    change_json(context / "map/pkg.json", version="9.9.9", note="\x1b[31m [red]")
    assert call(monkeypatch, "map", "check", "--json", context) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["conforms"] is False
    failed = [item for item in report["findings"] if item["verdict"] == "failed"]
    assert [item["check"] for item in failed] == ["versions equal"]
    assert "pkg.json 9.9.9" in failed[0]["remarks"][0]


def test_what_cannot_be_checked_ends_with_2(tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, "map", "check", tmp_path) == 2
    error = capsys.readouterr().err
    assert "is not a MAP" in error
    assert "Traceback" not in error


def test_a_missing_package_is_named_whole(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "dockerfile_parse", None)
    assert call(monkeypatch, "map", "check", write_context(tmp_path / "context")) == 2
    assert "pip install 'lesionmap[packaging]'" in capsys.readouterr().err


def test_what_an_image_says_does_not_steer_the_terminal(tmp_path, monkeypatch, capsys):
    context = write_context(tmp_path / "context")
    change_json(context / "map/pkg.json", version="1.2.4")
    change_json(context / "map/app.json", environment={"A": "\x1b[2J[bold]"})
    assert call(monkeypatch, "map", "check", context) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_papers_go_to_a_file(tmp_path, monkeypatch):
    assert call(monkeypatch, "map", "sbom", tmp_path / "sbom.json") == 0
    assert json.loads((tmp_path / "sbom.json").read_text())["bomFormat"] == "CycloneDX"


def test_papers_go_to_standard_output(monkeypatch, capsys):
    assert call(monkeypatch, "map", "notices") == 0
    assert "highdicom" in capsys.readouterr().out
