"""Stands in for the batch job: reads IN, writes one small object and run.json to OUT.

    python fake_job.py PARENT MODE LOG IN OUT

MODE is what goes wrong: nothing (ok), or one of the words below. LOG gets a line a run.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from lesionmap.app.service.parent import tie_to_parent

CODES = {"skip": 10, "geometry": 11, "full": 30}


def main() -> int:
    parent, mode, log, source, target = sys.argv[1:]
    tie_to_parent(int(parent))
    source, target = Path(source), Path(target)
    paths = sorted(source.glob("*.dcm"))
    with Path(log).open("a", encoding="utf-8") as stream:
        stream.write(f"{target.parent.name} {len(paths)}\n")
    if mode == "crash" or (mode == "crash-once" and target.name == "run-1"):
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "hang":
        time.sleep(600)
    if mode == "eat":
        room = bytearray(400 << 20)
        room[::4096] = b"x" * len(room[::4096])
        time.sleep(600)
    if mode == "slow":
        time.sleep(0.3)
    target.mkdir(parents=True)
    write(paths, target, CODES.get(mode, 0))
    return CODES.get(mode, 0)


def write(paths: list[Path], target: Path, code: int) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    outputs = []
    if code == 0:
        (target / "001").mkdir()
        save_result(headers, target / "001" / "seg.dcm")
        (target / "001" / "lesion-001.png").write_bytes(b"\x89PNG")
        names = {"seg": "001/seg.dcm", "preview": "001/lesion-001.png"}
        outputs = [
            {
                "kind": kind,
                "path": name,
                "sha256": hashlib.sha256((target / name).read_bytes()).hexdigest(),
            }
            for kind, name in names.items()
        ]
    verdict = {0: "processed", 10: "skipped"}.get(code, "refused")
    reason = {"code": code, "message": "planted"} if code else None
    series = {
        "number": 1,
        "study_instance_uid": str(headers[0].StudyInstanceUID),
        "series_instance_uid": str(headers[0].SeriesInstanceUID),
        "modality": "CT",
        "instance_count": len(paths),
        "verdict": verdict,
        "reason": reason,
        "notes": [],
        "outputs": outputs,
        "lesions": [],
        "timings_ms": {"load": 1.0},
    }
    record = {
        "software_version": "0",
        "outcome": "fake",
        "exit_code": code,
        "reason": reason,
        "left_aside": {},
        "series": [series],
        "models": [],
        "timings_ms": {"total": 1.0},
    }
    (target / "run.json").write_text(json.dumps(record))


def save_result(headers: list[Dataset], path: Path) -> None:
    """One object whose UID depends on the input alone; it says which objects it stands for."""
    uids = sorted(str(header.SOPInstanceUID) for header in headers)
    result = Dataset()
    result.SOPClassUID = SegmentationStorage
    result.SOPInstanceUID = (
        f"2.25.{int(hashlib.sha256(''.join(uids).encode()).hexdigest()[:30], 16)}"
    )
    result.SeriesInstanceUID = f"{result.SOPInstanceUID}.1"
    result.StudyInstanceUID = headers[0].StudyInstanceUID
    result.Manufacturer = "LesionMAP"
    result.NumberOfFrames = len(uids)
    result.file_meta = FileMetaDataset()
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    result.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    sys.exit(main())
