import warnings

import numpy as np
import pytest

from workbench.estimators.source_laws import EnsembleLaw, MixtureLaw
from workbench.estimators.sources import separating_counts, source_law, source_requirement

SIZES = np.array([(a, b) for a in (13, 33, 65) for b in (13, 33, 65)])
NOISE = np.random.default_rng(0).normal(0, 0.3, len(SIZES))


def truth(sizes):
    return 99 - 80 / sizes[:, 0] ** 0.5 - 40 / sizes[:, 1] ** 0.5


SCORES = truth(SIZES) + NOISE
POINTS = np.array([[80.0, 90.0], [200.0, 150.0], [600.0, 80.0], [900.0, 900.0]])


@pytest.mark.parametrize("success, kind", [("mixture", MixtureLaw), ("ensemble", EnsembleLaw)])
def test_law_surrounds_the_true_requirement(success, kind):
    law = source_law(SIZES, SCORES, 88.0, cost=(1.0, 1.0), success=success)
    assert isinstance(law, kind)
    assert law.present.tolist() == [65, 65]
    assert law.q_max.tolist() == [1300, 1300]
    assert law.requirements.shape == (300, 2)
    needed = source_requirement(SIZES, truth(SIZES), 88.0, cost=(1.0, 1.0))
    assert truth(needed[None])[0] == pytest.approx(88.0, abs=1e-3)
    assert law.survival(needed * 0.7) > 0.6
    assert law.survival(needed * 2.0) < 0.4
    assert law.survival(POINTS)[0] > law.survival(POINTS)[-1]


@pytest.mark.parametrize("success", ["mixture", "ensemble"])
def test_same_seed_same_law_to_the_bit_and_another_seed_another(success):
    first, again, other = (
        source_law(SIZES, SCORES, 88.0, cost=(1.0, 0.5), success=success, seed=seed) for seed in (3, 3, 4)
    )
    assert np.array_equal(first.requirements, again.requirements)
    assert np.array_equal(first.survival(POINTS), again.survival(POINTS))
    assert not np.array_equal(first.requirements, other.requirements)


def test_the_cheaper_a_source_the_more_of_it():
    laws = [source_law(SIZES, SCORES, 86.0, cost=(1.0, price), n_boot=50) for price in (3.0, 1.0, 0.3, 0.05)]
    means = np.array([law.requirements[np.isfinite(law.requirements).all(1)].mean(0) for law in laws])
    assert (np.diff(means[:, 0]) < 0).all()
    assert (np.diff(means[:, 1]) > 0).all()
    swapped = source_law(SIZES[:, ::-1], SCORES, 86.0, cost=(0.3, 1.0), n_boot=50)
    assert swapped.requirements[:, ::-1] == pytest.approx(laws[2].requirements, rel=1e-4)


@pytest.mark.parametrize("success", ["mixture", "ensemble"])
def test_units_of_sizes_prices_and_scores_do_not_matter(success):
    law = source_law(SIZES, SCORES, 88.0, cost=(1.0, 0.5), success=success)
    dearer = source_law(SIZES, SCORES, 88.0, cost=(100.0, 50.0), success=success)
    assert dearer.requirements == pytest.approx(law.requirements, rel=1e-6)
    fractions = source_law(SIZES, SCORES / 100, 0.88, cost=(1.0, 0.5), success=success, score_scale=1)
    assert fractions.requirements == pytest.approx(law.requirements, rel=1e-4)
    assert fractions.survival(POINTS) == pytest.approx(law.survival(POINTS), abs=1e-3)
    thousands = source_law(SIZES * 1000, SCORES, 88.0, cost=(1.0, 0.5), success=success)
    assert thousands.requirements == pytest.approx(law.requirements * 1000, rel=1e-4)


def test_one_and_three_sources():
    one = source_law(
        SIZES[::4, :1].repeat(2, 0) + np.arange(6)[:, None], np.arange(60.0, 66.0), 70.0, cost=[1.0], n_boot=20
    )
    assert one.survival([[65 + 5.0], [1300.0]]).shape == (2,)
    rng = np.random.default_rng(1)
    sizes = rng.integers(10, 80, size=(14, 3))
    scores = 95 - (np.array([60, 40, 20]) / sizes**0.5).sum(1)
    needed = source_requirement(sizes, scores, 85.0, cost=(1.0, 1.0, 1.0))
    exact = (np.array([60, 40, 20]) / 2) ** (2 / 3)
    exact = np.maximum(exact * (np.array([60, 40, 20]) / exact**0.5).sum() ** 2 / 100, sizes.max(0))
    assert (needed >= sizes.max(0)).all()
    assert 95 - (np.array([60, 40, 20]) / needed**0.5).sum() == pytest.approx(85.0, abs=0.01)
    assert needed[2] == pytest.approx(exact[2])


def test_the_newest_point_counts_most():
    scores = SCORES.copy()
    scores[-1] -= 2
    gaps = []
    for weights in ("doubling", "uniform"):
        needed = source_requirement(SIZES, scores, scores[-1] + 0.01, cost=(1.0, 1.0), weights=weights, q_max=(70, 70))
        gaps.append(needed.max() - 65)
    assert gaps[1] == 0  # the even fit passes above the last score: it says that the present sizes suffice
    assert gaps[0] < 5


def test_positive_exponents_never_call_a_target_out_of_reach():
    saturating = source_law(SIZES, SCORES, 97.5, cost=(1.0, 1.0), q_max=(1e9, 1e9))
    positive = source_law(SIZES, SCORES, 97.5, cost=(1.0, 1.0), q_max=(1e9, 1e9), family="additive")
    assert 0.1 < saturating.p_unreachable < 1
    assert positive.p_unreachable == 0


def test_targets_met_and_out_of_reach():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert source_law(SIZES, SCORES, 80.0, cost=(1.0, 1.0)).met
        assert not source_law(SIZES, SCORES, 88.0, cost=(1.0, 1.0)).met
        for success in ("mixture", "ensemble"):
            law = source_law(SIZES, SCORES, 150.0, cost=(1.0, 1.0), success=success)
            assert law.p_unreachable == pytest.approx(1.0)
            assert np.isinf(law.requirements).all()


def test_resamples_can_separate_the_sources():
    diagonal = np.array([(a, 2 * a) for a in (10, 20, 30, 40, 50)])
    sizes = np.concatenate([diagonal, [(10, 60), (60, 30)]]).astype(float)
    counts = separating_counts(sizes, 200, np.random.default_rng(0), 6)
    assert counts.shape == (200, 7)
    assert (counts.sum(1) == 7).all()
    assert ((counts > 0).sum(1) >= 6).all()
    assert (counts[:, 5:] > 0).any(1).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sizes": SIZES * [1, 0]}, r"sizes\[0, 1\] is 0; every source needs at least 1 sample"),
        ({"sizes": SIZES[:, 0]}, r"sizes must be \(m, K\) and scores \(m,\), got shapes \(9,\) and \(9,\)"),
        ({"sizes": SIZES[:4]}, r"got shapes \(4, 2\) and \(9,\)"),
        ({"sizes": np.stack([np.arange(10, 19), 3 * np.arange(10, 19)], 1)}, "cannot separate the sources: measure at"),
        (
            {"sizes": np.stack([SIZES[:, 0], np.r_[1:10] % 2 + 5], 1)},
            "sizes hold 2 distinct numbers of source 2; its exponent",
        ),
        ({"sizes": SIZES[[0, 1, 2, 3] * 2 + [0]]}, "need at least 5 distinct points to fit 2 sources, got 4"),
        ({"scores": np.r_[SCORES[:8], np.nan]}, r"scores\[8\] is nan"),
        ({"scores": SCORES / 100}, "scores look like fractions"),
        ({"target": np.inf}, "target must be one finite number"),
        ({"cost": (1.0,)}, r"cost must have one value a source \(2\), got 1"),
        ({"cost": (1.0, 0.0)}, "cost must be positive, got 0"),
        ({"q_max": (100, 60)}, r"q_max must not be below the present sizes \[65.0, 65.0\], got \[100.0, 60.0\]"),
        ({"family": "cubic"}, r"family must be one of \['additive', 'additive_saturating'\], got 'cubic'"),
        ({"success": "hope"}, r"success must be one of \('mixture', 'ensemble'\), got 'hope'"),
        ({"weights": "halving"}, "weights must be 'uniform' or 'doubling', got 'halving'"),
        ({"n_boot": 0}, "n_boot must be at least 1, got 0"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(change, message):
    arguments = {"sizes": SIZES, "scores": SCORES, "target": 88.0, "cost": (1.0, 0.5)} | change
    with pytest.raises(ValueError, match=message):
        source_law(**arguments)
