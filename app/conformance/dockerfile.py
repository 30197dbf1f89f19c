"""Read a build context: what its Dockerfile would put where, without building it."""

import json
import re
import stat
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from lesionmap.app.conformance.package import (
    CONTENT_LIMIT,
    KEPT_CONTENT,
    ImageSettings,
    Package,
    PackagedFile,
    is_root,
)
from lesionmap.app.conformance.run_steps import touched_places
from lesionmap.models.core.errors import SettingsError


@dataclass
class _Stage:
    """What the instructions read so far have made of one stage."""

    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    files: dict[str, PackagedFile] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    user_steps: list[str] = field(default_factory=list)
    entry_point: tuple[str, ...] = ()
    user: str = ""
    folder: str = "/"


def read_context(folder: Path) -> Package:
    """Return the package that the last stage of ``folder``'s Dockerfile would make.

    Variables are filled in from ENV and from the defaults of ARG; one that has
    neither stays empty, as in a build.

    Raises:
        SettingsError: no Dockerfile that can be read, or the parser is not installed.
    """
    stages: dict[str, _Stage] = {}
    current = _Stage()
    for step in _parse(folder / "Dockerfile"):
        try:
            current = _follow(step["instruction"], step["value"], current, stages, folder)
        except (ValueError, LookupError) as error:
            raise SettingsError(
                f"line {step['startline'] + 1} of the Dockerfile cannot be read: {error}"
            ) from error
    settings = ImageSettings(
        labels=current.labels,
        environment=current.environment,
        entry_point=current.entry_point,
        user=current.user,
        steps=tuple(current.steps),
        user_steps=tuple(current.user_steps),
    )
    return Package(current.files, settings, tuple(current.unseen))


def _follow(
    name: str, value: str, current: _Stage, stages: dict[str, _Stage], folder: Path
) -> _Stage:
    """Do what an instruction says, and return the stage that the next one is about."""
    if name == "FROM":
        words = [word for word in value.split() if not word.startswith("--")]
        current = deepcopy(stages[words[0]]) if words[0] in stages else _Stage()
        stages[words[-1]] = current
    elif name in _READERS:
        _READERS[name](current, value, folder)
    return current


def _parse(path: Path) -> list[dict[str, Any]]:
    try:
        from dockerfile_parse import DockerfileParser  # noqa: PLC0415
    except ImportError:
        raise SettingsError(
            "reading a Dockerfile needs dockerfile-parse: pip install 'lesionmap[packaging]'"
        ) from None
    try:
        with path.open("rb") as stream:
            structure: list[dict[str, Any]] = DockerfileParser(fileobj=stream).structure
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path.name} cannot be read: {type(error).__name__}") from error
    if not any(step["instruction"] == "FROM" for step in structure):
        raise SettingsError("the Dockerfile has no FROM: it builds nothing")
    return structure


def _pairs(stage: _Stage, value: str) -> dict[str, str]:
    from dockerfile_parse.util import get_key_val_dictionary  # noqa: PLC0415

    pairs: dict[str, str] = get_key_val_dictionary(
        value, env_replace=True, args=stage.arguments, envs=stage.environment
    )
    return pairs


def _words(stage: _Stage, value: str) -> list[str]:
    from dockerfile_parse.util import WordSplitter  # noqa: PLC0415

    return list(WordSplitter(value, args=stage.arguments, envs=stage.environment).split())


def _read_environment(stage: _Stage, value: str, _: Path) -> None:
    stage.environment.update(_pairs(stage, value))


def _read_labels(stage: _Stage, value: str, _: Path) -> None:
    stage.labels.update(_pairs(stage, value))


def _read_argument(stage: _Stage, value: str, _: Path) -> None:
    if "=" in value:
        stage.arguments.update(_pairs(stage, value))


def _read_step(stage: _Stage, value: str, _: Path) -> None:
    stage.steps.append(value)
    if not is_root(stage.user):
        stage.user_steps.append(value)
    known = {**stage.arguments, **stage.environment}
    for place in touched_places(value, stage.folder, known):
        stage.unseen.append(place)
        for path in [item for item in stage.files if PurePosixPath(item).is_relative_to(place)]:
            del stage.files[path]


def _read_user(stage: _Stage, value: str, _: Path) -> None:
    stage.user = "".join(_words(stage, value)) or value


def _read_folder(stage: _Stage, value: str, _: Path) -> None:
    stage.folder = str(PurePosixPath(stage.folder, *_words(stage, value)))


def _read_entry_point(stage: _Stage, value: str, _: Path) -> None:
    stage.entry_point = tuple(_json_list(value) or ("/bin/sh", "-c", value))


def _json_list(value: str) -> list[str] | None:
    try:
        items = json.loads(value)
    except ValueError:
        return None
    return [str(item) for item in items] if isinstance(items, list) else None


def _read_copy(stage: _Stage, value: str, context: Path) -> None:
    flags = [word for word in value.split() if word.startswith("--")]
    rest = value.split(maxsplit=len(flags))[len(flags)] if flags else value
    *sources, target = _json_list(rest) or _words(stage, rest)
    place = PurePosixPath(stage.folder, target)
    if not _matters(place):
        return
    remote = any("://" in source for source in sources) or rest.startswith("<<")
    if remote or any(flag.startswith("--from") for flag in flags):
        stage.unseen.append(str(place))
        return
    mode = next((int(flag[8:], 8) for flag in flags if re.fullmatch("--chmod=[0-7]+", flag)), None)
    into_folder = target.endswith("/") or len(sources) > 1
    for path in _sources(context, sources):
        for name, item in _copied(path, place, into_folder=into_folder):
            stage.files[name] = item if mode is None else replace(item, mode=mode)


def _matters(place: PurePosixPath) -> bool:
    """Tell the places that a check looks at; a whole source tree elsewhere is not walked."""
    looked_at = (*KEPT_CONTENT, "/home", "/root")
    return any(
        place.is_relative_to(item) or PurePosixPath(item).is_relative_to(place)
        for item in looked_at
    )


def _sources(context: Path, patterns: list[str]) -> Iterator[Path]:
    """Yield what the patterns name in the context; a build can reach nothing outside it."""
    for pattern in patterns:
        parts = PurePosixPath(pattern.lstrip("/")).parts
        if not parts:
            yield context
        elif ".." not in parts:
            yield from sorted(context.glob("/".join(parts)))


def _copied(
    path: Path, place: PurePosixPath, *, into_folder: bool
) -> Iterator[tuple[str, PackagedFile]]:
    """Yield what COPY makes of one source: a folder's content, or a file."""
    if path.is_dir():
        for item in sorted(path.rglob("*")):
            yield str(place / item.relative_to(path)), packaged(item)
    else:
        yield str(place / path.name if into_folder else place), packaged(path)


def packaged(path: Path) -> PackagedFile:
    """Return what the checks need to know of a file or folder; links are not followed."""
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return PackagedFile(0, mode, is_folder=True)
    small = stat.S_ISREG(status.st_mode) and status.st_size <= CONTENT_LIMIT
    return PackagedFile(status.st_size, mode, path.read_bytes() if small else None)


_READERS = {
    "ENV": _read_environment,
    "LABEL": _read_labels,
    "ARG": _read_argument,
    "RUN": _read_step,
    "USER": _read_user,
    "WORKDIR": _read_folder,
    "ENTRYPOINT": _read_entry_point,
    "COPY": _read_copy,
    "ADD": _read_copy,
}
