import warnings

import numpy as np
import pytest
from scipy.special import log_ndtr, ndtr

from workbench.estimators.additive import AdditiveCurves
from workbench.estimators.minimum_cost import minimum_cost_sizes
from workbench.estimators.source_laws import EnsembleLaw, MixtureLaw

PRESENT, Q_MAX = np.array([50.0, 40.0]), np.array([1000.0, 800.0])
POINTS = np.array([[60.0, 45.0], [150.0, 200.0], [260.0, 300.0], [900.0, 120.0], [400.0, 700.0]])


def draws(count=300, never=20):
    rng = np.random.default_rng(0)
    finite = np.concatenate(
        [rng.normal((150, 100), (20, 15), (count, 2)), rng.normal((300, 250), (40, 60), (count, 2))]
    )
    return np.concatenate([np.clip(finite, PRESENT, Q_MAX), np.full((never, 2), np.inf)])


def vote(count=40):
    rng = np.random.default_rng(1)
    curves = AdditiveCurves(
        np.log([60.0, 60.0]),
        rng.uniform(-1, -0.2, (count, 2)),
        rng.uniform(6, 12, (count, 2)),
        rng.normal(70, 0.5, count),
    )
    return EnsembleLaw(curves, 80.0, minimum_cost_sizes(curves, 80.0, np.ones(2), PRESENT, Q_MAX), PRESENT, Q_MAX)


LAWS = {"mixture": lambda: MixtureLaw(draws(), PRESENT, Q_MAX), "ensemble": vote}


@pytest.fixture(params=LAWS)
def law(request):
    return LAWS[request.param]()


def test_survival_starts_at_one_falls_in_every_source_and_ends_at_the_unreachable_mass(law):
    assert law.survival(PRESENT) == pytest.approx(1.0)
    axis = np.linspace(0, 1, 25)[:, None]
    square = law.survival(PRESENT + np.stack(np.meshgrid(axis, axis, indexing="ij"), -1) * (Q_MAX - PRESENT))
    assert (np.diff(square, axis=0) <= 1e-12).all()
    assert (np.diff(square, axis=1) <= 1e-12).all()
    assert law.survival(Q_MAX) == law.p_unreachable
    assert 0 < law.p_unreachable < 0.1


def test_gradient_is_the_slope_of_success(law):
    step = 1e-3
    for source, shift in enumerate(np.eye(2) * step):
        slope = -(law.survival(POINTS + shift) - law.survival(POINTS - shift)) / (2 * step)
        assert law.success_gradient(POINTS)[:, source] == pytest.approx(slope, rel=1e-3, abs=1e-9)
    assert law.success_gradient(POINTS.reshape(5, 1, 2)).shape == (5, 1, 2)


def test_a_later_law_is_the_earlier_one_given_that_more_did_not_suffice(law):
    present = np.array([120.0, 90.0])
    later = law.given(present)
    assert later.survival(POINTS[1:]) == pytest.approx(law.survival(POINTS[1:]) / law.survival(present))
    assert np.array_equal(law.given([60.0, 45.0]).given(present).survival(POINTS[1:]), later.survival(POINTS[1:]))
    assert (later.centre > present).all()
    assert np.array_equal(law.present, PRESENT)
    for bad in ([40.0, 90.0], [120.0, 900.0], [120.0]):
        with pytest.raises(ValueError, match="size must lie between"):
            law.given(bad)


def test_axes_run_from_the_present_to_the_limit_and_crowd_where_the_law_falls(law):
    for count in (5, 36):
        axes = law.axes(count)
        for source, axis in enumerate(axes):
            assert (axis[0], axis[-1]) == (PRESENT[source], Q_MAX[source])
            assert (np.diff(axis) > 0).all()
            assert len(axis) <= count + 1
    near = [np.mean(np.abs(axis - law.centre[source]) < 0.2 * Q_MAX[source]) for source, axis in enumerate(axes)]
    assert min(near) > 0.5  # 0.4 of the range at most


def test_mixture_is_the_law_of_a_gaussian_mixture_cut_at_the_present_sizes():
    law = MixtureLaw(draws(never=0), PRESENT, Q_MAX)
    rng = np.random.default_rng(2)
    which = rng.choice(len(law.weights), size=400_000, p=law.weights / law.weights.sum())
    sample = rng.normal(law.means[which], law.spreads[which])
    open_sample = sample[~(sample <= PRESENT).all(1)]
    for point in POINTS:
        assert law.survival(point) == pytest.approx(np.mean((open_sample > point).any(1)), abs=4e-3)


def test_mixture_keeps_its_digits_where_one_minus_the_distribution_function_has_none():
    law = MixtureLaw(np.repeat([[100.0, 200.0]], 30, axis=0), PRESENT, Q_MAX)
    spread = 1.0  # the floor of one sample
    far = np.array([[100 + 9 * spread, 200 + 9 * spread], [100 + 36 * spread, 200 + 38 * spread]])
    assert law.survival(far[0]) == pytest.approx(2 * ndtr(-9.0), rel=1e-12)
    assert law.survival(far[1]) == pytest.approx(ndtr(-36.0) + ndtr(-38.0), rel=1e-9)
    later = law.given([170.0, 290.0])  # 70 and 90 spreads beyond the requirement: contradicted, but still a law
    assert later.survival([170.0, 290.0]) == pytest.approx(1.0)
    assert later.survival([171.0, 290.0]) == pytest.approx(np.exp(log_ndtr(-71.0) - log_ndtr(-70.0)), rel=1e-6)


def test_equal_draws_make_a_smoothed_step_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for distinct in range(1, 13):
            places = np.array([[100.0 + 20 * index, 100.0] for index in range(distinct)])
            law = MixtureLaw(np.repeat(places, 5, axis=0), PRESENT, Q_MAX)
            assert len(law.weights) <= min(distinct, 10)
            assert (law.spreads >= 1.0).all()
            assert law.survival([300.0 + 20 * distinct, 110.0]) < 1e-6
            assert law.survival([60.0, 110.0]) > 0.99


def test_draws_that_the_present_score_contradicts_do_not_count():
    requirements = draws()
    contradicted = np.concatenate([requirements, np.repeat(PRESENT[None], 200, axis=0)])
    first, second = (MixtureLaw(part, PRESENT, Q_MAX) for part in (requirements, contradicted))
    assert second.survival(POINTS) == pytest.approx(first.survival(POINTS))
    all_contradicted = MixtureLaw(np.repeat(PRESENT[None], 50, axis=0), PRESENT, Q_MAX)
    assert all_contradicted.survival(PRESENT) == pytest.approx(1.0)
    assert all_contradicted.survival(PRESENT + 5) < 1e-4  # the least step should do
    some_never = np.concatenate([np.repeat(PRESENT[None], 45, axis=0), np.full((5, 2), np.inf)])
    assert MixtureLaw(some_never, PRESENT, Q_MAX).p_infinite == pytest.approx(0.1)


def test_targets_never_reached_and_reached_already():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        never = MixtureLaw(np.full((30, 2), np.inf), PRESENT, Q_MAX)
        assert never.p_unreachable == 1.0
        assert (never.survival(POINTS) == 1.0).all()
        assert (never.success_gradient(POINTS) == 0.0).all()
        assert (never.centre > PRESENT).all()
        assert never.axes(10)[0][-1] == Q_MAX[0]
        met = MixtureLaw(draws(), PRESENT, Q_MAX, met=True)
        assert met.p_unreachable == 0.0
        assert (met.survival(POINTS) == 0.0).all()
        assert (met.success_gradient(POINTS) == 0.0).all()
        assert [axis.tolist() for axis in met.axes(10)] == [[50.0], [40.0]]


def test_ensemble_knows_that_one_source_can_stand_in_for_the_other_and_the_mixture_does_not():
    curve = AdditiveCurves(np.zeros(2), np.zeros((1, 2)), np.array([[10.0, 10.0]]), np.array([0.0]))
    target = 10 * np.log(100.0 * 100.0)
    cheapest = minimum_cost_sizes(curve, target, np.ones(2), PRESENT, Q_MAX)
    assert cheapest[0] == pytest.approx([100.0, 100.0])
    other = np.array([60.0, 180.0])  # 60 * 180 > 100 * 100
    assert EnsembleLaw(curve, target, cheapest, PRESENT, Q_MAX).survival(other) < 1e-3
    assert MixtureLaw(np.repeat(cheapest, 30, axis=0), PRESENT, Q_MAX).survival(other) > 0.999


def test_ensemble_stays_a_law_where_every_curve_is_far_above_the_target():
    curve = AdditiveCurves(np.zeros(2), np.zeros((1, 2)), np.array([[10.0, 10.0]]), np.array([40.0]))
    law = EnsembleLaw(curve, 20.0, PRESENT[None], PRESENT, Q_MAX)  # exp(-950) underflows
    assert law.survival(PRESENT) == pytest.approx(1.0)
    assert law.survival(PRESENT + 1) == pytest.approx(np.exp(-100 * np.log(51 / 50 * 41 / 40)), rel=1e-9)
