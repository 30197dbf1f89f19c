"""Masks to closed polygons along pixel edges, and polygons back to masks.

Corners are (row, column) of lattice points: corner (r, c) is the top-left corner
of pixel (r, c), so that the centre of that pixel lies at (r + 0.5, c + 0.5).
"""

import numpy as np
from jaxtyping import Bool, Float64, Int64

Corner = tuple[int, int]

_RIGHT, _DOWN, _LEFT, _UP = (0, 1), (1, 0), (0, -1), (-1, 0)


def trace_polygons(plane: Bool[np.ndarray, "rows columns"]) -> list[Int64[np.ndarray, "n 2"]]:
    """Return one polygon for each 4-connected part of a mask, its holes joined by keyholes.

    The polygons run along pixel edges: their area is that of the pixels, and
    a rasteriser that asks for the pixel centres gives back the mask exactly. A
    hole hangs on a channel of no width that follows pixel edges up to the
    contour above it. Filling by even-odd and by winding number agree.

    Source: DICOM PS3.3, C.8.8.6.3 (the keyhole technique).
    """
    loops = _trace_loops(plane)
    outer = [loop for loop in loops if _is_clockwise(loop)]
    # From top to bottom: what stands above a hole has joined its contour before.
    holes = sorted(_from_top(loop) for loop in loops if not _is_clockwise(loop))
    owner = {corner: index for index, loop in enumerate(outer) for corner in loop}
    for hole in holes:
        _join(hole, outer, owner)
    return [np.array(_without_straight(loop), np.int64) for loop in outer]


def fill_polygon(
    polygon: Float64[np.ndarray, "n 2"], shape: tuple[int, int]
) -> Bool[np.ndarray, "rows columns"]:
    """Return the pixels whose centres lie inside an odd number of turns of a closed line."""
    toggles = np.zeros((shape[0], shape[1] + 1), np.uint8)
    start, end = polygon, np.roll(polygon, -1, axis=0)
    downwards = start[:, :1] <= end[:, :1]
    top, bottom = np.where(downwards, start, end), np.where(downwards, end, start)
    # The first row whose centre line lies on or below an end of the edge.
    first, last = (_at_or_after(ends[:, 0]).clip(0, shape[0]) for ends in (top, bottom))
    edge = np.repeat(np.arange(len(polygon)), last - first)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - last, last - first)
    down = (rows + 0.5 - top[edge, 0]) / (bottom - top)[edge, 0]
    crossings = top[edge, 1] + down * (bottom - top)[edge, 1]
    np.add.at(toggles, (rows, _at_or_after(crossings).clip(0, shape[1])), 1)
    odd: Bool[np.ndarray, "rows columns"] = (
        np.bitwise_xor.accumulate(toggles & 1, axis=1)[:, :-1] > 0
    )
    return odd


def _at_or_after(places: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Return the first pixel whose centre lies at or after each place along an axis."""
    return np.ceil(places - 0.5).astype(np.int64)


def _trace_loops(plane: Bool[np.ndarray, "rows columns"]) -> list[list[Corner]]:
    """Chain the edges between inside and outside, the inside on the right hand."""
    edges = _edges(plane)
    loops = []
    while edges:
        start = corner = next(iter(edges))
        step = edges[corner][0]
        loop = []
        while corner in edges:
            step = _take(edges, corner, step)
            loop.append(corner)
            corner = (corner[0] + step[0], corner[1] + step[1])
        assert corner == start, "edges between inside and outside close"
        loops.append(loop)
    return loops


def _edges(plane: Bool[np.ndarray, "rows columns"]) -> dict[Corner, list[Corner]]:
    """Return the steps that leave each corner, as (row, column) differences."""
    padded = np.pad(plane, 1).astype(np.int8)
    down, across = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    found: dict[Corner, list[Corner]] = {}
    for change, value, shift, step in (
        (down, 1, (0, 0), _RIGHT),
        (down, -1, (0, 1), _LEFT),
        (across, -1, (0, 0), _DOWN),
        (across, 1, (1, 0), _UP),
    ):
        for row, column in (np.argwhere(change == value) + shift).tolist():
            found.setdefault((row, column), []).append(step)
    return found


def _take(edges: dict[Corner, list[Corner]], corner: Corner, arrived: Corner) -> Corner:
    """Remove and return the step to go on with.

    Where two pixels touch at a corner only, the turn to the right stays at the
    same pixel, so that each loop surrounds one 4-connected part.
    """
    right = (arrived[1], -arrived[0])
    steps = edges[corner]
    step = right if right in steps else steps[0]
    steps.remove(step)
    if not steps:
        del edges[corner]
    return step


def _is_clockwise(loop: list[Corner]) -> bool:
    """Whether a loop, seen with rows downwards, has the inside within: holes do not."""
    rows, columns = np.array(loop).T
    return bool((columns * np.roll(rows, -1) - np.roll(columns, -1) * rows).sum() > 0)


def _from_top(loop: list[Corner]) -> list[Corner]:
    """Return a loop that starts at the leftmost of its uppermost corners."""
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]


def _join(hole: list[Corner], outer: list[list[Corner]], owner: dict[Corner, int]) -> None:
    """Splice a hole into the contour that its channel, straight upwards, meets first."""
    row, column = hole[0]
    channel = []
    while (row, column) not in owner:
        channel.append((row, column))
        row -= 1
    loop = outer[owner[row, column]]
    place = loop.index((row, column))
    loop[place:place] = [(row, column), *reversed(channel), *hole[1:], *channel]
    owner.update(dict.fromkeys((*hole, *channel), owner[row, column]))


def _without_straight(loop: list[Corner]) -> list[Corner]:
    """Drop corners at which the path goes straight on; a path that turns back keeps them."""
    kept = []
    for before, corner, after in zip(loop[-1:] + loop[:-1], loop, loop[1:] + loop[:1], strict=True):
        arrived = (corner[0] - before[0], corner[1] - before[1])
        left = (after[0] - corner[0], after[1] - corner[1])
        if arrived != left:
            kept.append(corner)
    return kept
