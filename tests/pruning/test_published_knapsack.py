"""The published heuristic: what it sees and does not see, and the faults of its code that are not repeated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.pruning import solve_knapsack, solve_knapsack_published


def by_hand(weights, values, capacity):
    """Return lengths and value by the rule of Algorithm 1, state by state, for weights that are not negative."""
    best = [0] * (capacity + 1)
    plans = [tuple([0] * len(weights))] * (capacity + 1)
    for layer in reversed(range(len(weights))):
        won = [True] * (capacity + 1)
        for weight, value in zip(weights[layer], values[layer], strict=True):
            new_best, new_plans, new_won = list(best), list(plans), [False] * (capacity + 1)
            for w in range(weight, capacity + 1):
                joined = best[w - weight] + value
                if won[w - weight] and (joined > best[w] or (joined == best[w] and weight == 0)):
                    plan = list(plans[w - weight])
                    plan[layer] += 1
                    new_best[w], new_plans[w], new_won[w] = joined, tuple(plan), True
            best, plans, won = new_best, new_plans, new_won
    return plans[capacity], best[capacity]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_vectorised_programme_follows_the_rule_state_by_state(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    weights = [[data.draw(st.integers(0, 7)) for _ in range(size)] for size in sizes]
    values = [sorted((data.draw(st.integers(0, 9)) for _ in range(size)), reverse=True) for size in sizes]
    capacity = data.draw(st.integers(1, 25))
    kept, value = by_hand(weights, values, capacity)
    plan = solve_knapsack_published(weights, values, capacity, ms=1.0, importance=1.0)
    if sum(map(sum, weights)) <= capacity:
        assert plan.kept == tuple(sizes)
    else:
        assert (plan.kept, plan.value) == (kept, value)


def test_it_may_fall_short_of_the_best_plan_and_never_passes_it():
    shortfalls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(2, 6, 4)
        costs = [rng.integers(0, 30, size) / 10 for size in sizes]
        values = [np.sort(rng.integers(1, 100, size))[::-1] for size in sizes]
        budget = 0.45 * sum(map(np.sum, costs)) + 0.1
        exact, published = (solve(costs, values, budget) for solve in (solve_knapsack, solve_knapsack_published))
        shortfalls.append(1 - published.value / exact.value if exact.value else 0.0)
    assert min(shortfalls) >= 0
    assert 0.01 < np.mean(np.array(shortfalls) > 0) < 0.3


def test_item_dearer_than_the_budget_is_left_out():
    """The published code reads the table from its other end there, or stops with an IndexError."""
    assert solve_knapsack_published([[50, 1], [2, 1]], [[99, 1], [5, 4]], 2.5).kept == (0, 1)


def test_plan_that_must_keep_one_of_each_layer_is_within_the_budget():
    """The published code marks the first item of a layer as kept whether there is room or not."""
    costs, values = [[3, 1], [3, 1], [3, 1]], [[1, 1], [9, 9], [9, 9]]
    plan = solve_knapsack_published(costs, values, 10, keep_one=True)
    assert plan.latency == 10
    assert min(plan.kept) == 1
    assert plan.value == 28


def test_costs_are_rounded_up_so_that_the_plan_is_within_the_budget():
    """Forty items of 1.4 microseconds: rounded to the nearest, 40 would pass for 40 microseconds."""
    plan = solve_knapsack_published([[0.0014]] * 40, [[1.0]] * 40, 0.040)
    assert plan.value == 20
    assert plan.latency <= 0.040


def test_negative_costs_let_a_plan_pass_through_a_fuller_state():
    assert solve_knapsack_published([[5, -3], [2]], [[2, 2], [1]], 3.5).kept == (2, 0)


def test_saving_behind_an_item_without_importance_is_not_seen():
    instance = [[4, -8], [4], [2]], [[0, 0], [1], [0]], 1.5, [False, True, False]
    assert solve_knapsack(*instance).kept == (2, 1, 0)
    with pytest.raises(ValueError, match=r"the published heuristic sees no plan within the budget of 1\.5 ms"):
        solve_knapsack_published(*instance)


@pytest.mark.parametrize("units", [{"ms": 0}, {"importance": -1e-6}, {"ms": float("nan")}])
def test_units_must_be_positive(units):
    with pytest.raises(ValueError, match="ms and importance are units and must be positive"):
        solve_knapsack_published([[1]], [[1]], 1, **units)
