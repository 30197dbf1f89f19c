"""Errors of axes and volume on drawn ellipsoids, whose size is known.

    python benchmarks/measurements.py [--shapes 200]

Ellipsoids of random proportions (short axis half to all of the long one), turns and places are
drawn on square pixels, on pixels up to three times as long as wide, and on oblique planes. Errors
of axes are in pixels (the longer side), those of volume in voxel layers: the difference over the
surface, over the largest spacing. The last rows measure the same shapes on the half-way contour,
marching squares on the bare mask.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np

from lesionmap.models.core import contour
from lesionmap.models.core.mask import Mask
from lesionmap.models.core.measure import measure
from lesionmap.models.core.volume import Grid

RADII_PX = ((2, 3), (3, 5), (5, 10), (10, 20))


@dataclass(frozen=True)
class Shape:
    """An ellipsoid: radii in mm across slices and along its short and long axis, and its mask."""

    radii: tuple[float, float, float]
    mask: Mask

    @property
    def errors(self) -> tuple[float, float, float]:
        """Long and short axis in pixels, volume in voxel layers."""
        size, spacing = measure(self.mask), self.mask.grid.spacing
        depth, short, long = self.radii
        volume, pixel = 4 / 3 * np.pi * depth * short * long, max(spacing[1:])
        # Surface by Thomsen's formula.
        powers = [(a * b) ** 1.6075 for a, b in ((depth, short), (depth, long), (short, long))]
        surface = 4 * np.pi * (sum(powers) / 3) ** (1 / 1.6075)
        return (
            (size.diameter.length - 2 * long) / pixel,
            (size.width.length - 2 * short) / pixel,
            ((size.volume_mm3 or 0) - volume) / surface / max(spacing),
        )


def main() -> None:
    """Draw the shapes, measure them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=200)
    count = parser.parse_args().shapes
    print(f"{count} ellipsoids a row: mean, root mean square and largest error")
    print(f"{'':<38}{'long axis, px':>20}{'short axis, px':>20}{'volume, layers':>20}")
    for grid in ("square", "non-square", "oblique"):
        for radii in RADII_PX:
            _print_row(
                f"{grid}, radius {radii[0]} to {radii[1]} px", list(_draw(radii, grid, count))
            )
    with patch.object(contour, "_NEAREST", 0.5):
        for radii in RADII_PX:
            shapes = list(_draw(radii, "square", count))
            _print_row(f"half-way, radius {radii[0]} to {radii[1]} px", shapes)


def _print_row(name: str, shapes: list[Shape]) -> None:
    errors = np.array([shape.errors for shape in shapes])
    rows = errors.mean(axis=0), np.sqrt((errors**2).mean(axis=0)), abs(errors).max(axis=0)
    cells = (f"{mean:+.2f} {rms:.2f} {worst:.2f}" for mean, rms, worst in np.transpose(rows))
    print(f"{name:<38}" + "".join(f"{cell:>20}" for cell in cells))


def _draw(radii_px: tuple[int, int], kind: str, count: int) -> Iterator[Shape]:
    random = np.random.default_rng(0)
    for _ in range(count):
        spacing = np.ones(3)
        if kind == "non-square":
            spacing[1:] = random.permutation([1.0, random.uniform(1 / 3, 1)])
        long = random.uniform(*radii_px)
        radii = random.uniform(0.7, 1) * long, random.uniform(0.5, 1) * long, long
        affine = np.diag([*spacing, 1.0])
        if kind == "oblique":
            affine[:3, :3], _ = np.linalg.qr(random.normal(size=(3, 3)))
        yield Shape(radii, _ellipsoid(radii, affine, random))


def _ellipsoid(
    radii: tuple[float, float, float], affine: np.ndarray, random: np.random.Generator
) -> Mask:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    # The middle slice goes through the middle, so that the true axes lie on a slice.
    shape = [2 * int(np.ceil(max(radii) / step)) + 5 for step in spacing]
    place = np.array([0, *random.uniform(-0.5, 0.5, 2)])
    z, y, x = (
        (np.arange(n) - n // 2 - part).reshape([-1 if axis == i else 1 for i in range(3)]) * step
        for axis, (n, part, step) in enumerate(zip(shape, place, spacing, strict=True))
    )
    angle = random.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (z / radii[0]) ** 2 + (across / radii[1]) ** 2 + (along / radii[2]) ** 2 < 1
    return Mask.crop(inside, Grid(affine, (shape[0], shape[1], shape[2])))


if __name__ == "__main__":
    main()
