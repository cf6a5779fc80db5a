"""The exact plan: a dynamic programme over candidate sizes, refined around its best path.

``J_T(q) = P S(q)`` and ``J_{t-1}(q) = min_{q' >= q} c'(q' - q) S(q) + J_t(q')``; the value of the plan is ``J_0(q_0)``.
"""

from __future__ import annotations

import numpy as np

from workbench.estimators.law import RequirementLaw
from workbench.estimators.search import Array

_POINTS = {1: 480, 2: 36}  # candidates an axis: 480 in all, or 36 x 36
_ZOOMS = {1: 5, 2: 5}
_BESIDE = {1: 31, 2: 7}


def best_path(law: RequirementLaw, price: Array, penalty: float, rounds: int) -> Array:
    """Return the sizes (rounds, K) of least expected cost; ``law`` is cut at the present size.

    The grid has candidates wherever the law bends; then the cells beside the best path are searched on ever finer grids that
    contain it, so that no refinement makes it worse.

    Raises:
        ValueError: there are more than two sources.
    """
    if law.sources not in _POINTS:
        raise ValueError(f"the exact solver plans for at most two sources, got {law.sources}: use solver='gradient'")
    axes = law.axes(_POINTS[law.sources])
    path = _solve(law, _product(axes), price, penalty, rounds)
    low, high = _neighbours(axes, path)
    for _ in range(_ZOOMS[law.sources]):
        share = np.linspace(0.0, 1.0, _BESIDE[law.sources])
        local = [_product(list((lo + share[:, None] * (hi - lo)).T)) for lo, hi in zip(low, high, strict=True)]
        path = _solve(law, np.unique(np.concatenate([*local, path, law.present[None]]), axis=0), price, penalty, rounds)
        width = (high - low).max(0) / (_BESIDE[law.sources] - 1)
        low, high = np.maximum(path - width, law.present), np.minimum(path + width, np.maximum(law.q_max, law.present))
    return path


def _solve(law: RequirementLaw, points: Array, price: Array, penalty: float, rounds: int) -> Array:
    """Return the best path (rounds, K) among ``points`` (G, K); the first point must be the present size."""
    missed, bill = law.survival(points), (points - law.present) @ price
    missed[0] = 1.0
    later = _dominance(points)
    value, choices = penalty * missed, []
    for step in range(rounds):
        rows = slice(0, 1) if step == rounds - 1 else slice(None)
        # row q, column q': bill(q') S(q) + J(q'), least over q' >= q; what q itself has cost is taken off afterwards
        total = bill * missed[rows, None]
        total += value
        total[~later[rows]] = np.inf
        best = total.argmin(1)
        choices.append(best)
        value = total[np.arange(len(best)), best] - bill[rows] * missed[rows]
    index, path = 0, []
    for best in reversed(choices):
        index = int(best[index])
        path.append(points[index])
    return np.array(path)


def _dominance(points: Array) -> Array:
    """Return (G, G): whether point ``j`` (column) has at least as much of every source as point ``i`` (row)."""
    if points.shape[1] == 1:
        return np.arange(len(points)) >= np.arange(len(points))[:, None]
    return (points >= points[:, None]).all(-1)


def _product(axes: list[Array]) -> Array:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], -1)


def _neighbours(axes: list[Array], path: Array) -> tuple[Array, Array]:
    """Return the grid sizes (rounds, K) just below and just above those of ``path``."""
    low, high = np.empty_like(path), np.empty_like(path)
    for source, axis in enumerate(axes):
        place = np.searchsorted(axis, path[:, source])
        low[:, source] = axis[np.maximum(place - 1, 0)]
        high[:, source] = axis[np.minimum(place + 1, len(axis) - 1)]
    return low, high
