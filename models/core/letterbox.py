"""Fit an image into the square a network takes, and map boxes both ways."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image


@dataclass(frozen=True)
class Letterbox:
    """Isotropic scaling into ``size`` × ``size``, anchored at the top-left corner.

    The longer side fills the square, the rest is black. Coordinates are pixel
    edges on both sides, so mapping is one multiplication.
    """

    rows: int
    columns: int
    size: int

    @property
    def scale(self) -> float:
        """Network pixels per image pixel."""
        return self.size / max(self.rows, self.columns)

    @property
    def fitted(self) -> tuple[int, int]:
        """Rows and columns of the scaled image inside the square."""
        return (
            max(1, round(self.rows * self.scale)),
            max(1, round(self.columns * self.scale)),
        )

    def fit_uint8(self, image: UInt8[np.ndarray, "rows columns *c"]) -> UInt8[np.ndarray, "s s *c"]:
        """Return the image scaled with an antialiased bilinear filter and padded."""
        rows, columns = self.fitted
        scaled = np.asarray(
            Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
        )
        square = np.zeros((self.size, self.size, *image.shape[2:]), np.uint8)
        square[:rows, :columns] = scaled
        return square

    def fit(self, image: UInt8[np.ndarray, "rows columns *c"]) -> Float32[np.ndarray, "3 s s"]:
        """Return the network's input in 0..1; a grey image fills all three channels."""
        square = self.fit_uint8(image)
        channels = np.repeat(square[..., None], 3, axis=2) if square.ndim == 2 else square
        scaled: Float32[np.ndarray, "3 s s"] = np.ascontiguousarray(
            channels.transpose(2, 0, 1), np.float32
        ) / np.float32(255.0)
        return scaled

    def to_network(self, xyxy: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Map boxes from image pixels to network pixels."""
        return xyxy * self._factors(xyxy.dtype)

    def to_image(self, xyxy: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
        """Map boxes from network pixels to image pixels, clipped to the image."""
        limits = np.array([self.columns, self.rows] * 2, xyxy.dtype)
        return np.clip(xyxy / self._factors(xyxy.dtype), 0, limits)

    def _factors(self, dtype: np.dtype[np.generic]) -> Float[np.ndarray, " 4"]:
        rows, columns = self.fitted
        return np.array([columns / self.columns, rows / self.rows] * 2, dtype)
