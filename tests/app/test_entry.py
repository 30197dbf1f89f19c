"""`python app` as a container starts it: a broken deployment ends with its code and a sentence."""

import os
import subprocess
import sys

import pytest

from tests.dicom_series import ramp, write_series


@pytest.fixture
def start(repository, tmp_path):
    """Run ``python app`` on an empty input."""
    (tmp_path / "in").mkdir()

    def run(*options, **environment):
        command = [sys.executable, "app", "-i", tmp_path / "in", "-o", tmp_path / "out", *options]
        return subprocess.run(
            command,
            cwd=repository,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_an_absent_cuda_runtime_is_named(start, tmp_path):
    holoscan = tmp_path / "broken" / "holoscan"
    holoscan.mkdir(parents=True)
    reason = "libcudart.so.13: cannot open shared object file: No such file or directory"
    (holoscan / "__init__.py").write_text(f"raise ImportError({reason!r})")
    done = start(PYTHONPATH=str(holoscan.parent))
    assert done.returncode == 2
    assert "libcudart.so.13" in done.stderr
    assert "nvidia-cuda-runtime" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_absent_store_is_a_model_error(start, tmp_path):
    done = start("-m", tmp_path / "nowhere")
    assert done.returncode == 20
    assert "is not in the store" in done.stderr


def test_an_altered_model_is_a_model_error(start, store, tmp_path):
    for path in store.glob("*/model.onnx"):
        altered = tmp_path / "store" / path.relative_to(store)
        altered.parent.mkdir(parents=True)
        altered.write_bytes(path.read_bytes() + b"\0")
    done = start("-m", tmp_path / "store")
    assert done.returncode == 20
    assert "was altered" in done.stderr


def test_an_output_folder_that_cannot_be_made_is_an_output_error(start, tmp_path):
    write_series(tmp_path / "in", ramp())
    (tmp_path / "out").write_text("a file")
    done = start()
    assert done.returncode == 30
    assert "not writable" in done.stderr
