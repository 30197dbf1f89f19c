"""Rules that decide which model, if any, a series goes to."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pydicom.dataset import Dataset

from lesionmap.models.core.errors import IdentityError
from lesionmap.models.core.intensity import FullRange, Intensity
from lesionmap.models.weights.names import ModelNames
from lesionmap.operators.dicom.codes import ABNORMAL_STRUCTURE, LEFT, RIGHT, Code

_SIDES = {"L": LEFT, "R": RIGHT}


@dataclass(frozen=True)
class TagTest:
    """A test of one header element: any of ``values``, a ``pattern``, or a range."""

    keyword: str
    values: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None

    def failure(self, header: Dataset) -> str | None:
        """Return why the header fails the test, or None.

        The reason names the element, never its value: values can hold patient data.
        """
        found = _texts(header, self.keyword)
        if self.values and not set(self.values) & set(found):
            return f"{self.keyword} is not {' or '.join(self.values)}"
        if self.pattern is not None and not any(
            re.search(self.pattern, text, re.IGNORECASE) for text in found
        ):
            return f"{self.keyword} does not match /{self.pattern}/"
        if not self._in_range(found):
            return f"{self.keyword} is not in {self.minimum} to {self.maximum}"
        return None

    def _in_range(self, found: list[str]) -> bool:
        if self.minimum is None and self.maximum is None:
            return True
        try:
            numbers = [float(text) for text in found]
        except ValueError:
            return False
        low = -float("inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        return bool(numbers) and all(low <= number <= high for number in numbers)


@dataclass(frozen=True)
class Finding:
    """How the findings of one of the detector's labels are called and coded."""

    detector_label: str
    label: str
    category: Code
    segment_type: Code
    site: Code | None


@dataclass(frozen=True)
class Rule:
    """What a series must look like, how it is shown to the models, and its codes.

    ``score_threshold`` None means the one that the detector's artifact recommends,
    ``models`` None the run's common ones. ``laterality`` is the side of ``site``;
    ``side_from_header`` takes it from each series. ``findings`` tell the
    detector's labels apart; what they do not list is called and coded by the rule.
    """

    name: str
    tests: tuple[TagTest, ...]
    label: str
    segment_type: Code
    site: Code | None = None
    laterality: Code | None = None
    intensity: Intensity = field(default_factory=FullRange)
    score_threshold: float | None = None
    side_from_header: bool = False
    category: Code = ABNORMAL_STRUCTURE
    models: ModelNames | None = None
    findings: tuple[Finding, ...] = ()

    def failure(self, header: Dataset) -> str | None:
        """Return the first test that the header fails, or None where all pass."""
        return next((why for test in self.tests if (why := test.failure(header))), None)

    def name_finding(self, detector_label: str) -> str:
        """Return what outputs call a finding of the detector."""
        names = {item.detector_label: item.label for item in self.findings}
        return names.get(detector_label, self.label)

    def for_label(self, label: str) -> "Rule":
        """Return the rule with the codes of the findings that are called ``label``.

        The rule's side is that of the rule's site: a finding elsewhere has none.
        """
        for item in self.findings:
            if item.label == label:
                return replace(
                    self,
                    label=label,
                    category=item.category,
                    segment_type=item.segment_type,
                    site=item.site,
                    laterality=self.laterality if item.site == self.site else None,
                )
        return self

    def for_series(self, headers: Sequence[Dataset]) -> "Rule":
        """Return the rule with the side that all ``headers`` state, where it asks for it.

        Raises:
            IdentityError: the rule names one side and a header the other.

        Source: DICOM PS3.3, C.7.3.1 (Laterality) and C.8.11.7 (Image Laterality).
        """
        stated = {
            _SIDES.get(str(header.get("ImageLaterality") or header.get("Laterality") or ""))
            for header in headers
        }
        if self.side_from_header:
            return replace(self, laterality=stated.pop() if len(stated) == 1 else None)
        if self.laterality and stated - {self.laterality, None}:
            raise IdentityError(
                f"rule {self.name} says {self.laterality.meaning}, an image the other side: "
                "let the rule ask for Laterality, or use laterality: header"
            )
        return self


def select_rule(rules: Iterable[Rule], header: Dataset) -> tuple[Rule | None, str]:
    """Return the first rule that matches, or None and why each rule did not."""
    reasons = []
    for rule in rules:
        why = rule.failure(header)
        if why is None:
            return rule, ""
        reasons.append(f"{rule.name}: {why}")
    return None, "; ".join(reasons) or "app.yaml has no rules"


def _texts(header: Dataset, keyword: str) -> list[str]:
    value = header.get(keyword)
    if value is None or value == "":
        return []
    several = isinstance(value, (list, tuple)) or hasattr(value, "append")
    return [str(item) for item in value] if several else [str(value)]
