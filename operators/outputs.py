"""The table of outputs: a new kind is a function and a row."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lesionmap.models.core.overlay import render_finding
from lesionmap.models.core.overview import has_sides, render_overview
from lesionmap.models.core.volume import Grid
from lesionmap.operators.dicom.capture import build_captures
from lesionmap.operators.dicom.encapsulated_pdf import build_pdf
from lesionmap.operators.dicom.labelmap import build_labelmap
from lesionmap.operators.dicom.report import build_report
from lesionmap.operators.dicom.rtstruct import build_rtstruct, rtstruct_obstacle
from lesionmap.operators.dicom.rtstruct_check import check_rtstruct
from lesionmap.operators.dicom.seg import build_seg
from lesionmap.operators.dicom.seg_check import check_seg
from lesionmap.operators.dicom.subject import Subject
from lesionmap.operators.messages import OutputKind
from lesionmap.operators.pdf_report import draw_report


@dataclass(frozen=True)
class OutputRow:
    """A kind of output: ``write`` puts its files into a folder and returns their names.

    ``obstacle`` says why an image on this grid cannot have it, None if it can.
    """

    kind: OutputKind
    write: Callable[[Subject, Path], list[str]]
    obstacle: Callable[[Grid], str | None] = lambda _: None


def write_outputs(
    subject: Subject, folder: Path, kinds: Collection[str]
) -> list[tuple[OutputKind, str]]:
    """Write the SEG, checked, and the chosen kinds beside it; return kinds and file names.

    Raises:
        OutputError: one cannot be made of this series, or one failed its check.
        OSError: the folder is not writable.
    """
    seg = build_seg(subject)
    seg.save_as(folder / "seg.dcm", enforce_file_format=True)
    check_seg(folder / "seg.dcm", subject.display.volume, subject.report.lesions)
    written: list[tuple[OutputKind, str]] = [("seg", "seg.dcm")]
    for row in OUTPUTS:
        if row.kind in kinds and row.obstacle(subject.display.grid) is None:
            written += [(row.kind, name) for name in row.write(subject.with_seg(seg), folder)]
    return written


def obstacles(kinds: Collection[str], grid: Grid) -> tuple[str, ...]:
    """Return why some of the chosen kinds are left out for an image on this grid."""
    found = [row.obstacle(grid) for row in OUTPUTS if row.kind in kinds]
    return tuple(reason for reason in found if reason)


def write_empty_report(subject: Subject, folder: Path) -> list[tuple[OutputKind, str]]:
    """Write the report on a series without a finding; return kind and file name.

    Raises:
        OutputError: it cannot be made of this series.
        OSError: the folder is not writable.
    """
    return [("report", name) for name in _write_report(subject, folder)]


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


def _write_labelmap(subject: Subject, folder: Path) -> list[str]:
    path = folder / "seg-labelmap.dcm"
    build_labelmap(subject).save_as(path, enforce_file_format=True)
    check_seg(path, subject.display.volume, subject.report.lesions)
    return [path.name]


def _write_rtstruct(subject: Subject, folder: Path) -> list[str]:
    path = folder / "rtstruct.dcm"
    build_rtstruct(subject).save_as(path, enforce_file_format=True)
    check_rtstruct(path, subject.series, subject.report.lesions)
    return [path.name]


def _write_captures(subject: Subject, folder: Path) -> list[str]:
    names = []
    for number, capture in enumerate(build_captures(subject), start=1):
        names.append(f"capture-{number:03d}.dcm")
        capture.save_as(folder / names[-1], enforce_file_format=True)
    return names


def _write_pdf(subject: Subject, folder: Path) -> list[str]:
    pages = draw_report(subject)
    build_pdf(subject, pages).save_as(folder / "pdf.dcm", enforce_file_format=True)
    return ["pdf.dcm"]


def _write_nifti(subject: Subject, folder: Path) -> list[str]:
    # nibabel takes a third of a second to load, and few runs ask for it.
    from lesionmap.operators.nifti import write_nifti  # noqa: PLC0415

    return write_nifti(subject, folder)


OUTPUTS = (
    OutputRow("report", _write_report),
    OutputRow("preview", _write_previews),
    OutputRow("overview", _write_overview),
    OutputRow("labelmap", _write_labelmap),
    OutputRow("rtstruct", _write_rtstruct, rtstruct_obstacle),
    OutputRow("capture", _write_captures),
    OutputRow("pdf", _write_pdf),
    OutputRow("nifti", _write_nifti),
)
