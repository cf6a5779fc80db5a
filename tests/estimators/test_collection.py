"""The simulator against hand-played games, and the correction factor against the reference numbers of the paper's curves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.estimators import (
    DataRequirementEstimator,
    LearningCurveOracle,
    simulate_collection,
    simulate_many,
    tune_correction,
)
from workbench.experiments.tasks import load_task


@pytest.fixture(scope="module")
def cifar():
    return load_task("CIFAR-10")


def test_oracle_interpolates_from_the_origin_and_holds_the_last_value():
    oracle = LearningCurveOracle([200, 100, 300], [60, 50, 70])
    assert oracle.score([0, 50, 100, 250, 900]).tolist() == [0, 25, 50, 65, 70]
    assert oracle.required_size(65) == 250
    assert oracle.required_size(70.1) == np.inf
    assert oracle.required_size(25) == 50


def test_oracle_takes_the_first_crossing_of_a_curve_that_dips():
    oracle = LearningCurveOracle([100, 200, 300, 400], [50, 60, 40, 70])
    assert oracle.required_size(55) == 150


@given(st.floats(1, 77))
def test_required_size_is_the_smallest_that_scores_enough(target):
    oracle = LearningCurveOracle([1000, 2000, 3000, 4000, 5000], [44.03, 60.75, 64.86, 75.64, 77.0])
    size = oracle.required_size(target)
    assert oracle.score(size) >= target - 1e-4
    assert oracle.score(size - 1) < target + 1e-4


def test_game_equals_one_played_by_hand(cifar):
    target, rounds = 92.0, 5
    sizes, scores = list(cifar.oracle.sizes[:5]), list(cifar.oracle.scores[:5])
    game = simulate_collection(cifar.oracle, DataRequirementEstimator("log", correction=1.0), target, 5000, rounds)
    for _, row in game.iloc[1:].iterrows():
        estimate = DataRequirementEstimator("log", correction=1.0).fit(sizes, scores).curve_.required_size(target + 1.0)
        assert row["estimate"] == pytest.approx(estimate, rel=1e-4)
        sizes.append(max(row["estimate"], sizes[-1] + 1))
        scores.append(float(cifar.oracle.score(sizes[-1])))
        assert row["n"] == sizes[-1]
        assert row["score"] == pytest.approx(scores[-1])
        assert row["met"] == (scores[-1] >= target)
    assert len(game) == rounds + 1 or game["met"].iloc[-1]
    assert game["order"].sum() == game["n"].iloc[-1]
    assert game["ratio"].iloc[-1] == pytest.approx(game["n"].iloc[-1] / cifar.oracle.required_size(target))


def test_a_longer_game_begins_as_the_shorter_one(cifar):
    estimator = DataRequirementEstimator("power")
    targets, tau = np.array([85.0, 92.0]), np.zeros(2)
    short = simulate_many(cifar.oracle, estimator, targets, tau, 5000, 2)
    long = simulate_many(cifar.oracle, estimator, targets, tau, 5000, 5)
    assert np.array_equal(short.sizes, long.sizes[:, :3], equal_nan=True)


def test_least_step_ends_the_creeping_of_an_underestimator(cifar):
    creeping = simulate_collection(cifar.oracle, DataRequirementEstimator("power"), 93, 5000, 40)
    stepping = simulate_collection(cifar.oracle, DataRequirementEstimator("power"), 93, 5000, 40, min_step=500)
    assert stepping["met"].iloc[-1]
    assert len(stepping) < len(creeping) or not creeping["met"].iloc[-1]


def test_infinite_estimates_stop_at_the_largest_size_and_say_that_the_truth_is_held():
    task = load_task("nuScenes")
    game = simulate_collection(task.oracle, DataRequirementEstimator("arctan"), 32, task.initial_size, 1)
    assert game["n"].iloc[-1] == 50 * task.oracle.full_size
    assert game["held"].iloc[-1]
    limited = simulate_collection(
        task.oracle, DataRequirementEstimator("arctan"), 32, task.initial_size, 1, max_size=20_000
    )
    assert limited["n"].iloc[-1] == 20_000


def test_errors_play_the_same_game_as_scores(cifar):
    errors = LearningCurveOracle(cifar.oracle.sizes, 100 - cifar.oracle.scores, direction="min")
    down = simulate_collection(errors, DataRequirementEstimator("log", direction="min"), 10, 5000, 3)
    up = simulate_collection(cifar.oracle, DataRequirementEstimator("log"), 90, 5000, 3)
    assert down["n"].tolist() == up["n"].tolist()
    assert down["met"].tolist() == up["met"].tolist()


@pytest.mark.parametrize(
    "rounds, weights, tau", [(1, "uniform", 20.25), (3, "uniform", 6.75), (5, "uniform", 4.5), (5, "doubling", 1.25)]
)
def test_correction_learned_on_cifar_10(cifar, rounds, weights, tau):
    estimator = DataRequirementEstimator("power", weights=weights)
    tuned = tune_correction(cifar.oracle, estimator, cifar.published_targets, 5000, rounds)
    assert (tuned.correction, tuned.failures) == (tau, 0)
    before = tuned.table[tuned.table["correction"] < tau]
    assert (before["failures"] > 0).all()


def test_correction_needs_reachable_targets(cifar):
    with pytest.raises(ValueError, match="never reaches the target 99: tau cannot be learned on it"):
        tune_correction(cifar.oracle, DataRequirementEstimator(), [80, 99], 5000, 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"initial_size": 0}, "initial_size must be at least 1, got 0"),
        ({"subsets": 2}, "subsets must be at least 3, got 2"),
        ({"min_step": 0}, "min_step must be at least 1, got 0"),
    ],
)
def test_impossible_games_are_refused(cifar, options, message):
    game = {"target": 90, "initial_size": 5000, "rounds": 1} | options
    with pytest.raises(ValueError, match=message):
        simulate_collection(cifar.oracle, DataRequirementEstimator(), **game)
