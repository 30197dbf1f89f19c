"""A picture of a finding: its slice as it is, and a close-up with outline and axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.lettering import (
    draw_scale,
    lay_out,
    three_digits,
    write_edges,
    write_number,
)
from lesionmap.models.core.measure import Size
from lesionmap.models.core.orientation import edge_letters
from lesionmap.models.core.palette import lesion_colour
from lesionmap.models.core.strokes import (
    Pen,
    distance_to_box,
    distance_to_outline,
    distance_to_segment,
    stroke,
)
from lesionmap.models.core.view import View
from lesionmap.models.core.viewing import for_people
from lesionmap.models.core.volume import Grid

_ROOM = (640, 512)
_LEAST_SIDE = 384
_LEAST_PIXELS = 40
_SURROUNDINGS = 2.0
_BOX = Pen((255, 226, 110), 1.6)
_AXIS = Pen((255, 255, 255), 1.2)
_OUTLINE_PX, _OTHER_PX = 2.4, 1.4


@dataclass(frozen=True)
class _Slice:
    """One slice of a series: its grey or colour plane and the lesions on it, by number."""

    index: int
    plane: UInt8[np.ndarray, "rows columns *channels"]
    masks: dict[int, Bool[np.ndarray, "rows columns"]]


def render_finding(
    display: DisplayVolume, lesion: Lesion, lesions: Sequence[Lesion]
) -> Image.Image:
    """Return an RGB picture of the slice on which the lesion was measured.

    Left, the whole slice with the detector's box, the lesion itself uncovered, and other
    lesions outlined. Right, a close-up with outline and axes. Pixels are square in mm; bars
    give the scale where it is known, letters the patient's directions where they are.
    """
    size, index, grid = lesion.size, pictured_slice(lesion), display.grid
    number = next((n for n, other in enumerate(lesions, 1) if other is lesion), 1)
    viewing = for_people(display, lesion.mask)
    shown = _cut_slice(viewing.display, index, {number: lesion}, lesions)
    whole = View.whole(grid.shape[1:], grid.spacing[1:], _ROOM)
    close = _close_up(whole, shown.masks[number], grid)
    panels = [
        _draw_context(whole, shown, lesion, number),
        _draw_close_up(close, shown, number, size),
    ]
    for view, panel in zip((whole, close), panels, strict=True):
        if grid.frame_of_reference_uid:
            write_edges(panel, edge_letters(grid.affine[:3, 2], grid.affine[:3, 1]))
        if grid.unit == "mm":
            draw_scale(panel, view.zoom[0] / grid.spacing[2])
    return lay_out(panels, _caption(lesion, number, size), viewing.remark)


def pictured_slice(lesion: Lesion) -> int:
    """Return the slice that ``render_finding`` shows: the one on which the axes were measured."""
    return lesion.size.diameter.slice_index


def _cut_slice(
    display: DisplayVolume, index: int, shown: dict[int, Lesion], lesions: Sequence[Lesion]
) -> _Slice:
    numbered = dict(enumerate(lesions, start=1)) | shown
    masks = {number: _plane_of(lesion, index) for number, lesion in numbered.items()}
    present = {number: inside for number, inside in masks.items() if inside.any()}
    return _Slice(index, display.slice(index), present)


def _plane_of(lesion: Lesion, index: int) -> Bool[np.ndarray, "rows columns"]:
    """Return the lesion's mask on a whole slice."""
    span, rows, columns = lesion.mask.window
    plane = np.zeros(lesion.mask.grid.shape[1:], bool)
    if span.start <= index < span.stop:
        plane[rows, columns] = lesion.mask.voxels[index - span.start]
    return plane


def _close_up(whole: View, inside: Bool[np.ndarray, "rows columns"], grid: Grid) -> View:
    _, between_rows, between_columns = grid.spacing
    rows, columns = np.nonzero(inside)
    top, bottom = int(rows.min()), int(rows.max()) + 1
    left, right = int(columns.min()), int(columns.max()) + 1
    longest = max((right - left) * between_columns, (bottom - top) * between_rows)
    side = max(_SURROUNDINGS * longest, _LEAST_PIXELS * min(between_rows, between_columns))
    side = min(side, whole.right * between_columns, whole.bottom * between_rows)
    middle = ((left + right) / 2, (top + bottom) / 2)
    extent = (side / between_columns, side / between_rows)
    return whole.close_up(middle, extent, max(whole.height, _LEAST_SIDE))


def _draw_context(view: View, shown: _Slice, lesion: Lesion, number: int) -> Image.Image:
    picture = view.draw(shown.plane)
    others = {other: inside for other, inside in shown.masks.items() if other != number}
    for other, inside in others.items():
        pen = Pen(lesion_colour(other), _OTHER_PX)
        stroke(picture, distance_to_outline(view.enlarge(inside)), pen)
    for box in (item.box for item in lesion.detections if item.box.slice_index == shown.index):
        left, top, right, bottom = box.xyxy
        corners = view.place(left, top), view.place(right, bottom)
        stroke(picture, distance_to_box(view.shape, *corners), _BOX)
    image = Image.fromarray(picture)
    for other, inside in others.items():
        write_number(image, view, inside, other)
    return image


def _draw_close_up(view: View, shown: _Slice, number: int, size: Size) -> Image.Image:
    picture = view.draw(shown.plane)
    pen = Pen(lesion_colour(number), _OUTLINE_PX)
    stroke(picture, distance_to_outline(view.enlarge(shown.masks[number])), pen)
    for line in (size.diameter, size.width):
        start, end = (view.place(column + 0.5, row + 0.5) for row, column in (line.start, line.end))
        stroke(picture, distance_to_segment(view.shape, start, end), _AXIS)
    return Image.fromarray(picture)


def _caption(lesion: Lesion, number: int, size: Size) -> str:
    slices = lesion.mask.grid.shape[0]
    parts = [f"{lesion.label} {number}", f"score {lesion.score:.2f}"]
    if slices > 1:
        parts.append(f"slice {size.diameter.slice_index + 1} of {slices}")
    unit = "mm" if size.unit == "mm" else "px"
    parts.append(f"{size.diameter.length:.1f} x {size.width.length:.1f} {unit}")
    if size.volume_mm3 is not None:
        parts.append(f"{three_digits(size.volume_mm3 / 1000)} mL")
    return "   ·   ".join(parts)
