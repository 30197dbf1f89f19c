"""The rules of app.yaml: which series, shown how, to which models, coded how."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydicom.datadict import dictionary_VR, tag_for_keyword

from lesionmap.app.section import Section
from lesionmap.models.core.intensity import FixedWindow, FullRange, Intensity, PercentileWindow
from lesionmap.models.weights.names import ModelNames
from lesionmap.operators.dicom.code_check import code_fault
from lesionmap.operators.dicom.codes import ABNORMAL_STRUCTURE, LEFT, RIGHT, Code
from lesionmap.operators.dicom.selection import Finding, Rule, TagTest

_OPAQUE = ("SQ", "OB", "OB or OW", "OD", "OF", "OL", "OV", "OW", "UN")
_NUMERIC = ("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "US or SS", "UV")
_SIDES = {"left": LEFT, "right": RIGHT}


class CodeSettings(Section):
    """A coded concept: value, coding scheme designator, meaning.

    ``trusted`` lets a code pass that the dictionaries of DICOM do not hold.
    """

    value: str = Field(min_length=1, max_length=16)
    scheme: str = Field(min_length=1, max_length=16)
    meaning: str = Field(min_length=1, max_length=64)
    trusted: bool = False

    @model_validator(mode="after")
    def _in_dictionary(self) -> "CodeSettings":
        if fault := code_fault(self.build(), trusted=self.trusted):
            raise ValueError(fault)
        return self

    def build(self) -> Code:
        """Return the code."""
        return Code(self.value, self.scheme, self.meaning)


class ShowSettings(Section):
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


class TagSettings(Section):
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


def _expand_tests(tests: Any) -> Any:
    """Let ``Modality: MR`` and ``Modality: [CT, MR]`` stand for a list of values."""
    if not isinstance(tests, dict):
        return tests
    return {keyword: _expand_test(str(keyword), value) for keyword, value in tests.items()}


def _expand_test(keyword: str, value: Any) -> Any:
    """Return a test with its values as text; YAML reads NO as false and 01 as 1 without quotes."""
    if isinstance(value, dict):
        return value
    values = value if isinstance(value, list) else [value]
    known = tag_for_keyword(keyword) is not None
    numeric = known and dictionary_VR(keyword) in _NUMERIC
    for item in values:
        number = isinstance(item, (int, float)) and not isinstance(item, bool)
        if not isinstance(item, str) and not (number and numeric):
            raise ValueError(f"{keyword}: YAML does not read a value as text: quote it")
    return {"values": [str(item) for item in values]}


class ModelSettings(Section):
    """Names of artifacts in the store."""

    detector: str
    encoder: str
    decoder: str


class RuleModelSettings(Section):
    """Artifacts that a rule takes instead of the common ones."""

    detector: str | None = None
    encoder: str | None = None
    decoder: str | None = None

    def build(self, common: ModelSettings) -> ModelNames:
        """Return the artifacts of the rule; what it does not name is common."""
        return ModelNames(**common.model_dump() | self.model_dump(exclude_none=True))


class FindingSettings(Section):
    """How findings of one of the detector's labels are called and coded."""

    label: str = Field(min_length=1, max_length=32)
    category: CodeSettings | None = None
    segment_type: CodeSettings
    site: CodeSettings | None = None


class RuleSettings(Section):
    """One rule: which series it takes, how they are shown, how findings are coded."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    when: Annotated[dict[str, TagSettings], BeforeValidator(_expand_tests)]
    show: ShowSettings
    label: str = Field(min_length=1, max_length=32)
    category: CodeSettings | None = None
    segment_type: CodeSettings
    site: CodeSettings | None = None
    laterality: Literal["header", "left", "right"] | None = None
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    models: RuleModelSettings = RuleModelSettings()
    findings: dict[str, FindingSettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_keywords(self) -> "RuleSettings":
        unknown = [keyword for keyword in self.when if tag_for_keyword(keyword) is None]
        if unknown:
            raise ValueError(f"not DICOM keywords: {', '.join(unknown)}")
        opaque = [keyword for keyword in self.when if dictionary_VR(keyword) in _OPAQUE]
        if opaque:
            raise ValueError(f"not elements with a value to test: {', '.join(opaque)}")
        return self

    @model_validator(mode="after")
    def _distinct_labels_with_sites(self) -> "RuleSettings":
        labels = [self.label, *(item.label for item in self.findings.values())]
        if len(set(labels)) < len(labels):
            raise ValueError("each finding needs a label of its own")
        if self.laterality and not self.site:
            raise ValueError("laterality is the side of a site: give the site")
        return self

    def build(self, common: ModelSettings) -> Rule:
        """Return the rule; ``common`` names the models that it does not name itself."""
        return Rule(
            name=self.name,
            tests=tuple(
                TagTest(keyword, test.values, test.matches, test.min, test.max)
                for keyword, test in self.when.items()
            ),
            label=self.label,
            segment_type=self.segment_type.build(),
            site=self.site.build() if self.site else None,
            laterality=_SIDES.get(self.laterality or ""),
            side_from_header=self.laterality == "header",
            category=self.category.build() if self.category else ABNORMAL_STRUCTURE,
            models=self.models.build(common),
            intensity=self.show.build(),
            score_threshold=self.score_threshold,
            findings=tuple(self._finding(name) for name in self.findings),
        )

    def _finding(self, name: str) -> Finding:
        """Return a finding; what it does not say is that of the rule."""
        given = self.findings[name]
        category, site = given.category or self.category, given.site or self.site
        return Finding(
            detector_label=name,
            label=given.label,
            category=category.build() if category else ABNORMAL_STRUCTURE,
            segment_type=given.segment_type.build(),
            site=site.build() if site else None,
        )
