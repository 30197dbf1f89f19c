"""The image beside that of a trivial app from the unadapted packager: size, seconds, memory.

    make bench-map

Both stand on the same base. The unadapted packager's Dockerfile keeps all steps but those that
need Ubuntu 24.04 and NVIDIA's package site; its app has one operator that does nothing. Seconds
are from `docker run` to its end; seconds of CPU, which a busy machine does not stretch, and memory
(the largest process) are of a run of their own.
"""

import argparse
import json
import os
import platform
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from holoscan_cli.__main__ import parse_args
from holoscan_cli.packager.arguments import PackagingArguments
from holoscan_cli.packager.container_builder import PythonAppBuilder

from lesionmap.app.map_image.context import write_context
from lesionmap.app.map_image.profiles import PROFILES
from lesionmap.app.map_image.stage import ARTIFACTS, list_artifacts
from lesionmap.operators.dicom.sample import write_sample
from tests.map.base import provide_base
from tests.map.engine import Engine, running_engine

REPOSITORY = Path(__file__).parent.parent
OURS, STOCK = "lesionmap-bench:ours", "lesionmap-bench:stock"
OWN_BASE = "lesionmap-test-base:"
DEBIAN_PYTHON = "python3.11"
RUN_TIME = ("monai-deploy-app-sdk", "holoscan-cu13", "holoscan-cli", "nvidia-cuda-runtime")
_TRIVIAL_APP = """\
import ctypes
from importlib.metadata import files
for file in files("nvidia-cuda-runtime"):
    if "libcudart.so" in file.name:
        ctypes.CDLL(str(file.locate()), mode=ctypes.RTLD_GLOBAL)
from monai.deploy.core import Application, Operator

class Nothing(Operator):
    def setup(self, spec):
        pass

    def compute(self, op_input, op_output, context):
        pass

class Trivial(Application):
    def compose(self):
        from holoscan.conditions import CountCondition
        self.add_operator(Nothing(self, CountCondition(self, 1), name="nothing"))

Trivial([]).run()
"""
_METER = (
    "import resource, subprocess, sys; code = subprocess.call(['/var/holoscan/tools']); "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print('USED', used.ru_maxrss, used.ru_utime + used.ru_stime); sys.exit(code)"
)


def main() -> None:
    """Build both images, run them in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="lesionmap-") as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        write_sample(scratch / "in")
        with running_engine(scratch) as engine:
            _compare(engine, scratch, rounds)


def _compare(engine: Engine, scratch: Path, rounds: int) -> None:
    """Build and measure; nothing of it stays in the engine, whatever happens."""
    made = [OURS, STOCK]
    try:
        base = provide_base(engine, REPOSITORY / ".cache" / "map-base")
        if base.startswith(OWN_BASE):
            made.append(base)
        images = {
            "LesionMAP": _build_ours(engine, base, scratch / "ours"),
            "stock, trivial app": _build_stock(engine, base, scratch / "stock"),
        }
        source = scratch / "in"
        _print_table({name: _measure(engine, images[name], source, rounds) for name in images})
    finally:
        engine.docker("image", "rm", "--force", *made)


def _build_ours(engine: Engine, base: str, folder: Path) -> str:
    profile = PROFILES["cpu"]
    write_context(folder, profile, checkout=REPOSITORY, base_image=base, tag=OURS)
    return _build(engine, folder, OURS)


def _build_stock(engine: Engine, base: str, folder: Path) -> str:
    """Build a trivial app with the packager's own Dockerfile and entry point."""
    staged = folder.with_name("staged")
    app = staged / "app"
    app.mkdir(parents=True)
    folder.mkdir()
    (app / "__main__.py").write_text(_TRIVIAL_APP)
    pins = (REPOSITORY / "requirements.txt").read_text().splitlines()
    needed = [pin for pin in pins if pin.split("==")[0] in RUN_TIME]
    (app / "requirements.txt").write_text("\n".join(needed) + "\n")
    (staged / ARTIFACTS).write_text(json.dumps(list_artifacts(base)))
    command = ("monai-deploy", "package", str(app), "--sdk", "monai-deploy", "--tag", "t:1")
    places = ("--config", str(REPOSITORY / "app.yaml"), "--source", str(staged / ARTIFACTS))
    arguments = PackagingArguments(
        parse_args([*command, *places, "--platform", "x86_64"]), str(folder)
    )
    (folder / "map").mkdir()
    for name, manifest in (
        ("app.json", arguments.application_manifest),
        ("pkg.json", arguments.package_manifest),
    ):
        (folder / "map" / name).write_text(json.dumps(manifest.data))
    _Renderer(arguments.build_parameters, str(folder)).build(arguments.platforms[0])
    user = ("--build-arg=UNAME=holoscan", "--build-arg=UID=1000", "--build-arg=GID=1000")
    return _build(engine, folder, STOCK, *user)


class _Renderer(PythonAppBuilder):  # type: ignore[misc]
    """The stock builder; only what cannot be had on Debian is taken out of what it renders."""

    def _get_template(self, platform_parameters: Any) -> str:
        text: str = super()._get_template(platform_parameters)
        text = re.sub(r"# Update NV GPG repo key.*?&& apt-get update\n", "", text, flags=re.DOTALL)
        text = re.sub(r"=\$\{PYTHON(_PIP)?_VERSION\}", "", text)
        # The first start of Python completes Holoscan's installation, not while pip runs.
        text = text.replace("RUN pip install monai", "RUN python3 -c pass; pip install monai")
        return text.replace("python3.12", DEBIAN_PYTHON)

    def _build_internal(self, *_: Any, **__: Any) -> Any:
        return None


def _build(engine: Engine, folder: Path, name: str, *options: str) -> str:
    engine.need("build", "--network", "host", "--no-cache", "--tag", name, *options, folder)
    return name


def _measure(engine: Engine, image: str, source: Path, rounds: int) -> dict[str, float]:
    """Return MB of the image, seconds of a run, and what it used."""
    seconds = []
    for _ in range(rounds):
        began = time.monotonic()
        _run(engine, image, source)
        seconds.append(time.monotonic() - began)
    metered = _run(engine, image, source, "--entrypoint", "python3", command=("-c", _METER))
    peak_kib, cpu = metered.split("USED")[1].split()[:2]
    size = int(engine.need("image", "inspect", "--format", "{{.Size}}", image))
    return {
        "image, MB": size / 1e6,
        "seconds, median": statistics.median(seconds),
        "seconds, least": min(seconds),
        "seconds, most": max(seconds),
        "seconds of CPU": float(cpu),
        "peak, MiB": int(peak_kib) / 1024,
    }


def _run(
    engine: Engine, image: str, source: Path, *options: str, command: tuple[str, ...] = ()
) -> str:
    mount = f"{source}:/var/holoscan/input:ro"
    return engine.need(
        "run", "--rm", "--network", "none", "--volume", mount, *options, image, *command
    )


def _print_table(columns: dict[str, dict[str, float]]) -> None:
    print(f"{os.cpu_count()} cores, {platform.machine()}; the sample study of `lesionmap sample`")
    print(f"{'':<18}" + "".join(f"{name:>22}" for name in columns))
    for key in next(iter(columns.values())):
        print(f"{key:<18}" + "".join(f"{column[key]:>22.1f}" for column in columns.values()))


if __name__ == "__main__":
    main()
