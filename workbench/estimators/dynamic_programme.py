"""The exact plan: a dynamic programme over candidate sizes, refined around its best path.

``J_T(q) = P S(q)`` and ``J_{t-1}(q) = min_{q' >= q} c'(q' - q) S(q) + J_t(q')``; the value of the plan is ``J_0(q_0)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from workbench.estimators.descent import value_and_gradient
from workbench.estimators.law import RequirementLaw
from workbench.estimators.search import Array

_POINTS = {1: 2400, 2: 36}  # candidates an axis
_EVEN = {1: 480, 2: 36}
_CELLS = 2  # a refinement looks this many cells to either side of the best path
_BESIDE = {1: 17, 2: 9}
_ZOOMS = {1: 3, 2: 5}
_DENSE = 400  # up to here the table of all pairs is the fastest


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
    axes, beside = law.axes(_POINTS[law.sources]), _BESIDE[law.sources]
    share, top = np.linspace(0.0, 1.0, beside), np.maximum(law.q_max, law.present)
    path = best_among(law, _product(axes), price, penalty, rounds)
    last = np.minimum(law.present + 1.1 * (path[-1] - law.present), top)
    even = np.linspace(law.present, last, _EVEN[law.sources])
    axes = [np.unique(np.concatenate([even[:, source], path[:, source]])) for source in range(law.sources)]
    path = best_among(law, _product(axes), price, penalty, rounds)
    low, high = _neighbours(axes, path)
    for _ in range(_ZOOMS[law.sources]):
        local = [_product(list((lo + share[:, None] * (hi - lo)).T)) for lo, hi in zip(low, high, strict=True)]
        path = best_among(law, np.concatenate([*local, path]), price, penalty, rounds)
        width = _CELLS * (high - low) / (beside - 1)
        low, high = np.maximum(path - width, law.present), np.minimum(path + width, top)
    return _polish(law, path, price, penalty)


def best_among(law: RequirementLaw, points: Array, price: Array, penalty: float, rounds: int) -> Array:
    """Return the path (rounds, K) of least expected cost among ``points`` (G, K) and the present size."""
    points = np.unique(np.concatenate([law.present[None], points]), axis=0)
    missed, bill = law.survival(points), (points - law.present) @ price
    missed[0] = 1.0
    value, choices = penalty * missed, []
    for step in range(rounds):
        best, least = best_next(points, missed, bill, value, first_only=step == rounds - 1)
        choices.append(best)
        value = least - bill[: len(best)] * missed[: len(best)]
    index, path = 0, []
    for best in reversed(choices):
        index = int(best[index])
        path.append(points[index])
    return np.array(path)


def best_next(
    points: Array, missed: Array, bill: Array, value: Array, *, first_only: bool = False
) -> tuple[NDArray[np.intp], Array]:
    """Return one step of the programme: for each size ``q`` the ``q' >= q`` of least ``bill(q') S(q) + J(q')``.

    Args:
        points: (G, K) sizes, the present one first, increasing where there is one source.
        missed: (G,) survival S there.
        bill: (G,) cost of ordering up to them from the present size.
        value: (G,) least cost J from them on, with one round less.
        first_only: answer for the present size alone.

    Returns:
        Index of the best ``q'`` and its value, (G,) or (1,) each; the value still counts the bill of ``q`` itself.
    """
    if points.shape[1] == 1 and len(points) > _DENSE and not first_only:
        return _monotone_best(missed, bill, value)
    rows = slice(0, 1) if first_only else slice(None)
    total = bill * missed[rows, None]
    total += value
    if not first_only:  # nothing lies below the present size
        total[~_dominance(points)] = np.inf
    best = total.argmin(1)
    return best, total[np.arange(len(best)), best]


def _monotone_best(missed: Array, bill: Array, value: Array) -> tuple[NDArray[np.intp], Array]:
    """Return what :func:`best_next` does for one source in ``O(G log G)``: the best ``q'`` does not fall as ``q`` grows.

    For of two larger sizes the dearer one gains on the other as ``S(q)``, at which their difference is billed, falls.  So the
    rows halfway between those that are known need to look only at the columns between their neighbours' answers.
    """
    count = len(missed)
    best, least = np.full(count + 1, count - 1), np.empty(count)
    step = 1 << (count - 1).bit_length()
    rows, low = np.array([0]), np.array([0])
    while step:
        high = best[np.minimum(rows + step, count)]
        lengths = high - low + 1
        starts = np.cumsum(lengths) - lengths
        columns = np.arange(lengths.sum()) + np.repeat(low - starts, lengths)
        total = bill[columns] * np.repeat(missed[rows], lengths) + value[columns]
        least[rows] = np.minimum.reduceat(total, starts)
        hits = np.flatnonzero(total == np.repeat(least[rows], lengths))
        best[rows] = columns[hits[np.searchsorted(hits, starts)]]
        step //= 2
        rows = np.arange(step, count, 2 * step) if step else rows
        low = np.maximum(best[rows - step], rows)
    return best[:count], least


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
