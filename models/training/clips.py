"""Clips for the memory: a few frames in a row, with one object to follow from the first.

They come from real stacks of slices, and from single images that are made to move: the
lesion shrinks and grows about its middle, as it does from slice to slice, while the
whole image drifts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional

from lesionmap.models.training.datasets.sample import mask_box
from lesionmap.models.training.datasets.stacks import Stack
from lesionmap.models.training.prepared import PreparedImage
from lesionmap.models.training.segmenter_batches import (
    Affine,
    jitter_boxes,
    moved_boxes,
    random_motion,
    recolour,
    warp,
)
from lesionmap.models.training.segmenter_config import Augmentation

LEAST_PIXELS = 12
"""Pixels in the network's square that an object covers on the frame with the box."""

REACH = 2.2
"""Radii of the lesion within which a change of its size bends the image."""

SMALLEST = 0.12
"""Share of its first size below which a lesion counts as gone."""

DRIFT = Augmentation(rotation_deg=2.5, log_scale=0.03, log_aspect=0.01, shift=0.012)
"""Largest change of place of a made-up frame against the first."""


@dataclass(frozen=True)
class ClipBatch:
    """Frames in 0..1, the share of each pixel that the object covers, and the first box."""

    frames: Float[Tensor, "b t 3 s s"]
    targets: Float[Tensor, "b t 1 s s"]
    boxes: Float[Tensor, "b 4"]


class ClipSource:
    """Draw clips by step number: the same step always gives the same clips."""

    def __init__(
        self,
        stacks: Sequence[Stack],
        images: Sequence[PreparedImage],
        shares: dict[str, float],
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        """Group stacks and images by their data set.

        Raises:
            ValueError: a data set with a share has nothing to follow.
        """
        usable: list[Stack | PreparedImage] = [stack for stack in stacks if stack.objects]
        usable += [image for image in images if image.outlines]
        self._groups = {name: [item for item in usable if item.source == name] for name in shares}
        if empty := sorted(name for name, group in self._groups.items() if not group):
            raise ValueError(f"nothing to follow in {empty}: check the data root")
        self._names = sorted(shares)
        total = sum(shares.values())
        self._shares = [shares[name] / total for name in self._names]
        self._augmentation = augmentation
        self._seed = seed

    def draw(self, step: int, batch_size: int, length: int) -> ClipBatch:
        """Return the clips of one step."""
        rng = np.random.default_rng([self._seed, step])
        names = rng.choice(self._names, size=batch_size, p=self._shares)
        clips = [self._draw_one(rng, str(name), length) for name in names]
        frames, targets = (torch.stack(column) for column in zip(*clips, strict=True))
        tight = np.stack([mask_box(target[0, 0].numpy() > 0.5) for target in targets])
        boxes = jitter_boxes(rng, tight, self._augmentation.box_jitter)
        side = frames.shape[-1]
        return ClipBatch(
            frames, targets, torch.from_numpy(np.clip(boxes, 0, side).astype(np.float32))
        )

    def _draw_one(
        self, rng: np.random.Generator, name: str, length: int
    ) -> tuple[Float[Tensor, "t 3 s s"], Float[Tensor, "t 1 s s"]]:
        group = self._groups[name]
        while True:
            item = group[int(rng.integers(len(group)))]
            if isinstance(item, Stack):
                planes = _cut(rng, item, length, self._augmentation)
            else:
                planes = _move(rng, item, length, self._augmentation)
            if (planes[0, -1] > 0.5).sum() >= LEAST_PIXELS:
                frames = recolour(rng, planes[:, :-1].flatten(0, 1), self._augmentation)
                shown = frames.reshape(length, -1, *planes.shape[2:]).expand(-1, 3, -1, -1)
                return shown, planes[:, -1:]


def _cut(
    rng: np.random.Generator, stack: Stack, length: int, limits: Augmentation
) -> Float[Tensor, "t 2 s s"]:
    """Take slices away from one that holds the object, up or down, sometimes every second."""
    covered = stack.objects[int(rng.integers(len(stack.objects)))]
    areas = (covered > 127).sum(axis=(1, 2))
    start = int(rng.choice(np.flatnonzero(areas >= max(LEAST_PIXELS, 0.2 * areas.max()))))
    step = int(rng.choice([1, 1, 2])) * int(rng.choice([-1, 1]))
    order = np.clip(start + step * np.arange(length), 0, len(covered) - 1)
    planes = np.stack([stack.images[order], covered[order]], axis=1)
    side = planes.shape[-1]
    motion = random_motion(rng, (side, side), limits)
    moved = warp(torch.from_numpy(planes).float().flatten(0, 1) / 255, motion)
    return moved.reshape(length, 2, side, side)


def _move(
    rng: np.random.Generator, prepared: PreparedImage, length: int, limits: Augmentation
) -> Float[Tensor, "t c s s"]:
    """Make a clip of a single image: one change of place for all, a drift, a change of size."""
    chosen = int(rng.integers(len(prepared.outlines)))
    planes = torch.from_numpy(np.concatenate([prepared.image, prepared.coverage[[chosen]]])).float()
    motion = random_motion(rng, prepared.fitted, limits)
    box = moved_boxes(prepared, np.array([chosen]), motion)[0]
    planes = warp(planes / 255, motion)
    frames: list[Tensor] = []
    for scale in _draw_scales(rng, length):
        frame = _resize_lesion(planes, box, scale) if abs(scale - 1) > 0.01 else planes
        frames.append(warp(frame, _drift(rng, prepared.fitted, len(frames))))
        if scale <= SMALLEST:
            frames[-1][-1] = 0
    return torch.stack(frames)


def _draw_scales(rng: np.random.Generator, length: int) -> list[float]:
    """Return the lesion's size on each frame, as in a cut through a ball off its middle."""
    if rng.random() < 0.3:
        steps = np.cumsum(rng.normal(0, 0.06, length))
        return np.exp(steps - steps[0]).tolist()
    first = rng.uniform(-0.9, 0.5)
    step = rng.uniform(0.05, 0.3)
    radii = np.sqrt(np.clip(1 - (first + step * np.arange(length)) ** 2, 0, None))
    return np.clip(radii / radii[0], SMALLEST, 2.0).tolist()


def _drift(rng: np.random.Generator, fitted: tuple[int, int], frame: int) -> Affine:
    """Return the drift of a frame against the first."""
    if frame == 0:
        return np.eye(2, 3, dtype=np.float32)
    return random_motion(rng, fitted, DRIFT, mirrored=0.0)


def _resize_lesion(
    planes: Float[Tensor, "c s s"], box: Float32[np.ndarray, " 4"], scale: float
) -> Float[Tensor, "c s s"]:
    """Scale what lies in the ellipse of ``box``; the image beyond ``REACH`` radii stays."""
    side = planes.shape[-1]
    middle = torch.from_numpy((box[:2] + box[2:]) / 2)
    half = torch.from_numpy(np.maximum((box[2:] - box[:2]) / 2, 1.0))
    centres = torch.arange(side) + 0.5
    offset = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1) - middle
    radius = (offset / half).norm(dim=-1).clamp(min=1e-6)
    outer = (radius - scale) / (REACH - scale) * (REACH - 1) + 1
    source = torch.where(radius < scale, radius / scale, torch.where(radius < REACH, outer, radius))
    places = middle + offset * (source / radius)[..., None]
    grid = (places * 2 / side - 1)[None]
    return functional.grid_sample(planes[None], grid, align_corners=False)[0]
