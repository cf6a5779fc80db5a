"""Which cells of a grid have their centre inside a polygon, or near a line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def fill_polygon(rings: Sequence[ArrayLike], rows: int, columns: int) -> NDArray[np.bool_]:
    """Return the cells (rows, columns) whose centre is inside a polygon with holes, by the even-odd rule.

    A centre on the left or upper edge is inside, on the right or lower one outside, so that polygons that share an edge share no
    cell.

    Args:
        rings: the outline and the holes, each (n, 2) of column and row, closed or not; a cell's centre has whole numbers.
        rows, columns: size of the grid.

    Raises:
        ValueError: a ring of fewer than three points, or points that are not finite.

    >>> square, hole = [[-0.5, -0.5], [3.5, -0.5], [3.5, 2.5], [-0.5, 2.5]], [[0.5, 0.5], [2.5, 0.5], [2.5, 1.5], [0.5, 1.5]]
    >>> fill_polygon([square, hole], 3, 5).astype(int)
    array([[1, 1, 1, 1, 0],
           [1, 0, 0, 1, 0],
           [1, 1, 1, 1, 0]])
    """
    crossings = np.zeros((rows, columns + 1), np.int64)
    for ring in rings:
        points = np.asarray(ring, float)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
            raise ValueError(f"a ring must be three finite points (n, 2) or more, got shape {points.shape}")
        x0, y0 = points.T
        x1, y1 = np.roll(points, -1, 0).T
        centres = np.arange(rows)[:, None]
        row, edge = np.nonzero((np.minimum(y0, y1) <= centres) & (centres < np.maximum(y0, y1)))
        at = x0[edge] + (row - y0[edge]) / (y1[edge] - y0[edge]) * (x1[edge] - x0[edge])
        np.add.at(crossings, (row, np.clip(np.ceil(at), 0, columns).astype(np.int64)), 1)
    return crossings.cumsum(1)[:, :columns] % 2 == 1


def draw_line(points: ArrayLike, rows: int, columns: int, thickness: float) -> NDArray[np.bool_]:
    """Return the cells (rows, columns) whose centre is at most half of ``thickness`` away from a line of segments.

    Args:
        points: (n, 2) of column and row; a cell's centre has whole numbers.
        rows, columns: size of the grid.
        thickness: in cells.

    Raises:
        ValueError: fewer than two points, points that are not finite, or a thickness that is not above 0.

    >>> draw_line([[0.5, 0.6], [9, 0.6]], 3, 4, 2.0).astype(int)
    array([[1, 1, 1, 1],
           [1, 1, 1, 1],
           [0, 0, 0, 0]])
    """
    line, half = np.asarray(points, float), thickness / 2
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2 or not np.isfinite(line).all() or not half > 0:
        raise ValueError(
            f"expected two finite points (n, 2) or more and a thickness above 0, got {line.shape} and {thickness!r}"
        )
    found = np.zeros((rows, columns), bool)
    for start, end in itertools.pairwise(line):
        low, high = np.minimum(start, end) - half, np.maximum(start, end) + half
        x0, y0 = np.ceil(low.clip(0)).astype(int)
        x1, y1 = np.floor(np.minimum(high, (columns - 1, rows - 1))).astype(int)
        if x0 > x1 or y0 > y1:
            continue
        along = end - start
        x, y = np.arange(x0, x1 + 1)[None] - start[0], np.arange(y0, y1 + 1)[:, None] - start[1]
        share = ((x * along[0] + y * along[1]) / max(along @ along, 1e-12)).clip(0, 1)
        found[y0 : y1 + 1, x0 : x1 + 1] |= np.hypot(x - share * along[0], y - share * along[1]) <= half
    return found
