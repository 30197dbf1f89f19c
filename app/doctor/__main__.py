"""``python -m lesionmap.app.doctor``: for where `lesionmap` itself does not start."""

import argparse
import sys
from pathlib import Path

from lesionmap.app.doctor.diagnosis import Visit, examine_all, exit_code
from lesionmap.app.doctor.examinations import EXAMINATIONS
from lesionmap.app.doctor.report import diagnoses_json, write_diagnoses


def main(arguments: list[str] | None = None) -> int:
    """Examine this machine and return the code that a run would end with."""
    parser = argparse.ArgumentParser(prog="python -m lesionmap.app.doctor", description=__doc__)
    parser.add_argument("-m", "--models", type=Path, help="model store")
    parser.add_argument("-c", "--config", type=Path, help="app.yaml")
    parser.add_argument("-o", "--output", type=Path, help="folder for results")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    visit = Visit(options.models, options.config, options.output)
    return consult(visit, as_json=options.json)


def consult(visit: Visit, *, as_json: bool) -> int:
    """Examine, say what was found, and return the exit code."""
    diagnoses = examine_all(EXAMINATIONS, visit)
    if as_json:
        sys.stdout.write(diagnoses_json(diagnoses) + "\n")
    else:
        write_diagnoses(diagnoses)
    return int(exit_code(diagnoses))


if __name__ == "__main__":
    sys.exit(main())
