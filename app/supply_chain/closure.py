"""The packages of the run time: what LesionMAP requires, and what that requires in turn."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

from lesionmap.models.core.errors import SettingsError

ROOT = "lesionmap"


@dataclass(frozen=True)
class Package:
    """An installed package; ``needs`` are the names of those it requires here."""

    name: str
    distribution: Distribution
    needs: tuple[str, ...]

    @property
    def version(self) -> str:
        """Its version."""
        return self.distribution.version

    def fields(self, name: str) -> list[str]:
        """Return what its metadata say under ``name``; some are there more than once."""
        return [str(value) for value in self.distribution.metadata.get_all(name, [])]


def normalised(name: str) -> str:
    """Return the one spelling of a package's name.

    Source: Python packaging specifications, "Names and normalization".
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def runtime_closure() -> dict[str, Package]:
    """Return LesionMAP and all that its run time needs, by name.

    Raises:
        SettingsError: something of it is not installed.
    """
    extras: dict[str, set[str]] = {}
    queue = [Requirement(ROOT)]
    while queue:
        wanted = queue.pop()
        name = normalised(wanted.name)
        known = extras.setdefault(name, set())
        if "" in known and wanted.extras <= known:
            continue
        known.update({"", *wanted.extras})
        queue.extend(_requirements(_find(name), known))
    return {name: _package(name, extras[name]) for name in sorted(extras)}


def _package(name: str, extras: set[str]) -> Package:
    found = _find(name)
    needs = {normalised(item.name) for item in _requirements(found, extras)}
    return Package(name, found, tuple(sorted(needs)))


def _find(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise SettingsError(
            f"{name} is not installed: pip install --require-hashes -r requirements/lock.txt"
        ) from None


def _requirements(found: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for line in found.requires or ():
        item = Requirement(line)
        if not item.marker or any(item.marker.evaluate({"extra": extra}) for extra in extras):
            yield item
