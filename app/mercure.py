"""What mercure looks for in the folder of a module: DICOM files side by side, and result.json.

mercure sends `*.dcm` of the folder itself, not of its sub-folders, and keeps result.json as the
module's answer: https://mercure-imaging.org/docs/modules.
"""

import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lesionmap.models.core.errors import OutputError
from lesionmap.operators.run_record import RunRecord, previous_outputs, write_whole

RESULT_JSON = "result.json"


def forget_published(folder: Path) -> None:
    """Remove what an earlier run published: mercure would send it as this study's.

    Raises:
        OutputError: it cannot be removed.
    """
    names = [_flat(path) for path in previous_outputs(folder) or () if path.endswith(".dcm")]
    try:
        for name in (RESULT_JSON, *names):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"the output folder cannot be cleared: {error.strerror}") from error


def publish(record: RunRecord, folder: Path) -> None:
    """Link the DICOM outputs of a run as ``001-seg.dcm`` and so on; write result.json.

    All of it or nothing.

    Raises:
        OutputError: the folder is not writable, or has such a file already.
    """
    written = [
        output.path
        for series in record.series
        for output in series.outputs
        if output.path.endswith(".dcm")
    ]
    with ExitStack() as undo:
        for path in written:
            flat = folder / _flat(path)
            _link(folder / path, flat)
            undo.callback(flat.unlink)
        write_whole(folder / RESULT_JSON, json.dumps(_answer(record, sent=bool(written)), indent=2))
        undo.pop_all()


def _flat(path: str) -> str:
    return path.replace("/", "-")


def _link(path: Path, flat: Path) -> None:
    """Share the bytes where the file system can, else copy them."""
    try:
        os.link(path, flat)
    except FileExistsError:
        raise OutputError(f"{flat.name} is in the output folder already: use a new one") from None
    except OSError:
        _copy(path, flat)


def _copy(path: Path, flat: Path) -> None:
    try:
        shutil.copyfile(path, flat)
    except OSError as error:
        flat.unlink(missing_ok=True)
        raise OutputError(f"{flat.name} cannot be written: {error.strerror}") from error


def _answer(record: RunRecord, *, sent: bool) -> dict[str, Any]:
    """Return result.json: counts and verdicts; nothing to send is said, else dcmsend fails."""
    processed = [series for series in record.series if series.verdict == "processed"]
    lesions = sum(len(series.lesions) for series in processed)
    answer: dict[str, Any] = {
        "outcome": record.outcome,
        "software_version": record.software_version,
        "series": [
            {
                "number": series.number,
                "modality": series.modality,
                "verdict": series.verdict,
                "lesions": len(series.lesions),
            }
            for series in record.series
        ],
        "__mercure_notification": {
            "text": f"{len(processed)} of {len(record.series)} series processed, "
            f"{lesions} regions found by AI, not for diagnostic use",
            "requested": lesions > 0,
        },
    }
    return answer if sent else {**answer, "__mercure_routing": {"discard": True}}
