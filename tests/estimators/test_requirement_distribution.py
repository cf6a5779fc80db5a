"""The law of the requirement: its closed forms beside numerical ones, its truncation, its limits, and what it is invariant to."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import cumulative_trapezoid
from scipy.special import ndtr
from sklearn.neighbors import KernelDensity

from workbench.estimators import CURVES, RequirementDistribution
from workbench.estimators.kernel_law import KernelMixture, cross_validated_bandwidth
from workbench.estimators.requirement import _bootstrap_coefficients, bootstrap_counts
from workbench.estimators.requirement_distribution import KernelDistribution

SIZES = np.array([1000, 2000, 3000, 4000, 5000])
SCORES = np.array([44.03, 60.75, 64.86, 75.64, 76.94])
CEILING = 80 - 900 * SIZES**-0.6 + np.array([0.6, -0.5, 0.4, -0.4, 0.3])
"""Scores that come to rest near 80."""
FAMILIES = ("power", "log", "root")
FROZEN = {
    "norm": stats.norm(10_000, 1_000),
    "lognorm": stats.lognorm(0.6, scale=8_000),
    "gamma": stats.gamma(4, scale=2_500),
    "uniform": stats.uniform(6_000, 9_000),
}


def learned(target: float = 90.0, **options) -> KernelDistribution:
    return RequirementDistribution.from_curve(SIZES, SCORES, target, **options)


def kernel_law(answers, present=1_000.0, q_max=1e6, bandwidth=None) -> KernelDistribution:
    return KernelDistribution([np.asarray(answers, float)], present, q_max, bandwidth, seed=0)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# closed forms


def test_law_is_the_integral_of_the_density_that_scikit_learn_estimates():
    law = learned(bandwidth=400.0)
    answers = law.requirements[0]
    grid = np.linspace(answers.min() - 4_000, np.percentile(answers, 95), 200_001)
    estimate = KernelDensity(bandwidth=400.0, rtol=1e-12).fit(
        law.kernels.atoms[:, None], sample_weight=law.kernels.weights
    )
    some = grid[::2_000]
    assert law.kernels.pdf(some) == pytest.approx(np.exp(estimate.score_samples(some[:, None])), rel=1e-9)
    density = law.kernels.pdf(grid)
    integral = cumulative_trapezoid(density, grid, initial=0.0)
    assert 1 - law.kernels.sf(grid) == pytest.approx(integral, abs=1e-6)


def test_law_is_the_mean_of_one_normal_law_an_answer():
    law = learned(bandwidth=400.0)
    q = np.linspace(6_000, 40_000, 50)
    z = (q[:, None] - law.requirements[0]) / 400.0
    assert 1 - law.kernels.sf(q) == pytest.approx(ndtr(z).mean(1), abs=1e-12)
    shallow = q < law.requirements.max() + 30 * 400
    assert law.kernels.logsf(q[shallow]) == pytest.approx(np.log(ndtr(-z[shallow]).mean(1)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("present", [5_000, 8_000, 11_000])
def test_truncation_is_the_conditional_law(present):
    law = learned()
    q, before = np.linspace(present, 40_000, 40), 1 - law.kernels.sf(np.array(float(present)))
    whole = 1 - law.kernels.sf(q)
    cut = law.given(present)
    assert cut.cdf(present) == 0
    assert cut.cdf(q) == pytest.approx((whole - before) / (1 - before), abs=1e-12)
    assert cut.pdf(q) == pytest.approx(law.kernels.pdf(q) / (1 - before), rel=1e-9)
    assert cut.pdf(present - 1) == 0
    assert np.exp(cut.logsf(q)) == pytest.approx(cut.sf(q), rel=1e-9)


def test_law_cut_twice_is_the_law_cut_once():
    law, q = learned(), np.linspace(9_000, 30_000, 9)
    assert np.array_equal(law.given(7_000).given(9_000).sf(q), law.given(9_000).sf(q))


@pytest.mark.parametrize("far", [10.0, 40.0, 200.0])
def test_contradicted_law_has_the_tail_of_mills_ratio(far):
    """All answers are ``far`` bandwidths below the present size: ``1 - F`` underflows from 38 on, the conditional law does not."""
    atom, width = 5_000.0, 50.0
    present = atom + far * width
    law = kernel_law(np.full(20, atom), bandwidth=width).given(present)
    z = np.array([far, far * (1 + 1e-3), far + 1.0 / far, far + 1.0])

    def log_tail(z):  # ln (Q(z) / phi(z)) by the asymptotic series, whose error is below its first term left out
        return np.log1p(-1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8) - np.log(z)

    expected = (far**2 - z**2) / 2 + log_tail(z) - log_tail(far)
    tolerance = 2 * 945 / far**10 + 1e-13 * far**2  # the second is the rounding of the exponents' difference
    assert law.logsf(atom + z * width) == pytest.approx(expected, abs=tolerance)
    assert law.sf(atom + z * width) == pytest.approx(np.exp(expected), rel=2 * tolerance)
    hazard = 1 / (np.exp(log_tail(far)) * width)
    assert law.pdf(present) == pytest.approx(hazard, rel=2 * tolerance)
    assert present < law.quantile(0.5) < present + width / far
    assert np.all(law.sample(100) > present)


def test_rounding_of_the_weights_is_no_mass_at_infinity():
    """Sums of many weights miss 1 by 1e-16, which would outweigh every finite answer that the present size contradicts."""
    for n_boot in (100, 300, 333, 499):
        law = learned(85, n_boot=n_boot, family=("power",) * 3)
        assert law.kernels.p_infinite == 0
        assert law.given(90_000).p_unreachable < 1e-3


# inverse and draws


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-12, 1.0), st.sampled_from(["learned", "cut", "contradicted", "infinite", *FROZEN]))
def test_isf_inverts_sf(risk, name):
    law = {
        "learned": lambda: learned(),
        "cut": lambda: learned().given(12_000),
        "contradicted": lambda: learned().given(50_000),
        "infinite": lambda: learned(85, family="power_saturating"),
    }.get(name, lambda: RequirementDistribution.from_law(FROZEN[name]).given(7_000))()
    size = law.isf(risk)
    if np.isinf(size):
        assert law.p_unreachable > risk
    else:
        assert law.present[0] <= size <= law.q_max[0]
        assert law.sf(size) == pytest.approx(risk, rel=1e-6)
        assert law.cdf(law.quantile(1 - risk)) == pytest.approx(1 - risk, abs=1e-9)


def test_ends_of_the_inverse():
    law = learned()
    assert law.isf(1.0) == law.quantile(0.0) == 5_000
    assert law.isf(0.0) == law.quantile(1.0) == np.inf
    assert law.quantile([[0.1, 0.5], [0.5, 0.9]]).shape == (2, 2)


@pytest.mark.parametrize("present", [5_000, 9_000, 20_000, 50_000])
def test_draws_follow_the_law(present):
    law = learned().given(present)
    draws = law.sample(4_000, seed=3)
    assert draws.min() >= present
    assert stats.kstest(draws, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("present", [None, 9_500])
def test_draws_of_a_law_of_scipy_follow_it(name, present):
    law = RequirementDistribution.from_law(FROZEN[name], present=present)
    assert stats.kstest(law.sample(4_000, seed=1), law.cdf).pvalue > 1e-3


def test_draws_are_infinite_as_often_as_the_target_is_out_of_reach():
    law = RequirementDistribution.from_curve(SIZES, CEILING, 77, family="power_saturating")
    assert 0.05 < law.p_unreachable < 0.95
    assert np.mean(np.isinf(law.sample(4_000))) == pytest.approx(law.p_unreachable, abs=0.04)


# laws of scipy


@pytest.mark.parametrize("name", FROZEN)
def test_law_of_scipy_is_itself(name):
    frozen = FROZEN[name]
    law = RequirementDistribution.from_law(frozen)
    q = np.linspace(2_000, 30_000, 30)
    assert law.sf(q) == pytest.approx(frozen.sf(q), rel=1e-12)
    assert law.pdf(q) == pytest.approx(frozen.pdf(q), rel=1e-12)
    assert law.quantile([0.1, 0.5, 0.9]) == pytest.approx(frozen.ppf([0.1, 0.5, 0.9]), rel=1e-12)
    assert law.mean() == pytest.approx(frozen.mean(), rel=1e-3)
    assert law.met is False


@pytest.mark.parametrize("name", FROZEN)
def test_law_of_scipy_is_cut_at_the_present_size(name):
    frozen, present = FROZEN[name], 9_000
    law = RequirementDistribution.from_law(frozen).given(present)
    q = np.linspace(present, 30_000, 30)
    assert law.sf(q) == pytest.approx(frozen.sf(q) / frozen.sf(present), rel=1e-9)
    inside = (1 - 0.3 * frozen.sf(present), 1 - 0.01 * frozen.sf(present))
    assert law.isf([0.3, 0.01]) == pytest.approx(frozen.ppf(inside), rel=1e-9)


def test_law_that_counts_whole_samples():
    frozen = stats.poisson(2)
    law = RequirementDistribution.from_law(frozen)
    assert law.sf([0, 1, 1.5, 2]) == pytest.approx(frozen.sf([0, 1, 1.5, 2]))
    assert law.given(1).sf([1, 2, 3]) == pytest.approx(frozen.sf([1, 2, 3]) / frozen.sf(1))
    assert set(law.sample(200)) <= set(range(20))
    with pytest.raises(TypeError, match="no density: use the exact solver"):
        law.pdf(2)


def test_law_of_scipy_ends_at_its_cap():
    law = RequirementDistribution.from_law(FROZEN["norm"], q_max=11_000)
    for cut in (law, law.given(9_000)):
        assert cut.p_unreachable == pytest.approx(cut.sf(11_000))
        assert cut.quantile(0.99) == np.inf
        assert np.mean(np.isinf(cut.sample(2_000))) == pytest.approx(cut.p_unreachable, abs=0.04)
    assert RequirementDistribution.from_law(FROZEN["norm"]).p_unreachable < 1e-29


def test_draws_above_the_cap_are_out_of_reach():
    """The kernel of an answer below the cap reaches beyond it."""
    law = kernel_law(np.full(10, 9_900.0), bandwidth=300.0, q_max=10_000.0)
    assert law.kernels.p_infinite == 0
    assert np.mean(np.isinf(law.sample(4_000))) == pytest.approx(law.p_unreachable, abs=0.04)
    assert law.p_unreachable == pytest.approx(stats.norm.sf(1 / 3))


def test_far_tail_is_not_lost():
    """With penalties up to 1e13 a survival of 1e-20 still costs; ``1 - F`` is zero from 1e-16 on."""
    law = kernel_law(np.full(10, 10_000.0), bandwidth=1_000.0, q_max=20_000.0)
    assert law.p_unreachable == pytest.approx(stats.norm.sf(10), rel=1e-9)
    assert law.isf(1e-20) == pytest.approx(10_000 + 1_000 * stats.norm.isf(1e-20), rel=1e-9)


# limits


def test_family_that_saturates_says_how_likely_the_target_is_out_of_reach():
    laws = [
        RequirementDistribution.from_curve(SIZES, CEILING, target, family="power_saturating")
        for target in (75.5, 77, 79, 85)
    ]
    chances = [law.p_unreachable for law in laws]
    assert np.all(np.diff(chances) >= 0)
    assert chances[0] < 0.2
    assert chances[-1] > 0.6
    law = laws[1]
    assert law.kernels.p_infinite == pytest.approx(np.mean(law.requirements > law.q_max[0]))
    assert law.kernels.p_infinite <= law.p_unreachable


def test_answers_that_are_all_infinite():
    law = RequirementDistribution.from_curve(SIZES, 80 - 900 * SIZES**-0.5, 85, family="power_saturating")
    assert np.isinf(law.requirements).all()
    assert law.p_unreachable == 1
    assert law.cdf([5_000, 50_000, 1e9]).tolist() == [0, 0, 0]
    assert law.pdf([5_000, 50_000]).tolist() == [0, 0]
    assert law.logsf(7_000) == 0
    assert law.quantile(0.01) == law.mean() == np.inf
    assert np.isinf(law.sample(5)).all()
    assert law.centre == law.q_max
    assert np.isnan(law.bandwidth)


def test_falling_scores_never_reach_a_higher_target():
    assert RequirementDistribution.from_curve(SIZES, SCORES[::-1], 80).p_unreachable == 1


def test_equal_answers_make_a_smoothed_step():
    law = kernel_law(np.full(300, 9_000.0))
    assert law.bandwidth >= 9  # a thousandth of the requirement
    assert kernel_law(np.full(300, 20.0), present=2, bandwidth=1e-6).bandwidth == 1  # one sample
    exact = kernel_law(np.full(300, 9_000.0), bandwidth=1e-6)
    assert exact.cdf([8_950, 9_000, 9_050]) == pytest.approx([0, 0.5, 1], abs=1e-6)
    noiseless = RequirementDistribution.from_curve(SIZES, 20 + 0.8 * np.sqrt(SIZES), 90)
    assert np.ptp(noiseless.requirements) <= 2
    assert noiseless.cdf(0.5 * noiseless.requirements[0, 0]) < 0.2


def test_target_that_is_met_needs_nothing_more():
    law = learned(70)
    assert law.met
    assert law.sf([5_000, 1e5]).tolist() == law.pdf([5_000, 1e5]).tolist() == [0, 0]
    assert law.quantile(0.99) == pytest.approx(5_000) == law.mean()
    assert law.p_unreachable == 0
    assert law.given(6_000).met


# what the law does not depend on


def test_mixture_of_families_is_the_equal_mixture_of_their_laws():
    q = np.linspace(5_000, 60_000, 40)
    members = [learned(family=family).kernels.sf(q) for family in FAMILIES]
    law = learned(family=FAMILIES)
    assert law.requirements.shape == (3, 500)
    assert law.kernels.sf(q) == pytest.approx(np.mean(members, 0), abs=1e-12)
    assert law.kernels.weights.sum() + law.kernels.p_infinite == pytest.approx(1, abs=1e-12)
    assert learned(family=CURVES["log"]).kernels.sf(q) == pytest.approx(members[1])


def test_errors_and_fractions_give_the_mirrored_law():
    q = np.linspace(5_000, 40_000, 20)
    law = learned()
    errors = RequirementDistribution.from_curve(SIZES, 100 - SCORES, 10, direction="min")
    fractions = RequirementDistribution.from_curve(SIZES, SCORES / 100, 0.9, score_scale=1)
    both = RequirementDistribution.from_curve(SIZES, 1 - SCORES / 100, 0.1, score_scale=1, direction="min")
    for twin in (errors, fractions, both):
        assert np.abs(twin.requirements - law.requirements).max() <= 1
        assert twin.sf(q) == pytest.approx(law.sf(q), abs=1e-3)
    assert RequirementDistribution.from_curve(SIZES, 100 - SCORES, 40, direction="min").met
    assert not RequirementDistribution.from_curve(SIZES, 100 - SCORES, 20, direction="min").met


@pytest.mark.parametrize("family", ["power", "power_saturating", "log"])
def test_samples_may_be_counted_in_other_units(family):
    law = learned(84, family=family)
    tens = RequirementDistribution.from_curve(10 * SIZES, SCORES, 84, family=family)
    assert tens.requirements == pytest.approx(10 * law.requirements, rel=2e-4, abs=11)
    q = np.linspace(5_000, 50_000, 20)
    assert tens.sf(10 * q) == pytest.approx(law.sf(q), abs=1e-2)


def test_points_may_come_in_any_order():
    shuffled = [3, 0, 4, 2, 1]
    twin = RequirementDistribution.from_curve(SIZES[shuffled], SCORES[shuffled], 90)
    assert np.array_equal(twin.requirements, learned().requirements)


def test_seed_decides_the_law_to_the_bit():
    first, q = learned(seed=5), np.linspace(5_000, 40_000, 9)
    _bootstrap_coefficients.cache_clear()
    again = learned(seed=5)
    assert np.array_equal(first.requirements, again.requirements)
    assert np.array_equal(first.sf(q), again.sf(q))
    assert np.array_equal(first.sample(9, seed=2), again.sample(9, seed=2))
    assert not np.array_equal(first.requirements, learned(seed=6).requirements)


@pytest.mark.parametrize("family", CURVES)
def test_fits_in_small_batches_are_the_fits_in_one(family, monkeypatch):
    whole = learned(family=family, n_boot=60).requirements
    monkeypatch.setattr(CURVES[family], "_grid_size", 100_000)  # 8 rows at a time
    _bootstrap_coefficients.cache_clear()
    assert np.array_equal(learned(family=family, n_boot=60).requirements, whole)
    _bootstrap_coefficients.cache_clear()


def test_three_distinct_sizes_interpolate_and_stretch_the_tail():
    for least in (3, 4, 5):
        counts = bootstrap_counts(SIZES, 400, np.random.default_rng(0), least)
        assert (counts > 0).sum(1).min() == least
    wide, usual = (learned(min_distinct=least, n_boot=1_000).requirements[0] for least in (3, 4))
    assert np.quantile(wide, 0.99) > 1.1 * np.quantile(usual, 0.99)
    few = RequirementDistribution.from_curve(SIZES[:3], SCORES[:3], 80, n_boot=50)  # as many as there are
    assert len(np.unique(few.requirements)) == 1


def test_newest_point_counts_most():
    """The last score is below the trend: the doubling weights expect more samples than equal ones."""
    assert np.median(learned(weights="doubling").requirements) > np.median(learned(weights="uniform").requirements)


# bandwidth


@pytest.mark.parametrize("spread", [50.0, 500.0])
def test_cross_validated_bandwidth_is_near_the_best_for_a_normal_density(spread):
    """For N draws of a normal law of deviation s the least mean integrated squared error is at 1.06 s N^(-1/5)."""
    rng = np.random.default_rng(0)
    best = 1.06 * spread * 300**-0.2
    chosen = [cross_validated_bandwidth(rng.normal(9_000, spread, 300), (best / 30, best * 30)) for _ in range(10)]
    assert best / 2.2 < np.median(chosen) < best * 2.2


def test_cross_validated_bandwidth_is_not_drawn_to_copies():
    """A resample that came up twice must not vouch for itself: copies of every answer leave the choice where it was."""
    answers = np.random.default_rng(1).normal(9_000, 500, 200)
    bounds = (5.0, 5_000.0)
    assert cross_validated_bandwidth(np.repeat(answers, 3), bounds) == cross_validated_bandwidth(answers, bounds)
    assert cross_validated_bandwidth([9_000.0] * 50, bounds) == 5.0


def test_bandwidth_stays_within_its_bounds():
    for bounds in ((20.0, 40.0), (3_000.0, 4_000.0)):
        assert bounds[0] <= learned(bandwidth=bounds).bandwidth <= bounds[1]
    by_default = learned()
    middle = np.median(by_default.requirements)
    assert 0.04 * middle <= by_default.bandwidth <= 0.4 * middle
    assert learned(bandwidth=[20.0, 40.0]).bandwidth == learned(bandwidth=(20.0, 40.0)).bandwidth


def test_empty_mixture_is_infinity():
    mixture = KernelMixture.pool([np.full(5, np.inf)], 100.0, None, 0)
    assert (len(mixture.atoms), mixture.p_infinite) == (0, 1.0)
    assert mixture.logpdf(np.array([3.0])) == -np.inf
