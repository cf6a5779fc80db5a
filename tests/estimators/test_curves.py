"""The learning-curve family: recovered parameters, known numbers of the paper, inverses, and every kind of bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit, least_squares
from sklearn.base import clone

from workbench.datasets.learning_curves import published_curves
from workbench.estimators import CURVES, PUBLISHED_FAMILY, BrokenPowerLaw, PowerLaw
from workbench.estimators.curves import whole

N = np.array([1000, 2000, 3000, 4000, 5000, 7000, 10000], float)


@pytest.fixture(scope="module")
def imagenet():
    frame = published_curves("ImageNet")
    half = frame[frame["n"] <= 600_000]
    return half["n"].to_numpy(float), half["score"].to_numpy(float)


@pytest.mark.parametrize(
    "curve, weights, published, measured",
    [
        ("log", None, 622_000, 623_757),
        ("root", None, 697_000, 696_571),
        ("arctan", None, 1_020_000, 1_118_401),
        ("power", None, 585_000, 570_037),
        ("log", "doubling", None, 792_101),
        ("arctan", "doubling", None, 968_753),
        ("power", "doubling", None, 783_600),
    ],
)
def test_half_of_imagenet_gives_the_answers_of_figure_1(imagenet, curve, weights, published, measured):
    sizes, scores = imagenet
    weight = np.exp2(np.arange(len(sizes))) if weights else None
    answer = CURVES[curve]().fit(sizes, scores, weight).required_size(67)
    assert answer == pytest.approx(measured, rel=1e-3)
    if published:
        assert answer == pytest.approx(published, rel=0.10)


TRUE_CURVES = {
    "power": lambda n: 3.0 * n**0.3 + 5.0,
    "power_saturating": lambda n: 90.0 - 900.0 * n**-0.5,
    "arctan": lambda n: 200 / np.pi * np.arctan(0.0004 * n + 0.4) - 10.0,
    "log": lambda n: 9.0 * np.log(n + 700.0) - 12.0,
    "root": lambda n: 100 * n / (1 + (1.1 * n) ** 0.4) ** 2.5 + 2.0,
}


@pytest.mark.parametrize("curve", CURVES)
def test_noise_free_curve_is_recovered_far_beyond_the_data(curve):
    truth = TRUE_CURVES[curve]
    fit = CURVES[curve]().fit(N, truth(N))
    assert fit.predict(N) == pytest.approx(truth(N), abs=2e-4)
    assert fit.predict([40_000.0]) == pytest.approx(truth(np.array([40_000.0])), abs=0.02)
    target = float(truth(np.array([20_000.0]))[0])
    assert fit.required_size(target) == pytest.approx(20_000, rel=1e-3)


@pytest.mark.parametrize("curve", PUBLISHED_FAMILY)
@pytest.mark.parametrize("task, points", [("CIFAR-100", 5), ("ImageNet", 4), ("BDD100K", 5), ("CIFAR-10", 7)])
def test_no_scipy_start_finds_a_better_fit(curve, task, points):
    frame = published_curves(task).head(points)
    sizes, scores = frame["n"].to_numpy(float), frame["score"].to_numpy(float)
    ours = CURVES[curve]().fit(sizes, scores)
    best = np.sum((ours.predict(sizes) - scores) ** 2)
    rng = np.random.default_rng(0)
    lower, upper = {
        "power": ([0, 0, -np.inf], [np.inf, 1.5, np.inf]),
        "arctan": ([-30, 0, -np.inf], [5, 1e5, np.inf]),
        "log": ([0, 1e-3 * sizes[0], -np.inf], [np.inf, 1e4 * sizes[0], np.inf]),
        "root": ([-30, -8, -np.inf], [10, 6, np.inf]),
    }[curve]

    def residual(p):
        if curve == "power":
            return p[0] * (sizes / sizes[0]) ** p[1] + p[2] - scores
        if curve == "log":
            return p[0] * np.log(sizes - sizes[0] + p[1]) + p[2] - scores
        return CURVES[curve].evaluate(np.array([p]), sizes[None])[0] - scores

    starts = {
        "power": lambda: [rng.uniform(0, 100), rng.uniform(0, 1.5), 0.0],
        "arctan": lambda: [rng.uniform(-14, -4), rng.uniform(0, 3), 0.0],
        "log": lambda: [10.0, sizes[0] * 10 ** rng.uniform(-2, 2), 0.0],
        "root": lambda: [rng.uniform(-3, 3), rng.uniform(-3, 1), 0.0],
    }[curve]
    with np.errstate(all="ignore"):
        for _ in range(12):
            other = 2 * least_squares(residual, starts(), bounds=(lower, upper), x_scale="jac", max_nfev=500).cost
            assert best <= other * (1 + 1e-6) + 1e-9


def test_power_equals_curve_fit_where_that_converges():
    sizes, scores = N, TRUE_CURVES["power"](N) + np.array([0.3, -0.2, 0.1, -0.3, 0.2, 0.0, -0.1])
    (t1, t2, t3), _ = curve_fit(lambda n, a, b, c: a * n**b + c, sizes, scores, p0=[3, 0.3, 5], maxfev=20_000)
    ours = PowerLaw().fit(sizes, scores)
    assert ours.published_parameters() == pytest.approx({"t1": t1, "t2": t2, "t3": t3}, rel=2e-3)
    assert ours.required_size(80) == pytest.approx(((80 - t3) / t1) ** (1 / t2), rel=1e-3)


def test_published_parameters_give_the_published_formula():
    fit = PowerLaw().fit(N, TRUE_CURVES["power"](N))
    p = fit.published_parameters()
    assert p["t1"] * N ** p["t2"] + p["t3"] == pytest.approx(fit.predict(N), rel=1e-9)
    logarithmic = PowerLaw().fit(N, 10 - 3e6 / N**2)
    assert logarithmic.published_parameters()["t2"] == 0


@st.composite
def _learning_curves(draw):
    count = draw(st.integers(3, 9))
    sizes = np.cumsum(draw(st.lists(st.integers(1, 100_000), min_size=count, max_size=count)))
    scores = draw(st.lists(st.floats(1.5, 100), min_size=count, max_size=count))
    return sizes.astype(float), np.array(scores)


@pytest.mark.parametrize("curve", CURVES)
@given(data=_learning_curves(), target=st.floats(-20, 140))
@settings(max_examples=30, deadline=None)
def test_any_scores_give_an_increasing_fit_and_a_consistent_inverse(curve, data, target):
    sizes, scores = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = CURVES[curve]().fit(sizes, scores)
        grid = np.geomspace(sizes[0], 1e9, 200)
        values = fit.predict(grid)
        size = fit.required_size(target)
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) >= -1e-7)
    assert not np.isnan(size)
    assert size >= 0
    if np.isfinite(size) and sizes[0] < size < 1e15:
        assert fit.predict([size * (1 + 1e-5) + 1])[0] >= target - 1e-3
        assert fit.predict([max((size - 1) * (1 - 1e-5), 1.0)])[0] <= target + 1e-3
    if np.isinf(size) and np.isfinite(fit.asymptote_):
        assert fit.asymptote_ <= target + 1e-6
    mean_error = np.sum((scores - scores.mean()) ** 2)
    assert np.sum((fit.predict(sizes) - scores) ** 2) <= mean_error * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize("curve", PUBLISHED_FAMILY)
def test_unit_of_n_matters_for_root_alone(curve):
    frame = published_curves("ImageNet").head(15)
    raw = CURVES[curve]().fit(frame["n"], frame["score"]).required_size(67)
    in_thousands = CURVES[curve]().fit(frame["n"] / 1000, frame["score"]).required_size(67) * 1000
    if curve == "root":
        assert abs(in_thousands / raw - 1) > 0.01
    else:
        assert in_thousands == pytest.approx(raw, rel=2e-3)


@pytest.mark.parametrize("curve", CURVES)
def test_fractions_with_their_scale_answer_as_percent_does(curve):
    scores = TRUE_CURVES["arctan"](N)
    percent = CURVES[curve]().fit(N, scores)
    fractions = CURVES[curve](score_scale=1).fit(N, scores / 100)
    assert fractions.predict(N) * 100 == pytest.approx(percent.predict(N))
    assert fractions.required_size(0.85) == percent.required_size(85)


@pytest.mark.parametrize("curve", CURVES)
def test_batch_rows_equal_single_fits_and_zero_weight_leaves_out(curve):
    cls = CURVES[curve]
    rng = np.random.default_rng(1)
    scores = TRUE_CURVES["log"](N) + rng.normal(0, 0.4, (4, len(N)))
    weights = rng.integers(1, 4, scores.shape).astype(float)
    weights[:, -2:] = 0
    batch = cls.fit_batch(N, scores, weights)
    for row in range(4):
        single = cls().fit(N[:-2], scores[row, :-2], weights[row, :-2])
        expected = single.predict(N[:-2])
        assert cls.evaluate(batch[row : row + 1], N[None, :-2])[0] == pytest.approx(expected, abs=2e-3)
    padded = cls.fit_batch(np.tile(N, (4, 1)), scores, weights)
    assert cls.evaluate(padded, N[None, :-2]) == pytest.approx(cls.evaluate(batch, N[None, :-2]), abs=2e-3)


@pytest.mark.parametrize("curve", CURVES)
def test_decreasing_scores_give_a_flat_fit_that_never_reaches_more(curve):
    fit = CURVES[curve]().fit(N, 80 - N / 1000)
    assert fit.required_size(90) == np.inf
    assert fit.asymptote_ == pytest.approx(np.mean(80 - N / 1000), abs=1e-6)


def test_log_inverse_does_not_overflow():
    fit = CURVES["log"]().fit(N, 50 + 1e-4 * np.log(N))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit.required_size(99) == np.inf


def test_doubled_weight_is_a_repeated_point():
    scores = TRUE_CURVES["log"](N) + np.array([0.5, -0.5, 0.2, 0.4, -0.3, 0.1, 0.0])
    weighted = PowerLaw().fit(N, scores, [2, 1, 1, 1, 1, 1, 1])
    repeated = PowerLaw().fit(np.append(N, N[0]), np.append(scores, scores[0]))
    assert weighted.required_size(85) == pytest.approx(repeated.required_size(85), rel=1e-6)


@pytest.mark.parametrize(
    "sizes, scores, message",
    [
        ([100, 200], [50, 60], "need at least 3 distinct sizes to fit 'power', got 2"),
        ([100, 100, 200], [50, 51, 60], "need at least 3 distinct sizes to fit 'power', got 2"),
        ([100, 0, 300], [50, 60, 70], r"sizes\[1\] is 0"),
        ([100, -5, 300], [50, 60, 70], r"sizes\[1\] is -5"),
        ([100, np.inf, 300], [50, 60, 70], r"sizes\[1\] is inf"),
        ([100, 200, 300], [50, np.nan, 70], r"scores\[1\] is nan"),
        ([100, 200, 300], [50, 60], r"of one length, got shapes \(3,\), \(2,\)"),
        ([100, 200, 300], [0.5, 0.6, 0.7], "look like fractions .* score_scale=1"),
        ([100, 200, 300], [50, 60, 170], r"scores\[2\] is 170, above score_scale=100"),
        (["a", "b", "c"], [50, 60, 70], "sizes must be numbers"),
    ],
)
def test_bad_measurements_are_named(sizes, scores, message):
    with pytest.raises(ValueError, match=message):
        PowerLaw().fit(sizes, scores)


def test_sklearn_conventions():
    curve = PowerLaw(score_scale=1.0)
    assert clone(curve).get_params() == {"score_scale": 1.0}
    assert curve.fit([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.35]) is curve
    assert curve.score([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.35]) > 0.9


def test_broken_power_law_follows_a_double_descent_that_the_family_cannot():
    n = np.geomspace(16, 60_000, 16)
    scores = 95 - 60 * n**-0.02 * (1 + (n / 2000) ** 2) ** (-0.35)
    broken = BrokenPowerLaw().fit(n, scores)
    error = np.abs(broken.predict(n) - scores).max()
    assert error < 0.2
    assert error < 0.2 * min(
        np.abs(CURVES[name]().fit(n, scores).predict(n) - scores).max() for name in ("power", "log")
    )
    size = broken.required_size(80)
    assert broken.predict([size])[0] == pytest.approx(80, abs=0.05)


def test_whole_rounds_up_but_forgives_rounding():
    assert whole(np.array([3.0000001, 3.1, 0.0, np.inf])).tolist() == [3.0, 4.0, 0.0, np.inf]
