"""What .dockerignore keeps out of a build."""

import re
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath

from lesionmap.models.core.errors import SettingsError

_NAMES = ("Dockerfile.dockerignore", ".dockerignore")
_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class Ignored:
    """The patterns in order: the last that matches decides; each says whether it excludes."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...] = ()

    def __contains__(self, path: str) -> bool:
        """Return whether ``path``, relative to the context, does not reach the build."""
        excluded = False
        for pattern, excludes in self.patterns:
            if pattern.fullmatch(path):
                excluded = excludes
        return excluded


def read_ignored(context: Path) -> Ignored:
    """Return what the context's .dockerignore excludes; a Dockerfile's own file goes first.

    Raises:
        SettingsError: a pattern that no build takes.

    Source: Docker documentation, "Build context", .dockerignore files.
    """
    found = next((context / name for name in _NAMES if (context / name).is_file()), None)
    lines = found.read_text("utf-8-sig", "replace").splitlines() if found else []
    rules = [line.strip() for line in lines if not line.startswith("#") and line.strip()]
    return Ignored(tuple((_expression(rule), not rule.startswith("!")) for rule in rules))


def _expression(rule: str) -> re.Pattern[str]:
    """Return an expression for a path that ``rule`` names, or that lies below it."""
    path = normpath(rule.removeprefix("!").strip()).lstrip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", path)
    text = "".join(
        _WILDCARDS.get(part) or (part if part.startswith("[") else re.escape(part))
        for part in parts
    )
    try:
        return re.compile(f"{text}(?:/.*)?")
    except re.error as error:
        raise SettingsError(f".dockerignore has a pattern that cannot be read: {rule}") from error
