"""Building the image with docker, podman or another engine that takes a Dockerfile."""

import shutil
import subprocess
from pathlib import Path

from lesionmap.app.settings import build_environment
from lesionmap.models.core.errors import OutputError, SettingsError


def build_image(context: Path, tag: str, engine: str = "docker") -> None:
    """Run ``engine build`` on a context; its output goes to the terminal.

    Raises:
        SettingsError: the engine is not installed.
        OutputError: the engine could not build the image.
    """
    program = shutil.which(engine)
    if program is None:
        raise SettingsError(
            f"{engine} is not installed: install it, name another with --engine, or build the "
            "folder that `lesionmap map context` writes elsewhere"
        )
    done = subprocess.run(  # noqa: S603
        [program, "build", "--tag", tag, str(context)], env=build_environment(), check=False
    )
    if done.returncode:
        raise OutputError(f"{engine} build ended with {done.returncode}: its last lines say why")
