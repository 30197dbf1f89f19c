"""The sub-pixel contour of a mask on one slice, and the longest lines across it."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

_NEAREST = 1 / 3
"""How close to a pixel's centre the contour may come, in pixels."""
_SAME_LENGTH = 1e-9
_MOST_STATIONS = 4096

Line = Float64[np.ndarray, "2 2"]


def trace_contour(plane: Bool[np.ndarray, "rows columns"]) -> Float64[np.ndarray, "n 2 2"]:
    """Return the contour as straight pieces, each from (row, column) to (row, column).

    The pieces are those of marching squares on the mask smoothed with the
    binomial kernel (1, 2, 1), where it falls to one half. They stay in the
    middle third of the way from an inside pixel to its outside neighbour, and
    lie half-way where smoothing would remove the pixel: no tip is lost.

    Source: Lorensen and Cline, Marching cubes, SIGGRAPH 1987.
    """
    down, right = _crossings(plane)
    # The sides of each cell of four pixel centres: top, left, bottom, right. A cell with four
    # crossings is cut twice, top to left and bottom to right.
    sides = np.stack([right[:-1], down[:, :-1], right[1:], down[:, 1:]], axis=2)
    return sides[~np.isnan(sides[..., 0])].reshape(-1, 2, 2)


def outermost_points(plane: Bool[np.ndarray, "rows columns"]) -> Float64[np.ndarray, "n 2"]:
    """Return the contour's first and last point in every row and column of pixels."""
    down, right = _crossings(plane)
    return np.concatenate([_ends(right), _ends(down.swapaxes(0, 1))])


def longest_line(points: Float64[np.ndarray, "n 2"]) -> list[Line]:
    """Return the longest line between two of the points; several where they are equally long."""
    corners = _convex_hull(points)
    apart = np.hypot(*(corners[:, None] - corners).transpose(2, 0, 1))
    first, second = np.nonzero(np.triu(apart >= apart.max() * (1 - _SAME_LENGTH)))
    return [corners[[i, j]] for i, j in zip(first, second, strict=True)]


def widest_across(pieces: Float64[np.ndarray, "n 2 2"], line: Line) -> Line:
    """Return the longest line between two points of a contour that is perpendicular to ``line``.

    Along ``line``, the distance between the outermost points of the contour
    changes linearly from vertex to vertex, so that it is largest at a vertex.
    Of a contour with thousands of them, which is noise, not all are tried.
    """
    along = (line[1] - line[0]) / np.hypot(*(line[1] - line[0]))
    axes = np.array([along, (-along[1], along[0])])
    # Rounding makes the two ends of equal lines differ in the last digits.
    turned = np.round(pieces @ axes.T, 9)
    ordered = np.take_along_axis(turned, turned[..., :1].argsort(axis=1), axis=1)
    stations = np.unique(ordered[..., 0])
    stations = stations[:: 1 + len(stations) // _MOST_STATIONS]
    station, height = _heights(ordered, stations)
    low, high = np.full(len(stations), np.inf), np.full(len(stations), -np.inf)
    np.minimum.at(low, station, height)
    np.maximum.at(high, station, height)
    widest = int(np.argmax(high - low))
    ends = np.array([[stations[widest], low[widest]], [stations[widest], high[widest]]])
    return ends @ axes


def _heights(
    pieces: Float64[np.ndarray, "n 2 2"], stations: Float64[np.ndarray, " m"]
) -> tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
    """Return every (station, height) at which a piece passes a station."""
    begin, end = pieces[:, 0], pieces[:, 1]
    first = np.searchsorted(stations, begin[:, 0])
    count = np.searchsorted(stations, end[:, 0], side="right") - first
    piece = np.repeat(np.arange(len(pieces)), count)
    station = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count - first, count)
    length = np.maximum(end[:, 0] - begin[:, 0], np.finfo(np.float64).tiny)
    share = (stations[station] - begin[piece, 0]) / length[piece]
    return station, begin[piece, 1] + share * (end[piece, 1] - begin[piece, 1])


def _crossings(
    plane: Bool[np.ndarray, "rows columns"],
) -> tuple[Float64[np.ndarray, "a b 2"], Float64[np.ndarray, "c d 2"]]:
    """Return where the contour passes between vertical and horizontal neighbours, else NaN."""
    inside = np.pad(plane, 1)
    smooth = np.pad(plane, 2).astype(np.float64)
    for axis in (0, 1):
        smooth = np.moveaxis(smooth, axis, 0)
        smooth = np.moveaxis((smooth[:-2] + 2 * smooth[1:-1] + smooth[2:]) / 4, 0, axis)
    right = _between(inside, smooth)
    down = _between(inside.T, smooth.T).swapaxes(0, 1)[..., ::-1]
    return down, right


def _between(
    inside: Bool[np.ndarray, "rows columns"], smooth: Float64[np.ndarray, "rows columns"]
) -> Float64[np.ndarray, "rows gaps 2"]:
    """Return the (row, column) of the crossing between each pixel and its right neighbour."""
    from_left, from_right = inside[:, :-1], inside[:, 1:]
    points = np.full((*from_left.shape, 2), np.nan)
    rows, columns = np.nonzero(from_left != from_right)
    left, right = smooth[rows, columns], smooth[rows, columns + 1]
    falling = from_left[rows, columns]
    within, beyond = np.where(falling, left, right), np.where(falling, right, left)
    drop = np.maximum(within - beyond, np.finfo(np.float64).tiny)
    share = np.clip((within - 0.5) / drop, _NEAREST, 1 - _NEAREST)
    share[within < 0.5] = 0.5
    # The padding of one pixel is taken off again.
    points[rows, columns, 0] = rows - 1
    points[rows, columns, 1] = columns - 1 + np.where(falling, share, 1 - share)
    return points


def _ends(crossings: Float64[np.ndarray, "lines gaps 2"]) -> Float64[np.ndarray, "n 2"]:
    found = ~np.isnan(crossings[..., 0])
    lines = np.flatnonzero(found.any(axis=1))
    first = found[lines].argmax(axis=1)
    last = found.shape[1] - 1 - found[lines, ::-1].argmax(axis=1)
    return np.concatenate([crossings[lines, first], crossings[lines, last]])


def _convex_hull(points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, "m 2"]:
    """Return the corners of the convex hull.

    Source: Andrew, Another efficient algorithm for convex hulls, Inf Process Lett 9 (1979).
    """
    ordered = sorted(map(tuple, points.tolist()))
    return np.array(_lower_chain(ordered)[:-1] + _lower_chain(ordered[::-1])[:-1])


def _lower_chain(points: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    chain: list[tuple[float, ...]] = []
    for y, x in points:
        while len(chain) > 1:
            (y0, x0), (y1, x1) = chain[-2:]
            if (y1 - y0) * (x - x0) > (x1 - x0) * (y - y0):
                break
            chain.pop()
        chain.append((y, x))
    return chain
