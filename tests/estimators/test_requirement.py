"""The answer for a person: its status, its interval, its warnings, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from workbench.datasets.learning_curves import lcdb_curves, published_curves
from workbench.estimators import PUBLISHED_FAMILY, BrokenPowerLaw, DataRequirementEstimator, diagnose
from workbench.estimators.requirement import bootstrap_counts, rank_weights

SIZES = np.array([1000, 2000, 3000, 4000, 5000])
SCORES = np.array([44.03, 60.75, 64.86, 75.64, 76.94])


def test_interval_is_smallest_and_largest_of_the_four():
    answer = DataRequirementEstimator("log").fit(SIZES, SCORES).estimate(90)
    assert set(answer.by_curve) == set(PUBLISHED_FAMILY)
    assert answer.interval == (min(answer.by_curve.values()), max(answer.by_curve.values()))
    assert answer.size == answer.by_curve["log"]
    assert answer.order == answer.size - 5000
    assert answer.confident


def test_correction_aims_higher_but_success_is_judged_by_the_target():
    plain = DataRequirementEstimator("power").fit(SIZES, SCORES)
    corrected = DataRequirementEstimator("power", correction=4.5).fit(SIZES, SCORES)
    assert corrected.estimate(85).size == plain.estimate(89.5).size
    assert corrected.estimate(75).status == "already met"


def test_target_already_met_returns_the_observed_size():
    answer = DataRequirementEstimator().fit(SIZES, SCORES).estimate(64)
    assert (answer.size, answer.order, answer.status) == (3000, 0, "already met")


def test_target_above_the_asymptote_is_unreachable_not_nan():
    answer = DataRequirementEstimator("power_saturating").fit(SIZES, 80 - 900 * SIZES**-0.5).estimate(85)
    assert answer.size == np.inf
    assert answer.status == "unreachable under this fit"
    assert not answer.confident


def test_falling_scores_say_so():
    answer = DataRequirementEstimator("root").fit(SIZES, SCORES[::-1]).estimate(90)
    assert answer.size == np.inf
    assert answer.status == "scores do not increase with n"
    assert "scores do not increase with n" in answer.warnings
    assert not answer.confident


def test_a_fit_contradicted_by_the_last_score_orders_the_least_step():
    scores = [50, 60, 66, 70, 70.5]
    answer = DataRequirementEstimator("log").fit(SIZES, scores).estimate(71)
    assert answer.status == "contradicted by the last score"
    assert answer.size == 5001
    assert "below the target" in " ".join(answer.warnings)


def test_three_points_are_interpolated_with_a_warning():
    answer = DataRequirementEstimator("log").fit(SIZES[:3], SCORES[:3]).estimate(90)
    assert any("exact interpolation, no residual" in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    "dataset, learner", [("Fashion-MNIST", "LinearDiscriminantAnalysis"), ("mnist_784", "RidgeClassifier")]
)
def test_ill_behaved_curves_are_flagged_and_never_answered_with_confidence(dataset, learner):
    frame = lcdb_curves(dataset, learner)
    for curve in (*PUBLISHED_FAMILY, BrokenPowerLaw):
        answer = DataRequirementEstimator(curve).fit(frame["n"], frame["score_mean"]).estimate(95)
        assert answer.ill_behaved
        assert not answer.confident
        assert any("no increasing curve describes it" in warning for warning in answer.warnings)


@pytest.mark.parametrize("task", ["CIFAR-10", "CIFAR-100", "ImageNet", "BDD100K", "nuScenes", "VOC"])
def test_published_curves_are_well_behaved(task):
    frame = published_curves(task)
    fit = DataRequirementEstimator("log").fit(frame["n"], frame["score"])
    assert not fit.diagnosis_.ill_behaved


def test_noise_alone_is_rarely_flagged_and_a_dip_always():
    rng = np.random.default_rng(0)
    n = 1000.0 * np.arange(1, 13)
    smooth = 40 + 12 * np.log(n / 1000)
    noisy = [diagnose(n, smooth + rng.normal(0, 0.7, len(n)), smooth).ill_behaved for _ in range(400)]
    assert np.mean(noisy) < 0.03
    dip = smooth - 15 * np.exp(-((np.arange(12) - 6) ** 2))
    assert all(diagnose(n, dip + rng.normal(0, 0.7, len(n)), smooth).ill_behaved for _ in range(50))


def test_errors_count_downwards():
    down = DataRequirementEstimator("arctan", direction="min").fit(SIZES, 100 - SCORES)
    up = DataRequirementEstimator("arctan").fit(SIZES, SCORES)
    assert down.required_size(9) == up.required_size(91)
    assert down.predict(SIZES) == pytest.approx(100 - up.predict(SIZES))
    assert down.estimate(30).status == "already met"


def test_rounds_refit_with_the_new_point():
    estimator = DataRequirementEstimator("power", weights="doubling").fit(SIZES, SCORES)
    before = estimator.required_size(92)
    after = estimator.update(10_000, 86.53).required_size(92)
    assert after > before
    assert estimator.sizes_.tolist() == [*SIZES, 10_000]
    assert estimator.sample_weight_.tolist() == [1, 2, 4, 8, 16, 32]


def test_one_point_costs_what_the_slope_says():
    estimator = DataRequirementEstimator("log").fit(SIZES, 10 * np.log(SIZES))
    assert estimator.cost_of_one_point(20_000) == pytest.approx(2000, rel=1e-3)
    assert np.isnan(estimator.cost_of_one_point(np.inf))


def test_bootstrap_interval_is_seeded_and_holds_the_answer():
    estimator = DataRequirementEstimator("log", seed=3).fit(SIZES, SCORES)
    low, high = estimator.estimate(85, n_boot=200).bootstrap_interval
    assert low <= estimator.required_size(85) <= high
    assert estimator.estimate(85, n_boot=200).bootstrap_interval == (low, high)
    other = clone(estimator).set_params(seed=4).fit(SIZES, SCORES)
    assert not np.array_equal(other.bootstrap_sizes(85, 50), estimator.bootstrap_sizes(85, 50))


def test_bootstrap_rows_keep_three_distinct_sizes_and_the_count():
    counts = bootstrap_counts(np.array([1.0, 1.0, 2.0, 3.0, 4.0]), 500, np.random.default_rng(0))
    assert counts.shape == (500, 5)
    assert np.all(counts.sum(1) == 5)
    distinct = (counts[:, 0] + counts[:, 1] > 0).astype(int) + (counts[:, 2:] > 0).sum(1)
    assert distinct.min() == 3


def test_unsorted_input_is_sorted_before_ranked_weights():
    shuffled = [3, 0, 4, 2, 1]
    first = DataRequirementEstimator("power", weights="doubling").fit(SIZES, SCORES)
    second = DataRequirementEstimator("power", weights="doubling").fit(SIZES[shuffled], SCORES[shuffled])
    assert first.required_size(90) == second.required_size(90)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"curve": "cubic"}, r"curve must be one of \['power'.*got 'cubic'"),
        ({"weights": "triple"}, "weights must be 'uniform' or 'doubling', got 'triple'"),
        ({"direction": "up"}, "direction must be 'max' or 'min', got 'up'"),
        ({"correction": np.nan}, "correction must be one finite number"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DataRequirementEstimator(**options).fit(SIZES, SCORES)


def test_bad_target_is_named():
    with pytest.raises(ValueError, match="target must be one finite number"):
        DataRequirementEstimator().fit(SIZES, SCORES).estimate(np.nan)


def test_doubling_weights_of_thousands_of_points_stay_finite():
    weights = rank_weights("doubling", 3000)
    assert np.isfinite(weights).all()
    assert np.array_equal(weights[-2:] / weights[-1], [0.5, 1.0])
