import numpy as np
import pytest
from scipy.optimize import minimize

from workbench.estimators.additive import AdditiveCurves
from workbench.estimators.minimum_cost import minimum_cost_sizes

PRESENT, Q_MAX = np.array([65.0, 65.0]), np.array([1300.0, 1300.0])


def random_curves(count, sources, exponents, seed=0):
    rng = np.random.default_rng(seed)
    return AdditiveCurves(
        np.log(rng.uniform(20, 60, sources)),
        rng.uniform(*exponents, (count, sources)),
        rng.exponential(12, (count, sources)) * (rng.random((count, sources)) > 0.1),
        rng.uniform(50, 70, count),
    )


@pytest.mark.parametrize("exponents", [(-4, 0), (0, 1), (1, 1), (0, 1.5), (1.1, 1.5)])
@pytest.mark.parametrize("cost", [(1.0, 0.5), (1.0, 0.05)])
def test_two_sources_match_a_scan_of_the_square(exponents, cost):
    curves = random_curves(25, 2, exponents)
    found = minimum_cost_sizes(curves, 85.0, np.array(cost), PRESENT, Q_MAX)
    axis = np.geomspace(65, 1300, 250)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    bills = points @ np.array(cost)
    for row in range(25):
        there = curves.take(np.array([row])).evaluate(points)[0] >= 85.0
        least = bills[there].min() if there.any() else np.inf
        bill = found[row] @ np.array(cost)
        assert np.isfinite(bill) == np.isfinite(least)
        if np.isfinite(bill):
            assert least / 1.0122 - 1e-9 <= bill <= least * (1 + 1e-4)  # a step of the scan is 1.2 %
    reached = np.isfinite(found).all(1)
    assert (found[reached] >= PRESENT).all()
    assert (found[reached] <= Q_MAX).all()
    assert (curves.take(np.flatnonzero(reached)).paired(found[reached]) >= 85.0 - 1e-5).all()


def test_three_sources_match_scipy():
    curves, cost, present = random_curves(12, 3, (-1.0, 0.9), seed=1), np.array([1.0, 0.5, 0.2]), np.full(3, 30.0)
    found = minimum_cost_sizes(curves, 88.0, cost, present, np.full(3, 900.0))
    for row in np.flatnonzero(np.isfinite(found).all(1)):
        one = curves.take(np.array([row]))
        answer = minimize(
            lambda q: q @ cost,
            np.full(3, 600.0),
            jac=lambda q: cost,
            bounds=[(30.0, 900.0)] * 3,
            constraints={
                "type": "ineq",
                "fun": lambda q, one=one: one.evaluate(q)[0] - 88.0,
                "jac": lambda q, one=one: one.gradient(q)[0],
            },
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-9},
        )
        assert found[row] @ cost == pytest.approx(answer.fun, rel=1e-4)


def test_at_the_optimum_a_unit_of_money_buys_the_same_score_of_every_source():
    curves, cost = random_curves(100, 2, (-1.0, 0.5)), np.array([3.0, 0.7])
    found = minimum_cost_sizes(curves, 85.0, cost, PRESENT, Q_MAX)
    inside = ((found > PRESENT + 1) & (found < Q_MAX - 1)).all(1)
    assert inside.sum() > 5
    per_price = np.stack([curves.gradient(found[row])[row] / cost for row in np.flatnonzero(inside)])
    assert per_price[:, 0] == pytest.approx(per_price[:, 1], rel=1e-6)


def test_only_the_ratio_of_prices_counts_and_it_rotates_the_answer():
    curves = AdditiveCurves(np.log([50.0, 50.0]), np.full((1, 2), -0.2), np.array([[9.0, 6.0]]), np.array([65.0]))
    answers = [
        minimum_cost_sizes(curves, 80.0, np.array([1.0, price]), PRESENT, Q_MAX)[0] for price in (4, 2, 1, 0.5, 0.1)
    ]
    assert np.isfinite(answers).all()
    assert (np.diff(answers, axis=0)[:, 0] <= 1e-6).all()  # ever less of source 1 ...
    assert (np.diff(answers, axis=0)[:, 1] >= -1e-6).all()  # ... and more of source 2 the cheaper that is
    assert answers[-1][1] > answers[0][1] + 10
    twice = minimum_cost_sizes(curves, 80.0, np.array([10.0, 10.0]), PRESENT, Q_MAX)[0]
    assert twice == pytest.approx(answers[2], rel=1e-9)


def test_present_sizes_that_suffice_and_targets_out_of_reach():
    saturating = AdditiveCurves(np.log([50.0, 50.0]), np.full((1, 2), -1.0), np.full((1, 2), 10.0), np.array([70.0]))
    ceiling = 90.0  # 70 + 10 + 10
    for target, expected in ((60.0, PRESENT), (ceiling, np.full(2, np.inf))):
        assert np.array_equal(minimum_cost_sizes(saturating, target, np.ones(2), PRESENT, Q_MAX)[0], expected)
    flat = AdditiveCurves(np.log([50.0, 50.0]), np.zeros((1, 2)), np.zeros((1, 2)), np.array([70.0]))
    assert np.isinf(minimum_cost_sizes(flat, 71.0, np.ones(2), PRESENT, Q_MAX)).all()
