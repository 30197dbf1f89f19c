"""Balanced, seeded batches for the detector: step k is the same in every run."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from lesionmap.models.training.augment import Fitted, augment, fit_sample, mix_halves
from lesionmap.models.training.datasets.sample import Sample

MIX_PROBABILITY = 0.3
CALM_STRENGTH = 0.4

Pair = tuple[UInt8[np.ndarray, "size size *colour"], Float32[np.ndarray, "n 4"]]


class BatchSource:
    """Draws batches at random, each source with its share."""

    def __init__(
        self, samples: Sequence[Sample], *, shares: Mapping[str, float], batch: int, seed: int
    ) -> None:
        """Keep the training samples of every source.

        Raises:
            ValueError: a source with a share has no training sample.
        """
        self._samples = {
            name: [s for s in samples if s.source == name and s.split == "train"] for name in shares
        }
        empty = [name for name, found in self._samples.items() if not found]
        if empty:
            raise ValueError(f"no training samples for {empty}")
        self._names = sorted(shares)
        weights = np.array([shares[name] for name in self._names])
        self._weights = weights / weights.sum()
        self._batch, self._seed = batch, seed
        self._size = 0
        self._fitted: dict[str, list[Fitted]] = {}

    def draw(
        self, step: int, size: int, *, calm: bool
    ) -> tuple[Float32[torch.Tensor, "b 3 size size"], Float32[torch.Tensor, "n 6"]]:
        """Return images in 0..1 and rows of (index in batch, class, cx, cy, w, h).

        Calm batches are moved less and never mixed.
        """
        self._fit_all(size)
        rng = np.random.default_rng([self._seed, step])
        images, targets = [], []
        for index, name in enumerate(rng.choice(self._names, self._batch, p=self._weights)):
            image, boxes = self._draw_one(str(name), rng, calm=calm)
            images.append(_to_channels(image))
            targets.append(_to_targets(boxes, index))
        stacked = torch.from_numpy(np.stack(images)).float().div_(255)
        return stacked, torch.from_numpy(np.concatenate(targets))

    def _draw_one(self, name: str, rng: np.random.Generator, *, calm: bool) -> Pair:
        pool = self._fitted[name]
        if calm:
            return augment(pool[rng.integers(len(pool))], rng, strength=CALM_STRENGTH)
        pair = augment(pool[rng.integers(len(pool))], rng)
        if rng.random() < MIX_PROBABILITY:
            pair = mix_halves(pair, augment(pool[rng.integers(len(pool))], rng), rng)
        return pair

    def _fit_all(self, size: int) -> None:
        if size != self._size:
            self._size = size
            self._fitted = {
                name: [fit_sample(sample, size) for sample in found]
                for name, found in self._samples.items()
            }


def _to_channels(image: UInt8[np.ndarray, "s s *c"]) -> UInt8[np.ndarray, "3 s s"]:
    channels = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
    return np.ascontiguousarray(channels.transpose(2, 0, 1))


def _to_targets(boxes: Float32[np.ndarray, "n 4"], index: int) -> Float32[np.ndarray, "n 6"]:
    rows = np.zeros((len(boxes), 6), np.float32)
    rows[:, 0] = index
    rows[:, 2:4] = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows[:, 4:6] = boxes[:, 2:] - boxes[:, :2]
    return rows
