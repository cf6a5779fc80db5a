"""When to buy how much: the plan that minimises the expected cost of collecting and of missing the target.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 2, problem (4).  Given a law of the
requirement with survival ``S``, cumulative sizes ``q_0 <= q_1 <= ... <= q_T`` cost on average

    L = sum_t c'(q_t - q_{t-1}) S(q_{t-1}) + P S(q_T),        S(q_0) = 1:

round ``t`` is paid for only if the rounds before it did not suffice, and the penalty only if none did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from workbench.estimators.descent import descend
from workbench.estimators.dynamic_programme import best_among, best_path
from workbench.estimators.law import RequirementLaw
from workbench.estimators.search import Array
from workbench.estimators.validation import check_count, check_penalty, check_positive

PlanStatus = Literal["collect", "met", "give up", "unreachable"]
SOLVERS = ("dp", "gradient")


@dataclass(frozen=True)
class CollectionPlan:
    """How much to order in each round that is left, seen from now; a forecast but for the first order.

    Attributes:
        orders: (T,) samples to order in each round, (T, K) for several sources.
        sizes: samples owned after each round, of the same shape.
        expected_cost: expected cost of the orders and of the penalty, from now on.
        success_probability: probability that the target is reached by the last round.
        status: ``"collect"``; ``"met"``: the target is reached already; ``"give up"``: the penalty is cheaper than the
            expected bill; ``"unreachable"``: no resampled curve reaches the target below ``q_max``.
        needed: (T,) probability that each round is needed at all.
    """

    orders: Array
    sizes: Array
    expected_cost: float
    success_probability: float
    status: PlanStatus
    needed: Array


def plan(
    distribution: RequirementLaw,
    size: ArrayLike,
    *,
    cost: ArrayLike,
    penalty: float,
    rounds: int,
    solver: Literal["dp", "gradient"] = "dp",
    whole: bool = True,
) -> CollectionPlan:
    """Return the orders of least expected cost, given that ``size`` does not reach the target.

    Only ``penalty / cost`` decides the orders.  Both solvers compare what they find with ordering nothing.

    Args:
        distribution: the law of the requirement; it is cut at ``size``.
        size: samples owned now, (K,) for several sources.
        cost: cost of a sample, (K,) for several sources.
        penalty: cost of not reaching the target by the last round.
        rounds: T, orders that can still be placed.
        solver: ``"dp"``, the exact dynamic programme (at most two sources), or ``"gradient"``, the paper's descent.
        whole: own whole numbers of samples: of those beside the best sizes the cheapest.

    Raises:
        ValueError: an argument is not usable; the message names it.

    >>> from scipy import stats
    >>> from workbench.estimators.requirement_distribution import RequirementDistribution
    >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000))
    >>> once = plan(law, 1_000, cost=1, penalty=1e6, rounds=1)
    >>> once.sizes, round(once.success_probability, 4)
    (array([13461.]), 0.9997)
    >>> thrice = plan(law, 1_000, cost=1, penalty=1e6, rounds=3)
    >>> thrice.expected_cost < once.expected_cost
    True
    >>> plan(law, 1_000, cost=1, penalty=500, rounds=3).status
    'give up'
    """
    start, price, penalty, rounds = _check_problem(distribution, size, cost, penalty, rounds, solver)
    law = distribution.given(start)
    unit = float(price.max())  # the orders depend on cost and penalty by their ratio alone
    price, fine = price / unit, penalty / unit
    stay = np.repeat(start[None], rounds, 0)
    if law.met:
        return _report(law, stay, price, 0.0, unit, "met", start)
    if law.p_unreachable >= 1 - 1e-15:  # in sums of many weights 1 is not exact
        return _report(law, stay, price, fine, unit, "unreachable", start)
    path = best_path(law, price, fine, rounds) if solver == "dp" else descend(law, price, fine, rounds)
    if whole:
        path = _whole(law, path, price, fine)
    path = _early(path, start)
    status = "collect" if (path[-1] > start).any() else "give up"
    return _report(law, path, price, fine, unit, status, start)


def expected_cost(law: RequirementLaw, path: ArrayLike, cost: ArrayLike, penalty: float) -> Array:
    """Return the expected cost L (...) of sizes ``path`` (..., T, K) from the law's present size on (problem (4)).

    >>> from scipy import stats
    >>> from workbench.estimators.requirement_distribution import RequirementDistribution
    >>> law = RequirementDistribution.from_law(stats.uniform(0, 100)).given(0)
    >>> float(expected_cost(law, [[50.0], [100.0]], 2.0, 1000.0))  # 50 * 2, and with probability 1/2 again 50 * 2
    150.0
    """
    path = np.asarray(path, float)
    before = np.concatenate([np.broadcast_to(law.present, (*path.shape[:-2], 1, law.sources)), path[..., :-1, :]], -2)
    bill = (path - before) @ np.broadcast_to(np.asarray(cost, float), (law.sources,))
    missed = law.survival(np.concatenate([before, path[..., -1:, :]], -2))
    return (bill * missed[..., :-1]).sum(-1) + penalty * missed[..., -1]


def _report(
    law: RequirementLaw, path: Array, price: Array, fine: float, unit: float, status: PlanStatus, start: Array
) -> CollectionPlan:
    before = np.concatenate([start[None], path[:-1]])
    missed = law.survival(path) if status != "met" else np.zeros(len(path))
    needed = np.concatenate([[1.0 if status != "met" else 0.0], missed[:-1]])
    shape = (len(path),) if law.sources == 1 else path.shape
    return CollectionPlan(
        orders=(path - before).reshape(shape),
        sizes=path.reshape(shape),
        expected_cost=unit * float(((path - before) @ price * needed).sum() + fine * missed[-1]),
        success_probability=float(1.0 - missed[-1]),
        status=status,
        needed=np.where((path > before).any(1), needed, 0.0),
    )


def _whole(law: RequirementLaw, path: Array, price: Array, penalty: float) -> Array:
    """Return the path of least expected cost among the whole sizes just below and just above those of ``path``.

    Rounding each size by itself could make an order dearer than the penalty that it averts, or none where any more would do.
    """
    below = np.maximum(np.floor(path), law.present)
    above = np.clip(np.floor(path) + 1, law.present, np.maximum(np.floor(law.q_max), law.present))
    sides = np.stack([below, above])
    choice = np.indices((2,) * law.sources).reshape(law.sources, -1)
    points = np.concatenate([sides[picked, :, np.arange(law.sources)].T for picked in choice.T])
    return best_among(law, points, price, penalty, len(path))


def _early(path: Array, start: Array) -> Array:
    """Return the path with its empty orders moved to the end: waiting without ordering teaches nothing."""
    steps = np.diff(path, axis=0, prepend=start[None])
    order = np.argsort(~(steps > 0).any(1), kind="stable")
    return start + np.cumsum(steps[order], 0)


def _check_problem(
    law: RequirementLaw, size: ArrayLike, cost: ArrayLike, penalty: float, rounds: int, solver: str
) -> tuple[Array, Array, float, int]:
    start, price = check_positive(size, "size"), check_positive(cost, "cost")
    for name, values in (("size", start), ("cost", price)):
        if values.shape != (law.sources,):
            raise ValueError(f"{name} must have one value a source ({law.sources}), got {values.size}")
    if solver not in SOLVERS:
        raise ValueError(f"solver must be one of {SOLVERS}, got {solver!r}")
    return start, price, check_penalty(penalty), check_count(rounds, "rounds")
