"""What one looks at first: a volume from three sides, with its lesions in colour."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8
from PIL import Image

from lesionmap.models.core.display import DisplayVolume
from lesionmap.models.core.finding import Lesion
from lesionmap.models.core.intensity import PercentileWindow, to_display
from lesionmap.models.core.lettering import draw_scale, lay_out, write_edges, write_number
from lesionmap.models.core.orientation import edge_letters
from lesionmap.models.core.palette import lesion_colour
from lesionmap.models.core.projection import Projection, Reduce, three_sides
from lesionmap.models.core.strokes import Pen, blend, distance_to_outline, stroke
from lesionmap.models.core.view import View
from lesionmap.models.core.volume import Grid, ImageVolume

_ROOM_PX = (1180, 420)
_TINT = 0.35
_OUTLINE_PX = 1.6
_SHOWN = PercentileWindow(1.0, 99.8)


def has_sides(volume: ImageVolume) -> bool:
    """Whether it is a grey volume in the patient, which can be seen from three sides."""
    grid = volume.grid
    placed = grid.has_depth and grid.frame_of_reference_uid is not None
    return placed and len(volume.sources) > 1 and not volume.is_colour


def render_overview(display: DisplayVolume, lesions: Sequence[Lesion]) -> Image.Image:
    """Return projections with every lesion tinted, outlined and numbered.

    The three share one scale. ValueError for a volume that `has_sides` denies.
    """
    grid = display.grid
    if not has_sides(display.volume):
        raise ValueError("an image without a place has no sides to be seen from")
    sides = three_sides(grid)
    scale = _pixels_per_mm(grid, sides)
    panels = [_draw_side(display, lesions, side, scale) for side in sides]
    draw_scale(panels[0], scale)
    count = f"{len(lesions)} lesion{'' if len(lesions) == 1 else 's'}"
    kind = "mean" if display.volume.modality == "CT" else "maximum"
    caption = f"{count}   ·   axial, coronal and sagittal {kind}-intensity projection"
    return lay_out(panels, caption, "")


def _pixels_per_mm(grid: Grid, sides: Sequence[Projection]) -> float:
    extent = np.multiply(grid.shape, grid.spacing)
    across = sum(extent[side.across] for side in sides)
    down = max(extent[side.down] for side in sides)
    return float(min(_ROOM_PX[0] / across, _ROOM_PX[1] / down))


def _draw_side(
    display: DisplayVolume, lesions: Sequence[Lesion], side: Projection, scale: float
) -> Image.Image:
    plane = _project(display, side)
    spacing = display.grid.spacing
    room = tuple(
        max(1, round(extent * spacing[axis] * scale))
        for extent, axis in zip(plane.shape, (side.down, side.across), strict=True)
    )
    view = View(0, 0, plane.shape[1], plane.shape[0], room[1], room[0])
    picture = view.draw(plane)
    shadows = [_shadow(lesion, side) for lesion in lesions]
    for number, shadow in enumerate(shadows, start=1):
        _paint_shadow(picture, view, shadow, number)
    image = Image.fromarray(picture)
    for number, shadow in enumerate(shadows, start=1):
        write_number(image, view, shadow, number)
    write_edges(image, edge_letters(*side.directions))
    return image


def _project(display: DisplayVolume, side: Projection) -> UInt8[np.ndarray, "down across"]:
    """Return a side in grey: CT like a radiograph, everything else by its brightest voxels."""
    volume = display.volume
    reduce: Reduce = np.min if volume.low_is_white else np.max
    plane = side.arrange(volume.voxels, _mean if volume.modality == "CT" else reduce)
    shown = to_display(plane, _SHOWN)
    return 255 - shown if volume.low_is_white else shown


def _mean(
    block: Shaped[np.ndarray, "slices rows columns"], *, axis: int
) -> Float32[np.ndarray, "_ _"]:
    return np.asarray(np.mean(block, axis=axis, dtype=np.float32))


def _shadow(lesion: Lesion, side: Projection) -> Bool[np.ndarray, "down across"]:
    mask = lesion.mask
    whole = np.zeros([mask.grid.shape[axis] for axis in sorted((side.down, side.across))], bool)
    kept = tuple(mask.window[axis] for axis in sorted((side.down, side.across)))
    whole[kept] = mask.voxels.any(axis=side.along)
    return side.arrange(np.expand_dims(whole, side.along), np.any)


def _paint_shadow(
    picture: UInt8[np.ndarray, "height width 3"],
    view: View,
    shadow: Bool[np.ndarray, "down across"],
    number: int,
) -> None:
    field = view.enlarge(shadow)
    colour = lesion_colour(number)
    blend(picture, field > 0.5, colour, _TINT)
    stroke(picture, distance_to_outline(field), Pen(colour, _OUTLINE_PX))
