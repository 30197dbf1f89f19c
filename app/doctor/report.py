"""Diagnoses for people and for programs, with nothing but the standard library."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from io import TextIOWrapper
from typing import TextIO

from lesionmap.app.doctor.diagnosis import Diagnosis, State, exit_code

_SIGNS = {State.OK: ("✓", "32"), State.ABSENT: ("–", "33"), State.WRONG: ("✗", "31;1")}


def diagnoses_json(diagnoses: Sequence[Diagnosis]) -> str:
    """Return the diagnoses as JSON."""
    rows = [asdict(item) for item in diagnoses]
    return json.dumps({"exit_code": exit_code(diagnoses), "diagnoses": rows}, indent=2)


def write_diagnoses(diagnoses: Sequence[Diagnosis], stream: TextIO | None = None) -> None:
    """Write a line for each, with what to do; in colour on a terminal."""
    stream = stream or sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    width = max(len(item.name) for item in diagnoses)
    for item in diagnoses:
        sign, colour = _SIGNS[item.state]
        if stream.isatty():
            sign = f"\x1b[{colour}m{sign}\x1b[0m"
        advice = f" → {item.mend}" if item.mend else ""
        stream.write(f"{sign} {item.name:<{width}}  {item.found}{advice}\n")
    wrong = sum(item.state is State.WRONG for item in diagnoses)
    stream.write(f"{wrong or 'nothing'} to mend\n")
