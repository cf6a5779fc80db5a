"""The latency-saliency knapsack as an integer programme for HiGHS: an independent, slower way to the best plan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from workbench.pruning._knapsack_input import read_instance
from workbench.pruning.knapsack import Plan, as_plan


def solve_knapsack_highs(
    costs: Sequence[ArrayLike], values: Sequence[ArrayLike], budget: float, keep_one: bool | Sequence[bool] = False
) -> Plan:
    """Return the plan of greatest importance by ``scipy.optimize.milp``: a 0-1 variable an item, ``y_{j+1} <= y_j`` in a layer.

    Arguments and errors are those of :func:`workbench.pruning.solve_knapsack`; HiGHS meets the budget up to its own tolerance.

    Raises:
        RuntimeError: HiGHS gave up; the message is its own.

    >>> solve_knapsack_highs([[6, 1, 1], [3, 6, 5]], [[9, 9, 7], [9, 8, 2]], budget=8).kept
    (3, 0)
    """
    instance = read_instance(costs, values, budget, keep_one)
    cost, value = (np.concatenate([np.asarray(row, float) for row in rows]) for rows in (costs, values))
    layer = np.repeat(np.arange(len(instance.lengths)), instance.lengths)
    later = np.flatnonzero(np.diff(layer, prepend=-1) == 0)
    places = np.tile(np.arange(len(later)), 2), np.concatenate([later, later - 1])
    order = coo_array((np.repeat([1.0, -1.0], len(later)), places), shape=(len(later), len(cost))).tocsr()
    must = np.isin(np.arange(len(cost)), np.setdiff1d(np.arange(len(cost)), later)) & ~instance.allowed[layer, 0]
    answer = milp(
        -value,
        constraints=[LinearConstraint(cost[None], -np.inf, budget), LinearConstraint(order, -np.inf, 0.0)],
        integrality=np.ones(len(cost)),
        bounds=Bounds(must.astype(float), 1.0),
        options={"mip_rel_gap": 0},
    )
    if answer.x is None:
        raise RuntimeError(f"HiGHS found no plan: {answer.message}")
    kept = np.bincount(layer, np.rint(answer.x), minlength=len(instance.lengths)).astype(np.intp)
    return as_plan(instance, kept, float(-answer.mip_dual_bound), float("nan"), optimal=answer.status == 0)
