"""The exact knapsack beside enumeration and beside integer programming; its certificate; and what it refuses."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.pruning import solve_knapsack, solve_knapsack_greedy, solve_knapsack_highs, solve_knapsack_published

from .instances import resnet101_instance, staircase_instance

SHARES = (0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3, 0.2, 0.1)


def plans(costs, values):
    """Yield lengths, latency and importance of every plan."""
    for kept in itertools.product(*(range(len(row) + 1) for row in costs)):
        yield (
            kept,
            sum(sum(row[:n]) for row, n in zip(costs, kept, strict=True)),
            sum(sum(row[:n]) for row, n in zip(values, kept, strict=True)),
        )


@st.composite
def small_instances(draw):
    """Costs of quarter ms, negative ones included, and whole importances in any order: sums are exact and ties are common."""
    sizes = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    costs = [[draw(st.integers(-8, 16)) / 4 for _ in range(size)] for size in sizes]
    values = [[float(draw(st.integers(0, 9))) for _ in range(size)] for size in sizes]
    flags = [bool(size) and draw(st.booleans()) for size in sizes]
    return costs, values, draw(st.integers(1, 60)) / 4, flags


@settings(max_examples=300, deadline=None)
@given(small_instances())
def test_exact_plan_is_the_best_of_all_plans(instance):
    costs, values, budget, flags = instance
    allowed = [
        (latency, value)
        for kept, latency, value in plans(costs, values)
        if all(n or not flag for n, flag in zip(kept, flags, strict=True))
    ]
    within = [value for latency, value in allowed if latency <= budget]
    if not within:
        least = min(latency for latency, _ in allowed)
        with pytest.raises(ValueError, match=rf"the least latency that can be reached is {least:g} ms"):
            solve_knapsack(costs, values, budget, flags)
        return
    plan = solve_knapsack(costs, values, budget, flags)
    assert plan.value == max(within)
    assert plan.latency <= budget
    assert plan.bound >= plan.value - 1e-9
    assert plan.optimal
    assert all(n or not flag for n, flag in zip(plan.kept, flags, strict=True))
    latency, value = next((latency, value) for kept, latency, value in plans(costs, values) if kept == plan.kept)
    assert (latency, value) == (plan.latency, plan.value)
    try:
        published = solve_knapsack_published(costs, values, budget, flags)
    except ValueError as error:  # a saving behind an item that is worth nothing, which it never takes
        assert "sees no plan within the budget" in str(error)  # noqa: PT017 (most instances raise nothing)
        assert any(cost < 0 for row in costs for cost in row)
    else:
        assert published.latency <= budget
        assert published.value <= plan.value
    greedy = solve_knapsack_greedy(costs, values, budget, flags)
    assert greedy.latency <= budget
    assert greedy.value <= plan.value
    assert greedy.bound >= plan.value - 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_exact_plan_of_400_items_is_worth_what_highs_finds(seed):
    costs, values = staircase_instance(seed)
    budget = 0.5 * sum(map(np.sum, costs))
    plan = solve_knapsack(costs, values, budget)
    assert plan.value == pytest.approx(solve_knapsack_highs(costs, values, budget).value, rel=1e-9)
    assert plan.optimal
    assert plan.gap < 1e-3


@pytest.mark.parametrize("share", SHARES)
def test_real_resnet101_on_a_titan_v(share):
    costs, values, stem = resnet101_instance()
    budget = share * sum(map(np.sum, costs))
    started = time.process_time()
    plan = solve_knapsack(costs, values, budget, keep_one=stem)
    assert time.process_time() - started < 0.25  # 13 ms at most where it was measured
    assert plan.value == pytest.approx(solve_knapsack_highs(costs, values, budget, stem).value, rel=1e-12)
    assert plan.optimal
    assert plan.gap < 1e-3
    assert (plan.bound - plan.value) / (plan.value - 1e4) < 3e-3  # not counting what the stem is worth


def test_published_heuristic_on_the_real_instance_is_no_better_and_greedy_no_better_than_that():
    costs, values, _ = resnet101_instance()
    budget = 0.8 * sum(map(np.sum, costs))
    exact, published, greedy = (
        solve(costs, values, budget) for solve in (solve_knapsack, solve_knapsack_published, solve_knapsack_greedy)
    )
    assert exact.value > published.value > greedy.value
    assert exact.value - published.value == pytest.approx(0.014406, abs=1e-6)


def test_greedy_trap():
    """The first item of the first layer only ties with that of the last, loses, and hides two items that are almost free."""
    costs, values = [[6, 1, 1], [3, 6, 5]], [[9, 9, 7], [9, 8, 2]]
    published, exact = (solve(costs, values, 8) for solve in (solve_knapsack_published, solve_knapsack))
    assert (published.kept, published.value, published.latency) == ((0, 1), 9, 3)
    assert (exact.kept, exact.value, exact.latency) == ((3, 0), 25, 8)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_price_certifies_the_bound_of_the_greedy_plan(seed, share):
    """``price budget + sum_l max_p (V_l(p) - price W_l(p))`` is at least the importance of every plan within the budget."""
    costs, values = staircase_instance(seed, layers=8, items=40)
    budget = share * sum(map(np.sum, costs))
    plan = solve_knapsack_greedy(costs, values, budget)
    best = sum(
        np.max(np.cumsum([0, *value]) - plan.price * np.cumsum([0, *cost]))
        for cost, value in zip(costs, values, strict=True)
    )
    assert plan.bound == pytest.approx(plan.price * budget + best, rel=1e-9)
    assert plan.value <= solve_knapsack(costs, values, budget).value <= plan.bound * (1 + 1e-12)


def test_plan_does_not_depend_on_the_units_or_the_order_of_layers():
    costs, values = staircase_instance(1)
    budget = 0.4 * sum(map(np.sum, costs))
    kept = solve_knapsack(costs, values, budget).kept
    assert solve_knapsack([1e3 * row for row in costs], [1e-6 * row for row in values], 1e3 * budget).kept == kept
    assert solve_knapsack(costs[::-1], values[::-1], budget).kept == kept[::-1]
    assert solve_knapsack(costs, values, budget).kept == kept


def test_budget_that_does_not_bind_keeps_everything_and_one_that_does_gives_back_the_same_plan():
    costs, values = staircase_instance(2)
    total = float(sum(map(np.sum, costs)))
    for budget in (total, 2 * total, np.inf):
        plan = solve_knapsack(costs, values, budget)
        assert plan.kept == tuple(map(len, costs))
        assert (plan.price, plan.gap, plan.optimal) == (0, 0, True)
    plan = solve_knapsack(costs, values, 0.5 * total)
    assert solve_knapsack(costs, values, plan.latency).kept == plan.kept  # though sums are rounded


def test_items_without_importance_stay_where_they_are_free():
    assert solve_knapsack([[2, 0, 1], [2, -1]], [[1, 0, 0], [1, 0]], 3.5).kept == (2, 2)
    assert solve_knapsack([[1, 1], [1]], [[0, 0], [0]], 2.0, keep_one=True).kept == (1, 1)
    assert solve_knapsack([[1, 1], [1]], [[0, 0], [0]], 2.0).latency <= 2.0


def test_importances_proportional_to_latencies_end_soon_and_say_what_was_not_proved():
    """A subset-sum: every plan that fills the budget is as good, and there are more sums than can be listed."""
    rng = np.random.default_rng(0)
    costs = [np.sort(rng.uniform(0.5, 3, 6))[::-1] for _ in range(60)]
    budget = 0.5 * sum(map(np.sum, costs))
    plan = solve_knapsack(costs, costs, budget, most_sums=2_000)
    assert plan.latency <= budget
    assert plan.bound == pytest.approx(budget)
    assert plan.gap < 1e-3
    assert not plan.optimal


@pytest.mark.parametrize(
    "costs, values, budget, keep_one, message",
    [
        ([[1]], [[1], [2]], 1, False, "costs and values must have as many layers, got 1 and 2"),
        ([[1], [1, 2]], [[1], [1]], 1, False, r"costs\[1\] and values\[1\] must be of one length, got 2 and 1 items"),
        ([[1, np.nan]], [[1, 1]], 1, False, r"costs\[0\]\[1\] is nan, expected a finite number"),
        ([[1, 2]], [[1, np.inf]], 1, False, r"values\[0\]\[1\] is inf, expected a finite number"),
        ([[1, 2]], [[1, -2]], 1, False, r"values\[0\]\[1\] is -2; importances must not be negative"),
        ([["a"]], [[1]], 1, False, r"costs\[0\] must be numbers, got \['a'\]"),
        ([[[1]]], [[1]], 1, False, r"costs\[0\] must be one-dimensional, got shape \(1, 1\)"),
        ([[1]], [[1]], 0, False, "budget must be a positive number of ms, got 0"),
        ([[1]], [[1]], -3.0, False, "budget must be a positive number of ms, got -3.0"),
        ([[1]], [[1]], np.nan, False, "budget must be a positive number of ms, got nan"),
        ([[1]], [[1]], "fast", False, "budget must be a positive number of ms, got 'fast'"),
        ([[1]], [[1]], 1, [True, False], "keep_one must be True, False or a list of 1 of these"),
        ([[1]], [[1]], 1, 2, "keep_one must be True, False or a list of 1 of these, got 2"),
        ([[1], []], [[1], []], 1, True, "keep_one asks layer 1 to keep an item, but it has none"),
        ([[4, -1], [3]], [[1, 1], [1]], 5, True, "least latency that can be reached is 6 ms"),
    ],
)
@pytest.mark.parametrize(
    "solve", [solve_knapsack, solve_knapsack_published, solve_knapsack_greedy, solve_knapsack_highs]
)
def test_bad_input_is_named(solve, costs, values, budget, keep_one, message):
    with pytest.raises(ValueError, match=message):
        solve(costs, values, budget, keep_one)
