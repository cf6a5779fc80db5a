"""The closed forms of the theory are the sums over all samples, and go where the theory says as groups grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.linear_model import LinearRegression

from workbench.encoders import (
    TargetEncoder,
    TrainingColumn,
    bias_terms,
    encoding_distribution,
    expected_equal_opportunity,
    flip_probability,
    noise_attenuation,
    optimal_smoothing,
    positive_probability,
)

SHARE = st.floats(0.01, 0.99)
ROWS = st.integers(1, 60)
SMOOTHING = st.one_of(st.just(0.0), st.floats(0.1, 1e4))


def samples(p, n, m, prior):
    """Every encoding that a group of n rows can have, and its probability."""
    k = np.arange(n + 1)
    return (k + m * prior) / (n + m), binom.pmf(k, n, p)


@given(p=SHARE, n=ROWS, m=SMOOTHING, prior=SHARE, threshold=SHARE)
def test_probability_of_a_positive_prediction_is_the_sum_over_all_samples(p, n, m, prior, threshold):
    encoding, weight = samples(p, n, m, prior)
    above = encoding > threshold
    close = np.isclose(encoding, threshold, rtol=1e-8)
    exact = positive_probability(p, n, m, prior, threshold)
    assert weight[above & ~close].sum() - 1e-9 <= exact <= weight[above | close].sum() + 1e-9
    flip = flip_probability(p, n, m, prior, threshold)
    assert flip == pytest.approx(1 - exact if p > threshold else exact)


@given(p=SHARE, n=ROWS, p_ref=SHARE, n_ref=ROWS, m=SMOOTHING, prior=SHARE)
def test_bias_terms_add_up_to_the_mean_squared_gap_over_all_samples(p, n, p_ref, n_ref, m, prior):
    (one, weight), (other, weight_ref) = samples(p, n, m, prior), samples(p_ref, n_ref, m, prior)
    squared = weight @ np.subtract.outer(one, other) ** 2 @ weight_ref
    assert sum(bias_terms(p, n, p_ref, n_ref, m, prior)) == pytest.approx(squared, abs=1e-12)


@given(p=SHARE, p_ref=SHARE, m=SMOOTHING, prior=SHARE)
def test_more_rows_leave_only_the_irreducible_bias(p, p_ref, m, prior):
    rows = np.array([1, 10, 1e3, 1e6, 1e12, np.inf])
    irreducible, reducible = bias_terms(p, rows, p_ref, rows, m, prior)
    assert reducible[-1] == 0
    assert reducible[-2] < 1e-11
    assert irreducible[-1] == pytest.approx((p - p_ref) ** 2)
    plain = bias_terms(p, rows, p_ref, rows)
    assert (np.diff(plain.reducible) < 0).all()
    np.testing.assert_allclose(plain.irreducible, (p - p_ref) ** 2)


def test_examples_of_the_theory():
    """One group of 58 % positives in a population of 43 %: rows help, smoothing puts a small group on the side of the prior."""
    probabilities = positive_probability(0.58, [10, 50, 50, 200], [0, 0, 100, 100], prior=0.43)
    np.testing.assert_allclose(probabilities, [0.582, 0.842, 0.158, 0.888], atol=5e-4)


def test_encoding_at_the_threshold_is_not_positive():
    assert positive_probability(0.5, 2) == pytest.approx(0.25)  # two of two, not one of two
    assert 0.3 * (10 + 7) - 7 * 0.3 < 3  # by rounding alone: three of ten positives are encoded to 0.3
    assert positive_probability(0.5, 10, 7, prior=0.3, threshold=0.3) == pytest.approx(binom.sf(3, 10, 0.5))


def test_limits():
    assert positive_probability([0.6, 0.4], np.inf).tolist() == [1, 0]
    assert positive_probability([0.6, 0.4], 5, np.inf, prior=0.7).tolist() == [1, 1]
    assert flip_probability([0.6, 0.4], 5, np.inf, prior=0.7).tolist() == [0, 1]
    assert positive_probability([0.0, 1.0], 7).tolist() == [0, 1]
    assert [float(term) for term in bias_terms(0.9, 5, 0.1, 5, np.inf)] == [0, 0]


def test_expected_equal_opportunity_by_simulation():
    rng = np.random.default_rng(0)
    p, n, p_ref, n_ref, m, prior = 0.55, 30, 0.45, 60, 20, 0.48
    one = (rng.binomial(n, p, 100_000) + m * prior) / (n + m) > 0.5
    other = (rng.binomial(n_ref, p_ref, 100_000) + m * prior) / (n_ref + m) > 0.5
    expected = expected_equal_opportunity(p, n, p_ref, n_ref, m, prior)
    assert np.mean(one != other) == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(100_000))
    assert expected_equal_opportunity([0.6, 0.4, 0.6], np.inf, [0.4, 0.4, 0.7]).tolist() == [1, 0, 0]


@given(p=SHARE, prior=SHARE, n=ROWS)
def test_optimal_smoothing_has_the_least_squared_error(p, prior, n):
    best = optimal_smoothing(p, prior)
    if np.isinf(best):
        assert p == prior
        return

    def error(m):
        encoding, weight = samples(p, n, m, prior)
        return weight @ (encoding - p) ** 2

    slack = 1e-9
    assert error(best) <= min(error(best * 0.9), error(best * 1.1), error(0.0)) + slack


def test_optimal_smoothing_at_its_ends():
    assert optimal_smoothing([0.3, 0.0, 1.0], 0.3).tolist() == [np.inf, 0, 0]


@pytest.mark.parametrize("noise", [0.1, 0.3, 1.0])
def test_least_squares_keeps_the_share_of_its_weight_that_noise_leaves(noise):
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b", "c"], 200_000, p=[0.5, 0.4, 0.1])
    target = (rng.random(200_000) < 0.3 + 0.3 * (group == "b")).astype(int)
    rows = group[:, None].astype(object)
    plain, noisy = (
        LinearRegression().fit(TargetEncoder(noise=level).fit_transform(rows, target), target).coef_[0]
        for level in (0.0, noise)
    )
    kept = noise_attenuation(TrainingColumn.of(group, target).table, noise)
    assert noisy / plain == pytest.approx(kept, abs=0.02)


def test_attenuation_at_its_ends():
    table = TrainingColumn.of(["a", "b"], [0, 1]).table
    assert noise_attenuation(table, 0.0) == 1
    assert noise_attenuation(table, [0.5, 1e9]).tolist() == pytest.approx([0.5, 0], abs=1e-9)
    assert noise_attenuation(table, 0.0, smoothing=np.inf) == 1
    assert noise_attenuation(table, 0.1, smoothing=np.inf) == 0


@pytest.mark.parametrize(
    "p, n, m, prior", [(0.58, 10, 0, 0.43), (0.58, 200, 100, 0.43), (0.05, 3, 7, 0.9), (0.0, 5, 1, 0.5)]
)
def test_the_distribution_of_an_encoding_has_the_moments_and_the_tail_of_the_closed_forms(p, n, m, prior):
    values, probabilities = encoding_distribution(p, n, m, prior, least=0)
    assert probabilities.sum() == pytest.approx(1)
    mean = (values * probabilities).sum()
    terms = bias_terms(p, n, prior, np.inf, m, prior)  # the reference is at the prior, without variance
    assert (mean - prior) ** 2 == pytest.approx(float(terms.irreducible), abs=1e-12)
    assert ((values - mean) ** 2 * probabilities).sum() == pytest.approx(float(terms.reducible), abs=1e-12)
    above = probabilities[values > 0.5 + 1e-9].sum()
    assert above == pytest.approx(float(positive_probability(p, n, m, prior)), abs=1e-9)
    assert len(encoding_distribution(p, n, m, prior, least=1e-3)[0]) <= len(values)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: positive_probability(1.2, 10), "p must be between 0 and 1, got 1.2"),
        (lambda: positive_probability(0.5, 0), "n must be at least 1 row, got 0"),
        (lambda: positive_probability(0.5, np.nan), "n must be at least 1 row, got nan"),
        (lambda: positive_probability(0.5, 5, -1), "smoothing must be at least 0, got -1"),
        (lambda: bias_terms(0.5, 5, -0.1, 5), "p_ref must be between 0 and 1, got -0.1"),
        (lambda: bias_terms(0.5, 5, 0.1, 0), "n_ref must be at least 1 row, got 0"),
        (lambda: bias_terms(0.5, 5, 0.1, 5, prior=np.nan), "prior must be between 0 and 1, got nan"),
        (lambda: encoding_distribution(0.5, 0), "n must be a whole number of at least 1, got 0"),
        (lambda: encoding_distribution(0.5, 5, np.inf), "smoothing must be finite and at least 0, got inf"),
        (lambda: optimal_smoothing(0.5, 2), "prior must be between 0 and 1, got 2"),
    ],
)
def test_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
