"""The container engine: docker, or another program with the same command line."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from lesionmap.app.conformance.archive import image_settings, read_stream
from lesionmap.app.conformance.package import Package, PackagedFile
from lesionmap.models.core.errors import SettingsError

_PROGRAMS = ("docker", "podman")
_ENGINE_FAILED = 125
"""The exit code of `docker run` when the engine, not the container, failed."""

_ANSWER_LIMIT_S = 60.0


@dataclass(frozen=True)
class Ended:
    """How a container ended; ``code`` is None if it was stopped after the time limit."""

    code: int | None
    output: str
    errors: str

    @property
    def description(self) -> str:
        """The code and the last thing it said."""
        code = "did not end in time" if self.code is None else f"ended with code {self.code}"
        lines = [line for line in (self.errors or self.output).splitlines() if line.strip()]
        return f"{code}: {lines[-1].strip()[:200]}" if lines else code


class Engine(Protocol):
    """What the checker asks of an engine; tests have one of their own."""

    def read(self, image: str) -> Package:
        """Return what is in ``image``."""

    def run(self, image: str, options: Sequence[str], arguments: Sequence[str]) -> Ended:
        """Run ``image`` with engine ``options`` and ``arguments`` for its entry point."""


class CommandLineEngine:
    """Docker's command line, which podman shares."""

    def __init__(self, program: str | None = None, *, timeout_s: float = 300) -> None:
        """Find the program, and make sure that its daemon answers.

        Raises:
            SettingsError: there is none, or it does not answer.
        """
        found = next((name for name in [program] if name), None) or next(
            (name for name in _PROGRAMS if shutil.which(name)), "docker"
        )
        self._program = found
        self._timeout_s = timeout_s
        answer = self._ask("version") if shutil.which(found) else None
        if answer is None or answer.returncode:
            raise SettingsError(
                f"no container engine answers to '{found}': start it, name another with "
                "--engine, or check the build context or an archive of `docker save` instead"
            )

    def read(self, image: str) -> Package:
        """Return what is in ``image``, without starting it.

        Raises:
            SettingsError: the engine has no such image.
        """
        answer = self._ask("image", "inspect", image)
        if answer.returncode:
            raise SettingsError(f"no folder, archive or image is called '{image}'")
        config: dict[str, Any] = json.loads(answer.stdout)[0]["Config"]
        return Package(self._files(image), image_settings(config))

    def _files(self, image: str) -> dict[str, PackagedFile]:
        created = self._ask("create", image)
        if created.returncode:
            raise SettingsError(f"{self._program} cannot create {image}: {created.stderr.strip()}")
        container = created.stdout.strip()
        try:
            with subprocess.Popen(  # noqa: S603
                [self._program, "export", container], stdout=subprocess.PIPE
            ) as export:
                assert export.stdout is not None
                return read_stream(export.stdout)
        except tarfile.TarError as error:
            raise SettingsError(f"{self._program} cannot export {image}: {error}") from error
        finally:
            self._ask("rm", "--force", "--volumes", container)

    def run(self, image: str, options: Sequence[str], arguments: Sequence[str]) -> Ended:
        """Run ``image``; the container is gone afterwards, whatever happens.

        Raises:
            SettingsError: the engine could not run it at all.
        """
        name = f"lesionmap-check-{uuid4().hex[:12]}"
        command = ["run", "--rm", "--name", name, "--pull", "never", *options, image, *arguments]
        try:
            answer = self._call(command, self._timeout_s)
        except subprocess.TimeoutExpired:
            self._ask("rm", "--force", name)
            return Ended(None, "", "")
        ended = Ended(answer.returncode, answer.stdout, answer.stderr)
        if ended.code == _ENGINE_FAILED:
            raise SettingsError(f"{self._program} cannot run {image}: {ended.description}")
        return ended

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return self._call(arguments, _ANSWER_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise SettingsError(
                f"{self._program} did not answer '{arguments[0]}' in {_ANSWER_LIMIT_S} s: "
                "is its daemon hung?"
            ) from error

    def _call(self, arguments: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [self._program, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
