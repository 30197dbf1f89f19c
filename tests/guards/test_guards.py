"""What must stay true of the repository as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "super_gradients",
    "sam2",
    "monai.networks",
    "onnx",
    "scipy",
    "cv2",
)


def test_the_run_time_imports_no_training_stack(repository):
    code = (
        "import sys, lesionmap.app.batch, lesionmap.app.cli, lesionmap.app.__main__;"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_requirements_name_no_training_stack_and_pin_everything(repository):
    lines = (repository / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9A-Za-z.]+", pin) for pin in pins)
    assert not {pin.split("==")[0] for pin in pins} & {"torch", "torchvision", "super-gradients"}


def test_the_packager_is_there():
    tool = Path(sys.executable).parent / "monai-deploy"
    done = subprocess.run([tool, "--help"], capture_output=True, text=True, check=False)
    assert "package" in done.stdout


def test_no_module_is_named_like_one_of_the_standard_library(repository):
    names = {path.stem for path in (repository / "app").glob("*.py")} - {"__init__", "__main__"}
    assert not names & set(sys.stdlib_module_names)


def test_the_wheel_lists_every_package(repository):
    text = (repository / "pyproject.toml").read_text()
    listed = set(
        re.findall(r'"(lesionmap\.[a-z_.]+)",', text.split("[tool.setuptools.package-dir]")[0])
    )
    found = {
        "lesionmap." + ".".join(path.parent.relative_to(repository).parts)
        for top in ("app", "operators", "models")
        for path in (repository / top).rglob("__init__.py")
    }
    assert found == listed


@pytest.mark.parametrize("top", ["app", "operators", "models", "tests", "benchmarks"])
def test_no_file_is_longer_than_400_lines(top, repository):
    long = {
        path.name: count
        for path in (repository / top).rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert not long
