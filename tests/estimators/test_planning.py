"""The plan of least expected cost: closed forms, brute force, simulation, and what it must and must not depend on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import brentq

from workbench.estimators import RequirementDistribution, expected_cost, plan
from workbench.estimators.requirement_distribution import KernelDistribution

SIZES, SCORES = [1000, 2000, 3000, 4000, 5000], [44.03, 60.75, 64.86, 75.64, 76.94]
START = 5_000
NORMAL = stats.norm(10_000, 1_000)


def learned(target: float = 88.0, **options) -> KernelDistribution:
    return RequirementDistribution.from_curve(SIZES, SCORES, target, **options)


def of_scipy(frozen, **options) -> RequirementDistribution:
    return RequirementDistribution.from_law(frozen, **options)


@st.composite
def kernel_laws(draw) -> KernelDistribution:
    """Laws of one to many modes, light and heavy tails, with and without a mass at infinity, wide and sharp kernels."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    count = draw(st.sampled_from([1, 3, 20, 120]))
    answers = {
        "one mode": lambda: rng.normal(2, 0.3, count),
        "many modes": lambda: rng.choice([1.5, 4.0, 9.0], count) + rng.normal(0, 0.1, count),
        "heavy tail": lambda: 1 + rng.pareto(0.8, count),
        "contradicted": lambda: rng.uniform(0.2, 3, count),
    }[draw(st.sampled_from(["one mode", "many modes", "heavy tail", "contradicted"]))]()
    if count > 3 and draw(st.booleans()):
        answers[:2] = np.inf
    bandwidth = draw(st.sampled_from([None, 5.0, 50.0, 400.0]))
    return KernelDistribution([np.maximum(1_000 * answers, 1)], 1_000, 20_000, bandwidth, 0)


smooth_laws = st.one_of(
    st.builds(lambda m, s: stats.norm(m, s), st.floats(3_000, 20_000), st.floats(100, 2_500)),
    st.builds(lambda s, m: stats.lognorm(s, scale=m), st.floats(0.05, 1.0), st.floats(2_000, 20_000)),
    st.builds(lambda a, m: stats.gamma(a, scale=m / a), st.floats(2, 60), st.floats(2_000, 20_000)),
)


# one round


@pytest.mark.parametrize("penalty", [1.3e4, 1e5, 1e7, 1e13])
@pytest.mark.parametrize("solver", ["dp", "gradient"])
def test_one_round_of_a_normal_law_has_a_closed_form(penalty, solver):
    """``q* = mu + s sqrt(2 ln(P / (c s sqrt(2 pi))))``; the law is whole at the present size, 1 000."""
    best = plan(of_scipy(NORMAL), 1_000, cost=1, penalty=penalty, rounds=1, whole=False, solver=solver)
    expected = 10_000 + 1_000 * np.sqrt(2 * np.log(penalty / (1_000 * np.sqrt(2 * np.pi))))
    assert best.sizes[0] == pytest.approx(expected, rel=1e-6 if solver == "dp" else 0.01)
    assert best.expected_cost == pytest.approx(expected - 1_000 + penalty * NORMAL.sf(expected), rel=1e-3)


@pytest.mark.parametrize("solver", ["dp", "gradient"])
def test_normal_law_is_given_up_in_a_band_where_a_minimum_exists(solver):
    """A stationary point exists from ``P = c s sqrt(2 pi)``, but buying it pays only once its bill is below what it saves."""
    law, exists = of_scipy(NORMAL), 1_000 * np.sqrt(2 * np.pi)

    def size(penalty):
        return 10_000 + 1_000 * np.sqrt(2 * np.log(penalty / exists))

    pays = brentq(lambda penalty: size(penalty) - 1_000 - penalty * NORMAL.cdf(size(penalty)), exists, 10 * exists)
    assert pays > 4 * exists
    for share, status in (
        (0.5 * exists / pays, "give up"),
        (1.1 * exists / pays, "give up"),
        (0.98, "give up"),
        (1.02, "collect"),
    ):
        for whole in (True, False):
            best = plan(law, 1_000, cost=1, penalty=share * pays, rounds=1, solver=solver, whole=whole)
            assert best.status == status
    nothing = plan(law, 1_000, cost=1, penalty=0.98 * pays, rounds=1, solver=solver)
    assert (nothing.orders, nothing.expected_cost, nothing.success_probability) == ([0], 0.98 * pays, 0)


@settings(max_examples=40, deadline=None)
@given(smooth_laws, st.floats(2.5, 8))
def test_one_round_ends_where_the_falling_density_is_cost_over_penalty(frozen, log_penalty):
    law, penalty = of_scipy(frozen).given(1_000), 10**log_penalty
    best = plan(law, 1_000, cost=1, penalty=penalty, rounds=1, whole=False)
    if best.status == "give up":
        grid = law.axes(3_000)[0]
        assert np.all(grid - 1_000 + penalty * law.sf(grid) >= penalty * (1 - 1e-9))
        return
    size = best.sizes[0]
    assert penalty * law.pdf(size) == pytest.approx(1, rel=1e-3)
    assert law.pdf(size * 1.001) < law.pdf(size) < law.pdf(size * 0.999)


@settings(max_examples=40, deadline=None)
@given(kernel_laws(), st.floats(2, 7))
def test_one_round_is_the_global_minimum_of_every_law(law, log_penalty):
    penalty = 10**log_penalty
    grid = np.linspace(1_000, 20_000, 40_001)
    least = min((grid - 1_000 + penalty * law.sf(grid))[1:].min(), penalty)
    best = plan(law, 1_000, cost=1, penalty=penalty, rounds=1, whole=False)
    assert best.expected_cost <= least * (1 + 1e-9)


@pytest.mark.parametrize("frozen", [NORMAL, stats.gamma(4, scale=2_500), stats.lognorm(0.6, scale=8_000)])
def test_newsvendor_fractile_is_never_the_answer(frozen):
    """The penalty is a lump sum: ``F = 1 - c/P`` would buy far too much."""
    for penalty in (1e5, 1e6, 1e7):
        best = plan(of_scipy(frozen), 1_000, cost=1, penalty=penalty, rounds=1)
        assert best.success_probability < 1 - 10 / penalty
        newsvendor = frozen.isf(1 / penalty)
        assert best.sizes[0] < 0.95 * newsvendor
        assert best.expected_cost < newsvendor - 1_000 + 1


def test_truncated_problem_is_the_printed_one_up_to_a_factor():
    """Problem (4) with the factor ``1 - F(q0)`` is ``(1 - F(q0))`` times problem (5) with the truncated law."""
    start, penalty = 10_500.0, 1e5
    law = of_scipy(NORMAL).given(start)
    ends = np.linspace(start, 14_000, 20)
    missed = NORMAL.sf(start)
    printed = (ends - start) * missed + penalty * NORMAL.sf(ends)
    assert expected_cost(law, ends[:, None, None], 1.0, penalty) * missed == pytest.approx(printed, rel=1e-12)
    truncated = (ends - start) + penalty * (1 - (NORMAL.cdf(ends) - NORMAL.cdf(start)) / missed)
    assert expected_cost(law, ends[:, None, None], 1.0, penalty) == pytest.approx(truncated, rel=1e-9)


def test_a_law_without_its_truncation_would_order_less():
    """At 10 500 of N(10 000, 1 000) most of the law is contradicted: what is left needs more than a law that ignores it says."""
    best = plan(of_scipy(NORMAL), 10_500, cost=1, penalty=3e4, rounds=1, whole=False).sizes[0]
    ignoring = 10_000 + 1_000 * np.sqrt(2 * np.log(3e4 / (1_000 * np.sqrt(2 * np.pi))))
    assert 3e4 * NORMAL.pdf(best) / NORMAL.sf(10_500) == pytest.approx(1, rel=1e-6)
    assert best > ignoring + 200


# several rounds


def by_hand(law, path, cost, penalty):
    """Return problem (4) of sizes (T,), one term after the other."""
    total, before, missed = 0.0, float(law.present[0]), 1.0
    for size in path:
        total += cost * (size - before) * missed
        before, missed = size, float(law.sf(size)) if size > law.present[0] else 1.0
    return total + penalty * missed


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.floats(0, 3), st.integers(0, 3))
def test_plan_is_the_best_of_all_paths_of_a_discrete_law(seed, rounds, log_penalty, start):
    rng = np.random.default_rng(seed)
    values = np.sort(rng.choice(np.arange(2, 16), size=rng.integers(1, 7), replace=False))
    law = of_scipy(stats.rv_discrete(values=(values, rng.dirichlet(np.ones(len(values)))))).given(start + 1)
    penalty = 10**log_penalty
    paths = itertools.combinations_with_replacement(range(start + 1, 17), rounds)
    least = min(by_hand(law, path, 1.0, penalty) for path in paths)
    best = plan(law, start + 1, cost=1, penalty=penalty, rounds=rounds)
    assert best.expected_cost == pytest.approx(least, rel=1e-9)
    assert by_hand(law, best.sizes, 1.0, penalty) == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_plan_of_a_poisson_law_is_the_best_of_all_whole_sizes(rounds):
    law = of_scipy(stats.poisson(12)).given(4)
    paths = itertools.combinations_with_replacement(range(4, 40), rounds)
    least = min(by_hand(law, path, 2.0, 300.0) for path in paths)
    assert plan(law, 4, cost=2, penalty=300, rounds=rounds).expected_cost == pytest.approx(least, rel=1e-9)


def test_expected_cost_counts_every_order_by_its_chance_of_being_placed():
    law = learned()
    paths = np.sort(np.random.default_rng(0).uniform(START, 30_000, (6, 3)), axis=1)
    expected = [by_hand(law, path, 0.7, 1e4) for path in paths]
    assert expected_cost(law, paths[..., None], 0.7, 1e4) == pytest.approx(expected)


@pytest.mark.parametrize(
    "law", [learned(), of_scipy(stats.lognorm(0.8, scale=9_000)).given(START)], ids=["learned", "lognorm"]
)
@pytest.mark.parametrize("rounds, penalty", [(1, 5e4), (3, 1e5), (5, 1e6)])
def test_expected_cost_is_the_mean_bill_of_the_collection_game(law, rounds, penalty):
    best = plan(law, START, cost=2, penalty=penalty, rounds=rounds)
    needed = law.sample(200_000, seed=7)
    reached = needed[:, None] <= best.sizes  # whether the target is reached after each round
    placed = np.column_stack([np.ones(len(needed), bool), ~reached[:, :-1]])
    bills = 2 * (placed * best.orders).sum(1) + penalty * ~reached[:, -1]
    error = bills.std() / np.sqrt(len(bills))
    assert best.expected_cost == pytest.approx(bills.mean(), abs=4 * error)
    assert best.success_probability == pytest.approx(reached[:, -1].mean(), abs=4 * np.sqrt(0.25 / len(bills)))
    assert best.needed[best.orders > 0] == pytest.approx(placed.mean(0)[best.orders > 0], abs=0.005)


@settings(max_examples=40, deadline=None)
@given(kernel_laws(), st.sampled_from([1, 2, 3, 5]), st.floats(2, 8))
def test_no_descent_finds_a_better_path_than_the_exact_solver(law, rounds, log_penalty):
    problem = {"cost": 1.0, "penalty": 10**log_penalty, "rounds": rounds, "whole": False}
    exact = plan(law, 1_000, **problem)
    descent = plan(law, 1_000, **problem, solver="gradient")
    assert exact.expected_cost <= descent.expected_cost * (1 + 1e-9)
    assert exact.expected_cost <= problem["penalty"] * (1 + 1e-12)


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "law",
    [NORMAL, stats.gamma(9, scale=1_200), stats.lognorm(0.3, scale=9_000), None],
    ids=["norm", "gamma", "lognorm", "learned"],
)
def test_descent_is_within_one_percent_on_laws_of_one_mode(rounds, law):
    law = learned(bandwidth=900.0) if law is None else of_scipy(law)
    for penalty in (1e5, 1e6, 1e7):
        exact, descent = (
            plan(law, START, cost=1, penalty=penalty, rounds=rounds, whole=False, solver=solver)
            for solver in ("dp", "gradient")
        )
        assert exact.expected_cost <= descent.expected_cost * (1 + 1e-9)
        assert descent.expected_cost <= 1.01 * exact.expected_cost


def test_descent_stops_in_a_local_minimum_where_the_exact_plan_does_not():
    """Two modes far apart: the paper's solver stays at the one it starts beside."""
    answers = np.concatenate([np.full(60, 1_500.0), np.full(40, 15_000.0)])
    law = KernelDistribution([answers], 1_000, 20_000, 50.0, 0)
    exact, descent = (
        plan(law, 1_000, cost=1, penalty=1e5, rounds=3, whole=False, solver=solver) for solver in ("dp", "gradient")
    )
    assert descent.expected_cost > 1.01 * exact.expected_cost


# what the plan depends on


@settings(max_examples=15, deadline=None)
@given(kernel_laws(), st.sampled_from([1, 3]), st.floats(2, 7), st.integers(-10, 10))
def test_orders_depend_on_penalty_over_cost_alone_to_the_bit(law, rounds, log_penalty, octaves):
    one, other = (
        plan(law, 1_000, cost=unit, penalty=10**log_penalty * unit, rounds=rounds) for unit in (1.0, 2.0**octaves)
    )
    assert np.array_equal(one.orders, other.orders)
    assert one.expected_cost * 2.0**octaves == other.expected_cost
    assert (one.status, one.success_probability) == (other.status, other.success_probability)


def test_orders_do_not_depend_on_the_currency_to_the_bit():
    for solver in ("dp", "gradient"):
        one, other = (
            plan(learned(), START, cost=cost, penalty=penalty, rounds=3, whole=False, solver=solver)
            for cost, penalty in ((1, 1e7), (0.1, 1e6))
        )
        assert np.array_equal(one.sizes, other.sizes)


@settings(max_examples=20, deadline=None)
@given(kernel_laws(), st.floats(2, 6))
def test_expected_cost_falls_with_rounds_and_rises_with_cost_and_penalty(law, log_penalty):
    def least(cost, penalty, rounds):
        return plan(law, 1_000, cost=cost, penalty=penalty, rounds=rounds, whole=False).expected_cost

    penalty = 10**log_penalty
    by_rounds = [least(1.0, penalty, rounds) for rounds in (1, 2, 3, 5)]
    by_cost = [least(cost, penalty, 2) for cost in (0.5, 1.0, 1.1, 10.0)]
    by_penalty = [least(1.0, factor * penalty, 2) for factor in (0.5, 1.0, 1.1, 10.0)]
    assert np.all(np.diff(by_rounds) <= 1e-9 * penalty)
    assert np.all(np.diff(by_cost) >= -1e-9 * penalty)
    assert np.all(np.diff(by_penalty) >= -1e-9 * penalty)


@settings(max_examples=20, deadline=None)
@given(kernel_laws())
def test_one_order_grows_with_the_penalty(law):
    orders = [plan(law, 1_000, cost=1, penalty=penalty, rounds=1).orders[0] for penalty in np.geomspace(10, 1e9, 12)]
    assert np.all(np.diff(orders) >= 0)


def test_same_problem_gives_the_same_plan_to_the_bit():
    plans = [plan(learned(seed=4), START, cost=1, penalty=1e6, rounds=3) for _ in range(2)]
    assert np.array_equal(plans[0].sizes, plans[1].sizes)
    assert plans[0].expected_cost == plans[1].expected_cost


def test_samples_counted_in_tens_give_ten_times_the_orders():
    tens = RequirementDistribution.from_curve(10 * np.array(SIZES), SCORES, 88)
    one = plan(learned(), START, cost=10, penalty=1e6, rounds=3, whole=False)
    ten = plan(tens, 10 * START, cost=1, penalty=1e6, rounds=3, whole=False)
    assert ten.sizes == pytest.approx(10 * one.sizes, rel=0.01)
    assert ten.expected_cost == pytest.approx(one.expected_cost, rel=1e-3)


# whole orders


@settings(max_examples=40, deadline=None)
@given(
    kernel_laws(),
    st.sampled_from([1, 2, 3, 5]),
    st.floats(-1, 13),
    st.sampled_from(["dp", "gradient"]),
    st.sampled_from([1_000, 1_037, 19_999]),
)
def test_whole_orders_keep_to_the_rules(law, rounds, log_penalty, solver, start):
    penalty = 10**log_penalty
    best = plan(law, start, cost=1, penalty=penalty, rounds=rounds, solver=solver)
    assert np.array_equal(best.orders, np.round(best.orders))
    assert best.sizes == pytest.approx(start + np.cumsum(best.orders))
    assert np.all(best.orders >= 0)
    assert best.sizes[-1] <= law.q_max[0]
    placed = best.orders > 0
    assert np.array_equal(placed, np.sort(placed)[::-1])  # empty orders at the end
    assert (best.status == "collect") == placed.any()
    assert best.expected_cost <= penalty * (1 + 1e-12)
    exact, own = (
        plan(law, start, cost=1, penalty=penalty, rounds=rounds, solver=name, whole=False) for name in ("dp", solver)
    )
    assert best.expected_cost >= exact.expected_cost * (1 - 1e-9)
    # rounding every size up adds at most a sample to each bill and makes no failure likelier
    assert best.expected_cost <= own.expected_cost * (1 + 1e-12) + rounds


def test_an_order_is_one_sample_at_least_where_any_more_would_do():
    for law, start in ((stats.uniform(0, 100), 200), (stats.uniform(0, 100), 10**7), (stats.norm(1e6, 10), 10**7)):
        for solver in ("dp", "gradient"):
            best = plan(of_scipy(law), start, cost=1, penalty=1e7, rounds=3, solver=solver)
            assert best.orders.tolist() == [1, 0, 0]
            assert (best.status, best.expected_cost) == ("collect", 1)


def test_orders_of_less_than_a_sample_are_not_lost_in_the_middle():
    """At 100 the law E(0.7) has one sample of scale left: the best sizes lie closer together than whole samples do."""
    best = plan(of_scipy(stats.expon(0, 0.7)), 100, cost=1, penalty=1_000, rounds=5)
    assert best.orders[0] == 1
    assert np.all(best.orders > 0)


def test_rounding_up_does_not_make_an_order_dearer_than_the_penalty():
    best = plan(of_scipy(stats.norm(100, 1)), 200, cost=1, penalty=0.8, rounds=2)
    assert (best.status, best.expected_cost) == ("give up", 0.8)


def test_orders_end_at_the_cap_and_say_how_likely_that_fails():
    law = learned(88, family="power_saturating", q_max=7_000)
    best = plan(law, START, cost=1, penalty=1e9, rounds=2)
    assert best.sizes[-1] == 7_000
    assert best.success_probability == pytest.approx(1 - law.p_unreachable)
    assert best.expected_cost > 1e9 * law.p_unreachable
    less_than_one = plan(of_scipy(NORMAL, q_max=12_000.5), 12_000, cost=1, penalty=1e9, rounds=2)
    assert less_than_one.status == "give up"
