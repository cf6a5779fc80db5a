"""One order and no second chance: which sizes can be optimal at all, at which risk, and for which penalty.

With one round the expected cost is ``L(q) = c (q - q0) + P S(q)``, so that ``L'(q) = c - P f(q)``.  An inner optimum solves
``f(q) = c / P`` on the falling side of the density; on the rising side the same equation marks a maximum, and of several
minima, or against ordering nothing, only the comparison of costs decides.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, problem (5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.estimators.planning import expected_cost, plan
from workbench.estimators.requirement_distribution import RequirementDistribution
from workbench.estimators.search import Array
from workbench.estimators.validation import check_score

Verdict = Literal["optimal", "rising", "give up", "another size", "beyond the cap"]

_GRID = 3600
_HALVINGS = 60
_LEAST_RISK = 1e-280


@dataclass(frozen=True)
class StationaryPoints:
    """The local optima of one order, by increasing size.

    Attributes:
        sizes: (m,) samples owned after the order; the present size and ``q_max`` are among them where they are local minima.
        costs: (m,) expected cost there.
        minima: (m,) whether it is a local minimum, otherwise it is a maximum.
    """

    sizes: Array
    costs: Array
    minima: Array


@dataclass(frozen=True)
class ImpliedPenalty:
    """What somebody says about the penalty who orders for a given risk.

    Attributes:
        risk: the accepted probability ``eps`` of missing the target.
        size: the (1 - eps) quantile, ``inf`` where the risk is lower than that of owning ``q_max``.
        penalty: ``P = c / f(size)``, the only penalty for which the size can be optimal; ``inf`` beyond the cap.
        expected_cost: of ordering up to ``size`` under that penalty.
        verdict: ``"optimal"``: the size is the best order under that penalty.  Otherwise no penalty makes it so: ``"rising"``,
            it lies where the density rises; ``"give up"``, ordering nothing is cheaper; ``"another size"``, another minimum is
            cheaper; ``"beyond the cap"``.
        best_size: the best order under that penalty.
        best_cost: its expected cost.
    """

    risk: float
    size: float
    penalty: float
    expected_cost: float
    verdict: Verdict
    best_size: float
    best_cost: float


@dataclass(frozen=True)
class EfficientOrders:
    """The sizes that are the best order for some penalty, from the present size on.

    Attributes:
        sizes: (m,) increasing.
        risks: (m,) probability of missing the target there, decreasing.
        penalties: (m,) least penalty, as a multiple of the cost of a sample, for which each is optimal; 0 for the first.
    """

    sizes: Array
    risks: Array
    penalties: Array

    @property
    def break_even(self) -> float:
        """The penalty, as a multiple of the cost of a sample, below which ordering nothing is best; ``inf`` if it always is."""
        return float(self.penalties[1]) if len(self.penalties) > 1 else float("inf")


def stationary_points(law: RequirementDistribution, size: float, *, cost: float, penalty: float) -> StationaryPoints:
    """Return every local optimum of the expected cost of one order.

    >>> from scipy import stats
    >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000))
    >>> points = stationary_points(law, 1_000, cost=1, penalty=1e6)
    >>> points.sizes.round(), points.minima  # ordering nothing; a maximum; mu + s sqrt(2 ln(P / (c s sqrt(2 pi))))
    (array([ 1000.,  6539., 13461.]), array([ True, False,  True]))
    """
    law = law.given(_positive(size, "size"))
    cost, penalty = _positive(cost, "cost"), _positive(penalty, "penalty")
    grid = law.axes(_GRID)[0]
    slope = cost - penalty * law.pdf(grid)
    change = np.flatnonzero((slope[:-1] < 0) != (slope[1:] < 0))
    low, high, falls = grid[change], grid[change + 1], slope[change] < 0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        before = (cost - penalty * law.pdf(middle) < 0) == falls
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    ends = [(grid[:1], slope[0] >= 0), (grid[-1:], slope[-1] < 0 and len(grid) > 1)]
    sizes = np.concatenate([0.5 * (low + high), *(end for end, minimum in ends if minimum)])
    minima = np.concatenate([falls, np.ones(len(sizes) - len(falls), bool)])
    order = np.argsort(sizes, kind="stable")
    return StationaryPoints(sizes[order], one_round_cost(law, sizes[order], cost, penalty), minima[order])


def one_round_cost(law: RequirementDistribution, sizes: Array, cost: float, penalty: float) -> Array:
    """Return the expected cost ``L`` (...) of one order up to ``sizes`` (...), from the law's present size on."""
    return expected_cost(law, np.asarray(sizes, float)[..., None, None], cost, penalty)


def implied_penalty(law: RequirementDistribution, size: float, *, risk: float, cost: float) -> ImpliedPenalty:
    """Return the order of a given risk, and the penalty that whoever chooses it must have in mind.

    The penalty is a lump sum, not a price a missing sample: ``risk = c / P`` (the newsvendor) is not its condition.

    Args:
        law: of the requirement; it is cut at ``size``.
        size: samples owned now.
        risk: accepted probability of missing the target, between 0 and 1.
        cost: of a sample.

    >>> from scipy import stats
    >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000))
    >>> choice = implied_penalty(law, 1_000, risk=0.01, cost=1)
    >>> round(choice.size), round(choice.penalty), choice.verdict  # c s sqrt(2 pi) exp(z^2 / 2) with z = 2.326
    (12326, 37520, 'optimal')
    >>> implied_penalty(law, 1_000, risk=0.9, cost=1).verdict
    'rising'
    """
    law = law.given(_positive(size, "size"))
    cost = _positive(cost, "cost")
    if not 0 < risk < 1:
        raise ValueError(f"risk must lie between 0 and 1, got {risk:g}")
    wanted = float(law.isf(risk))
    density = float(law.pdf(wanted)) if np.isfinite(wanted) else 0.0
    if not density > 0:
        nothing = float("inf")
        return ImpliedPenalty(risk, wanted, nothing, nothing, "beyond the cap", float(law.q_max[0]), nothing)
    penalty = cost / density
    own = float(one_round_cost(law, wanted, cost, penalty))
    best = plan(law, size, cost=cost, penalty=penalty, rounds=1, whole=False)
    verdict: Verdict = "optimal"
    if _rises(law, wanted):
        verdict = "rising"
    elif own > best.expected_cost * (1 + 1e-6):
        verdict = "give up" if best.status == "give up" else "another size"
    return ImpliedPenalty(risk, wanted, penalty, own, verdict, float(best.sizes[0]), best.expected_cost)


def efficient_orders(law: RequirementDistribution, size: float) -> EfficientOrders:
    """Return the sizes that are optimal for some penalty: the lower convex hull of risk against bill, to grid accuracy.

    A gap in the sizes is a jump: as the penalty grows past its slope, the best order leaps from one mode of the law to the next.

    >>> from scipy import stats
    >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000))
    >>> orders = efficient_orders(law, 1_000)
    >>> bool(orders.sizes[1] > 10_000), round(orders.break_even, -2)  # nothing below the mode is ever best
    (True, 11200.0)
    """
    law = law.given(_positive(size, "size"))
    sizes = law.axes(_GRID)[0]
    risks = law.sf(sizes)
    risks[0] = 1.0
    sizes, risks = sizes[risks > _LEAST_RISK], risks[risks > _LEAST_RISK]
    kept: list[int] = []
    for index in range(len(sizes)):
        while len(kept) > 1 and _not_below(sizes, risks, kept[-2], kept[-1], index):
            kept.pop()
        kept.append(index)
    if len(kept) > 1 and risks[kept[-1]] >= risks[kept[-2]]:  # no larger order lowers the risk
        kept.pop()
    sizes, risks = sizes[kept], risks[kept]
    return EfficientOrders(sizes, risks, np.concatenate([[0.0], np.diff(sizes) / -np.diff(risks)]))


def _not_below(sizes: Array, risks: Array, first: int, middle: int, last: int) -> bool:
    """Return whether the middle point lies on or above the chord from first to last."""
    rise = (risks[last] - risks[first]) * (sizes[middle] - sizes[first])
    return bool((risks[middle] - risks[first]) * (sizes[last] - sizes[first]) >= rise)


def _rises(law: RequirementDistribution, size: float) -> bool:
    step = 1e-5 * size
    below, above = law.pdf(np.array([max(size - step, float(law.present[0])), size + step]))
    return bool(above > below)


def _positive(value: float, name: str) -> float:
    value = check_score(value, name)
    if value <= 0:
        raise ValueError(f"{name} must be positive, got {value:g}")
    return value
