"""Which part of a plane a picture shows, and where each place of it is drawn."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from lesionmap.models.core.strokes import Place


@dataclass(frozen=True)
class View:
    """A rectangle of a plane, in pixel edges, drawn in ``width`` by ``height`` picture pixels.

    In pixel edges, pixel (row 0, column 0) of the plane spans 0..1 both ways, as in `Box2D`;
    a place that counts from the centre of the first pixel, as a `Grid` does, lies 0.5 further.
    """

    left: float
    top: float
    right: float
    bottom: float
    width: int
    height: int

    @classmethod
    def whole(
        cls, plane: tuple[int, int], spacing: tuple[float, float], room: tuple[int, int]
    ) -> "View":
        """Show a plane of (rows, columns) as large as fits ``room``, its pixels square in mm.

        Args:
            plane: rows and columns.
            spacing: distance between rows and between columns.
            room: most picture pixels across and down.
        """
        rows, columns = plane
        across, down = columns * spacing[1], rows * spacing[0]
        scale = min(room[0] / across, room[1] / down)
        width, height = max(1, round(across * scale)), max(1, round(down * scale))
        return cls(0, 0, columns, rows, width, height)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        return self.height, self.width

    @property
    def zoom(self) -> tuple[float, float]:
        """Picture pixels for each pixel of the plane, across and down."""
        return self.width / (self.right - self.left), self.height / (self.bottom - self.top)

    def place(self, x: float, y: float) -> Place:
        """Return where a place of the plane, in pixel edges, is drawn."""
        return (x - self.left) * self.zoom[0], (y - self.top) * self.zoom[1]

    def close_up(
        self, middle: tuple[float, float], extent: tuple[float, float], side: int
    ) -> "View":
        """Show ``extent`` (columns, rows) of the plane around ``middle`` (x, y), moved inside it.

        The picture is ``side`` pixels wide and high.
        """
        across, down = min(extent[0], self.right), min(extent[1], self.bottom)
        left = min(max(middle[0] - across / 2, 0), self.right - across)
        top = min(max(middle[1] - down / 2, 0), self.bottom - down)
        return View(left, top, left + across, top + down, side, side)

    def draw(
        self, plane: UInt8[np.ndarray, "rows columns *channels"]
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Return the picture of a plane, in colour."""
        image = Image.fromarray(plane).convert("RGB")
        return np.array(
            image.resize((self.width, self.height), Image.Resampling.BICUBIC, self._box)
        )

    def enlarge(
        self, inside: Bool[np.ndarray, "rows columns"]
    ) -> Float32[np.ndarray, "height width"]:
        """Return a mask as a smooth field that is 0.5 on the mask's edge."""
        image = Image.fromarray(_soften(inside))
        return np.array(
            image.resize((self.width, self.height), Image.Resampling.BICUBIC, self._box)
        )

    @property
    def _box(self) -> tuple[float, float, float, float]:
        return self.left, self.top, self.right, self.bottom


def _soften(inside: Bool[np.ndarray, "rows columns"]) -> Float32[np.ndarray, "rows columns"]:
    """Blur the steps of a mask; straight edges stay, and no pixel changes sides."""
    field = np.pad(inside, 1, mode="edge").astype(np.float32)
    for _ in range(2):
        field = np.asarray((field[:-2] + 2 * field[1:-1] + field[2:]).T / 4, np.float32)
    wrong = (field > 0.5) != inside
    field[wrong] = inside[wrong]
    return field
