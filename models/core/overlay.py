"""A picture of a finding: its key slice with contour, box, score and scale bar."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion

_SMALLEST_SIDE = 512
_CONTOUR, _OTHERS, _BOX, _INK = (255, 64, 64), (80, 200, 255), (255, 210, 60), (255, 255, 255)
_BAR_MM = (100, 50, 20, 10, 5)


def render_finding(
    display: DisplayVolume, lesion: Lesion, lesions: Sequence[Lesion]
) -> Image.Image:
    """Return an RGB picture of the lesion's largest slice, at square pixels.

    The lesion's contour is red and its detector box yellow; other lesions on
    the slice are blue. The scale bar is drawn where the pixel size is known.
    """
    index = lesion.key_slice
    plane = display.slice(index)
    _, row_mm, column_mm = display.grid.spacing
    finest = min(row_mm, column_mm)
    zoom = max(1, -(-_SMALLEST_SIDE // max(plane.shape[:2])))
    factors = (zoom * row_mm / finest, zoom * column_mm / finest)
    size = (round(plane.shape[1] * factors[1]), round(plane.shape[0] * factors[0]))
    picture = Image.fromarray(plane).convert("RGB").resize(size, Image.Resampling.BICUBIC)
    for other in lesions:
        _draw_contour(picture, other, index, _CONTOUR if other is lesion else _OTHERS)
    _draw_box(picture, lesion, index, factors)
    _write_caption(picture, f"{lesion.label}  {lesion.score:.2f}  slice {index + 1}")
    if display.grid.unit == "mm":
        _draw_scale(picture, factors[1] / column_mm)
    return picture


def _draw_contour(
    picture: Image.Image, lesion: Lesion, index: int, colour: tuple[int, int, int]
) -> None:
    span, rows, columns = lesion.mask.window
    if not span.start <= index < span.stop:
        return
    plane = np.zeros(lesion.mask.grid.shape[1:], np.uint8)
    plane[rows, columns] = lesion.mask.voxels[index - span.start] * np.uint8(255)
    enlarged = np.asarray(Image.fromarray(plane).resize(picture.size, Image.Resampling.BILINEAR))
    outline = _edge(enlarged >= 128)
    picture.paste(colour, mask=Image.fromarray(outline.astype(np.uint8) * 255))


def _edge(inside: Bool[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Return the two outermost pixel layers inside a shape."""
    core = inside
    for _ in range(2):
        padded = np.pad(core, 1)
        core = core & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    edge: Bool[np.ndarray, "rows columns"] = inside & ~core
    return edge


def _draw_box(
    picture: Image.Image, lesion: Lesion, index: int, factors: tuple[float, float]
) -> None:
    draw = ImageDraw.Draw(picture)
    for detection in lesion.detections:
        if detection.box.slice_index == index:
            left, top, right, bottom = detection.box.xyxy
            draw.rectangle(
                (left * factors[1], top * factors[0], right * factors[1], bottom * factors[0]),
                outline=_BOX,
            )


def _write_caption(picture: Image.Image, text: str) -> None:
    draw = ImageDraw.Draw(picture)
    draw.text((9, 7), text, fill=(0, 0, 0), font_size=16)
    draw.text((8, 6), text, fill=_INK, font_size=16)
    note = "AI - not for diagnostic use"
    draw.text((8, picture.height - 24), note, fill=_INK, font_size=14)


def _draw_scale(picture: Image.Image, pixels_per_mm: float) -> None:
    length_mm = next((mm for mm in _BAR_MM if mm * pixels_per_mm < picture.width / 3), None)
    if length_mm is None:
        return
    draw = ImageDraw.Draw(picture)
    right, bottom = picture.width - 12, picture.height - 12
    left = right - length_mm * pixels_per_mm
    draw.line((left, bottom, right, bottom), fill=_INK, width=3)
    draw.text((left, bottom - 20), f"{length_mm} mm", fill=_INK, font_size=14)
