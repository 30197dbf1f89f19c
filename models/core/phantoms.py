"""Drawn images with known lesions: no real person, no stored picture.

They look enough like a chest CT, a brain MR and a breast ultrasound to show
the whole way from DICOM to SEG, and they have exact reference masks. They are
no measure of accuracy on patients.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Shaped

_Block = Float64[np.ndarray, "_ _ _"]


@dataclass(frozen=True)
class Phantom:
    """Voxels in modality units, one mask a lesion, and the distances between voxels in mm."""

    modality: str
    body_part: str
    voxels: Shaped[np.ndarray, "slices rows columns"]
    masks: tuple[Bool[np.ndarray, "slices rows columns"], ...]
    spacing_mm: tuple[float, float, float]


def draw_chest_ct(*, slices: int = 40, side: int = 256, lesions: int = 2, seed: int = 1) -> Phantom:
    """Draw a trunk with lungs, heart, spine and vessels in HU, and round tumours in the lungs."""
    rng = np.random.default_rng(seed)
    spacing = (120 / slices, 360 / side, 360 / side)
    z, y, x = _millimetres((slices, side, side), spacing)
    voxels = np.full((slices, side, side), -1000.0)
    voxels[_ellipsoid(z, y, x, (0, 0, 0), (1e4, 115, 160))] = -95
    voxels[_ellipsoid(z, y, x, (0, 0, 0), (1e4, 103, 148))] = 45
    lungs = _ellipsoid(z, y, x, (0, -2, -72), (150, 84, 64)) | _ellipsoid(
        z, y, x, (0, -2, 74), (150, 84, 60)
    )
    voxels[lungs] = -860
    heart = _ellipsoid(z, y, x, (10, -28, 18), (260, 50, 58))
    mediastinum = _ellipsoid(z, y, x, (0, 10, -6), (1e4, 62, 38))
    voxels[heart | mediastinum] = 50 + 12 * _texture(voxels.shape, rng, 4.0)[heart | mediastinum]
    lungs &= ~(heart | mediastinum)
    _draw_bones(voxels, (z, y, x), rng)
    _draw_vessels(voxels, (z, y, x), lungs, rng)
    masks = []
    for number in range(lesions):
        side_sign = -1 if number % 2 else 1
        centre = (
            -52 + 104 * (number + 0.5) / lesions + rng.uniform(-4, 4),
            rng.uniform(-25, 15),
            side_sign * rng.uniform(70, 82),
        )
        radius = rng.uniform(14, 20)
        masks.append(_lobed(z, y, x, centre, radius, rng))
        voxels[masks[-1]] = 55
    voxels = _soften(voxels, 0.7) + rng.normal(0, 12, voxels.shape)
    stored = np.clip(np.rint(voxels), -1024, 3071).astype(np.int16)
    return Phantom("CT", "CHEST", stored, tuple(masks), spacing)


def draw_brain_mr(*, slices: int = 20, side: int = 256, seed: int = 2) -> Phantom:
    """Draw a contrast-enhanced T1-like head with ventricles and one bright tumour."""
    rng = np.random.default_rng(seed)
    spacing = (5.0, 240 / side, 240 / side)
    z, y, x = _millimetres((slices, side, side), spacing)
    voxels = np.zeros((slices, side, side))
    for radii, level in (((75, 98, 78), 620.0), ((71, 93, 73), 60.0), ((66, 88, 68), 330.0)):
        voxels[_ellipsoid(z, y, x, (0, 0, 0), radii)] = level
    brain = _ellipsoid(z, y, x, (0, 0, 0), (66, 88, 68))
    depth = 1 - np.sqrt((z / 66) ** 2 + (y / 88) ** 2 + (x / 68) ** 2)
    folds = np.sin(11 * np.arctan2(y, x) + 0.08 * z) * np.sin(0.21 * np.hypot(x, y) + 0.1 * z)
    voxels += brain * (70 * np.clip(depth / 0.3, 0, 1) + 45 * folds * (depth < 0.32))
    for sign in (-1, 1):
        voxels[_ellipsoid(z, y, x, (4, -4, sign * 11), (22, 27, 6))] = 120
    voxels[brain & (np.abs(x) < 1.2) & (np.abs(y) > 45)] = 180
    voxels += brain * 9 * _texture(voxels.shape, rng, 2.0)
    tumour = _lobed(z, y, x, (12, 22, 34), 19, rng)
    voxels[tumour] = 640 + 35 * _texture(voxels.shape, rng, 2.0)[tumour]
    voxels = _soften(voxels, 0.8) + rng.normal(0, 10, voxels.shape)
    stored = np.clip(np.rint(voxels), 0, 4095).astype(np.uint16)
    return Phantom("MR", "BRAIN", stored, (tumour,), spacing)


def draw_breast_us(*, rows: int = 380, columns: int = 480, seed: int = 3) -> Phantom:
    """Draw a speckled, layered ultrasound image with one dark, oval mass and its shadow."""
    rng = np.random.default_rng(seed)
    spacing = (1.0, 0.1, 0.1)
    _, y, x = _millimetres((1, rows, columns), spacing)
    y, x = y[0], x[0]
    depth = y - y.min()
    waves = 1.2 * np.sin(x / 5 + 1) + 0.7 * np.sin(x / 2.3)
    level = np.select(
        [depth < 2 + 0.2 * waves, depth < 10 + waves, depth < 26 + waves, depth < 29 + waves],
        [150.0, 75.0, 125.0, 165.0],
        80.0,
    )
    angle = np.arctan2(y + 2, x - 3)
    wobble = 1 + 0.06 * np.sin(3 * angle + 0.5) + 0.04 * np.sin(5 * angle)
    mass = ((x - 3) / (8.5 * wobble)) ** 2 + ((y + 2) / (5.2 * wobble)) ** 2 < 1
    behind = (np.abs(x - 3) < 6.5) & (y > 2.5)
    level = np.where(behind, level * 1.25, level)
    level = np.where(mass, 26.0, level)
    level = level * (1 + 0.25 * _texture((1, rows, columns), rng, 6.0)[0])
    speckle = _soften(rng.rayleigh(0.8, (1, rows, columns)), 0.9)[0]
    image = _soften((level * speckle * np.exp(-depth / 60))[None], 0.6)
    stored = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    return Phantom("US", "BREAST", stored, (mass[None],), spacing)


def _draw_vessels(
    voxels: _Block,
    axes: tuple[_Block, _Block, _Block],
    lungs: Bool[np.ndarray, "slices rows columns"],
    rng: np.random.Generator,
) -> None:
    """Draw short vessels in the lungs, thick and many at the hilum, thin outside."""
    for _ in range(220):
        outward = rng.beta(1.2, 2.0)
        side, angle = rng.choice([-1, 1]), rng.uniform(0, 2 * np.pi)
        centre = (
            rng.uniform(-95, 95),
            70 * outward * np.sin(angle),
            side * (48 + 64 * outward * abs(np.cos(angle))),
        )
        width = 1.2 + 5.5 * (1 - outward) ** 2
        radii = (rng.uniform(6, 26), width * rng.uniform(0.7, 1.8), width * rng.uniform(0.7, 1.8))
        spans = tuple(
            slice(*np.searchsorted(axis.ravel(), (middle - radius, middle + radius)))
            for axis, middle, radius in zip(axes, centre, radii, strict=True)
        )
        z, y, x = axes[0][spans[0]], axes[1][:, spans[1]], axes[2][:, :, spans[2]]
        vessel = _ellipsoid(z, y, x, centre, radii) & lungs[spans]
        voxels[spans][vessel] = rng.uniform(20, 90)


def _draw_bones(
    voxels: _Block, axes: tuple[_Block, _Block, _Block], rng: np.random.Generator
) -> None:
    """Draw a vertebra with its canal, and ribs, through all slices."""
    z, y, x = axes
    for centre, radii in (
        ((0, 86, 0), (1e4, 14, 15)),
        ((0, 64, 0), (1e4, 17, 21)),
        ((0, 80, 0), (1e4, 6, 36)),
        ((0, 97, 0), (1e4, 10, 5)),
    ):
        voxels[_ellipsoid(z, y, x, centre, radii)] = 480
    spongy = _ellipsoid(z, y, x, (0, 64, 0), (1e4, 15, 19))
    voxels[spongy] = 190 + 60 * _texture(voxels.shape, rng, 1.5)[spongy]
    voxels[_ellipsoid(z, y, x, (0, 87, 0), (1e4, 9, 10))] = 15
    for angle in np.linspace(0.15, 2 * np.pi + 0.15, 14, endpoint=False):
        rib = (0.0, 93 * np.sin(angle), 138 * np.cos(angle))
        voxels[_ellipsoid(z, y, x, rib, (1e4, 5, 7))] = 330


def _millimetres(
    shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> tuple[_Block, _Block, _Block]:
    axes = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return z, y, x


def _ellipsoid(
    z: _Block,
    y: _Block,
    x: _Block,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> Bool[np.ndarray, "slices rows columns"]:
    inside: Bool[np.ndarray, "slices rows columns"] = (
        ((z - centre[0]) / radii[0]) ** 2
        + ((y - centre[1]) / radii[1]) ** 2
        + ((x - centre[2]) / radii[2]) ** 2
    ) < 1
    return inside


def _lobed(
    z: _Block,
    y: _Block,
    x: _Block,
    centre: tuple[float, float, float],
    radius: float,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "slices rows columns"]:
    angle = np.arctan2(y - centre[1], x - centre[2])
    lobes = 1 + 0.08 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.05 * np.sin(5 * angle)
    in_plane = np.sqrt(np.clip(radius**2 - (z - centre[0]) ** 2, 0, None))
    distance = np.hypot(y - centre[1], x - centre[2])
    inside: Bool[np.ndarray, "slices rows columns"] = distance < in_plane * lobes
    return inside


def _soften(block: _Block, sigma_px: float) -> _Block:
    """Blur each plane with a Gaussian, in the Fourier domain."""
    rows, columns = (np.fft.fftfreq(n) for n in block.shape[1:])
    transfer = np.exp(-2 * (np.pi * sigma_px) ** 2 * (rows[:, None] ** 2 + columns[None] ** 2))
    softened: _Block = np.fft.ifft2(np.fft.fft2(block) * transfer).real
    return softened


def _texture(shape: tuple[int, int, int], rng: np.random.Generator, sigma_px: float) -> _Block:
    """Return smooth noise of unit standard deviation."""
    noise = _soften(rng.normal(size=shape), sigma_px)
    texture: _Block = noise / noise.std()
    return texture
