"""The cheapest sizes of several sources at which additive curves reach a target: ``min c'q`` over ``{v(q) >= V*}``.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4: the requirement ``D*`` of one curve.
"""

from __future__ import annotations

import itertools

import numpy as np

from workbench.estimators.additive import AdditiveCurves
from workbench.estimators.search import Array

_HALVINGS = 45
_SCAN = 33
_ZOOMS = 4


def minimum_cost_sizes(curves: AdditiveCurves, target: float, cost: Array, present: Array, q_max: Array) -> Array:
    """Return, for each curve, the cheapest sizes that reach the target, none below ``present`` and none above ``q_max``.

    Where every exponent is at most 1 the curve is concave and the optimum has one multiplier ``mu`` with
    ``c_k = mu dv/dq_k`` for every source that is not at a bound; ``mu`` is found by bisection. Among sources with an exponent
    above 1 at most one lies strictly between its bounds at the optimum: its size is scanned, the others stand at either bound.

    Args:
        curves: ``B`` curves.
        target: the score to reach, in the curves' unit.
        cost: (K,) price of a sample of each source, positive.
        present: (K,) least sizes, positive.
        q_max: (K,) greatest sizes.

    Returns:
        (B, K) sizes, real numbers: ``present`` where the curve is there already, ``inf`` where it is not even at ``q_max``.

    >>> one = AdditiveCurves(np.zeros(2), np.array([[0.0, 0.0]]), np.array([[10.0, 10.0]]), np.array([0.0]))
    >>> minimum_cost_sizes(one, 10 * np.log(400), np.array([4.0, 1.0]), np.ones(2), np.full(2, 1000.0)).round(6)
    array([[10., 40.]])
    """
    count = len(curves.level)
    low, high = (np.broadcast_to(np.asarray(bound, float), (count, len(cost))) for bound in (present, q_max))
    convex = (curves.exponents > 1) & (curves.slopes > 0)
    result = np.empty(low.shape)
    for mask in np.unique(convex, axis=0):
        rows = np.flatnonzero((convex == mask).all(1))
        part = curves.take(rows)
        candidates = [
            _scan(part, target, cost, low[rows], high[rows], scanned, corners)
            for scanned in np.flatnonzero(mask)
            for corners in _corners(mask, scanned)
        ] or [_concave(part, target, cost, low[rows], high[rows])]
        bills = np.stack([candidate @ cost for candidate in candidates])
        result[rows] = np.stack(candidates)[bills.argmin(0), np.arange(len(rows))]
    return result


def _corners(convex: Array, scanned: int) -> list[dict[int, bool]]:
    """Return every way to set the convex sources beside the scanned one to their lower (False) or upper (True) bound."""
    others = [source for source in np.flatnonzero(convex) if source != scanned]
    return [dict(zip(others, ends, strict=True)) for ends in itertools.product((False, True), repeat=len(others))]


def _scan(
    curves: AdditiveCurves, target: float, cost: Array, low: Array, high: Array, scanned: int, corners: dict[int, bool]
) -> Array:
    """Minimise over the size of one source, geometrically scanned and zoomed, with the concave rest solved at every size."""
    count, sources = low.shape
    low, high = low.copy(), high.copy()
    for source, upper in corners.items():
        low[:, source] = high[:, source] = (high if upper else low)[:, source]
    left, right = np.log(low[:, scanned]), np.log(high[:, scanned])
    every, steps = np.arange(count), np.linspace(0, 1, _SCAN)
    many = curves.take(np.repeat(every, _SCAN))
    best, bill = np.full((count, sources), np.inf), np.full(count, np.inf)
    for _ in range(_ZOOMS):
        sizes = np.exp(left[:, None] + (right - left)[:, None] * steps)
        sizes[:, 0], sizes[:, -1] = np.exp(left), np.exp(right)
        fixed_low, fixed_high = np.repeat(low, _SCAN, 0), np.repeat(high, _SCAN, 0)
        fixed_low[:, scanned] = fixed_high[:, scanned] = np.clip(
            sizes.ravel(), fixed_low[:, scanned], fixed_high[:, scanned]
        )
        found = _concave(many, target, cost, fixed_low, fixed_high).reshape(count, _SCAN, sources)
        bills = found @ cost
        place = bills.argmin(1)
        better = bills[every, place] < bill
        best[better], bill = found[every, place][better], np.minimum(bill, bills[every, place])
        width = (right - left) / (_SCAN - 1)
        left, right = left + np.maximum(place - 1, 0) * width, left + np.minimum(place + 1, _SCAN - 1) * width
    return best


def _concave(curves: AdditiveCurves, target: float, cost: Array, low: Array, high: Array) -> Array:
    """Minimise where every source that may move (``low < high``) has an exponent of at most 1."""
    log_low, log_high = np.log(low), np.log(high)
    curvature = np.maximum(1 - curves.exponents, 1e-12)
    with np.errstate(divide="ignore"):
        log_slope = np.log(curves.slopes)
    # ln mu at which source k has size q: ln(c ref / a) + (1 - b) ln(q / ref)
    offset = np.log(cost) + curves.log_reference - log_slope
    moves = (curves.slopes > 0) & (low < high)
    starts = np.where(moves, offset + curvature * (log_low - curves.log_reference), np.inf).min(1)
    ends = np.where(moves, offset + curvature * (log_high - curves.log_reference), -np.inf).max(1)

    def sizes(log_mu: Array) -> Array:
        log_size = curves.log_reference + (log_mu[:, None] - np.where(moves, offset, 0.0)) / curvature
        return np.where(moves, np.clip(np.exp(np.clip(log_size, log_low, log_high)), low, high), low)

    lower, upper = (np.where(np.isfinite(ends), bound, 0.0) for bound in (starts, ends))
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        enough = curves.paired(sizes(middle)) >= target
        lower, upper = np.where(enough, lower, middle), np.where(enough, middle, upper)
    return _between(curves, target, sizes(lower), sizes(upper), low, high)


def _between(curves: AdditiveCurves, target: float, short: Array, enough: Array, low: Array, high: Array) -> Array:
    """Share out what is still missing where a source of exponent 1 jumps from bound to bound at one multiplier."""
    lower, upper = np.zeros(len(short)), np.ones(len(short))
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        there = curves.paired(short + middle[:, None] * (enough - short)) >= target
        lower, upper = np.where(there, lower, middle), np.where(there, middle, upper)
    result = short + upper[:, None] * (enough - short)
    reached = np.where(curves.slopes > 0, high, low)
    result = np.where((curves.paired(reached) >= target)[:, None], result, np.inf)
    return np.where((curves.paired(low) >= target)[:, None], low, result)
