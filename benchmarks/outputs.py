"""Seconds that each output takes on a 300 × 512² CT phantom with 20 lesions, without the models.

    python benchmarks/outputs.py [--rounds 3]

Lesions are the masks that the phantom was drawn with. Every kind in the table of outputs is
timed, those of the shipped app.yaml are summed; the medians of the rounds are printed, beside
those of processor time, which a busy machine stretches less.
"""

import argparse
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lesionmap.app.provenance import find_provenance
from lesionmap.app.settings import SOFTWARE_VERSION, Settings
from lesionmap.models.core.boxes import Box2D, Detection
from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import FindingReport, Lesion
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.phantoms import Phantom, draw_chest_ct
from lesionmap.models.core.quality import QualityLimits, lesion_flags
from lesionmap.models.weights.catalog import Catalog, sha256_of
from lesionmap.operators.dicom.gate import check_series, group_series
from lesionmap.operators.dicom.limits import Limits
from lesionmap.operators.dicom.pixels import build_volume
from lesionmap.operators.dicom.sample import write_phantom
from lesionmap.operators.dicom.scan import scan_folder
from lesionmap.operators.dicom.seg import build_seg
from lesionmap.operators.dicom.seg_check import check_seg
from lesionmap.operators.dicom.subject import Subject
from lesionmap.operators.dicom.uids import derive_uid
from lesionmap.operators.html_report import render_html
from lesionmap.operators.messages import Outcome, Output
from lesionmap.operators.outputs import OUTPUTS
from lesionmap.operators.run_record import RunRecorder
from lesionmap.operators.run_watch import RunWatch

SLICES, SIDE, LESIONS = 300, 512, 20


class Stopwatch:
    """Collects the seconds of named steps, by the clock and of the processor."""

    def __init__(self) -> None:
        """Start without a step."""
        self.seconds: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)

    def time(self, name: str, step: Callable[[], Any]) -> Any:
        """Run a step and keep its time."""
        began = time.perf_counter(), time.process_time()
        result = step()
        spent = time.perf_counter() - began[0], time.process_time() - began[1]
        self.seconds[name].append(spent)
        return result


def main() -> None:
    """Draw the phantom, write all outputs a few times, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as scratch:
        phantom = draw_chest_ct(slices=SLICES, side=SIDE, lesions=LESIONS)
        write_phantom(phantom, Path(scratch, "in"))
        subject = _load(Path(scratch, "in"), phantom)
        for number in range(rounds):
            _write_all(_fresh(subject, phantom), Path(scratch, f"{number}"), watch)
    _print_table(watch, len(subject.report.lesions))


def _load(folder: Path, phantom: Phantom) -> Subject:
    """Return the phantom as the app reads it; ``_fresh`` adds the lesions."""
    settings = Settings.load()
    (found,) = group_series(scan_folder(folder, Limits()).instances)
    volume, series = build_volume(
        check_series(found, Limits()), gap_tolerance=settings.gap_tolerance
    )
    rule = next(rule for rule in settings.build_rules() if rule.name == "ct")
    report = FindingReport(
        (), tuple(Catalog.load().identify(name) for name in settings.models.model_dump().values())
    )
    provenance = find_provenance(settings)
    subject = Subject(series, DisplayVolume(volume, rule.intensity), rule, report, provenance)
    return _fresh(subject, phantom)


def _fresh(subject: Subject, phantom: Phantom) -> Subject:
    """Return the subject with lesions that nothing has measured yet."""
    lesions, taken = [], np.zeros(subject.display.grid.shape, bool)
    for voxels in phantom.masks:
        own = np.asarray(voxels, bool) & ~taken
        taken |= own
        if own.any():
            lesions.append(_lesion(Mask.crop(own, subject.display.grid), len(lesions) + 1))
    report = FindingReport(tuple(lesions), subject.report.models)
    return Subject(subject.series, subject.display, subject.rule, report, subject.provenance)


def _lesion(mask: Mask, number: int) -> Lesion:
    span, rows, columns = mask.window
    boxes = [
        Box2D(index, columns.start, rows.start, *mask.voxels.shape[:0:-1])
        for index in range(span.start, span.stop)
    ]
    detections = tuple(Detection(box, "lesion", 0.9) for box in boxes)
    return Lesion("Lesion", 0.9, mask, detections, str(derive_uid("benchmark", str(number))))


def _write_all(subject: Subject, folder: Path, watch: Stopwatch) -> None:
    target = folder / "001"
    target.mkdir(parents=True)
    lesions = subject.report.lesions
    watch.time("measure", lambda: [lesion.size for lesion in lesions])
    limits = QualityLimits()
    watch.time("flags", lambda: [lesion_flags(lesion, limits) for lesion in lesions])
    seg = watch.time("seg", lambda: build_seg(subject))
    path = target / "seg.dcm"
    watch.time("seg: save", lambda: seg.save_as(path, enforce_file_format=True))
    watch.time("seg: check", lambda: check_seg(path, subject.display.volume, lesions))
    subject = subject.with_seg(seg)
    outcome = Outcome(1, subject.series, "processed", report=subject.report)
    for row in OUTPUTS:
        names = watch.time(row.kind, lambda row=row: row.write(subject, target))
        outcome = outcome.with_outputs(
            *(Output(row.kind, Path("001", name), sha256_of(target / name)) for name in names)
        )
    recorder = RunRecorder(folder, software_version=SOFTWARE_VERSION, watch=RunWatch())
    recorder.add(outcome)
    record = watch.time("run.json", lambda: recorder.finish(recorder.exit_code()))
    watch.time("html", lambda: render_html(record, folder))


def _print_table(watch: Stopwatch, lesions: int) -> None:
    print(f"{SLICES} × {SIDE}² CT phantom, {lesions} lesions; {os.cpu_count()} cores, ", end="")
    print(f"{platform.machine()}, Python {platform.python_version()}; medians, seconds")
    optional = {row.kind for row in OUTPUTS} - set(Settings.load().outputs)
    print(f"{'':<16}{'clock':>8}{'CPU':>8}")
    total = np.zeros(2)
    for name, seconds in watch.seconds.items():
        medians = np.median(seconds, axis=0)
        total += 0 if name in optional else medians
        print(_row(name, medians) + ("  off by default" if name in optional else ""))
    print(_row("shipped outputs", total))


def _row(name: str, seconds: np.ndarray) -> str:
    return f"{name:<16}" + "".join(f"{value:>8.2f}" for value in seconds)


if __name__ == "__main__":
    main()
