"""Connected parts of a mask."""

import numpy as np
from jaxtyping import Bool, Int64

_NEXT_ROWS = ((0, 1), (1, -1), (1, 0), (1, 1))
"""Steps (slices, rows) to the rows that touch a row and come after it."""


def component_sizes(voxels: Bool[np.ndarray, "slices rows columns"]) -> Int64[np.ndarray, " n"]:
    """Return how many voxels each connected part holds; voxels that share a corner are connected.

    The runs of voxels along the rows take the lowest number among their
    neighbours until none changes, and in each round jump to the number that
    their own number has by then.

    Source: Shiloach and Vishkin, An O(log n) parallel connectivity algorithm,
    J Algorithms 3 (1982).
    """
    # A border of one keeps runs at the end of a row apart from those at the start of the next.
    padded = np.pad(voxels, 1)
    edges = np.flatnonzero(np.diff(padded.ravel())) + 1
    starts, stops = edges[::2], edges[1::2]
    first, second = _touching(starts, stops, padded.shape)
    lowest = np.arange(len(starts))
    while True:
        least = np.minimum(lowest[first], lowest[second])
        reached = lowest.copy()
        np.minimum.at(reached, first, least)
        np.minimum.at(reached, second, least)
        reached = reached[reached]
        if np.array_equal(reached, lowest):
            break
        lowest = reached
    sizes = np.bincount(lowest, weights=stops - starts)
    return sizes[sizes > 0].astype(np.int64)


def _touching(
    starts: Int64[np.ndarray, " n"], stops: Int64[np.ndarray, " n"], shape: tuple[int, ...]
) -> Int64[np.ndarray, "2 m"]:
    """Return the pairs of runs, in places of the flattened array, that share a side or corner."""
    _, rows, columns = shape
    pairs = []
    for slices_on, rows_on in _NEXT_ROWS:
        shift = (slices_on * rows + rows_on) * columns
        begin = np.searchsorted(stops, starts + shift)
        count = np.searchsorted(starts, stops + shift, side="right") - begin
        run = np.repeat(np.arange(len(starts)), count)
        place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        pairs.append(np.stack([run, begin[run] + place]))
    return np.concatenate(pairs, axis=1)
