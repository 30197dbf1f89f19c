"""What a RUN line of a Dockerfile may have changed: known by the paths that it names."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from posixpath import normpath

from lesionmap.app.conformance.package import KEPT_CONTENT

_HARMLESS = ("chmod", "chown", "chgrp", "mkdir", "useradd", "ls", "test")
"""Commands that put nothing there and take nothing away; modes have a check of their own."""

_REMOVERS = ("rm", "mv", "unlink", "find", "cd")
"""Commands that reach what lies below the folder that they name."""


def touched_places(step: str, folder: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the MAP's own places that a shell line may write to or remove.

    Args:
        step: The RUN line.
        folder: Where it is run.
        variables: What ENV and ARG set.
    """
    line = re.sub(r"\$\{?(\w+)\}?", lambda found: variables.get(found[1], found[0]), step)
    for command in re.split(r"&&|\|\|?|;|\n", line):
        words = re.sub(r"[\"'(){},=<>]", " ", command).split()
        if words and words[0] not in _HARMLESS:
            yield from _own_places(words, folder)


def _own_places(words: list[str], folder: str) -> Iterator[str]:
    removes = words[0] in _REMOVERS
    for word in (word for word in words[1:] if not word.startswith("-")):
        place = _before_wildcard(PurePosixPath(normpath(PurePosixPath(folder, word))))
        for own in KEPT_CONTENT:
            if place.is_relative_to(own) and (removes or word.startswith("/")):
                yield str(place)
            elif removes and PurePosixPath(own).is_relative_to(place):
                yield own


def _before_wildcard(place: PurePosixPath) -> PurePosixPath:
    while re.search(r"[*?\[$]", str(place)):
        place = place.parent
    return place
