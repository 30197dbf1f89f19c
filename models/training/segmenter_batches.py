"""Batches for the segmenter: images drawn by data set, changed, with jittered boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from lesionmap.models.training.prepared import PreparedImage
from lesionmap.models.training.segmenter_config import Augmentation

LEAST_VISIBLE = 0.7
"""Share of a lesion's box that a change of the image must leave inside the square."""

Affine = Float32[np.ndarray, "2 3"]


@dataclass(frozen=True)
class Batch:
    """Images in 0..1, and for each box its image, its edges and its true coverage."""

    images: Float[Tensor, "b 3 s s"]
    owners: Int64[Tensor, " n"]
    boxes: Float[Tensor, "n 4"]
    targets: Float[Tensor, "n 1 s s"]

    def halved_to(self, size: int) -> "Batch":
        """Return the batch at a smaller side by averaging blocks of pixels."""
        factor = self.images.shape[-1] // size
        if factor == 1:
            return self
        return Batch(
            functional.avg_pool2d(self.images, factor),
            self.owners,
            self.boxes / factor,
            functional.avg_pool2d(self.targets, factor),
        )


class BatchSource:
    """Draw batches by step number: the same step always gives the same batch."""

    def __init__(
        self,
        images: Sequence[PreparedImage],
        shares: dict[str, float],
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        """Group the images that have a lesion by their data set.

        Raises:
            ValueError: a data set with a share has no image.
        """
        self._groups = {name: [i for i in images if i.source == name] for name in shares}
        self._groups = {n: [i for i in g if i.outlines] for n, g in self._groups.items()}
        empty = sorted(name for name, group in self._groups.items() if not group)
        if empty:
            raise ValueError(f"no training image with a lesion in {empty}: check the data root")
        self._names = sorted(shares)
        total = sum(shares.values())
        self._shares = [shares[name] / total for name in self._names]
        self._augmentation = augmentation
        self._seed = seed

    def draw(self, step: int, batch_size: int, boxes_per_image: int) -> Batch:
        """Return the batch of one step."""
        rng = np.random.default_rng([self._seed, step])
        names = rng.choice(self._names, size=batch_size, p=self._shares)
        parts = [self._draw_one(rng, str(name), boxes_per_image) for name in names]
        images, boxes, targets = (torch.cat(column) for column in zip(*parts, strict=True))
        owners = torch.arange(batch_size).repeat_interleave(boxes_per_image)
        return Batch(images, owners, boxes, targets)

    def _draw_one(
        self, rng: np.random.Generator, name: str, count: int
    ) -> tuple[Float[Tensor, "1 3 s s"], Float[Tensor, "n 4"], Float[Tensor, "n 1 s s"]]:
        group = self._groups[name]
        prepared = group[int(rng.integers(len(group)))]
        chosen = _choose(rng, len(prepared.outlines), count)
        motion = _draw_motion(rng, prepared, chosen, self._augmentation)
        planes = np.concatenate([prepared.image, prepared.coverage[chosen]])
        moved = warp(torch.from_numpy(planes).float() / 255, motion)
        channels = len(prepared.image)
        image = recolour(rng, moved[:channels], self._augmentation).expand(3, -1, -1)
        tight = moved_boxes(prepared, chosen, motion)
        jittered = jitter_boxes(rng, tight, self._augmentation.box_jitter)
        side = image.shape[-1]
        boxes = torch.from_numpy(np.clip(jittered, 0, side).astype(np.float32))
        return image[None], boxes, moved[channels:, None]


def jitter_boxes(
    rng: np.random.Generator, boxes: Float[np.ndarray, "n 4"], extent: tuple[float, float]
) -> Float[np.ndarray, "n 4"]:
    """Shift every edge by up to a share of its side, the share drawn from ``extent``."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], (1, 2))
    largest = rng.uniform(*extent, (len(boxes), 1))
    return boxes + sides * largest * rng.uniform(-1, 1, boxes.shape)


def _choose(rng: np.random.Generator, lesions: int, count: int) -> Int64[np.ndarray, " count"]:
    """Pick lesions, each once before any is picked again."""
    order = np.concatenate([rng.permutation(lesions) for _ in range(-(-count // lesions))])
    return order[:count]


def _draw_motion(
    rng: np.random.Generator,
    prepared: PreparedImage,
    chosen: Int64[np.ndarray, " count"],
    limits: Augmentation,
) -> Affine:
    """Return a change of place that keeps the chosen lesions in view."""
    side = prepared.image.shape[-1]
    for _ in range(4):
        motion = random_motion(rng, prepared.fitted, limits)
        boxes = moved_boxes(prepared, chosen, motion)
        if (_areas(np.clip(boxes, 0, side)) > LEAST_VISIBLE * _areas(boxes)).all():
            return motion
    return np.eye(2, 3, dtype=np.float32)


def _areas(boxes: Float32[np.ndarray, "n 4"]) -> Float32[np.ndarray, " n"]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def random_motion(
    rng: np.random.Generator,
    fitted: tuple[int, int],
    limits: Augmentation,
    *,
    mirrored: float = 0.5,
) -> Affine:
    """Return a map of (x, y): rotation, scale and mirror about the image's middle, shift.

    ``mirrored`` is how often the image is mirrored.
    """
    angle = np.deg2rad(rng.uniform(-limits.rotation_deg, limits.rotation_deg))
    scale = np.exp(rng.uniform(-limits.log_scale, limits.log_scale))
    aspect = np.exp(rng.uniform(-limits.log_aspect, limits.log_aspect))
    mirror = -1.0 if rng.random() < mirrored else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.diag([mirror * aspect, 1 / aspect])
    middle = np.array([fitted[1], fitted[0]]) / 2
    shift = rng.uniform(-limits.shift, limits.shift, 2) * max(fitted)
    offset = middle + shift - linear @ middle
    return np.column_stack([linear, offset]).astype(np.float32)


def moved_boxes(
    prepared: PreparedImage, chosen: Int64[np.ndarray, " count"], motion: Affine
) -> Float32[np.ndarray, "count 4"]:
    """Return the exact boxes of the chosen lesions after a change of place."""
    boxes = []
    for index in chosen:
        points = prepared.outlines[index] @ motion[:, :2].T + motion[:, 2]
        boxes.append(np.concatenate([points.min(axis=0), points.max(axis=0)]))
    return np.array(boxes, np.float32)


def warp(planes: Float[Tensor, "c s s"], motion: Affine) -> Float[Tensor, "c s s"]:
    """Move planes by ``motion``; outside the square is 0."""
    side = planes.shape[-1]
    inverse = np.linalg.inv(np.vstack([motion, [0, 0, 1]]))[:2]
    linear, offset = inverse[:, :2], inverse[:, 2]
    # affine_grid counts from -1 to 1 across the square, edges included.
    shifted = (linear.sum(axis=1) * side / 2 + offset) * 2 / side - 1
    theta = torch.from_numpy(np.column_stack([linear, shifted])).float()[None]
    grid = functional.affine_grid(theta, [1, 1, side, side], align_corners=False)
    return functional.grid_sample(planes[None], grid, align_corners=False)[0]


def recolour(
    rng: np.random.Generator, image: Float[Tensor, "c s s"], limits: Augmentation
) -> Float[Tensor, "c s s"]:
    """Change gamma and gain and add noise; black stays black, as round a letterbox."""
    gamma = float(np.exp(rng.uniform(-limits.log_gamma, limits.log_gamma)))
    gains = np.exp(rng.uniform(-limits.log_gain, limits.log_gain, (len(image), 1, 1)))
    changed = image.clamp(1e-4, 1) ** gamma * torch.from_numpy(gains).float()
    if rng.random() < 0.5:
        spread = rng.uniform(0, limits.noise)
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        changed = changed + spread * torch.from_numpy(grain) * (image > 0)
    return changed.clamp(0, 1)
