"""The exact plan: a dynamic programme over candidate sizes, refined around its best path.

``J_T(q) = P S(q)`` and ``J_{t-1}(q) = min_{q' >= q} c'(q' - q) S(q) + J_t(q')``; the value of the plan is ``J_0(q_0)``.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from workbench.estimators.descent import value_and_gradient
from workbench.estimators.law import RequirementLaw
from workbench.estimators.search import Array

_POINTS = {1: 480, 2: 36}  # candidates an axis: 480 in all, or 36 x 36
_CELLS = 4  # a refinement looks this many cells to either side of the best path
_BESIDE = {1: 65, 2: 9}
_ZOOMS = {1: 2, 2: 5}


def best_path(law: RequirementLaw, price: Array, penalty: float, rounds: int) -> Array:
    """Return the sizes (rounds, K) of least expected cost; ``law`` is cut at the present size.

    The first grid has candidates wherever the law bends; the second lies evenly over the sizes that the best path spans; then
    the cells beside the path are searched on ever finer grids, and the last digits come from a descent.  Each grid contains
    the path before it, so that no step makes it worse.

    Raises:
        ValueError: there are more than two sources.
    """
    if law.sources not in _POINTS:
        raise ValueError(f"the exact solver plans for at most two sources, got {law.sources}: use solver='gradient'")
    axes = law.axes(_POINTS[law.sources])
    path = _solve(law, _product(axes), price, penalty, rounds)
    last = np.minimum(law.present + 1.1 * (path[-1] - law.present), np.maximum(law.q_max, law.present))
    even = np.linspace(law.present, last, _POINTS[law.sources])
    axes = [np.unique(np.concatenate([even[:, source], path[:, source]])) for source in range(law.sources)]
    path = _solve(law, _product(axes), price, penalty, rounds)
    low, high = _neighbours(axes, path)
    share = np.linspace(0.0, 1.0, _BESIDE[law.sources])
    for _ in range(_ZOOMS[law.sources]):
        local = [_product(list((lo + share[:, None] * (hi - lo)).T)) for lo, hi in zip(low, high, strict=True)]
        path = _solve(law, np.unique(np.concatenate([*local, path, law.present[None]]), axis=0), price, penalty, rounds)
        width = _CELLS * (high - low) / (_BESIDE[law.sources] - 1)
        low, high = np.maximum(path - width, law.present), np.minimum(path + width, np.maximum(law.q_max, law.present))
    return _polish(law, path, price, penalty)


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


def _polish(law: RequirementLaw, path: Array, price: Array, penalty: float) -> Array:
    """Return the path after a descent over its increments, or as it is where that finds nothing cheaper or there is no density."""
    scale = np.maximum(path[-1] - law.present, 1e-12 * np.maximum(law.present, 1.0))
    room, unit = np.maximum(law.q_max, law.present) - law.present, float(price @ scale)

    def sizes_of(x: Array) -> Array:
        return law.present + np.minimum(np.cumsum(x.reshape(path.shape) * scale, 0), room)

    def objective(x: Array) -> tuple[float, Array]:
        value, slope = value_and_gradient(law, sizes_of(x)[None], price, penalty)
        gradient = np.cumsum(slope[0, ::-1], 0)[::-1] * scale
        return float(value[0]) / unit, gradient.ravel() / unit

    start = (np.diff(path, axis=0, prepend=law.present[None]) / scale).ravel()
    try:
        before, _ = objective(start)
    except TypeError:  # a law of whole numbers has no density
        return path
    tight = {"ftol": 1e-15, "gtol": 1e-12}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * start.size, options=tight)
    return sizes_of(found.x) if found.fun < before else path


def _dominance(points: Array) -> Array:
    """Return (G, G): whether point ``j`` (column) has at least as much of every source as point ``i`` (row)."""
    if points.shape[1] == 1:
        return np.arange(len(points)) >= np.arange(len(points))[:, None]
    return (points >= points[:, None]).all(-1)


def _product(axes: list[Array]) -> Array:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], -1)


def _neighbours(axes: list[Array], path: Array) -> tuple[Array, Array]:
    """Return the grid sizes (rounds, K) some cells below and above those of ``path``."""
    low, high = np.empty_like(path), np.empty_like(path)
    for source, axis in enumerate(axes):
        place = np.searchsorted(axis, path[:, source])
        low[:, source] = axis[np.maximum(place - _CELLS, 0)]
        high[:, source] = axis[np.minimum(place + _CELLS, len(axis) - 1)]
    return low, high
