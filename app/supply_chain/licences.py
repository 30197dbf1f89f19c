"""The licence of each package as an SPDX expression, and whether it may be in the run time."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from lesionmap.app.supply_chain.closure import Package

UNKNOWN = "unknown"
_NO_LICENCE = frozenset({"AND", "OR", "WITH"})

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names that metadata use for one licence and no other. "BSD License" is not among them."""


class Review(BaseModel):
    """What somebody read in the files of one version of a package.

    Attributes:
        version: the one that was read.
        licence: the SPDX expression.
        why: how it was found.
        texts: licence texts that the package should carry and does not, files beside this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    licence: str
    why: str
    texts: tuple[str, ...] = ()


class Policy(BaseModel):
    """``licences.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    permitted: frozenset[str]
    reviewed: dict[str, Review]


@dataclass(frozen=True)
class Licence:
    """An SPDX expression; where somebody had to look, the reason and texts by their names."""

    expression: str
    why: str = ""
    texts: tuple[tuple[str, str], ...] = ()


@cache
def policy() -> Policy:
    """Return the policy that LesionMAP ships."""
    return Policy.model_validate(yaml.safe_load(_read("licences.yaml")))


def _read(name: str) -> str:
    return files("lesionmap.app.supply_chain").joinpath(name).read_text("utf-8")


def licence_of(package: Package) -> Licence:
    """Return the licence: as reviewed, else as its metadata say it without doubt."""
    review = _review_of(package)
    if review:
        texts = tuple((name, _read(name)) for name in review.texts)
        return Licence(review.licence, review.why.strip(), texts)
    return Licence(_declared(package))


def unpermitted(packages: Iterable[Package]) -> list[str]:
    """Return a sentence for every package whose licence is not permitted."""
    return [
        f"{package.name} {package.version} is under '{licence_of(package).expression}'"
        for package in packages
        if not _is_permitted(package)
    ]


def _review_of(package: Package) -> Review | None:
    review = policy().reviewed.get(package.name)
    return review if review and review.version == package.version else None


def _declared(package: Package) -> str:
    expressions = package.fields("License-Expression")
    if expressions:
        return expressions[0]
    lines = [text.strip().partition("\n")[0].strip() for text in package.fields("License")]
    classifiers = [
        line.rpartition("::")[2].strip()
        for line in package.fields("Classifier")
        if line.startswith("License ::")
    ]
    for names in (lines, classifiers):
        known = {name if name in policy().permitted else _SPDX.get(name) for name in names}
        if len(known) == 1 and None not in known:
            return str(known.pop())
    return UNKNOWN


def _is_permitted(package: Package) -> bool:
    """A reviewed licence of its own (LicenseRef) is permitted by the review."""
    words = set(re.findall(r"[A-Za-z0-9.+-]+", licence_of(package).expression)) - _NO_LICENCE
    if _review_of(package):
        words = {word for word in words if not word.startswith("LicenseRef-")}
    return words <= policy().permitted
