"""Fill polygons with Pillow, as a check on our own rasteriser."""

import numpy as np
from PIL import Image, ImageDraw

_FINE = 8


def fill_with_pillow(polygon, shape):
    """Return the pixels whose centres Pillow finds inside a polygon of (row, column) corners.

    Drawn eight times as fine: Pillow paints edges too, and these stay clear of the centres.
    """
    canvas = Image.new("L", (shape[1] * _FINE + 1, shape[0] * _FINE + 1))
    corners = [(round(column * _FINE), round(row * _FINE)) for row, column in polygon.tolist()]
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    return np.asarray(canvas)[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE].astype(bool)
