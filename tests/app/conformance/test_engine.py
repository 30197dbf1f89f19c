"""The engine's command line, with a script in docker's place."""

import json

import pytest

from lesionmap.app.conformance.check import Verdict
from lesionmap.app.conformance.engine import CommandLineEngine
from lesionmap.app.conformance.examine import examine
from lesionmap.models.core.errors import SettingsError
from tests.map_cases import files_of, image_config, tar_of, write_context, write_root

SCRIPT = """\
#!/bin/sh
echo "$@" >> {folder}/calls
case "$1" in
  version) exit {version_code} ;;
  image) test "$3" = small:1 || exit 1; cat {folder}/config.json ;;
  create) {create} ;;
  export) cat {folder}/{export} ;;
  run) {run} ;;
esac
"""


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """Put a script on the PATH; call it to say what `docker run` does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    context = write_context(tmp_path / "context")
    root = write_root(context, tmp_path / "root")
    (folder / "root.tar").write_bytes(tar_of(files_of(root)))
    (folder / "config.json").write_text(json.dumps([{"Config": image_config()}]))

    def install(**behaviour):
        usual = {"run": "exit 0", "version_code": 0, "create": "echo container-7"}
        usual["export"] = "root.tar"
        script = SCRIPT.format(folder=folder, **{**usual, **behaviour})
        (folder / "docker").write_text(script)
        (folder / "docker").chmod(0o755)
        return folder / "calls"

    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return install


def test_an_image_is_read_without_starting_it(docker):
    calls = docker()
    package = CommandLineEngine().read("small:1")
    assert package.application().version == "1.2.3"
    assert package.need_settings().user == "1000:1000"
    assert calls.read_text().splitlines()[-1] == "rm --force --volumes container-7"
    assert "run" not in calls.read_text().split()


def test_an_image_is_checked_at_rest_and_running(docker):
    docker(run="echo usage: app; exit 0")
    found = {item.check: item.verdict for item in examine("small:1")}
    assert found["labels"] is found["starts"] is found["runs as root"] is Verdict.OK
    assert found["passes exit codes"] is Verdict.FAILED


def test_a_container_that_does_not_end_is_removed(docker):
    calls = docker(run="exec sleep 60")
    ended = CommandLineEngine(timeout_s=0.5).run("small:1", (), ())
    assert ended.code is None
    run, remove = calls.read_text().splitlines()[-2:]
    assert remove == f"rm --force {run.split()[3]}"


def test_exit_code_and_last_words_are_kept(docker):
    docker(run="echo out; echo 'first' >&2; echo 'last  ' >&2; exit 13")
    ended = CommandLineEngine().run("small:1", ("--network", "none"), ("-x",))
    assert (ended.code, ended.output, ended.description) == (
        13,
        "out\n",
        "ended with code 13: last",
    )


@pytest.mark.parametrize(
    ("target", "behaviour", "words"),
    [
        ("other:1", {}, "no folder, archive or image is called 'other:1'"),
        ("small:1", {"version_code": 1}, "no container engine answers"),
        ("small:1", {"create": "echo no command >&2; exit 1"}, "cannot create .*no command"),
        ("small:1", {"export": "config.json"}, "cannot export small:1"),
        ("small:1", {"run": "echo no runtime >&2; exit 125"}, "cannot run small:1.*no runtime"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(docker, target, behaviour, words):
    docker(**behaviour)
    with pytest.raises(SettingsError, match=words):
        examine(target)


@pytest.mark.parametrize("word", ["version", "image", "create", "rm"])
def test_an_engine_that_hangs_is_said_in_a_sentence(docker, monkeypatch, word):
    calls = docker()
    script = calls.parent / "docker"
    hung = f'case "$1" in {word}) exec sleep 60 ;; esac\n'
    script.write_text(script.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\n{hung}"))
    monkeypatch.setattr("lesionmap.app.conformance.engine._ANSWER_LIMIT_S", 0.5)
    with pytest.raises(SettingsError, match=f"docker did not answer '{word}'"):
        examine("small:1")


def test_a_missing_engine_is_said_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="start it, name another"):
        examine("small:1")


def test_input_is_for_images(tmp_path):
    context = write_context(tmp_path / "context")
    with pytest.raises(SettingsError, match="--input needs an image"):
        examine(str(context), study=tmp_path)
