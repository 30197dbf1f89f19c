"""A picture of a finding: its slice as it is, and a close-up with outline and axes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.lettering import draw_scale, lay_out, write_edges, write_number
from lesionmap.models.core.measure import Size, measure
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


def render_finding(
    display: DisplayVolume, lesion: Lesion, lesions: Sequence[Lesion]
) -> Image.Image:
    """Return an RGB picture of the slice on which the lesion was measured.

    Left, the whole slice with the detector's box, the lesion itself uncovered, and other
    lesions outlined. Right, a close-up with outline and axes. Pixels are square in mm; bars
    give the scale where it is known, letters the patient's directions where they are.
    """
    size = measure(lesion.mask)
    index, grid = size.diameter.slice_index, display.grid
    viewing = for_people(display, lesion.mask)
    plane = viewing.display.slice(index)
    whole = View.whole(grid.shape[1:], grid.spacing[1:], _ROOM)
    close = _close_up(whole, lesion, index)
    numbers = {id(other): number for number, other in enumerate(lesions, start=1)}
    others = {numbers[id(other)]: other for other in lesions if other is not lesion}
    panels = [
        _draw_context(whole, plane, lesion, others, index),
        _draw_close_up(close, plane, lesion, numbers.get(id(lesion), 1), size),
    ]
    for view, panel in zip((whole, close), panels, strict=True):
        if grid.frame_of_reference_uid:
            write_edges(panel, edge_letters(grid.affine[:3, 2], grid.affine[:3, 1]))
        if grid.unit == "mm":
            draw_scale(panel, view.zoom[0] / grid.spacing[2])
    caption = _caption(lesion, numbers.get(id(lesion), 1), size, grid)
    return lay_out(panels, caption, viewing.remark)


def plane_of(lesion: Lesion, index: int) -> Bool[np.ndarray, "rows columns"]:
    """Return the lesion's mask on a whole slice."""
    span, rows, columns = lesion.mask.window
    plane = np.zeros(lesion.mask.grid.shape[1:], bool)
    if span.start <= index < span.stop:
        plane[rows, columns] = lesion.mask.voxels[index - span.start]
    return plane


def _close_up(whole: View, lesion: Lesion, index: int) -> View:
    _, between_rows, between_columns = lesion.mask.grid.spacing
    rows, columns = np.nonzero(plane_of(lesion, index))
    left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    finest = min(between_rows, between_columns)
    longest = max((right - left) * between_columns, (bottom - top) * between_rows)
    side = max(_SURROUNDINGS * longest, _LEAST_PIXELS * finest)
    side = min(side, whole.right * between_columns, whole.bottom * between_rows)
    middle = (float(left + right) / 2, float(top + bottom) / 2)
    extent = (float(side / between_columns), float(side / between_rows))
    return whole.close_up(middle, extent, max(whole.height, _LEAST_SIDE))


def _draw_context(
    view: View,
    plane: UInt8[np.ndarray, "rows columns *channels"],
    lesion: Lesion,
    others: dict[int, Lesion],
    index: int,
) -> Image.Image:
    picture = view.draw(plane)
    for number, other in others.items():
        _outline(picture, view, other, index, Pen(lesion_colour(number), _OTHER_PX))
    for detection in lesion.detections:
        if detection.box.slice_index == index:
            left, top, right, bottom = detection.box.xyxy
            corners = view.place(left, top), view.place(right, bottom)
            stroke(picture, distance_to_box(view.shape, *corners), _BOX)
    image = Image.fromarray(picture)
    for number, other in others.items():
        write_number(image, view, plane_of(other, index), number)
    return image


def _draw_close_up(
    view: View,
    plane: UInt8[np.ndarray, "rows columns *channels"],
    lesion: Lesion,
    number: int,
    size: Size,
) -> Image.Image:
    picture = view.draw(plane)
    index = size.diameter.slice_index
    _outline(picture, view, lesion, index, Pen(lesion_colour(number), _OUTLINE_PX))
    for line in (size.diameter,):
        ends = [view.place(column + 0.5, row + 0.5) for row, column in (line.start, line.end)]
        stroke(picture, distance_to_segment(view.shape, ends[0], ends[1]), _AXIS)
    return Image.fromarray(picture)


def _outline(
    picture: UInt8[np.ndarray, "height width 3"], view: View, lesion: Lesion, index: int, pen: Pen
) -> None:
    stroke(picture, distance_to_outline(view.enlarge(plane_of(lesion, index))), pen)


def _caption(lesion: Lesion, number: int, size: Size, grid: Grid) -> str:
    parts = [f"{lesion.label} {number}", f"score {lesion.score:.2f}"]
    if grid.shape[0] > 1:
        parts.append(f"slice {size.diameter.slice_index + 1} of {grid.shape[0]}")
    if size.long_axis_mm is not None and size.short_axis_mm is not None:
        parts.append(f"{size.long_axis_mm:.1f} x {size.short_axis_mm:.1f} mm")
    if size.volume_mm3 is not None:
        parts.append(f"{size.volume_mm3 / 1000:.3g} mL")
    return "   ·   ".join(parts)
