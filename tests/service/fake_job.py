"""Stands in for the batch job: reads IN, writes one small object and run.json to OUT.

    python -I -S fake_job.py PARENT MODE LOG IN OUT

MODE is what goes wrong: nothing (ok), or one of the words below. LOG gets a line a run. Nothing
but the standard library is imported: it starts in a moment.
"""

import hashlib
import json
import os
import runpy
import signal
import struct
import sys
import time
from pathlib import Path

PARENT = Path(__file__).parents[2] / "app" / "service" / "parent.py"
CODES = {"skip": 10, "geometry": 11, "full": 30}
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def main() -> int:
    parent, mode, log, source, target = sys.argv[1:]
    runpy.run_path(str(PARENT))["tie_to_parent"](int(parent))
    source, target = Path(source), Path(target)
    names = sorted(path.name for path in source.glob("*.dcm"))
    with Path(log).open("a", encoding="utf-8") as stream:
        stream.write(f"{target.parent.name} {len(names)}\n")
    if mode == "crash" or (mode == "crash-once" and target.name == "run-1"):
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "hang":
        time.sleep(600)
    if mode == "eat":
        room = bytearray(400 << 20)
        room[::4096] = b"x" * len(room[::4096])
        time.sleep(600)
    code = CODES.get(mode, 0)
    outputs = write_results(names, target) if code == 0 else []
    target.mkdir(parents=True, exist_ok=True)
    (target / "run.json").write_text(json.dumps(receipt(code, len(names), outputs)))
    return code


def write_results(names: list[str], target: Path) -> list[dict]:
    (target / "001").mkdir(parents=True)
    contents = {"seg": ("001/seg.dcm", result(names)), "preview": ("001/lesion-001.png", b"png")}
    outputs = []
    for kind, (path, content) in contents.items():
        (target / path).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        outputs.append({"kind": kind, "path": path, "sha256": digest})
    return outputs


def receipt(code: int, count: int, outputs: list[dict]) -> dict:
    reason = {"code": code, "message": "planted"} if code else None
    series = {
        "number": 1,
        "study_instance_uid": "1.2",
        "series_instance_uid": "1.3",
        "modality": "CT",
        "instance_count": count,
        "verdict": {0: "processed", 10: "skipped"}.get(code, "refused"),
        "reason": reason,
        "notes": [],
        "outputs": outputs,
        "lesions": [],
        "timings_ms": {"load": 1.0},
    }
    return {
        "software_version": "0",
        "outcome": "fake",
        "exit_code": code,
        "reason": reason,
        "left_aside": {},
        "series": [series],
        "models": [],
        "timings_ms": {"total": 1.0},
    }


def result(names: list[str]) -> bytes:
    """A Segmentation whose UID depends on the input alone."""
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()
    uid = f"2.25.{int(digest[:30], 16)}"
    meta = element(2, 0x10, "UI", EXPLICIT_LITTLE_ENDIAN)
    head = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta))
    body = (
        element(8, 0x16, "UI", SEGMENTATION)
        + element(8, 0x18, "UI", uid)
        + element(8, 0x60, "CS", "SEG")
        + element(8, 0x70, "LO", "LesionMAP")
        + element(0x20, 0xD, "UI", "1.2")
        + element(0x20, 0xE, "UI", f"{uid}.1")
    )
    return b"\0" * 128 + b"DICM" + head + meta + body


def element(group: int, number: int, kind: str, text: str) -> bytes:
    value = text.encode()
    value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, kind.encode(), len(value)) + value


if __name__ == "__main__":
    sys.exit(main())
