"""What mercure looks for in the folder of a module: DICOM files side by side, and result.json.

mercure sends `*.dcm` of the folder itself, not of its sub-folders, and keeps result.json as the
module's answer: https://mercure-imaging.org/docs/modules.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from lesionmap.models.core.errors import OutputError
from lesionmap.operators.run_record import RunRecord, write_whole

RESULT_JSON = "result.json"


def publish(record: RunRecord, folder: Path) -> None:
    """Link the DICOM outputs of a run as ``001-seg.dcm`` and so on; write result.json.

    Raises:
        OutputError: the folder is not writable, or has such a file already.
    """
    written = [
        output.path
        for series in record.series
        for output in series.outputs
        if output.path.endswith(".dcm")
    ]
    for path in written:
        _link(folder / path, folder / path.replace("/", "-"))
    write_whole(folder / RESULT_JSON, json.dumps(_answer(record, sent=bool(written)), indent=2))


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
