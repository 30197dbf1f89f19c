"""app.yaml, parsed once and validated; the only place that reads the environment."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError

from lesionmap.app.pull_settings import PullSettings
from lesionmap.app.rule_settings import ModelSettings, RuleSettings
from lesionmap.app.section import Section
from lesionmap.app.serve_settings import Secret, ServeSettings
from lesionmap.models.core.errors import SettingsError
from lesionmap.models.core.quality import QualityLimits
from lesionmap.models.weights.catalog import Artifact
from lesionmap.models.weights.names import ModelNames
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.selection import Rule

SOFTWARE_VERSION = version("lesionmap")

_MIB = 1 << 20
_NO_EFFECT = {"threads", "limits", "outputs", "empty_report", "serve", "pull", "artifacts"}
"""Sections that decide how and where a run works; receipts name each artifact by its hash."""

OptionalOutput = Literal["labelmap", "rtstruct", "capture", "pdf", "nifti"]
"""Off unless app.yaml names them: docs/outputs.md says who reads them."""


class LimitSettings(Section):
    """Budgets of a run; ``time_s`` null means none."""

    time_s: float | None = Field(default=3600, gt=0)
    series_mib: int = Field(default=4096, gt=0)
    file_mib: int = Field(default=1024, gt=0)

    def build(self) -> Limits:
        """Return the sizes in bytes."""
        return Limits(series_bytes=self.series_mib * _MIB, file_bytes=self.file_mib * _MIB)


class QualitySettings(Section):
    """Where a finding is flagged; nothing is removed for a flag."""

    many_findings: int = Field(default=30, ge=1)
    tiny_voxels: int = Field(default=10, ge=0)
    low_score: float = Field(default=0.5, ge=0, le=1)

    def build(self) -> QualityLimits:
        """Return the limits."""
        return QualityLimits(self.many_findings, self.tiny_voxels, self.low_score)


class ReferenceSettings(Section):
    """A graph before INT8, pinned by hash; where it lies changes no result."""

    file: Path = Field(exclude=True)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class VerifySettings(Section):
    """The references that INT8 models are compared with, by the names of the INT8 models."""

    references: dict[str, ReferenceSettings]
    least_dice: float = Field(default=0.9, ge=0, le=1)


class Settings(Section):
    """The ``lesionmap:`` section of app.yaml."""

    models: ModelSettings
    artifacts: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")], Artifact] = Field(
        default_factory=dict
    )
    rules: tuple[RuleSettings, ...] = Field(min_length=1)
    threads: int = Field(default=2, ge=1, le=256)
    limits: LimitSettings = LimitSettings()
    gap_tolerance: float = Field(default=0.01, ge=0, le=0.1)
    outputs: tuple[Literal["report", "preview", "overview", "html"] | OptionalOutput, ...] = (
        "report",
        "preview",
        "overview",
        "html",
    )
    empty_report: bool = False
    quality: QualitySettings = QualitySettings()
    verify: VerifySettings | None = None
    serve: ServeSettings = ServeSettings()
    pull: PullSettings = PullSettings()

    @classmethod
    def load(cls, path: Path | None = None) -> "Settings":
        """Read app.yaml; without a path, the one in HOLOSCAN_CONFIG_PATH or ours.

        Raises:
            SettingsError: the file is missing, not YAML, or has an unknown or
                invalid key.
        """
        with settings_file(path) as chosen:
            return cls._parse(chosen)

    @classmethod
    def _parse(cls, path: Path) -> "Settings":
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls.model_validate((document or {}).get("lesionmap"))
        except (OSError, yaml.YAMLError, AttributeError) as error:
            raise SettingsError(f"{path.name} cannot be read: {type(error).__name__}") from error
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(step) for step in item['loc']) or 'lesionmap'}: {item['msg']}"
                for item in error.errors()
            )
            raise SettingsError(f"{path.name}: {problems}") from error

    def build_rules(self) -> tuple[Rule, ...]:
        """Return the rules, each with its models."""
        return tuple(rule.build(self.models) for rule in self.rules)

    @property
    def model_names(self) -> frozenset[str]:
        """The artifacts that any rule uses."""
        sets = (rule.models.build(self.models) for rule in self.rules)
        return frozenset(name for names in sets for name in astuple(names))

    @property
    def tested_keywords(self) -> frozenset[str]:
        """The DICOM elements that any rule tests."""
        return frozenset(keyword for rule in self.rules for keyword in rule.when)

    def using(self, names: ModelNames) -> "Settings":
        """Return the settings with other common models."""
        return self.model_copy(update={"models": ModelSettings(**asdict(names))})

    @property
    def digest(self) -> str:
        """Hash of the settings that can change a result, which a new section may do."""
        relevant = self.model_dump_json(exclude=_NO_EFFECT)
        return hashlib.sha256(relevant.encode()).hexdigest()


@dataclass(frozen=True)
class Folders:
    """Where a run reads, writes and finds its models; mercure wants more in its folder."""

    source: Path
    target: Path
    store: Path
    for_mercure: bool = False

    @classmethod
    def resolve(cls, source: Path | None, target: Path | None, store: Path | None) -> "Folders":
        """Fill in what the command line left out from mercure's, then Holoscan's variables.

        The image sets Holoscan's for itself: whoever sets mercure's means them.

        Raises:
            SettingsError: input or output is named nowhere.
        """
        mercure = None if target else _path_from_environment("MERCURE_OUT_DIR")
        source = source or _path_from_environment("MERCURE_IN_DIR", "HOLOSCAN_INPUT_PATH")
        target = target or mercure or _path_from_environment("HOLOSCAN_OUTPUT_PATH")
        if source is None or target is None:
            raise SettingsError("input and output folder are needed: -i IN -o OUT")
        return cls(source, target, store or default_store(), for_mercure=mercure is not None)


@contextmanager
def settings_file(path: Path | None = None) -> Iterator[Path]:
    """Lend the app.yaml that is in force: the given one, HOLOSCAN_CONFIG_PATH's, or ours."""
    with as_file(files("lesionmap.app") / "app.yaml") as shipped:
        yield path or _path_from_environment("HOLOSCAN_CONFIG_PATH") or shipped


def default_store() -> Path:
    """Return HOLOSCAN_MODEL_PATH, or the store beside the installed models."""
    shipped = Path(str(files("lesionmap.models"))) / "store"
    return _path_from_environment("HOLOSCAN_MODEL_PATH") or shipped


def find_checkout() -> Path:
    """Return the folder that LesionMAP's own packages lie in; a checkout, if installed from one."""
    return Path(str(files("lesionmap.models"))).parent


def build_environment() -> dict[str, str]:
    """Return the environment for build tools; the same sources then give the same wheel."""
    return {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}


def dataset_root() -> Path:
    """Return the folder of the shared images: LESIONMAP_DATA, or ../shared/data."""
    return _path_from_environment("LESIONMAP_DATA") or Path("../shared/data")


def read_secret(secret: Secret) -> str:
    """Return the secret that the variable or the file holds.

    Raises:
        SettingsError: it is not there, or empty.
    """
    try:
        found = secret.file.read_text() if secret.file else os.environ.get(secret.env or "", "")
    except OSError as error:
        raise SettingsError(f"a secret cannot be read ({type(error).__name__})") from error
    if not found.strip():
        raise SettingsError(f"the secret in {secret.env or secret.file} is missing or empty")
    return found.strip()


def _path_from_environment(*names: str) -> Path | None:
    values = (os.environ.get(name) for name in names)
    return next((Path(value) for value in values if value), None)
