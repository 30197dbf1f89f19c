"""Two images, one by the stock packager and one by the Dockerfile, and a run outside of them."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionmap.operators.dicom.sample import write_sample
from tests.map.base import provide_base
from tests.map.engine import Engine, running_engine

BUILDS = ("packager", "dockerfile")


@pytest.fixture(scope="session")
def scratch():
    """A folder with a short name (a socket is in it) that any user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="lesionmap-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def engine(scratch):
    """A container engine; `docker build` in it has the host's network."""
    home = scratch / "engine"
    home.mkdir()
    with running_engine(home) as running:
        builder = home / "docker-build"
        builder.write_text('#!/bin/sh\nshift\nexec docker build --network host --no-cache "$@"\n')
        builder.chmod(0o755)
        # `monai-deploy run` asks whether it is there, and does not use it.
        plugin = home / ".docker" / "cli-plugins" / "docker-buildx"
        plugin.parent.mkdir(parents=True)
        shutil.copy(builder, plugin)
        running.builder = builder
        yield running


@pytest.fixture(scope="session")
def base(engine, repository):
    """The base image; one that is made here goes in the end."""
    name = provide_base(engine, repository / ".cache" / "map-base")
    yield name
    if name.startswith("lesionmap-test-base:"):
        engine.need("image", "rm", "--force", name)


@pytest.fixture(scope="session")
def images(engine, base, repository):
    """Build both images; remove them in the end."""
    tool = Path(sys.executable).parent / "lesionmap"
    names = {build: f"lesionmap-test:{build}" for build in BUILDS}
    command = ["map", "build", names["packager"], "--base-image", base, "--engine", engine.builder]
    done = engine.call(tool, *command)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    done = engine.call(
        engine.builder,
        "build",
        "-t",
        names["dockerfile"],
        "--build-arg",
        f"BASE={base}",
        repository,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    yield names
    engine.need("image", "rm", "--force", *names.values())


@pytest.fixture(params=BUILDS)
def image(images, request) -> str:
    """Each image in turn."""
    return images[request.param]


@pytest.fixture(scope="session")
def sample(scratch) -> Path:
    """The sample study, readable for everybody."""
    write_sample(scratch / "in")
    return scratch / "in"


@pytest.fixture(scope="session")
def reference(sample, repository, scratch) -> dict[str, Any]:
    """What `python app` says outside of a container, less its timings."""
    command = [sys.executable, repository / "app", "-i", sample, "-o", scratch / "reference"]
    subprocess.run(
        [*command, "-m", repository / "models" / "store", "-l", "ERROR"], check=True, timeout=300
    )
    return receipt(scratch / "reference")


@pytest.fixture
def out(tmp_path) -> Path:
    """An output folder that every user may write to."""
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def run(engine: Engine, sample, out) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run an image on the sample as nothing but `docker run` options say."""

    def start(image: str, *options: object, command: tuple[object, ...] = ()) -> Any:
        mounts = ("-v", f"{sample}:/var/holoscan/input:ro", "-v", f"{out}:/var/holoscan/output")
        return engine.docker("run", "--rm", *mounts, *options, image, *command)

    return start


def receipt(folder: Path) -> dict[str, Any]:
    """Return run.json without what differs from run to run."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(item) for key, item in value.items() if key != "timings_ms"}
        return [strip(item) for item in value] if isinstance(value, list) else value

    stripped: dict[str, Any] = strip(json.loads((folder / "run.json").read_text()))
    return stripped
