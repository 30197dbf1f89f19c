"""What can only be seen by starting the MAP. A new probe is a function and a row below.

The application is asked for its help as the image wants to be run, and then
under each restriction that a hospital's platform may lay on it: the answer
must be the same. So the probes need no knowledge of what the application does.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lesionmap.app.conformance.check import Check, Level
from lesionmap.app.conformance.engine import Ended, Engine
from lesionmap.app.conformance.package import APP_JSON, NotCheckedError, Package

_EXPORT = "/var/run/holoscan/export"
_UNKNOWN_UID = "4321:4321"
_READ_ONLY = ("--read-only", "--tmpfs", "/tmp")  # noqa: S108
_NO_CAPABILITIES = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
_NO_NETWORK = ("--network", "none")

# No quotes and no script: entry points join the words in different ways.
_TIMED_OUT = ("timeout", "0.1", "sleep", "5")
_TIMED_OUT_CODE = 124


@dataclass(frozen=True)
class Trial:
    """An image, the engine that runs it, and optionally a folder of input for a whole run."""

    engine: Engine
    image: str
    package: Package
    study: Path | None = None

    def run(self, *arguments: str, options: Sequence[str] = ()) -> Ended:
        """Run the image once."""
        return self.engine.run(self.image, options, arguments)

    @cached_property
    def help(self) -> Ended:
        """The application's help, as the image wants to be run."""
        return self.run("--help")


def _starts(trial: Trial) -> Iterator[str]:
    if not _has_started(trial.help):
        yield f"--help prints nothing or fails; it {trial.help.description}"


def _has_started(ended: Ended) -> bool:
    return ended.code == 0 and bool(ended.output.strip())


def _same_under(*options: str) -> Callable[[Trial], Iterator[str]]:
    """Return a probe that the application starts under ``options`` as it does without them."""

    def find_problems(trial: Trial) -> Iterator[str]:
        if not _has_started(trial.help):
            raise NotCheckedError("needs an application that starts")
        ended = trial.run("--help", options=options)
        if ended.code != trial.help.code or _gist(ended.output) != _gist(trial.help.output):
            yield f"{' '.join(options)}: the answer to --help differs; it {ended.description}"

    return find_problems


def _gist(text: str) -> str:
    """Leave out what differs from run to run: numbers (times, process ids) and space."""
    return re.sub(r"\d+|\s+", " ", text).strip()


def _exit_code(trial: Trial) -> Iterator[str]:
    """Start a command that fails in the application's place, and look for its exit code.

    An entry point that does not read app.json starts the application without
    any input instead, which must not end with 0 either; another code may be the
    application's, or one that stands for them all.
    """
    manifest = trial.package.application().model_dump(by_alias=True)
    with _scratch() as folder:
        path = folder / "app.json"
        path.write_text(json.dumps({**manifest, "command": json.dumps(_TIMED_OUT)}))
        path.chmod(0o644)
        ended = trial.run(options=_mount(path, APP_JSON, read_only=True))
    if ended.code == 0:
        yield f"a command that ends with {_TIMED_OUT_CODE} left the container with 0"
    elif ended.code is None:
        yield "the container does not end"
    elif ended.code != _TIMED_OUT_CODE:
        raise NotCheckedError(
            f"a command that ends with {_TIMED_OUT_CODE} was asked for, and the container ended "
            f"with {ended.code}: other codes may be lost, or app.json is not what starts it"
        )


def _show(trial: Trial) -> Iterator[str]:
    for manifest, key in (("app", '"command"'), ("pkg", '"applicationRoot"')):
        ended = trial.run("show", manifest)
        if ended.code != 0 or key not in ended.output:
            yield f"`show {manifest}` prints no manifest; it {ended.description}"


def _extract(trial: Trial) -> Iterator[str]:
    with _scratch() as folder:
        target = folder / "config"
        target.mkdir()
        target.chmod(0o777)
        ended = trial.run("extract", options=_mount(target, f"{_EXPORT}/config"))
        missing = [name for name in ("app.json", "pkg.json") if not (target / name).is_file()]
    if missing:
        yield f"`extract` leaves no {' and no '.join(missing)}; it {ended.description}"


def _whole_run(trial: Trial) -> Iterator[str]:
    if trial.study is None:
        raise NotCheckedError("give input with --input to run the application on it")
    manifest = trial.package.application()
    root = Path(manifest.working_directory or "/var/holoscan")
    with _scratch() as folder:
        target = folder / "output"
        target.mkdir()
        target.chmod(0o777)
        ended = trial.run(
            options=(
                *("--user", _removable_uid(), *_READ_ONLY, *_NO_CAPABILITIES, *_NO_NETWORK),
                *_mount(trial.study.resolve(), str(root / manifest.input.path), read_only=True),
                *_mount(target, str(root / manifest.output.path)),
            )
        )
        is_empty = not any(target.iterdir())
    if ended.code != 0:
        yield f"confined in every way, it {ended.description}"
    elif is_empty:
        yield "confined in every way, it ended with code 0 and wrote nothing"


def _removable_uid() -> str:
    """Return a uid unknown to the image whose files this process can remove again."""
    return _UNKNOWN_UID if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


def _mount(source: Path, target: str, *, read_only: bool = False) -> tuple[str, str]:
    mode = ",readonly" if read_only else ""
    return "--mount", f"type=bind,source={source},target={target}{mode}"


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lesionmap-check-") as folder:
        yield Path(folder)


PROBES: tuple[Check[Trial], ...] = (
    Check("starts", Level.MUST, "MAP 1.0.0, Runtime Characteristics", _starts),
    Check("passes exit codes", Level.MUST, "Kubernetes, Job", _exit_code),
    Check("runs as root", Level.MUST, "Kubernetes, runAsUser", _same_under("--user", "0:0")),
    Check(
        "runs as an unknown uid",
        Level.MUST,
        "Kubernetes, runAsUser",
        _same_under("--user", _UNKNOWN_UID),
    ),
    Check("runs without network", Level.MUST, "mercure, processor", _same_under(*_NO_NETWORK)),
    Check(
        "runs without capabilities",
        Level.MUST,
        "Kubernetes, Pod Security Standards",
        _same_under(*_NO_CAPABILITIES),
    ),
    Check(
        "runs with a read-only root",
        Level.MUST,
        "Kubernetes, readOnlyRootFilesystem",
        _same_under(*_READ_ONLY),
    ),
    Check("show", Level.SHOULD, "MAP 1.0.0, Manifest Extraction", _show),
    Check("extract", Level.SHOULD, "MAP 1.0.0, Manifest Extraction", _extract),
    Check("processes the input given", Level.MUST, "MAP 1.0.0, IO Specification", _whole_run),
)
