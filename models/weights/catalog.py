"""The catalog of model artifacts, and loading them only when their hash is right."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from lesionmap.models.core.errors import ModelError
from lesionmap.models.core.finding import ModelIdentity
from lesionmap.models.weights.backend import BACKEND_NAME, OnnxModel

_CHUNK = 1 << 20


class Artifact(BaseModel):
    """One file in the store, and what is known of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    role: Literal["detector", "encoder", "decoder"]
    version: str
    precision: Literal["int8", "fp32"]
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    card: str


class Catalog(BaseModel):
    """Artifacts by the name of their folder in the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifacts: dict[str, Artifact]
    _opened: dict[tuple[str, Path, int], OnnxModel] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None = None) -> "Catalog":
        """Read a catalog; without a path, the one that LesionMAP ships.

        Raises:
            ModelError: the file is not a valid catalog.
        """
        source = path or files("lesionmap.models.weights").joinpath("catalog.yaml")
        try:
            return cls.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise ModelError(f"the model catalog is not readable: {error}") from error

    def extended(self, artifacts: Mapping[str, Artifact]) -> "Catalog":
        """Return the catalog with more artifacts.

        Raises:
            ModelError: one has the name of an artifact that is listed already.
        """
        taken = sorted(self.artifacts.keys() & artifacts.keys())
        if taken:
            raise ModelError(f"the catalog has {', '.join(taken)} already: choose another name")
        return Catalog(artifacts={**self.artifacts, **artifacts})

    def find(self, name: str) -> Artifact:
        """Return the artifact called ``name``.

        Raises:
            ModelError: the catalog does not list it.
        """
        try:
            return self.artifacts[name]
        except KeyError:
            known = ", ".join(sorted(self.artifacts)) or "none"
            raise ModelError(f"no model '{name}' in the catalog; it lists: {known}") from None

    def identify(self, name: str) -> ModelIdentity:
        """Return what outputs record about the artifact called ``name``."""
        artifact = self.find(name)
        return ModelIdentity(
            name=name,
            version=artifact.version,
            sha256=artifact.sha256,
            precision=artifact.precision,
            backend=BACKEND_NAME,
        )

    def open(self, name: str, store: Path, *, role: str, threads: int = 1) -> OnnxModel:
        """Verify the artifact called ``name`` in ``store`` and load it, once.

        Raises:
            ModelError: it is unknown, absent, altered, or has another role.
        """
        artifact = self.find(name)
        if artifact.role != role:
            raise ModelError(f"model '{name}' is a {artifact.role}, a {role} was asked for")
        key = name, store, threads
        if key not in self._opened:
            verify(name, artifact, store)
            self._opened[key] = OnnxModel(store / name / artifact.file, threads)
        return self._opened[key]


def verify(name: str, artifact: Artifact, store: Path) -> None:
    """Compare the file in the store with the hash in the catalog.

    Raises:
        ModelError: the file is missing or its hash differs.
    """
    path = store / name / artifact.file
    if not path.is_file():
        raise ModelError(f"model '{name}' is not in the store: expected {name}/{artifact.file}")
    found = sha256_of(path)
    if found != artifact.sha256:
        raise ModelError(
            f"model '{name}' was altered: its sha256 starts {found[:12]}, the catalog has "
            f"{artifact.sha256[:12]}; restore the file or update the catalog"
        )


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
