"""Smooth lines on pictures, drawn from the distance of every pixel to the line.

Places are (x, y) in picture pixels from the top-left corner, so the centre of the
first pixel is (0.5, 0.5). No line is rounded to whole pixels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8

Colour = tuple[int, int, int]
Place = tuple[float, float]

_RIM: Colour = (0, 0, 0)
_RIM_PX = 1.0
_FLAT = 1e-6
"""A slope below which a field has no outline near."""


@dataclass(frozen=True)
class Pen:
    """A colour and a width in picture pixels."""

    colour: Colour
    width: float


def stroke(
    picture: UInt8[np.ndarray, "rows columns 3"],
    distance: Float32[np.ndarray, "rows columns"],
    pen: Pen,
) -> None:
    """Paint, in place, the line at distance 0, over a dark rim that shows it on white."""
    for colour, half in ((_RIM, pen.width / 2 + _RIM_PX), (pen.colour, pen.width / 2)):
        near = distance < half + 0.5
        cover = np.clip(half + 0.5 - distance[near], 0, 1)[:, None]
        blend(picture, near, colour, cover)


def blend(
    picture: UInt8[np.ndarray, "rows columns 3"],
    where: Bool[np.ndarray, "rows columns"],
    colour: Colour,
    cover: Float32[np.ndarray, "n 1"] | float,
) -> None:
    """Mix a colour, in place, into some pixels: all of it where ``cover`` is 1."""
    ink = np.array(colour, np.float32) * cover
    picture[where] = np.rint(picture[where] * (1 - cover) + ink).astype(np.uint8)


def distance_to_segment(
    shape: tuple[int, int], start: Place, end: Place
) -> Float32[np.ndarray, "rows columns"]:
    """Return the distance of every pixel of a picture of ``shape`` to a straight line."""
    y, x = _centres(shape)
    along = np.array(end, np.float32) - np.array(start, np.float32)
    length = float(along @ along)
    x, y = x - np.float32(start[0]), y - np.float32(start[1])
    part = np.clip((x * along[0] + y * along[1]) / np.float32(length or 1), 0, 1)
    return np.hypot(x - part * along[0], y - part * along[1])


def distance_to_box(
    shape: tuple[int, int], corner: Place, opposite: Place
) -> Float32[np.ndarray, "rows columns"]:
    """Return the distance of every pixel to the edges of a rectangle."""
    y, x = _centres(shape)
    ends = np.array((corner, opposite), np.float32)
    middle, half = ends.mean(axis=0), np.abs(ends[1] - ends[0]) / 2
    beyond_x, beyond_y = np.abs(x - middle[0]) - half[0], np.abs(y - middle[1]) - half[1]
    outside = np.hypot(np.maximum(beyond_x, 0), np.maximum(beyond_y, 0))
    return np.abs(outside + np.minimum(np.maximum(beyond_x, beyond_y), 0))


def distance_to_outline(
    field: Float32[np.ndarray, "rows columns"],
) -> Float32[np.ndarray, "rows columns"]:
    """Return the distance, to first order and right near it, to where ``field`` is 0.5."""
    down, right = np.gradient(field)
    return np.abs(field - 0.5) / np.maximum(np.hypot(down, right), np.float32(_FLAT))


def _centres(
    shape: tuple[int, int],
) -> tuple[Float32[np.ndarray, "rows 1"], Float32[np.ndarray, "1 columns"]]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return y.astype(np.float32) + np.float32(0.5), x.astype(np.float32) + np.float32(0.5)
