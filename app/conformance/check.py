"""A check is a row in a table: a name, how binding it is, where that is written, a function."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from lesionmap.app.conformance.package import NotCheckedError

Subject = TypeVar("Subject")


class Level(StrEnum):
    """How binding a check is."""

    MUST = "must"
    SHOULD = "should"


class Verdict(StrEnum):
    """What a check found."""

    OK = "ok"
    FAILED = "failed"
    WARNING = "warning"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """``find_problems`` yields a sentence for each problem; none means that all is well."""

    name: str
    level: Level
    source: str
    find_problems: Callable[[Subject], Iterable[str]]

    def judge(self, subject: Subject) -> "Finding":
        """Run the check; what it found before it had to give up still counts."""
        problems: list[str] = []
        try:
            problems.extend(self.find_problems(subject))
        except NotCheckedError as reason:
            if not problems:
                return Finding(self.name, self.source, Verdict.NOT_CHECKED, (str(reason),))
        worst = Verdict.FAILED if self.level is Level.MUST else Verdict.WARNING
        return Finding(self.name, self.source, worst if problems else Verdict.OK, tuple(problems))


@dataclass(frozen=True)
class Finding:
    """The verdict of one check, and why."""

    check: str
    source: str
    verdict: Verdict
    remarks: tuple[str, ...]


def judge_all(checks: Sequence[Check[Subject]], subject: Subject) -> list[Finding]:
    """Run every check of a table."""
    return [check.judge(subject) for check in checks]
