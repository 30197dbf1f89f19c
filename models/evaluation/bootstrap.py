"""Intervals by resampling patients, because images of one patient are alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval; ``n`` images of ``patients`` patients."""

    mean: float
    low: float
    high: float
    n: int
    patients: int


def bootstrap_mean(
    values: Float[np.ndarray, " n"], patients: Sequence[str], *, seed: int = 0
) -> Interval:
    """Return the mean over images and its 95 % interval over resampled patients.

    Source: Davison and Hinkley 1997, 3.8 (resampling of clusters), percentile interval.
    """
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums = np.bincount(owner, weights=values, minlength=len(names))
    counts = np.bincount(owner, minlength=len(names))
    drawn = np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high), len(values), len(names))
