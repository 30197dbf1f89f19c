"""Rules that decide which model, if any, a series goes to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from lesionmap.models.core.intensity import FullRange, Intensity
from lesionmap.operators.dicom.codes import Code


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
class Rule:
    """What a series must look like, how it is shown to the models, and its codes.

    ``score_threshold`` None means the one that the detector's artifact recommends.
    """

    name: str
    tests: tuple[TagTest, ...]
    label: str
    segment_type: Code
    site: Code | None = None
    laterality: Code | None = None
    intensity: Intensity = field(default_factory=FullRange)
    score_threshold: float | None = None

    def failure(self, header: Dataset) -> str | None:
        """Return the first test that the header fails, or None where all pass."""
        return next((why for test in self.tests if (why := test.failure(header))), None)


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
