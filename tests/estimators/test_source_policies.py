"""Policies for several sources: exact on curves of their own family, and safer than one fit on measured scores."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.estimators import CollectionProblem, simulate_campaign, summarise_campaign
from workbench.estimators.additive import AdditiveCurves
from workbench.estimators.minimum_cost import minimum_cost_sizes
from workbench.estimators.source_policies import SourcesLocPolicy, SourcesRegressionPolicy
from workbench.estimators.triangulated_oracle import TriangulatedOracle
from workbench.experiments.results import load_results
from workbench.experiments.two_sources import TwoSourcesConfig, start_points

START = np.array([(a, b) for a in (20.0, 50.0, 100.0) for b in (20.0, 50.0, 100.0)])
PROBLEM = CollectionProblem(88.0, rounds=3, cost=(1.0, 0.5), penalty=1e5)
LOC = [SourcesLocPolicy(success, n_boot=60) for success in ("mixture", "ensemble")]
EVERYONE = [SourcesRegressionPolicy(), *LOC]


class AdditiveTruth:
    """A truth that lies in the family that the policies fit, without noise."""

    curve = AdditiveCurves(np.log([100.0, 100.0]), np.array([[-0.5, -0.7]]), np.array([[5.0, 3.0]]), np.array([80.0]))

    def score(self, points):
        return self.curve.evaluate(points)[0]

    def required(self, target, cost, present):
        return minimum_cost_sizes(self.curve, target, np.asarray(cost), present, np.full(2, 1e6))[0]


def _names(policy):
    return policy.name


@pytest.mark.parametrize("policy", EVERYONE, ids=_names)
def test_a_truth_of_the_family_is_met_at_once_for_hardly_more_than_the_optimum(policy):
    end = summarise_campaign(simulate_campaign(AdditiveTruth(), policy, PROBLEM, START))
    assert end["met"]
    assert 0 <= end["cost_ratio"] < 0.05


@pytest.mark.parametrize("policy", EVERYONE, ids=_names)
def test_only_the_ratio_of_penalty_and_prices_matters(policy):
    dear = CollectionProblem(88.0, 3, cost=(10.0, 5.0), penalty=1e6)
    cheap, tenfold = (simulate_campaign(AdditiveTruth(), policy, problem, START) for problem in (PROBLEM, dear))
    assert cheap[["n_1", "n_2"]].equals(tenfold[["n_1", "n_2"]])
    assert tenfold["paid"].tolist() == pytest.approx((10 * cheap["paid"]).tolist())


@pytest.mark.parametrize("policy", LOC, ids=_names)
def test_a_penalty_below_the_bill_is_a_reason_to_give_up(policy):
    small = CollectionProblem(88.0, 3, cost=(1.0, 0.5), penalty=20.0)
    end = summarise_campaign(simulate_campaign(AdditiveTruth(), policy, small, START))
    assert (end["status"], end["paid"], end["total"]) == ("give up", 0.0, 20.0)


@pytest.mark.parametrize("policy", LOC, ids=_names)
def test_a_cheaper_second_source_draws_more_of_it(policy):
    shares = []
    for price in (2.0, 0.5, 0.05):
        problem = CollectionProblem(88.0, 1, cost=(1.0, price), penalty=1e5)
        last = simulate_campaign(AdditiveTruth(), policy, problem, START).iloc[-1]
        shares.append((last["n_2"] - 100) / (last["n_1"] + last["n_2"] - 200))
    assert shares == sorted(shares)
    assert shares[0] < 0.35 < 0.6 < shares[-1]


@pytest.mark.parametrize("policy", LOC, ids=_names)
def test_loc_meets_a_measured_target_that_three_rounds_of_regression_miss(policy):
    grid = load_results("two_sources")
    truth = TriangulatedOracle.from_frame(grid[grid["task"] == "digits"])
    problem = CollectionProblem(93.0, 3, cost=(1.0, 0.1), penalty=130_000.0)
    start = start_points(TwoSourcesConfig())
    assert simulate_campaign(truth, SourcesRegressionPolicy(), problem, start)["status"].iloc[-1] == "missed"
    end = summarise_campaign(simulate_campaign(truth, policy, problem, start))
    assert end["met"]
    assert end["cost_ratio"] < 1


def test_the_same_seed_gives_the_same_campaign():
    first, again = (simulate_campaign(AdditiveTruth(), LOC[0], PROBLEM, START, seed=3) for _ in range(2))
    assert first.equals(again)


def test_a_price_too_many_is_named():
    problem = CollectionProblem(88.0, 3, cost=(1.0, 0.5, 0.1))
    with pytest.raises(ValueError, match="cost must have one value a source"):
        simulate_campaign(AdditiveTruth(), LOC[0], problem, START)
