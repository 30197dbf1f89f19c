"""A page or two on the lesions of a series, to print or to archive. No patient data."""

from html import escape
from io import BytesIO

from PIL import Image
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table
from reportlab.platypus import Image as Picture

from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.lettering import three_digits
from lesionmap.models.core.overlay import pictured_slice, render_finding
from lesionmap.operators.dicom.subject import Subject

MOST_PICTURES = 6

rl_config.useA85 = 0  # text-only streams are a fifth larger and take seconds to write

_MARGIN = 16 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_GAP = 5 * mm
_WIDE = 1.4
_SMALLEST_FONT = 8
_NO_SCALE = "The images have no scale: axes are in pixels (px), and there is no volume."

_INK, _GREY, _LINE = (colors.HexColor(code) for code in ("#1d2733", "#5a6775", "#dde3ea"))
_WARNING, _WARNING_EDGE = colors.HexColor("#fff4e0"), colors.HexColor("#f0c36d")

_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=10, leading=14, textColor=_INK)
_TITLE = ParagraphStyle("title", _TEXT, fontName="Helvetica-Bold", fontSize=16, leading=22)
_SMALL = ParagraphStyle("small", _TEXT, fontSize=_SMALLEST_FONT, leading=11, textColor=_GREY)
_HEAD = ParagraphStyle("head", _SMALL, fontName="Helvetica-Bold")
_NOTICE = ParagraphStyle(
    "notice",
    _TEXT,
    backColor=_WARNING,
    borderColor=_WARNING_EDGE,
    borderWidth=0.7,
    borderPadding=6,
    leftIndent=6,
    rightIndent=6,
)


def draw_report(subject: Subject) -> bytes:
    """Return a PDF document: verdict, table, pictures of the most certain lesions, models.

    The same subject gives the same bytes. Text that the built-in fonts lack
    is shown as question marks; the numbers name the segments of the SEG.
    """
    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title="LesionMAP report",
        author="LesionMAP",
        invariant=1,
    )
    story = [*_opening(subject), *_table(subject), *_pictures(subject), *_closing(subject)]
    document.build(story, onFirstPage=_write_footer, onLaterPages=_write_footer)
    return file.getvalue()


def _opening(subject: Subject) -> list[Flowable]:
    count, images = len(subject.report.lesions), len(subject.series.instances)
    verdict = f"{count} lesion{'' if count == 1 else 's'} found" if count else "Nothing found"
    notice = (
        "<b>AI - not for diagnostic use.</b> Regions were found and outlined by models alone; "
        "nobody has read the images."
    )
    summary = (
        f"<b>{verdict}</b> in {images} {subject.display.volume.modality} "
        f"image{'' if images == 1 else 's'}."
    )
    notes = [*subject.series.notes, *subject.report.warnings, *_words(subject.report.flags)]
    return [
        Paragraph(f"LesionMAP {_plain(subject.provenance.software_version)}", _TITLE),
        Spacer(0, 3 * mm),
        Paragraph(notice, _NOTICE),
        Spacer(0, 4 * mm),
        *(Paragraph(text, _TEXT) for text in (summary, *map(_plain, notes))),
        Spacer(0, 3 * mm),
    ]


def _table(subject: Subject) -> list[Flowable]:
    lesions = subject.report.lesions
    if not lesions:
        return []
    unit = "mm" if subject.display.grid.unit == "mm" else "px"
    axes = (f"long axis, {unit}", f"short axis, {unit}")
    titles = ("lesion", "slice", "score", "volume, mL", *axes, "flags")
    rows = [[Paragraph(title, _HEAD) for title in titles]]
    rows += [_row(number, lesion) for number, lesion in enumerate(lesions, start=1)]
    widths = [_WIDTH * share for share in (0.22, 0.08, 0.09, 0.13, 0.15, 0.15, 0.18)]
    style = [("LINEBELOW", (0, 0), (-1, -1), 0.5, _LINE), ("VALIGN", (0, 0), (-1, -1), "MIDDLE")]
    note = [] if unit == "mm" else [Paragraph(_NO_SCALE, _SMALL)]
    return [Table(rows, widths, repeatRows=1, style=style), *note, Spacer(0, 4 * mm)]


def _row(number: int, lesion: Lesion) -> list[Paragraph]:
    size = lesion.size
    cells = (
        f"{number} {_plain(lesion.label)}",
        str(pictured_slice(lesion) + 1),
        f"{lesion.score:.2f}",
        "" if size.volume_mm3 is None else three_digits(size.volume_mm3 / 1000),
        f"{size.diameter.length:.1f}",
        f"{size.width.length:.1f}",
        ", ".join(_words(lesion.flags)),
    )
    return [Paragraph(cell, _SMALL) for cell in cells]


def _pictures(subject: Subject) -> list[Flowable]:
    """Return the pictures of the most certain lesions, in the order of their numbers."""
    lesions = subject.report.lesions
    certain = sorted(range(len(lesions)), key=lambda index: -lesions[index].score)[:MOST_PICTURES]
    drawn = {
        index: render_finding(subject.display, lesions[index], lesions) for index in sorted(certain)
    }
    wide = any(picture.width > _WIDE * picture.height for picture in drawn.values())
    column = _WIDTH / (2 if wide else 3)
    cells = [
        _picture(picture, column, f"lesion {index + 1}, slice {pictured_slice(lesions[index]) + 1}")
        for index, picture in drawn.items()
    ]
    left_out = len(lesions) - len(certain)
    note = f"{left_out} more lesions without a picture: see the SEG." if left_out else ""
    return [*_rows(cells, column), Paragraph(note, _SMALL)]


def _rows(cells: list[list[Flowable]], column: float) -> list[Flowable]:
    count = round(_WIDTH / column)
    filled = cells + [[] for _ in range(-len(cells) % count)]
    return [
        Table([filled[start : start + count]], column) for start in range(0, len(filled), count)
    ]


def _picture(drawn: Image.Image, column: float, caption: str) -> list[Flowable]:
    scale = (column - _GAP) / max(drawn.size)
    size = (drawn.width * scale, drawn.height * scale)
    return [Picture(_encode(drawn), *size), Paragraph(caption, _SMALL)]


def _encode(picture: Image.Image) -> BytesIO:
    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)  # reportlab takes it apart again
    file.seek(0)
    return file


def _closing(subject: Subject) -> list[Flowable]:
    lines = [f"series {subject.series.uid}"]
    if subject.seg is not None:
        lines.append(f"SEG {subject.seg.SOPInstanceUID}")
    lines += [
        f"{model.name} {model.version}, {model.precision}, sha256 {model.sha256}"
        for model in subject.report.models
    ]
    return [Spacer(0, 3 * mm), KeepTogether([Paragraph(_plain(line), _SMALL) for line in lines])]


def _write_footer(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.setFont("Helvetica", _SMALLEST_FONT)
    canvas.setFillColor(_GREY)
    canvas.drawString(_MARGIN, _MARGIN / 2, "AI - not for diagnostic use")
    canvas.drawRightString(A4[0] - _MARGIN, _MARGIN / 2, f"page {document.page}")


def _words(flags: tuple[str, ...]) -> list[str]:
    return [flag.replace("_", " ") for flag in flags]


def _plain(text: str) -> str:
    """Return text that the fonts can show and that is no markup."""
    return escape(text.encode("cp1252", "replace").decode("cp1252"), quote=False)
