"""Ground truth of two data sources: planes between the scores measured on a grid of mixes.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 5 and appendix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.estimators.search import Array
from workbench.estimators.validation import check_score, check_sizes


class TriangulatedOracle:
    """The score at any mix of two sources: each cell of the grid is cut along its anti-diagonal into two planes.

    With cell coordinates ``u, v`` in [0, 1], the near triangle ``u + v <= 1`` takes the plane through the corners (s, t),
    (s + 1, t), (s, t + 1), the far one that through (s + 1, t + 1), (s + 1, t), (s, t + 1). (The paper picks the triangle by
    distance to the corners, which jumps in cells that are not square.) Outside the grid the score at its border is held.

    Args:
        sizes_1: (S,) increasing samples of source 1.
        sizes_2: (T,) increasing samples of source 2.
        scores: (S, T) scores.

    >>> oracle = TriangulatedOracle([10, 20], [10, 30], [[50, 60], [70, 90]])
    >>> oracle.score([[10, 20], [15, 20], [15, 30], [99, 30]])
    array([55., 65., 75., 90.])
    >>> oracle.held([[15, 30], [99, 30]])
    array([False,  True])
    >>> oracle.required(75, cost=[1, 1], present=[10, 10])
    array([20., 15.])
    """

    def __init__(self, sizes_1: ArrayLike, sizes_2: ArrayLike, scores: ArrayLike) -> None:
        self.sizes_1, self.sizes_2 = check_sizes(sizes_1), check_sizes(sizes_2)
        self.scores = np.asarray(scores, float)
        for name, sizes in (("sizes_1", self.sizes_1), ("sizes_2", self.sizes_2)):
            if sizes.ndim != 1 or len(sizes) < 2 or np.any(np.diff(sizes) <= 0):
                raise ValueError(f"{name} must hold at least two increasing sizes, got {sizes.tolist()}")
        if self.scores.shape != (len(self.sizes_1), len(self.sizes_2)):
            raise ValueError(
                f"scores must have shape {(len(self.sizes_1), len(self.sizes_2))}, got {self.scores.shape}"
            )
        if not np.isfinite(self.scores).all():
            row, column = np.argwhere(~np.isfinite(self.scores))[0]
            raise ValueError(f"scores[{row}, {column}] is {self.scores[row, column]}; scores must be finite numbers")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """Make the oracle of a tidy table with columns ``n_1``, ``n_2`` and ``score``; repeats (seeds) are averaged.

        Raises:
            ValueError: a column or a mix of the grid is missing; the message names it.

        >>> TriangulatedOracle.from_frame(pd.DataFrame({"n_1": [1, 1, 2], "n_2": [1, 2, 1], "score": [50, 60, 70]}))
        Traceback (most recent call last):
        ValueError: the grid has no score at n_1=2, n_2=2; a truth of two sources needs every mix of its sizes
        """
        for column in ("n_1", "n_2", "score"):
            if column not in frame:
                raise ValueError(f"no column {column!r}; the table has {list(frame.columns)}")
        grid = frame.groupby(["n_1", "n_2"])["score"].mean().unstack("n_2").sort_index().sort_index(axis=1)
        gaps = np.argwhere(grid.isna().to_numpy())
        if len(gaps):
            first, second = grid.index[gaps[0][0]], grid.columns[gaps[0][1]]
            raise ValueError(
                f"the grid has no score at n_1={first}, n_2={second}; a truth of two sources needs every mix of its sizes"
            )
        return cls(grid.index.to_numpy(), grid.columns.to_numpy(), grid.to_numpy())

    def score(self, points: ArrayLike) -> Array:
        """Return the true scores (...) at sizes (..., 2); outside the grid those at its border."""
        points = np.asarray(points, float)
        (s, u), (t, v) = (
            _cell(sizes, points[..., source]) for source, sizes in enumerate((self.sizes_1, self.sizes_2))
        )
        right, above = self.scores[s + 1, t], self.scores[s, t + 1]
        near, far = self.scores[s, t], self.scores[s + 1, t + 1]
        return np.where(
            u + v <= 1,
            near + u * (right - near) + v * (above - near),
            far + (1 - u) * (above - far) + (1 - v) * (right - far),
        )

    def held(self, points: ArrayLike) -> np.ndarray:
        """Return whether sizes (..., 2) lie outside the grid, where :meth:`score` only holds the border's."""
        points = np.asarray(points, float)
        low, high = (np.array([self.sizes_1[end], self.sizes_2[end]]) for end in (0, -1))
        return ((points < low) | (points > high)).any(-1)

    def required(self, target: float, cost: ArrayLike, present: ArrayLike) -> Array:
        """Return the cheapest sizes (2,) whose true score reaches ``target``, none below ``present``; ``inf`` where none does.

        The score is linear in each triangle, so the cheapest point is a corner of the part of a triangle that is there: it lies
        on an edge of the triangulation, or on the line along which one source stays at its present size.
        """
        target, cost, present = check_score(target, "target"), np.asarray(cost, float), np.asarray(present, float)
        if cost.shape != (2,) or not np.all(np.isfinite(cost) & (cost > 0)):
            raise ValueError(f"cost must be two positive prices, got {cost.tolist()}")
        if present.shape != (2,) or not np.all(np.isfinite(present) & (present > 0)):
            raise ValueError(f"present must be two positive sizes, got {present.tolist()}")
        candidates = np.concatenate(
            [_reaching(start, end, self.score(start), self.score(end), target) for start, end in self._edges(present)]
        )
        candidates = candidates[(candidates >= present).all(1)]
        if not len(candidates):
            return np.full(2, np.inf)
        return candidates[(candidates @ cost).argmin()]

    def _edges(self, present: Array) -> Iterator[tuple[Array, Array]]:
        """Yield starts and ends (E, 2) of all pieces along which the score is linear and the optimum may lie."""
        mesh = np.stack(np.meshgrid(self.sizes_1, self.sizes_2, indexing="ij"), -1)
        for start, end in ((mesh[:-1], mesh[1:]), (mesh[:, :-1], mesh[:, 1:]), (mesh[:-1, 1:], mesh[1:, :-1])):
            yield start.reshape(-1, 2), end.reshape(-1, 2)
        for source, (fixed, free) in enumerate(((self.sizes_1, self.sizes_2), (self.sizes_2, self.sizes_1))):
            share = _cell(fixed, present[source])[1]
            knots = np.concatenate([free, free[:-1] + (1 - share) * np.diff(free), [present[1 - source]]])
            knots = np.unique(knots[knots >= present[1 - source]])
            line = np.full((len(knots), 2), present[source])
            line[:, 1 - source] = knots
            yield line, line
            yield line[:-1], line[1:]


def _cell(sizes: Array, values: Array) -> tuple[np.ndarray, Array]:
    """Return the index of the cell of each value (held at the border) and the position in it, 0 to 1."""
    values = np.clip(values, sizes[0], sizes[-1])
    index = np.clip(np.searchsorted(sizes, values, side="right") - 1, 0, len(sizes) - 2)
    return index, (values - sizes[index]) / (sizes[index + 1] - sizes[index])


def _reaching(start: Array, end: Array, low: Array, high: Array, target: float) -> Array:
    """Return the ends and the crossings of linear pieces at which the score reaches ``target``."""
    crosses = (low < target) != (high < target)
    share = (target - low[crosses]) / (high[crosses] - low[crosses])
    return np.concatenate(
        [start[low >= target], end[high >= target], start[crosses] + share[:, None] * (end - start)[crosses]]
    )
