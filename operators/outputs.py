"""The table of outputs: a new kind is a function and a row."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lesionmap.models.core.overlay import render_finding
from lesionmap.models.core.overview import has_sides, render_overview
from lesionmap.operators.dicom.report import build_report
from lesionmap.operators.dicom.seg import build_seg
from lesionmap.operators.dicom.seg_check import check_seg
from lesionmap.operators.dicom.subject import Subject
from lesionmap.operators.messages import OutputKind


@dataclass(frozen=True)
class OutputRow:
    """A kind of output: ``write`` puts its files into a folder and returns their names."""

    kind: OutputKind
    write: Callable[[Subject, Path], list[str]]


def write_outputs(
    subject: Subject, folder: Path, kinds: Collection[str]
) -> list[tuple[OutputKind, str]]:
    """Write the SEG, checked, and the chosen kinds beside it; return kinds and file names.

    Raises:
        OutputError: one cannot be made of this series, or the SEG failed its check.
        OSError: the folder is not writable.
    """
    seg = build_seg(subject)
    seg.save_as(folder / "seg.dcm", enforce_file_format=True)
    check_seg(folder / "seg.dcm", subject.display.volume, subject.report.lesions)
    written: list[tuple[OutputKind, str]] = [("seg", "seg.dcm")]
    for row in OUTPUTS:
        if row.kind in kinds:
            written += [(row.kind, name) for name in row.write(subject.with_seg(seg), folder)]
    return written


def _write_report(subject: Subject, folder: Path) -> list[str]:
    build_report(subject).save_as(folder / "sr.dcm", enforce_file_format=True)
    return ["sr.dcm"]


def _write_previews(subject: Subject, folder: Path) -> list[str]:
    names = []
    lesions = subject.report.lesions
    for number, lesion in enumerate(lesions, start=1):
        names.append(f"lesion-{number:03d}.png")
        _save(render_finding(subject.display, lesion, lesions), folder / names[-1])
    return names


def _write_overview(subject: Subject, folder: Path) -> list[str]:
    if not has_sides(subject.display.volume):
        return []
    _save(render_overview(subject.display, subject.report.lesions), folder / "overview.png")
    return ["overview.png"]


def _save(picture: Image.Image, path: Path) -> None:
    """Write a PNG that holds pixels alone; packing it harder would cost more than drawing it."""
    picture.save(path, compress_level=2)


OUTPUTS = (
    OutputRow("report", _write_report),
    OutputRow("preview", _write_previews),
    OutputRow("overview", _write_overview),
)
