"""The images do what the app does outside of them, however they are started."""

import hashlib
import json
import sys
from pathlib import Path

import pytest

from tests.map.conftest import receipt

HARDENED = (
    *("--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--read-only", "--tmpfs", "/tmp"),
)
TOOL = Path(sys.executable).parent


def assert_same(folder, reference):
    """Compare the receipt with the reference, and the files with the receipt."""
    found = receipt(folder)
    assert found == reference
    outputs = [output for series in found["series"] for output in series["outputs"]]
    assert {output["kind"] for output in outputs} >= {"seg", "report"}
    for output in outputs:
        written = (folder / output["path"]).read_bytes()
        assert hashlib.sha256(written).hexdigest() == output["sha256"]
    assert not [path for path in folder.rglob("*") if "partial" in path.name]


@pytest.mark.parametrize("user", ["0", "1000", "4321:4321", "4321"])
def test_any_user_gets_the_same_from_a_hardened_container(user, image, run, out, reference):
    done = run(image, *HARDENED, "--user", user)
    assert done.returncode == 0, done.stderr
    assert_same(out, reference)


def test_plain_docker_run(image, run, out, reference):
    assert run(image, "--network", "none").returncode == 0
    assert_same(out, reference)


def test_monai_deploy_run(image, engine, sample, out, reference):
    if "nvidia" not in engine.need("info", "--format", "{{json .Runtimes}}"):
        pytest.skip("the engine has no runtime called nvidia, which monai-deploy run asks for")
    options = ("--rm", "--gpus", "none", "--uid", "1000", "--gid", "1000")
    done = engine.call(
        TOOL / "monai-deploy", "run", *options, image, "-i", sample, "-o", out, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same(out, reference)


def test_monai_deploy_run_learns_of_a_refusal(image, engine, out, tmp_path):
    if "nvidia" not in engine.need("info", "--format", "{{json .Runtimes}}"):
        pytest.skip("the engine has no runtime called nvidia, which monai-deploy run asks for")
    (tmp_path / "empty").mkdir()
    options = ("--rm", "--gpus", "none", "--uid", "1000", "--gid", "1000")
    done = engine.call(
        TOOL / "monai-deploy", "run", *options, image, "-i", tmp_path / "empty", "-o", out
    )
    assert done.returncode == 2
    assert "returned with code 10" in done.stdout + done.stderr


def test_as_mercure_starts_a_module(image, engine, sample, out, reference):
    folders = {"data": sample, "output": out}
    variables = {
        **dict.fromkeys(("MERCURE_IN_DIR", "MONAI_INPUTPATH", "HOLOSCAN_INPUT_PATH"), "/tmp/data"),
        **dict.fromkeys(
            ("MERCURE_OUT_DIR", "MONAI_OUTPUTPATH", "HOLOSCAN_OUTPUT_PATH"), "/tmp/output"
        ),
    }
    done = engine.docker(
        *("run", "--rm", "--network", "none", "--cap-drop", "ALL"),
        *("--user", "4321:4321", "--group-add", "4321"),
        *(f"--volume={folder}:/tmp/{name}" for name, folder in folders.items()),
        *(f"--env={name}={value}" for name, value in variables.items()),
        image,
    )
    assert done.returncode == 0, done.stderr
    assert_same(out, reference)
    flat = sorted(path.name for path in out.glob("*.dcm"))
    assert flat == [f"00{n}-{kind}.dcm" for n in (1, 2, 3) for kind in ("seg", "sr")]
    assert len(json.loads((out / "result.json").read_text())["series"]) == 3


def test_mercure_does_not_take_it_for_a_map_that_needs_root(image, engine):
    done = engine.docker("run", "--rm", "--entrypoint", "", image, "cat", "/etc/monai/app.json")
    assert done.returncode == 1


def test_as_an_argo_task_starts_it(image, run, out, reference):
    command = ("-c", "python3 -u /opt/holoscan/app")
    done = run(image, "--network", "none", "--entrypoint", "/bin/bash", command=command)
    assert done.returncode == 0, done.stderr
    assert_same(out, reference)


# Refusals


def test_an_empty_input_is_10(image, engine, out, tmp_path):
    (tmp_path / "empty").mkdir()
    mounts = (f"{tmp_path}/empty:/var/holoscan/input:ro", f"{out}:/var/holoscan/output")
    done = engine.docker("run", "--rm", *HARDENED, *(f"--volume={item}" for item in mounts), image)
    assert done.returncode == 10
    assert receipt(out)["exit_code"] == 10


def assert_refused(done, code, sentence):
    assert done.returncode == code, done.stderr
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_absent_models_are_20(image, run):
    done = run(image, *HARDENED, "--env", "HOLOSCAN_MODEL_PATH=/nowhere")
    assert_refused(done, 20, "is not in the store")


def test_an_altered_model_is_20(image, run, tmp_path):
    (tmp_path / "model.onnx").write_text("altered")
    place = "/opt/holoscan/models/yolo-nas-nano-256-int8/model.onnx"
    done = run(image, *HARDENED, "--volume", f"{tmp_path}/model.onnx:{place}:ro")
    assert_refused(done, 20, "was altered")


def test_a_config_that_is_none_is_2(image, run):
    done = run(image, *HARDENED, "--env", "HOLOSCAN_CONFIG_PATH=/etc/hostname")
    assert_refused(done, 2, "hostname")


def test_an_absent_cuda_runtime_is_2(image, engine, run):
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = engine.need("run", "--rm", "--entrypoint", "python3", image, "-c", where)
    assert_refused(run(image, *HARDENED, "--tmpfs", f"{packages}/nvidia"), 2, "libcudart")


def test_an_unwritable_output_is_30(image, run, out):
    out.chmod(0o755)
    assert_refused(run(image, *HARDENED, "--user", "4321"), 30, "Permission denied")
    assert not list(out.iterdir())


def test_a_full_disk_is_30(image, engine, sample):
    done = engine.docker(
        *("run", "--rm", *HARDENED, "--user", "0", "--volume", f"{sample}:/var/holoscan/input:ro"),
        *("--tmpfs", "/var/holoscan/output:size=100k", image),
    )
    assert_refused(done, 30, "No space left")


# What the image is


def test_it_shows_its_manifests(image, engine):
    shown = engine.need("run", "--rm", "--network", "none", image, "show", "app")
    manifest = json.loads(shown[shown.index("{") :])
    assert json.loads(manifest["command"]) == ["python3", "/opt/holoscan/app"]


def test_it_extracts_app_config_models_and_docs(image, engine, out):
    engine.need("run", "--rm", "-v", f"{out}:/var/run/holoscan/export", image, "extract")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"config/app.json", "config/pkg.json", "config/app.yaml", "docs/LICENSE"} <= found
    assert len([name for name in found if name.endswith("/model.onnx")]) == 3


def test_it_is_lean(image, engine):
    size = int(engine.need("image", "inspect", "--format", "{{.Size}}", image))
    assert size < 1_000_000_000
    names = engine.need("run", "--rm", "--entrypoint", "pip", image, "list").lower()
    assert not {"torch", "cupy-cuda13x"} & set(names.split())


def test_both_builds_make_the_same_image(images, engine):
    def describe(name):
        config = json.loads(engine.need("image", "inspect", name))[0]["Config"]
        labels = {k: v for k, v in config["Labels"].items() if k not in ("base", "tag")}
        variables = {
            item for item in config["Env"] if not item.startswith(("DEBIAN_FRONTEND", "TERM="))
        }
        return labels, variables, config["User"], config["WorkingDir"], config["Entrypoint"]

    def read(name):
        command = "cat /etc/holoscan/*.json /var/holoscan/app.yaml; pip freeze | grep -v ^lesionmap"
        return engine.need("run", "--rm", "--entrypoint", "sh", name, "-c", command)

    assert describe(images["packager"]) == describe(images["dockerfile"])
    assert read(images["packager"]) == read(images["dockerfile"])


def test_the_command_line_is_in_it(image, engine):
    engine.need("run", "--rm", "--network", "none", "--entrypoint", "lesionmap", image, "models")


def test_the_conformance_checker_finds_no_fault(image, engine, sample):
    done = engine.call(TOOL / "lesionmap", "map", "check", image, "--input", sample)
    assert done.returncode == 0, done.stdout + done.stderr
