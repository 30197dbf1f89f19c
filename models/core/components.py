"""Connected parts of a mask."""

from itertools import product

import numpy as np
from jaxtyping import Bool, Int64


def component_sizes(voxels: Bool[np.ndarray, "slices rows columns"]) -> Int64[np.ndarray, " n"]:
    """Return how many voxels each connected part holds; voxels that share a corner are connected.

    Every voxel takes the lowest number among its neighbours until none changes,
    and in each round jumps to the number that its own number has by then.

    Source: Shiloach and Vishkin, An O(log n) parallel connectivity algorithm,
    J Algorithms 3 (1982).
    """
    pairs = _neighbours(voxels)
    lowest = np.arange(np.count_nonzero(voxels))
    while True:
        first, second = lowest[pairs]
        reached = lowest.copy()
        np.minimum.at(reached, first, second)
        np.minimum.at(reached, second, first)
        reached = reached[reached]
        if np.array_equal(reached, lowest):
            return np.unique(lowest, return_counts=True)[1]
        lowest = reached


def _neighbours(voxels: Bool[np.ndarray, "slices rows columns"]) -> Int64[np.ndarray, "2 n"]:
    """Return pairs of touching voxels, numbered in the order of the array."""
    numbers = np.full(np.add(voxels.shape, 2), -1)
    inner = numbers[1:-1, 1:-1, 1:-1]
    inner[voxels] = np.arange(np.count_nonzero(voxels))
    places = np.argwhere(voxels) + 1
    own = np.arange(len(places))
    pairs = []
    for step in product((-1, 0, 1), repeat=3):
        if step > (0, 0, 0):
            other = numbers[tuple((places + step).T)]
            pairs.append(np.stack([own[other >= 0], other[other >= 0]]))
    return np.concatenate(pairs, axis=1)
