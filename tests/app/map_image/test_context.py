"""What the stock packager writes, adapted: manifests, Dockerfile, and nothing else."""

import json
import os
import re
import zipfile
from importlib.resources import files

import pytest
import yaml

from lesionmap.app.map_image import context as context_module
from lesionmap.app.map_image.context import check_packager, write_context
from lesionmap.app.map_image.profiles import PROFILES, UNUSED
from lesionmap.app.settings import SOFTWARE_VERSION, Settings
from lesionmap.models.core.errors import SettingsError


def manifest(context, name):
    return json.loads((context / "map" / name).read_text())


def dockerfile(context):
    return (context / "Dockerfile").read_text()


def test_the_app_manifest_says_how_the_app_is_started(context, repository):
    app = manifest(context, "app.json")
    declared = yaml.safe_load((repository / "app.yaml").read_text())["application"]
    assert json.loads(app["command"]) == ["python3", "/opt/holoscan/app"]
    assert (app["apiVersion"], app["version"]) == ("1.0.0", declared["version"])
    assert (app["version"], app["type"]) == (SOFTWARE_VERSION, "application")
    assert (app["sdk"], app["sdkVersion"]) == ("monai-deploy", "4.0.0")
    assert app["input"] == {"path": "input/", "formats": ["file"]}
    assert app["output"] == {"path": "output/", "formats": ["file"]}
    assert app["environment"]["HOLOSCAN_CONFIG_PATH"] == "/var/holoscan/app.yaml"


def test_the_package_manifest_lists_the_models_of_app_yaml(context, profile):
    package = manifest(context, "pkg.json")
    assert package["models"] == {
        name: f"/opt/holoscan/models/{name}" for name in Settings.load().model_names
    }
    assert package["resources"] == {"cpu": 2, "gpu": profile.gpus, "memory": "2Gi"}


def test_each_model_folder_has_one_file(context):
    folders = sorted((context / "models").iterdir())
    assert [folder.name for folder in folders] == sorted(manifest(context, "pkg.json")["models"])
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


def test_all_that_the_dockerfile_copies_is_there(context):
    copied = re.findall(r"^COPY (\S+)", dockerfile(context), flags=re.MULTILINE)
    assert len(copied) == 8
    assert all((context / name).exists() for name in copied)


def test_the_image_is_for_any_user(context):
    text = dockerfile(context)
    assert "--user" not in text
    assert "ENV PATH=/opt/holoscan/venv/bin:$PATH" in text
    assert "ENV HOME=/tmp" in text
    assert re.search(r"\nUSER \$\{UID\}:\$\{GID\}\n\nENTRYPOINT", text)
    assert "sudo" not in text


def test_mercure_finds_no_reason_to_run_it_as_root(context):
    assert "/etc/monai" not in dockerfile(context)


def test_the_cpu_image_takes_nothing_from_nvidias_site(contexts):
    text = dockerfile(contexts["cpu"])
    assert "nvidia" not in text.replace("org.nvidia.holoscan", "")
    assert "curl" not in text


def pinned(text):
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, flags=re.MULTILINE))


def test_the_cpu_image_has_the_locked_run_time_less_what_it_does_not_use(contexts, repository):
    lock = (repository / "requirements" / "lock.txt").read_text()
    installed = (contexts["cpu"] / "pip" / "requirements.txt").read_text()
    assert pinned(installed).keys() == pinned(lock).keys() - set(UNUSED)
    assert pinned(installed).items() <= pinned(lock).items()
    entries = re.split(r"(?m)^(?=\S)", installed)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "--no-deps --requirement" in dockerfile(contexts["cpu"])


def test_the_gpu_image_stands_on_cuda_with_the_gpu_runtime(contexts):
    text = dockerfile(contexts["gpu"])
    cpu, gpu = (
        pinned((contexts[name] / "pip" / "requirements.txt").read_text()) for name in ("cpu", "gpu")
    )
    assert f"FROM {PROFILES['gpu'].base_image} AS base" in text
    assert "python3-venv=" in text
    assert gpu.pop("onnxruntime-gpu") == cpu.pop("onnxruntime")
    assert gpu == cpu


def test_the_wheel_has_the_files_that_the_app_reads(context):
    (wheel,) = (context / "app").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        shipped = archive.read("lesionmap/app/app.yaml").decode()
    assert "lesionmap/models/weights/catalog.yaml" in names
    assert not [name for name in names if name.endswith((".onnx", ".safetensors"))]
    assert shipped == (files("lesionmap.app") / "app.yaml").read_text()


def test_licences_and_model_cards_go_with_the_image(context, repository):
    docs = context / "docs"
    assert (docs / "LICENSE").read_bytes() == (repository / "LICENSE").read_bytes()
    cards = {path.name for path in (repository / "docs" / "models").glob("*.md")}
    assert {path.name for path in (docs / "models").iterdir()} == cards
    components = json.loads((docs / "sbom.json").read_text())["components"]
    names = {component["name"] for component in components}
    assert not names & set(UNUSED)
    assert manifest(context, "pkg.json")["models"].keys() <= names


@pytest.mark.parametrize("found", ["4.6.0", None])
def test_another_packager_is_refused(found, monkeypatch, tmp_path, repository):
    def version(_):
        if found is None:
            raise context_module.PackageNotFoundError
        return found

    monkeypatch.setattr(context_module, "version", version)
    with pytest.raises(SettingsError, match=r"pip install holoscan-cli==4\.2\.0") as caught:
        write_context(
            tmp_path / "c", PROFILES["cpu"], checkout=repository, base_image="b", tag="t:1"
        )
    assert caught.value.code == 2
    assert not (tmp_path / "c").exists()


def test_the_installed_packager_is_the_one_that_is_adapted():
    check_packager()


@pytest.mark.usefixtures("quick_stage")
def test_a_name_that_is_none_is_refused(tmp_path, repository):
    with pytest.raises(SettingsError, match="not a valid Docker tag"):
        write_context(
            tmp_path / "c", PROFILES["cpu"], checkout=repository, base_image="b", tag="A NAME"
        )
    assert not (tmp_path / "c").exists()


@pytest.mark.usefixtures("quick_stage")
def test_everybody_may_read_it_whatever_the_umask(tmp_path, repository):
    before = os.umask(0o077)
    try:
        write_context(
            tmp_path / "c", PROFILES["cpu"], checkout=repository, base_image="b", tag="map:t"
        )
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "c").rglob("*")}
    assert modes == {0o755, 0o644}


# The Dockerfile for those who have only docker


def instructions(text, *names):
    joined = text.replace("\\\n", " ")
    return {
        line
        for line in joined.splitlines()
        if line.startswith(names) and not line.startswith(("LABEL base", "LABEL tag"))
    }


def test_the_plain_dockerfile_makes_the_same_image(contexts, repository):
    plain = (repository / "Dockerfile").read_text().split("\nFROM ${BASE}\n")[1]
    rendered = dockerfile(contexts["cpu"]).split(" AS release\n")[1]
    same = ("ENV HOLOSCAN", "ENV HOME", "ENV PATH", "LABEL", "USER", "ENTRYPOINT", "WORKDIR")
    assert instructions(plain, *same) == instructions(rendered, *same)
    targets = [
        {line.split()[-1] for line in instructions(text, "COPY")} for text in (plain, rendered)
    ]
    assert targets[0] - {"/opt/holoscan/venv"} == targets[1]


def test_the_plain_dockerfile_stands_on_the_same_base(repository):
    assert f"ARG BASE={PROFILES['cpu'].base_image}\n" in (repository / "Dockerfile").read_text()


def test_both_builds_delete_the_font_under_the_gpl(context, repository):
    wanted = "rm -f /opt/holoscan/venv/lib/python3*/site-packages/reportlab/fonts/DarkGarden*"
    for folder in (context, repository):
        assert wanted in (folder / "Dockerfile").read_text()
