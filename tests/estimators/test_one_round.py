"""One order: against the closed form of the normal law, and against the exact plan."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from workbench.estimators import RequirementDistribution, plan
from workbench.estimators.one_round import (
    efficient_orders,
    implied_penalty,
    one_round_cost,
    stationary_points,
)

MEAN, SPREAD, OWNED = 10_000.0, 1_000.0, 1_000.0
NORMAL = RequirementDistribution.from_law(stats.norm(MEAN, SPREAD))


class _TwoModes(stats.rv_continuous):
    """Two thirds near 5 000, one third near 20 000."""

    def _sf(self, x):
        return (2 * stats.norm.sf(x, 5_000, 500) + stats.norm.sf(x, 20_000, 500)) / 3

    def _cdf(self, x):
        return 1 - self._sf(x)

    def _pdf(self, x):
        return (2 * stats.norm.pdf(x, 5_000, 500) + stats.norm.pdf(x, 20_000, 500)) / 3


TWO_MODES = RequirementDistribution.from_law(_TwoModes(name="two modes")(), present=1_000, q_max=30_000)


@given(st.floats(0.5, 6.0), st.floats(1e-3, 1e3))
@settings(deadline=None, max_examples=30)
def test_normal_law_has_its_closed_form(z, cost):
    penalty = cost * SPREAD * np.sqrt(2 * np.pi) * np.exp(z**2 / 2)
    points = stationary_points(NORMAL, OWNED, cost=cost, penalty=penalty)
    assert points.sizes == pytest.approx([OWNED, MEAN - z * SPREAD, MEAN + z * SPREAD], rel=1e-9)
    assert points.minima.tolist() == [True, False, True]
    choice = implied_penalty(NORMAL, OWNED, risk=stats.norm.sf(z), cost=cost)
    assert choice.size == pytest.approx(MEAN + z * SPREAD, rel=1e-9)
    assert choice.penalty == pytest.approx(penalty, rel=1e-6)
    stays = penalty < cost * (choice.size - OWNED) + penalty * stats.norm.sf(z)
    assert choice.verdict == ("give up" if stays else "optimal")


def test_a_risk_above_one_half_is_never_worth_taking_under_a_normal_law():
    assert implied_penalty(NORMAL, OWNED, risk=0.5001, cost=1).verdict == "rising"


@pytest.mark.parametrize("risk", [0.3, 0.05, 1e-3, 1e-6])
def test_implied_penalty_is_that_under_which_the_exact_plan_takes_the_risk(risk):
    choice = implied_penalty(TWO_MODES, OWNED, risk=risk, cost=2.0)
    best = plan(TWO_MODES, OWNED, cost=2.0, penalty=choice.penalty, rounds=1, whole=False)
    assert (choice.verdict == "optimal") == (abs(best.sizes[0] - choice.size) < 1e-3 * choice.size)
    assert choice.best_cost == best.expected_cost


def test_of_two_modes_the_near_one_is_left_for_the_far_one_at_once():
    # between the modes: the falling side of the first, and yet never optimal for long
    between = implied_penalty(TWO_MODES, OWNED, risk=1 / 3 + 1e-4, cost=1)
    assert between.verdict == "another size"
    assert between.best_size > 20_000
    orders = efficient_orders(TWO_MODES, OWNED)
    jump = np.argmax(np.diff(orders.sizes))
    assert orders.sizes[jump] < 7_000
    assert orders.sizes[jump + 1] > 20_000
    for factor, side in ((0.97, 0), (1.03, 1)):
        best = plan(TWO_MODES, OWNED, cost=1, penalty=factor * orders.penalties[jump + 1], rounds=1)
        assert (best.sizes[0] > 15_000) == bool(side)


@pytest.mark.parametrize("law", [NORMAL, TWO_MODES], ids=["normal", "two modes"])
def test_break_even_is_the_least_penalty_that_is_worth_an_order(law):
    break_even = efficient_orders(law, OWNED).break_even
    cut = law.given(OWNED)
    least = optimize.minimize_scalar(lambda q: (q - OWNED) / cut.cdf(q), bounds=(2_000, 16_000), method="bounded").fun
    assert break_even == pytest.approx(least, rel=1e-4)
    assert plan(law, OWNED, cost=3, penalty=2.99 * break_even, rounds=1).status == "give up"
    assert plan(law, OWNED, cost=3, penalty=3.01 * break_even, rounds=1).status == "collect"


@given(st.floats(3, 9))
@settings(deadline=None, max_examples=20)
def test_every_plan_of_one_round_is_the_cheapest_stationary_point_and_efficient(log_penalty):
    penalty = 10**log_penalty
    law = RequirementDistribution.from_curve(
        [1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9], 86, family=("power", "power_saturating")
    )
    best = plan(law, 5_000, cost=1, penalty=penalty, rounds=1, whole=False)
    points = stationary_points(law, 5_000, cost=1, penalty=penalty)
    assert points.costs[points.minima].min() == pytest.approx(best.expected_cost, rel=1e-6)
    assert np.allclose(points.costs, one_round_cost(law, points.sizes, 1, penalty))
    orders = efficient_orders(law, 5_000)
    chosen = orders.sizes[np.searchsorted(orders.penalties, penalty, side="right") - 1]
    assert chosen == pytest.approx(best.sizes[0], rel=0.01)


def test_a_risk_below_what_the_cap_leaves_is_out_of_reach():
    law = RequirementDistribution.from_law(stats.norm(MEAN, SPREAD), present=OWNED, q_max=11_000)
    choice = implied_penalty(law, OWNED, risk=0.01, cost=1)
    assert (choice.verdict, choice.penalty, choice.best_size) == ("beyond the cap", np.inf, 11_000)
    end = stationary_points(law, OWNED, cost=1, penalty=1e6)
    assert end.sizes[-1] == 11_000
    assert end.minima[-1]


@pytest.mark.parametrize(
    "words, values",
    [
        ("risk must lie between 0 and 1, got 1", {"risk": 1.0}),
        ("cost must be positive, got 0", {"cost": 0}),
        ("size must be positive, got -1", {"size": -1.0}),
    ],
)
def test_wrong_values_are_named(words, values):
    arguments = {"size": OWNED, "risk": 0.1, "cost": 1.0} | values
    with pytest.raises(ValueError, match=words):
        implied_penalty(NORMAL, arguments.pop("size"), **arguments)
