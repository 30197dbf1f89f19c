"""Words on pictures: captions, scale bars and the letters of the patient's directions."""

import math
from functools import cache

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont

from lesionmap.models.core.palette import lesion_colour
from lesionmap.models.core.strokes import Colour
from lesionmap.models.core.view import View

NOT_FOR_DIAGNOSIS = "AI - not for diagnostic use"

_INK: Colour = (245, 245, 245)
_FAINT: Colour = (178, 186, 196)
_PAPER: Colour = (16, 19, 24)
_RIM: Colour = (0, 0, 0)
_STRIP, _GAP, _MARGIN = 30, 4, 10
_BAR_MM = (100, 50, 20, 10, 5, 2, 1)


def three_digits(value: float) -> str:
    """Return a number with three significant digits, and none after the point from 100 on."""
    decimals = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{decimals}f}"


def lay_out(panels: list[Image.Image], caption: str, remark: str) -> Image.Image:
    """Set panels side by side on dark paper, a caption above, the remark and warning below."""
    width = sum(panel.width for panel in panels) + _GAP * (len(panels) - 1)
    height = max(panel.height for panel in panels)
    sheet = Image.new("RGB", (width, height + 2 * _STRIP), _PAPER)
    left = 0
    for panel in panels:
        sheet.paste(panel, (left, _STRIP + (height - panel.height) // 2))
        left += panel.width + _GAP
    draw = ImageDraw.Draw(sheet)
    above, below = _STRIP / 2, sheet.height - _STRIP / 2
    draw.text((_MARGIN, above), caption, _INK, _fit(caption, 17, width), "lm")
    draw.text((_MARGIN, below), NOT_FOR_DIAGNOSIS, _INK, _font(14), "lm")
    draw.text((width - _MARGIN, below), remark, _FAINT, _font(13), "rm")
    return sheet


def write_edges(picture: Image.Image, letters: tuple[str, str, str, str]) -> None:
    """Write the letters of the left, top, right and bottom edge."""
    width, height = picture.size
    places = (
        ((6, height / 2), "lm"),
        ((width / 2, 5), "mt"),
        ((width - 6, height / 2), "rm"),
        ((width / 2, height - 5), "mb"),
    )
    for text, (place, anchor) in zip(letters, places, strict=True):
        write(picture, place, text, anchor=anchor)


def write(
    picture: Image.Image,
    place: tuple[float, float],
    text: str,
    *,
    anchor: str = "mm",
    colour: Colour = _INK,
) -> None:
    """Write a short text with a dark rim at ``place``, held by ``anchor`` as in Pillow."""
    ImageDraw.Draw(picture).text(
        place, text, colour, _font(16), anchor, stroke_width=2, stroke_fill=_RIM
    )


def write_number(
    picture: Image.Image, view: View, inside: Bool[np.ndarray, "rows columns"], number: int
) -> None:
    """Write the number of a lesion, in its colour, above it or, at the top, below it."""
    rows, columns = np.nonzero(inside)
    if not len(rows):
        return
    x, top = view.place(float(columns.mean()) + 0.5, float(rows.min()))
    bottom = view.place(0, float(rows.max()) + 1)[1]
    y, anchor = (top - 4, "mb") if top > 2 * _STRIP else (bottom + 4, "mt")
    write(picture, (x, y), str(number), anchor=anchor, colour=lesion_colour(number))


def draw_scale(picture: Image.Image, pixels_per_mm: float) -> None:
    """Draw the longest round bar that takes at most a third of the width; none if none does."""
    fitting = (mm for mm in _BAR_MM if mm * pixels_per_mm <= picture.width / 3)
    length_mm = next(fitting, None)
    if length_mm is None:
        return
    right, bottom = picture.width - _MARGIN, picture.height - _MARGIN
    left = right - round(length_mm * pixels_per_mm)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - 1, bottom - 4, right, bottom + 1), _RIM)
    draw.rectangle((left, bottom - 3, right - 1, bottom), _INK)
    write(picture, ((left + right) / 2, bottom - 8), f"{length_mm} mm", anchor="mb")


def _fit(text: str, size: int, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the largest font up to ``size`` in which ``text`` fits a strip."""
    while size > 8 and _font(size).getlength(text) > width - 2 * _MARGIN:
        size -= 1
    return _font(size)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
