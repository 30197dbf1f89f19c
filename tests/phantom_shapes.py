"""Shapes of known size on any grid."""

import numpy as np

from lesionmap.models.core.mask import Mask
from lesionmap.models.core.volume import Grid


def draw_ellipsoid(radii_mm, spacing, *, angle=0.0, place=(0.0, 0.0, 0.0)):
    """Return the voxels whose centres lie in an ellipsoid, turned in the plane of the slices.

    Radii across slices, along rows' normal, and along columns before the turn;
    ``place`` moves the middle by parts of a voxel.
    """
    shape = tuple(int(np.ceil(2 * max(radii_mm) / step)) + 7 for step in spacing)
    axes = [
        (np.arange(n) - (n - 1) / 2 - part) * step
        for n, step, part in zip(shape, spacing, place, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = (
        sum((part / radius) ** 2 for part, radius in zip((z, across, along), radii_mm, strict=True))
        < 1
    )
    return Mask.crop(inside, Grid(np.diag([*spacing, 1.0]), shape))


def turned_axes(seed):
    """Return a random rotation and translation in homogeneous coordinates."""
    random = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = rotation, random.normal(size=3) * 100
    return affine
