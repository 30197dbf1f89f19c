"""Generated images: blobs that differ in texture from what is round them.

They show the segmenter borders of every kind of contrast; nobody is in them.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import ndimage

from lesionmap.models.training.datasets.sample import Sample, boxes_of

SIDE = 256
LARGEST_HARMONIC = 6


def generate_shapes(count: int, seed: int = 0) -> list[Sample]:
    """Draw ``count`` training images with one to three blobs each."""
    return [_draw(np.random.default_rng([seed, index]), index) for index in range(count)]


def _draw(rng: np.random.Generator, index: int) -> Sample:
    image = _texture(rng)
    masks: list[Bool[np.ndarray, "rows columns"]] = []
    for _ in range(int(rng.integers(1, 4))):
        mask = _blob(rng)
        if mask.sum() >= 40 and not any((mask & other).any() for other in masks):
            image = _paint(rng, image, mask)
            masks.append(mask)
    noise = rng.normal(0, rng.uniform(0, 0.05), image.shape)
    grey = np.clip((image + noise) * 255, 0, 255).astype(np.uint8)
    return Sample(
        source="shapes",
        name=f"shape_{index:05d}",
        patient=f"shape_{index:05d}",
        split="train",
        modality="OT",
        image=grey,
        masks=tuple(masks),
        boxes=boxes_of(tuple(masks)),
    )


def _texture(rng: np.random.Generator) -> Float[np.ndarray, "rows columns"]:
    """Return smooth noise of a random grain and contrast, about 0..1."""
    level, contrast = rng.uniform(0.15, 0.85), rng.uniform(0.02, 0.25)
    grain = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), rng.uniform(1, 12))
    coarse = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), rng.uniform(15, 40))
    return level + contrast * (grain / grain.std() + coarse / coarse.std()) / 2


def _blob(rng: np.random.Generator) -> Bool[np.ndarray, "rows columns"]:
    """Return a star-shaped blob with a smooth random radius."""
    centre = rng.uniform(0.15, 0.85, 2) * SIDE
    size = SIDE * np.exp(rng.uniform(np.log(0.03), np.log(0.25)))
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    angle = np.arctan2(rows - centre[0], columns - centre[1]) - rng.uniform(0, np.pi)
    radius = np.ones_like(angle)
    for harmonic in range(2, LARGEST_HARMONIC + 1):
        height = rng.normal(0, 0.35) / harmonic
        radius += height * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi))
    distance = np.hypot(rows - centre[0], columns - centre[1])
    inside: Bool[np.ndarray, "rows columns"] = distance < size * np.clip(radius, 0.3, None)
    return inside


def _paint(
    rng: np.random.Generator,
    image: Float[np.ndarray, "rows columns"],
    mask: Bool[np.ndarray, "rows columns"],
) -> Float[np.ndarray, "rows columns"]:
    """Fill a blob with another texture, through a border of random softness."""
    soft: Float32[np.ndarray, "rows columns"] = ndimage.gaussian_filter(
        mask.astype(np.float32), rng.uniform(0.3, 2.5)
    )
    return image * (1 - soft) + _texture(rng) * soft
