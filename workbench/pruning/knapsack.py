"""The latency-saliency knapsack: keep the most important channels of every layer under a latency budget, exactly.

Shen et al., "Structural Pruning via Latency-Saliency Knapsack", NeurIPS 2022 (arXiv 2210.06659), Eq. 7:
``max sum_l sum_{j <= p_l} I_l^j`` subject to ``sum_l sum_{j <= p_l} c_l^j <= C``, where a layer keeps a prefix of its items.

Keeping a prefix is choosing one length ``p_l`` a layer, of ``W_l(p)`` ms and importance ``V_l(p)``: a multiple-choice knapsack.
It is solved on float milliseconds, costs that fall with the length included: a length that a longer one undercuts is never chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from workbench.pruning._knapsack_input import Array, Instance, read_instance
from workbench.pruning._knapsack_search import Indices, Search, relax, undominated

MOST_SUMS = 100_000


@dataclass(frozen=True)
class Plan:
    """What each layer keeps.

    Attributes:
        kept: (L,) how many of its items, most important first, each layer keeps.
        latency: their cost in ms.
        value: their importance.
        bound: no plan within the budget is worth more.  It rests on Lagrangian relaxations alone, not on the search.
        price: what one more ms is worth (lambda), 0 where the budget does not bind.
        optimal: whether the search proved that no other plan is worth more, up to a billionth of all importance.
    """

    kept: tuple[int, ...]
    latency: float
    value: float
    bound: float
    price: float
    optimal: bool

    @property
    def gap(self) -> float:
        """The certificate: by which share of ``bound`` another plan can be worth more at most."""
        return (self.bound - self.value) / self.bound if self.bound else 0.0


def solve_knapsack(
    costs: Sequence[ArrayLike],
    values: Sequence[ArrayLike],
    budget: float,
    keep_one: bool | Sequence[bool] = False,
    *,
    most_sums: int = MOST_SUMS,
) -> Plan:
    """Return the plan of greatest importance within a latency budget.

    Items that are free are kept, also those without importance.

    Args:
        costs: L arrays of ms; ``costs[l][j]`` is what layer ``l`` pays for its ``j``-th most important item when it keeps those
            before it.  Negative where more channels run faster.
        values: L arrays of the same lengths: importances, not negative.
        budget: in ms.
        keep_one: whether a layer may not be emptied: one flag for all, or one a layer.
        most_sums: sums formed at once.  Where importances are near proportional to latencies there may be more; then only the
            most promising are formed, and ``optimal`` says whether the plan is proved to be the best in spite of that.

    Raises:
        ValueError: lengths differ, a number is NaN or infinite, an importance is negative, the budget is not positive, or it is
            below the cheapest plan; the message then names the least latency that can be reached.

    >>> costs, values = [[6, 1, 1], [3, 6, 5]], [[9, 9, 7], [9, 8, 2]]
    >>> plan = solve_knapsack(costs, values, budget=8)
    >>> plan.kept, plan.latency, plan.value
    ((3, 0), 8.0, 25.0)
    >>> solve_knapsack(costs, values, budget=9, keep_one=True).kept
    (1, 1)
    """
    instance = read_instance(costs, values, budget, keep_one)
    if instance.everything_fits:
        return _everything(instance)
    relaxation = relax(instance.cost, instance.value, _lengths_left(instance), instance.limit)
    search = Search(instance.cost, instance.value, instance.limit, most_sums)
    search.look_through(relaxation)
    return as_plan(instance, search.best, search.bound, relaxation.price, optimal=search.proved)


def solve_knapsack_greedy(
    costs: Sequence[ArrayLike], values: Sequence[ArrayLike], budget: float, keep_one: bool | Sequence[bool] = False
) -> Plan:
    """Return the plan that takes the steps of each layer's upper hull by importance per ms until one does not fit.

    It is what the Lagrangian relaxation leaves whole: the best of all plans of its own latency.  Arguments and errors are those of
    :func:`solve_knapsack`.

    >>> costs, values = [[6, 1, 1], [3, 6, 5]], [[9, 9, 7], [9, 8, 2]]
    >>> solve_knapsack_greedy(costs, values, budget=7).kept, solve_knapsack(costs, values, budget=7).kept
    ((0, 0), (2, 0))
    """
    instance = read_instance(costs, values, budget, keep_one)
    if instance.everything_fits:
        return _everything(instance)
    relaxation = relax(instance.cost, instance.value, _lengths_left(instance), instance.limit)
    return as_plan(instance, relaxation.base, relaxation.bound, relaxation.price, optimal=False)


def as_plan(instance: Instance, kept: Indices, bound: float, price: float, *, optimal: bool) -> Plan:
    """Return the plan of certain lengths (L,)."""
    latency, value = (float(table[np.arange(len(kept)), kept].sum()) for table in (instance.cost, instance.value))
    within = min(latency, instance.budget) if latency <= instance.limit else latency
    return Plan(tuple(kept.tolist()), within, value, max(bound, value), price, optimal)


def _everything(instance: Instance) -> Plan:
    return as_plan(instance, instance.lengths, 0.0, 0.0, optimal=True)


def _lengths_left(instance: Instance) -> Array:
    return undominated(instance.cost, instance.value, instance.allowed)
