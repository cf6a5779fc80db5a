"""The published solver of the latency-saliency knapsack: a heuristic, offered to compare with the exact one.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.pruning._knapsack_input import Array, Instance, read_instance
from workbench.pruning._knapsack_search import relax, undominated
from workbench.pruning.knapsack import Plan, as_plan

MS, IMPORTANCE = 1e-3, 1e-6
"""The published units: whole microseconds, and millionths of importance."""


def solve_knapsack_published(
    costs: Sequence[ArrayLike],
    values: Sequence[ArrayLike],
    budget: float,
    keep_one: bool | Sequence[bool] = False,
    *,
    ms: float = MS,
    importance: float = IMPORTANCE,
) -> Plan:
    """Return the plan of the published greedy dynamic programme, which may be worth less than the best one.

    Items are met from the last layer to the first, the most important of a layer first.  For each capacity ``w`` one best plan
    is known, and item ``j`` of a layer may join that of ``w - c_j`` only if item ``j - 1`` is in it.  A better plan through an item
    that did not win alone is never seen: below, layer 0 has the greater importance together, but its first item only ties.

    Unlike the published code, an item dearer than the capacity is left out, costs are rounded up to whole units, so that the
    plan is within the budget, and so it is with ``keep_one``.  Time and memory grow with items times ``budget / ms``.

    Args:
        costs: as for :func:`workbench.pruning.solve_knapsack`, as are ``values``, ``budget`` and ``keep_one``.
        values: see there.
        budget: see there.
        keep_one: see there.
        ms: the unit of capacity.
        importance: the unit of value.

    Raises:
        ValueError: as there; or this heuristic sees no plan within the budget, though there is one: costs are rounded up, and an
            item without importance is passed by even where the next one would save time.

    >>> costs, values = [[6, 1, 1], [3, 6, 5]], [[9, 9, 7], [9, 8, 2]]
    >>> solve_knapsack_published(costs, values, budget=8).kept
    (0, 1)
    """
    if not (ms > 0 and importance > 0):
        raise ValueError(f"ms and importance are units and must be positive, got {ms!r} and {importance!r}")
    instance = read_instance(costs, values, budget, keep_one)
    if instance.everything_fits:
        return as_plan(instance, instance.lengths, 0.0, 0.0, optimal=True)
    left = undominated(instance.cost, instance.value, instance.allowed)
    relaxation = relax(instance.cost, instance.value, left, instance.limit)
    kept = _greedy_programme(instance, ms, importance)
    return as_plan(instance, kept, relaxation.bound, relaxation.price, optimal=False)


def _greedy_programme(instance: Instance, ms: float, importance: float) -> NDArray[np.intp]:
    """Return the lengths (L,) of the plan of greatest value among those that the programme sees."""
    weights = [_units(np.diff(row[: 1 + n]), ms) for row, n in zip(instance.cost, instance.lengths, strict=True)]
    value = np.rint(np.diff(instance.value, axis=1) / importance)
    capacity = int(np.floor(instance.budget / ms + 1e-6))
    spare = -int(
        sum(np.minimum(row, 0).sum() for row in weights)
    )  # negative weights let a plan exceed the capacity on its way
    best = np.zeros(capacity + spare + 1)
    taken: list[tuple[int, int, NDArray[np.uint8]]] = []
    for layer in reversed(range(len(weights))):
        chosen = np.ones(len(best), bool)
        for item, weight in enumerate(weights[layer].tolist()):
            after = np.full(len(best), -np.inf)
            room = max(len(best) - abs(weight), 0)
            here, there = (slice(max(shift, 0), max(shift, 0) + room) for shift in (weight, -weight))
            after[here][chosen[there]] = best[there][chosen[there]] + value[layer, item]
            if item == 0 and not instance.allowed[layer, 0]:
                best, chosen = after, after > -np.inf
            else:
                chosen = (after > best) | ((after == best) & (weight == 0) & (after > -np.inf))
                best = np.where(chosen, after, best)
            taken.append((layer, weight, np.packbits(chosen)))
    if best[capacity] == -np.inf:
        raise ValueError(
            f"the published heuristic sees no plan within the budget of {instance.budget:g} ms, though there is one"
        )
    kept, place = np.zeros(len(weights), np.intp), capacity
    for layer, weight, bits in reversed(taken):
        if bits[place >> 3] >> (7 - (place & 7)) & 1:
            kept[layer] += 1
            place -= weight
    return kept


def _units(costs: Array, unit: float) -> NDArray[np.int64]:
    """Round up to whole units; the margin is for costs that are whole but for the rounding of floats."""
    return np.ceil(costs / unit - 1e-6).astype(np.int64)
