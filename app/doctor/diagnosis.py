"""What the doctor says about one thing, and the rule that nothing makes it crash."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lesionmap.models.core.errors import ExitCode


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    ABSENT = "absent"  # and not needed to run
    WRONG = "wrong"


@dataclass(frozen=True)
class Visit:
    """What is to be examined; None is the default of a run."""

    store: Path | None = None
    config: Path | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Diagnosis:
    """``mend`` says what to do; ``code`` is what a run would end with."""

    name: str
    state: State
    found: str
    mend: str = ""
    code: ExitCode = ExitCode.DONE


class Trouble(Exception):  # noqa: N818 - it is raised to be reported, not to be mended by code
    """Raised by an examination; ``needed`` tells trouble from a mere absence."""

    def __init__(
        self, found: str, mend: str, code: ExitCode = ExitCode.USAGE, *, needed: bool = True
    ) -> None:
        super().__init__(found)
        self.found, self.mend, self.code, self.needed = found, mend, code, needed


@dataclass(frozen=True)
class Examination:
    """A row of the table: ``look`` returns what it found, or raises Trouble."""

    name: str
    look: Callable[[Visit], str]

    def make(self, visit: Visit) -> Diagnosis:
        """Look, and answer whatever happens."""
        try:
            return Diagnosis(self.name, State.OK, self.look(visit))
        except Trouble as trouble:
            if not trouble.needed:
                return Diagnosis(self.name, State.ABSENT, trouble.found, trouble.mend)
            return Diagnosis(self.name, State.WRONG, trouble.found, trouble.mend, trouble.code)
        except Exception as error:  # noqa: BLE001 - the doctor is called when things are broken
            found = f"cannot be examined: {type(error).__name__}: {error}"
            mend = "pip install -r requirements.txt"
            return Diagnosis(self.name, State.WRONG, found, mend, ExitCode.USAGE)


def examine_all(table: Sequence[Examination], visit: Visit) -> list[Diagnosis]:
    """Make every examination."""
    return [examination.make(visit) for examination in table]


def exit_code(diagnoses: Sequence[Diagnosis]) -> ExitCode:
    """Return the code that a run would end with: that of the first thing wrong."""
    return next((item.code for item in diagnoses if item.state is State.WRONG), ExitCode.DONE)
