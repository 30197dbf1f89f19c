"""The checker on what the stock packager of holoscan-cli 4.2.0 renders, stopped before docker."""

import json
import subprocess
import sys

from lesionmap.app.conformance.check import Verdict
from lesionmap.app.conformance.examine import examine

KEEP_CONTEXT = """
import shutil, sys
from holoscan_cli.packager import container_builder, platforms
target = sys.argv.pop(1)

def keep(self, dockerfile, parameters):
    shutil.copytree(self._temp_dir, target)
    result = container_builder.PlatformBuildResults(parameters)
    result.succeeded = True
    return result

container_builder.BuilderBase._build_internal = keep
platforms.image_exists = lambda name: True
from holoscan_cli.__main__ import main
sys.argv[0] = "monai-deploy"
main()
"""

SOURCES = {
    "4.2.0": {
        "holoscan": {
            "debian-version": "4.2.0.1-1",
            "wheel-version": "4.2.0",
            "base-images": {"dgpu": "base"},
            "build-images": {"dgpu": {"x64-workstation": "base"}, "igpu": {}, "cpu": {}},
        },
        "health-probes": {"linux/amd64": "probe"},
    }
}


def test_the_faults_of_the_stock_packager_are_found(tmp_path, repository):
    """The exit code is lost, packages are one user's; it names no type, and we gave no docs."""
    application, models = tmp_path / "app", tmp_path / "models"
    (models / "spleen").mkdir(parents=True)
    (models / "spleen/model.onnx").write_bytes(b"\0")
    application.mkdir()
    (application / "__main__.py").write_text("")
    (application / "requirements.txt").write_text("numpy\n")
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps(SOURCES))
    options = {
        "-c": repository / "app.yaml",
        "-t": "small:1.0",
        "-m": models,
        "--platform": "x86_64",
        "--base-image": "base:1",
        "--source": sources,
    }
    arguments = [str(item) for pair in options.items() for item in pair]
    context = tmp_path / "context"
    command = [sys.executable, "-c", KEEP_CONTEXT, context, "package", application, *arguments]
    subprocess.run(command, check=True, capture_output=True)

    found = {item.check: item.verdict for item in examine(str(context))}
    failed = {name for name, verdict in found.items() if verdict is Verdict.FAILED}
    warned = {name for name, verdict in found.items() if verdict is Verdict.WARNING}
    assert failed == {"entry point", "packages for any uid"}
    assert warned == {"type declared", "licences inside"}
