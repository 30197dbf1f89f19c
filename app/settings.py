"""app.yaml, parsed once and validated; the only place that reads the environment."""

import hashlib
import os
import re
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydicom.datadict import tag_for_keyword

from lesionmap.models.core.errors import SettingsError
from lesionmap.models.core.intensity import FixedWindow, FullRange, Intensity, PercentileWindow
from lesionmap.operators.dicom.codes import Code
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.selection import Rule, TagTest

SOFTWARE_VERSION = version("lesionmap")

_MIB = 1 << 20


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CodeSettings(_Section):
    """A coded concept: value, coding scheme designator, meaning."""

    value: str = Field(max_length=16)
    scheme: str = Field(max_length=16)
    meaning: str = Field(max_length=64)

    def build(self) -> Code:
        """Return the code."""
        return Code(self.value, self.scheme, self.meaning)


class ShowSettings(_Section):
    """How voxels are shown to the models: exactly one of the three."""

    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one(self) -> "ShowSettings":
        given = [pair for pair in (self.window, self.percentiles, self.range) if pair]
        if len(given) != 1 or given[0][0] >= given[0][1]:
            raise ValueError("give one of window, percentiles, range, as [low, high]")
        return self

    def build(self) -> Intensity:
        """Return the intensity mapping."""
        if self.window:
            return FixedWindow(*self.window)
        if self.percentiles:
            return PercentileWindow(*self.percentiles)
        return FullRange(*(self.range or ()))


class TagSettings(_Section):
    """A test of one DICOM element."""

    values: tuple[str, ...] = ()
    matches: str | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _valid_pattern(self) -> "TagSettings":
        try:
            re.compile(self.matches or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return self


def _expand_test(value: Any) -> Any:
    """Let ``Modality: MR`` and ``Modality: [CT, MR]`` stand for a list of values."""
    if isinstance(value, dict):
        return value
    return {"values": [str(item) for item in (value if isinstance(value, list) else [value])]}


class RuleSettings(_Section):
    """One rule: which series it takes, how they are shown, how findings are coded."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    when: dict[str, Annotated[TagSettings, BeforeValidator(_expand_test)]]
    show: ShowSettings
    label: str = Field(min_length=1, max_length=32)
    segment_type: CodeSettings
    site: CodeSettings | None = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _known_keywords(self) -> "RuleSettings":
        unknown = [keyword for keyword in self.when if tag_for_keyword(keyword) is None]
        if unknown:
            raise ValueError(f"not DICOM keywords: {', '.join(unknown)}")
        return self

    def build(self) -> Rule:
        """Return the rule."""
        return Rule(
            name=self.name,
            tests=tuple(
                TagTest(keyword, test.values, test.matches, test.min, test.max)
                for keyword, test in self.when.items()
            ),
            label=self.label,
            segment_type=self.segment_type.build(),
            site=self.site.build() if self.site else None,
            intensity=self.show.build(),
            score_threshold=self.score_threshold,
        )


class ModelSettings(_Section):
    """Names of artifacts in the store."""

    detector: str
    encoder: str
    decoder: str


class LimitSettings(_Section):
    """Budgets of a run; ``time_s`` null means none."""

    time_s: float | None = Field(default=3600, gt=0)
    series_mib: int = Field(default=4096, gt=0)
    file_mib: int = Field(default=1024, gt=0)

    def build(self) -> Limits:
        """Return the sizes in bytes."""
        return Limits(series_bytes=self.series_mib * _MIB, file_bytes=self.file_mib * _MIB)


class Settings(_Section):
    """The ``lesionmap:`` section of app.yaml."""

    models: ModelSettings
    rules: tuple[RuleSettings, ...] = Field(min_length=1)
    threads: int = Field(default=2, ge=1, le=256)
    limits: LimitSettings = LimitSettings()
    gap_tolerance: float = Field(default=0.01, ge=0, le=0.1)
    outputs: tuple[Literal["report", "preview", "overview", "html"], ...] = (
        "report",
        "preview",
        "overview",
        "html",
    )

    @classmethod
    def load(cls, path: Path | None = None) -> "Settings":
        """Read app.yaml; without a path, the one in HOLOSCAN_CONFIG_PATH or ours.

        Raises:
            SettingsError: the file is missing, not YAML, or has an unknown or
                invalid key.
        """
        chosen = path or _path_from_environment("HOLOSCAN_CONFIG_PATH")
        with as_file(files("lesionmap.app") / "app.yaml") as shipped:
            return cls._parse(chosen or shipped)

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

    @property
    def digest(self) -> str:
        """Hash of the settings that can change a result: not threads, not limits."""
        relevant = self.model_dump_json(include={"models", "rules", "gap_tolerance"})
        return hashlib.sha256(relevant.encode()).hexdigest()


@dataclass(frozen=True)
class Folders:
    """Where a run reads, writes and finds its models."""

    source: Path
    target: Path
    store: Path

    @classmethod
    def resolve(cls, source: Path | None, target: Path | None, store: Path | None) -> "Folders":
        """Fill in what the command line left out from Holoscan's environment variables.

        Raises:
            SettingsError: input or output is named nowhere.
        """
        source = source or _path_from_environment("HOLOSCAN_INPUT_PATH")
        target = target or _path_from_environment("HOLOSCAN_OUTPUT_PATH")
        if source is None or target is None:
            raise SettingsError("input and output folder are needed: -i IN -o OUT")
        return cls(source, target, store or default_store())


def default_store() -> Path:
    """Return HOLOSCAN_MODEL_PATH, or the store beside the installed models."""
    shipped = Path(str(files("lesionmap.models"))) / "store"
    return _path_from_environment("HOLOSCAN_MODEL_PATH") or shipped


def dataset_root() -> Path:
    """Return the folder of the shared images: LESIONMAP_DATA, or ../shared/data."""
    return _path_from_environment("LESIONMAP_DATA") or Path("../shared/data")


def _path_from_environment(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None
