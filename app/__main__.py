"""``python app -i IN -o OUT -m MODELS``: the entry point of the MAP."""

import argparse
import logging
import sys
from pathlib import Path

from lesionmap.app.mercure import forget_published, publish
from lesionmap.app.settings import Folders
from lesionmap.models.core.errors import ExitCode, LesionMapError


def main(arguments: list[str] | None = None) -> int:
    """Run the app and return its exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level, format="%(levelname)s %(name)s: %(message)s")
    for library in ("pydicom", "highdicom"):  # they log values of headers
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        # Holoscan may fail to load: that has an explanation too.
        from lesionmap.app.batch import run_batch  # noqa: PLC0415

        folders = Folders.resolve(options.input, options.output, options.model)
        if folders.for_mercure:
            forget_published(folders.target)
        record = run_batch(folders, options.config)
        if folders.for_mercure:
            publish(record, folders.target)
    except LesionMapError as error:
        logging.getLogger(__name__).error("%s", error)
        return int(error.code)
    return record.exit_code


def _parser() -> argparse.ArgumentParser:
    codes = ", ".join(f"{code.value} {code.name.lower()}" for code in ExitCode)
    parser = argparse.ArgumentParser(
        prog="python app",
        description="Detect and segment lesions in a folder of DICOM. Not for diagnostic use.",
        epilog=f"Exit codes: {codes}. OUT/run.json says what became of every series.",
    )
    parser.add_argument("-i", "--input", type=Path, help="folder (HOLOSCAN_INPUT_PATH)")
    parser.add_argument("-o", "--output", type=Path, help="folder (HOLOSCAN_OUTPUT_PATH)")
    parser.add_argument("-m", "--model", type=Path, help="model store (HOLOSCAN_MODEL_PATH)")
    parser.add_argument("-c", "--config", type=Path, help="app.yaml (HOLOSCAN_CONFIG_PATH)")
    parser.add_argument(
        "-l", "--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"]
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
