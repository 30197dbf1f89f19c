"""Every check is green on a good MAP, and red after one mutation made for it."""

import re
from importlib.resources import files

import pytest

from lesionmap.app.conformance.check import Check, Level, Verdict
from lesionmap.app.conformance.dockerfile import read_context
from lesionmap.app.conformance.examine import examine, examine_package
from lesionmap.app.conformance.package import NotCheckedError
from lesionmap.app.conformance.probes import PROBES
from lesionmap.app.conformance.static_checks import STATIC_CHECKS
from lesionmap.models.core.errors import SettingsError
from tests.map_cases import (
    APP_JSON,
    PKG_JSON,
    change_json,
    change_text,
    files_of,
    write_archive,
    write_context,
    write_root,
)


@pytest.fixture
def context(tmp_path):
    return write_context(tmp_path / "context")


def app(**changes):
    return lambda context: change_json(context / "map/app.json", **changes)


def pkg(**changes):
    return lambda context: change_json(context / "map/pkg.json", **changes)


def dockerfile(old, new=""):
    return lambda context: change_text(context / "Dockerfile", old, new)


def remove(name):
    return lambda context: (context / name).unlink()


def write(name, content=b"?"):
    return lambda context: (context / name).write_bytes(content)


def close(name):
    return lambda context: (context / name).chmod(0o600)


STOCK_TOOLS = files("holoscan_cli.packager").joinpath("templates/tools.sh").read_bytes()
LOST = b'#!/bin/sh\neval python3 /opt/holoscan/app "$@"\ncode=$?\necho $code\n'
RESOURCES = PKG_JSON["resources"]
ENVIRONMENT = APP_JSON["environment"]

MUTATIONS = [
    ("app.json is valid", remove("map/app.json")),
    ("app.json is valid", write("map/app.json", b"{")),
    ("app.json is valid", write("map/app.json", b"\xff")),
    ("app.json is valid", write("map/app.json", b"[" * 100_000)),
    ("app.json is valid", app(command="GONE")),
    ("app.json is valid", app(command="")),
    ("app.json is valid", app(version="1.2")),
    ("app.json is valid", app(timeout=-1)),
    ("app.json is valid", app(workingDirectory="var")),
    ("app.json is valid", app(environment={"A B": "1"})),
    ("app.json is valid", app(input={"path": "input/", "formats": None})),
    ("app.json is valid", app(output={"path": "output/"})),
    ("app.json is valid", app(type="daemon")),
    ("app.json is valid", app(readiness={"type": "tcp"})),
    ("app.json is valid", app(liveness={"type": "http-get", "port": 70_000, "path": "/"})),
    ("pkg.json is valid", remove("map/pkg.json")),
    ("pkg.json is valid", write("map/pkg.json", b"[]")),
    ("pkg.json is valid", pkg(applicationRoot="app")),
    ("pkg.json is valid", pkg(models={"two words": "/opt/holoscan/models/spleen"})),
    ("pkg.json is valid", pkg(models=[{"path": "spleen"}])),
    ("pkg.json is valid", pkg(resources={**RESOURCES, "memory": "2GB"})),
    ("pkg.json is valid", pkg(resources={**RESOURCES, "cpu": -1})),
    ("type declared", app(type="GONE")),
    ("environment declared", app(environment={"HOLOSCAN_WORKDIR": "/var/holoscan"})),
    ("environment set", dockerfile("HOLOSCAN_WORKDIR=/var/holoscan/", "A=1")),
    ("environment set", dockerfile("$ROOT/models", "/models")),
    ("environment set", app(input={"path": "/in", "formats": ["file"]})),
    ("labels", dockerfile('org.opencontainers.image.title="A small MAP"')),
    ("versions equal", pkg(version="1.2.4")),
    ("versions equal", dockerfile('image.version="1.2.3"', 'image.version="1.2.4"')),
    ("versions equal", write("app.config", b"application: {version: 2.0.0}")),
    ("versions equal", dockerfile("USER", 'LABEL org.monai.deploy.app-sdk="3.0.0"\nUSER')),
    ("application in its folder", remove("app/__main__.py")),
    ("application in its folder", app(command='["/opt/holoscan/app/start"]')),
    ("entry point", write("tools", STOCK_TOOLS)),
    ("entry point", write("tools", LOST)),
    ("entry point", dockerfile('ENTRYPOINT ["/var/holoscan/tools"]')),
    ("entry point", dockerfile('["/var/holoscan/tools"]', "/var/holoscan/tools")),
    ("models where listed", pkg(models={"liver": "/opt/holoscan/models/liver"})),
    ("models where listed", write("models/.DS_Store")),
    ("models where listed", pkg(models={})),
    ("models where listed", pkg(models={"models": "/opt/holoscan/models"})),
    ("one artifact per model", write("models/spleen/README.md")),
    ("resources declared", pkg(resources=None)),
    ("resources declared", pkg(resources={"cpu": 2, "gpu": 0})),
    ("packages for any uid", dockerfile("--no-cache-dir", "--user")),
    ("packages for any uid", dockerfile("1000:1000", "1000:1000\nRUN pip install numpy")),
    (
        "packages for any uid",
        dockerfile("./docs /opt", "./docs /home/app/.local/lib/python3.12/x\n#"),
    ),
    ("files for any uid", close("app/__main__.py")),
    ("files for any uid", dockerfile("--chmod=755", "--chmod=700")),
    ("not root by default", dockerfile("USER 1000:1000")),
    ("not root by default", dockerfile("USER 1000:1000", "USER root")),
    ("not root under mercure", dockerfile("USER", "COPY map/app.json /etc/monai/\nUSER")),
    ("licences inside", remove("docs/LICENSE")),
]


def verdicts(target):
    return {item.check: item.verdict for item in examine(str(target))}


def test_a_good_context_passes_everything(context):
    assert set(verdicts(context).values()) == {Verdict.OK}


def test_every_check_and_probe_is_explained(repository):
    text = (repository / "docs" / "conformance.md").read_text()
    rows = set(re.findall(r"^\| ([^|]+) \| (must|should) \|", text, re.MULTILINE))
    assert rows == {(check.name, str(check.level)) for check in (*STATIC_CHECKS, *PROBES)}


def test_every_check_has_a_mutation():
    assert {name for name, _ in MUTATIONS} == {check.name for check in STATIC_CHECKS}


@pytest.mark.parametrize(
    ("name", "mutate"), MUTATIONS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(MUTATIONS)]
)
def test_a_mutation_turns_its_check_red(context, name, mutate):
    mutate(context)
    finding = next(item for item in examine(str(context)) if item.check == name)
    assert finding.verdict in (Verdict.FAILED, Verdict.WARNING)
    assert all(remark.strip() for remark in finding.remarks)


@pytest.mark.parametrize(
    "change",
    [
        pkg(models=[{"name": "spleen"}]),
        pkg(models=[{"name": "spleen", "path": "spleen"}]),
        app(output={"path": "output/", "format": "file"}),
        app(command="python3 /opt/holoscan/app"),
        app(readiness={"type": "command", "command": ["true"]}),
        dockerfile('["/var/holoscan/tools"]', '["python3", "/opt/holoscan/app"]'),
        write("models/spleen/config.pbtxt"),
        write("tools", STOCK_TOOLS.replace(b"eval ${command}", b"exec ${command}")),
        write("tools", LOST + b"exit $code\n"),
        write("tools", b'#!/bin/sh\nexec \\\n  python3 /opt/holoscan/app "$@" 2>&1\n'),
    ],
)
def test_what_the_specification_allows_passes_too(context, change):
    change(context)
    assert set(verdicts(context).values()) == {Verdict.OK}


def test_a_package_without_models_passes(context):
    (context / "models/spleen/model.onnx").unlink()
    (context / "models/spleen").rmdir()
    change_json(context / "map/pkg.json", models=None)
    assert set(verdicts(context).values()) == {Verdict.OK}


def test_an_unpacked_file_system_is_checked_as_far_as_it_goes(context, tmp_path):
    found = verdicts(write_root(context, tmp_path / "root"))
    assert found["models where listed"] is Verdict.OK
    assert found["labels"] is Verdict.NOT_CHECKED
    assert Verdict.FAILED not in found.values()


@pytest.mark.parametrize("home", ["home/x", "root"])
def test_packages_of_one_user_are_found_in_an_unpacked_file_system(context, tmp_path, home):
    root = write_root(context, tmp_path / "root")
    (root / home / ".local/lib/python3.12/site-packages").mkdir(parents=True)
    assert verdicts(root)["packages for any uid"] is Verdict.FAILED


def test_where_pip_of_a_virtual_environment_installs_is_not_guessed(context):
    change_text(context / "Dockerfile", "USER 1000:1000", "USER 1000\nRUN pip install numpy")
    change_text(context / "Dockerfile", "WORKDIR", "ENV PATH=/opt/venv/bin:$PATH\nWORKDIR")
    assert verdicts(context)["packages for any uid"] is Verdict.NOT_CHECKED


def test_an_archive_passes_as_its_context_does(context, tmp_path):
    layer = files_of(write_root(context, tmp_path / "root"))
    archive = write_archive(tmp_path / "image.tar", [layer])
    assert set(verdicts(archive).values()) == {Verdict.OK}


def test_layers_of_an_archive_hide_what_lies_below(context, tmp_path):
    layer = files_of(write_root(context, tmp_path / "root"))
    archive = tmp_path / "image.tar"
    write_archive(archive, [layer, {"opt/holoscan/app/.wh.__main__.py": b""}])
    assert verdicts(archive)["application in its folder"] is Verdict.FAILED
    write_archive(archive, [layer, {"opt/holoscan/models/.wh..wh..opq": b""}])
    assert verdicts(archive)["models where listed"] is Verdict.FAILED
    upper = {"opt/holoscan/models/spleen/new.onnx": b"", "opt/holoscan/models/.wh..wh..opq": b""}
    write_archive(archive, [layer, upper])
    assert verdicts(archive)["one artifact per model"] is Verdict.OK


def test_what_only_a_build_shows_is_not_guessed(context):
    change_text(context / "Dockerfile", "COPY ./docs", "COPY --from=base /docs")
    assert verdicts(context)["licences inside"] is Verdict.NOT_CHECKED
    change_text(context / "Dockerfile", "RUN pip", "RUN chmod -R a+rX /opt && pip")
    assert verdicts(context)["files for any uid"] is Verdict.NOT_CHECKED


def test_a_dockerfile_that_copies_from_a_stage_is_not_called_ok(context):
    text = (context / "Dockerfile").read_text().replace("COPY ", "COPY --from=base ")
    (context / "Dockerfile").write_text(text.replace("--from=base [", "--from=base /models [", 1))
    change_text(context / "Dockerfile", '/models ["models", "/opt/holoscan/models/"]', "/m /opt/")
    found = {item.check: item.verdict for item in examine_package(read_context(context))}
    said = {"labels", "not root by default", "not root under mercure", "packages for any uid"}
    assert {name for name, verdict in found.items() if verdict is Verdict.OK} == said
    assert {found[name] for name in found.keys() - said} == {Verdict.NOT_CHECKED}


def test_a_whole_context_may_be_copied(context):
    change_text(
        context / "Dockerfile", "COPY ./docs", "COPY . /src\nCOPY . /opt/holoscan/all\nCOPY ./docs"
    )
    assert set(verdicts(context).values()) == {Verdict.OK}


def test_a_context_without_manifests_does_not_conform_by_default(repository):
    """Our own Dockerfile is one: its first stage makes them."""
    with pytest.raises(SettingsError, match="made by the build: check the image"):
        examine(str(repository))


@pytest.mark.parametrize("name", ["app.json", "pkg.json"])
def test_a_context_without_one_of_its_manifests_is_refused(context, name):
    change_text(context / "Dockerfile", "COPY map/app.json map/pkg.json /etc/holoscan/", "")
    other = {"app.json": "pkg.json", "pkg.json": "app.json"}[name]
    change_text(
        context / "Dockerfile",
        "COPY ./docs",
        f"COPY --from=base /{name} /etc/holoscan/{name}\n"
        f"COPY map/{other} /etc/holoscan/\nCOPY ./docs",
    )
    with pytest.raises(SettingsError, match=f"{name} is made by the build"):
        examine(str(context))


@pytest.mark.parametrize(
    "script",
    [
        '#!/bin/sh\npython3 /opt/holoscan/app "$@" || true\n',
        '#!/bin/sh\npython3 /opt/holoscan/app "$@" || true\ncode=$?\nexit $code\n',
        '#!/bin/sh\npython3 /opt/holoscan/app \\\n "$@" | tee log\nexit $?\n',
        '#!/bin/sh\nexec 3>&1\npython3 /opt/holoscan/app "$@"\necho done\n',
        '#!/bin/sh\n# exec python3 "$@"\npython3 /opt/holoscan/app "$@"; echo done\n',
        "#!/usr/bin/env python3\nimport subprocess\n",
    ],
)
def test_a_script_that_may_lose_exit_codes_is_not_called_ok(context, script):
    (context / "tools").write_text(script)
    assert verdicts(context)["entry point"] is Verdict.NOT_CHECKED


def test_what_was_found_before_a_check_gave_up_still_counts():
    def find_problems(_):
        yield "it is broken"
        raise NotCheckedError("the rest needs a build")

    finding = Check("whole", Level.MUST, "here", find_problems).judge(None)
    assert (finding.verdict, finding.remarks) == (Verdict.FAILED, ("it is broken",))


@pytest.mark.parametrize(
    "step",
    [
        "rm -rf /opt/holoscan/models",
        "apt-get update && rm -rf $HOLOSCAN_MODEL_PATH/*",
        "cd /opt/holoscan; rm -rf models",
        "rm -r ../../opt",
        "curl --output=/opt/holoscan/models/spleen/model.onnx https://example.org/",
        "echo > /opt/holoscan/models/stray",
    ],
)
def test_what_a_later_step_may_have_changed_is_not_called_ok(context, step):
    change_text(context / "Dockerfile", "USER", f"RUN {step}\nUSER")
    assert verdicts(context)["models where listed"] is Verdict.NOT_CHECKED


def test_a_step_that_changes_a_manifest_needs_a_build(context):
    change_text(context / "Dockerfile", "USER", "RUN sed -i s/1/2/ /etc/holoscan/app.json\nUSER")
    with pytest.raises(SettingsError, match=r"app\.json is made by the build"):
        examine(str(context))


@pytest.mark.parametrize(
    "step", ["rm -rf /var/lib/apt/lists/* /tmp/*", "mkdir -p /var/holoscan/input", "true"]
)
def test_a_later_step_elsewhere_changes_nothing(context, step):
    change_text(context / "Dockerfile", "USER", f"RUN {step}\nUSER")
    assert set(verdicts(context).values()) == {Verdict.OK}


def test_a_context_reaches_nothing_outside_itself(context):
    (context.parent / "secret").write_text("s")
    change_text(
        context / "Dockerfile", "COPY ./docs", "COPY ../secret /opt/holoscan/docs/LICENSE\n#"
    )
    assert verdicts(context)["licences inside"] is Verdict.WARNING


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no.tar", b"no archive", "is not an archive"),
        ("Dockerfile", b"RUN true\n", "no FROM"),
        ("Dockerfile", b"FROM a\nLABEL a=1 b\n", "line 2 of the Dockerfile cannot be read"),
        ("Dockerfile", b"FROM a\nLABEL\n", "line 2"),
        ("Dockerfile", b"FROM a\n# copied\nCOPY\n", "line 3"),
        ("Dockerfile", b"FROM\n", "line 1"),
        ("Dockerfile", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_what_is_no_map_is_refused_in_a_sentence(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        examine(str(tmp_path / name if name.endswith(".tar") else tmp_path))


def test_an_empty_folder_is_no_map(tmp_path):
    with pytest.raises(SettingsError, match="neither a Dockerfile nor"):
        examine(str(tmp_path))
