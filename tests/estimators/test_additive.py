import itertools

import numpy as np
import pytest
from scipy.optimize import nnls

from workbench.estimators.additive import EXPONENTS, AdditiveCurves, fit_additive, nonnegative_slopes

GRID = np.array(list(itertools.product((13.0, 33.0, 65.0, 130.0), (20.0, 40.0, 80.0))))
FAR = np.array([[500.0, 300.0], [65.0, 2000.0], [4000.0, 20.0]])


def curves(exponents, slopes, level=60.0):
    return AdditiveCurves(np.log([40.0, 50.0]), np.array([exponents]), np.array([slopes]), np.array([level]))


@pytest.mark.parametrize(
    "family, exponents",
    [
        ("additive_saturating", (-0.5, -1.0)),
        ("additive_saturating", (-2.0, -0.2)),
        ("additive_saturating", (0.0, -1.0)),
        ("additive", (0.5, 0.0)),
        ("additive", (0.3, 1.2)),
    ],
)
def test_a_curve_of_the_family_is_found_exactly(family, exponents):
    truth = curves(exponents, (9.0, 5.0))
    found = fit_additive(GRID, truth.evaluate(GRID)[0], np.ones((1, len(GRID))), family)
    assert found.exponents[0] == pytest.approx(exponents, abs=1e-4)
    assert found.evaluate(FAR)[0] == pytest.approx(truth.evaluate(FAR)[0], abs=1e-2)


@pytest.mark.parametrize("family", EXPONENTS)
def test_fit_is_as_good_as_a_search_of_a_fine_grid(family):
    rng = np.random.default_rng(0)
    scores = curves((-0.5, -0.5), (9.0, 5.0)).evaluate(GRID)[0] + rng.normal(0, 1, len(GRID))
    weights = rng.multinomial(len(GRID), np.full(len(GRID), 1 / len(GRID)), size=6) * np.exp2(np.arange(len(GRID)) / 2)
    found = fit_additive(GRID, scores, weights, family)
    error = (weights * (scores - found.evaluate(GRID)) ** 2).sum(1)
    best = np.full(6, np.inf)
    for exponents in itertools.product(np.linspace(*EXPONENTS[family], 31), repeat=2):
        basis = [np.ones(len(GRID)), *(_power(GRID[:, k], b) for k, b in enumerate(exponents))]
        for row, weight in enumerate(np.sqrt(weights)):
            columns = np.stack([*basis, -basis[0]], 1) * weight[:, None]
            best[row] = min(best[row], nnls(columns, scores * weight)[1] ** 2)
    assert (error <= best * 1.001).all()


def _power(sizes, exponent):
    return np.log(sizes) if exponent == 0 else (sizes**exponent - 1) / exponent


def test_slopes_are_those_of_nonnegative_least_squares():
    rng = np.random.default_rng(1)
    columns, values = rng.normal(size=(50, 8, 3)), rng.normal(size=(50, 8))
    columns[:5, :, 2] = columns[:5, :, 1]  # equal columns must not make the system singular
    slopes, gain = nonnegative_slopes(columns.swapaxes(1, 2) @ columns, (columns * values[..., None]).sum(1))
    for found, won, matrix, target in zip(slopes, gain, columns, values, strict=True):
        error = nnls(matrix, target)[1] ** 2
        assert ((target - matrix @ found) ** 2).sum() == pytest.approx(error, abs=1e-8)
        assert won == pytest.approx(target @ target - error, abs=1e-8)
    assert (slopes >= 0).all()


def test_a_source_that_lowers_the_score_gets_no_slope():
    scores = 60 + 8 * np.log(GRID[:, 0] / 40) - 3 * np.log(GRID[:, 1] / 50)
    found = fit_additive(GRID, scores, np.ones((1, len(GRID))), "additive_saturating")
    assert found.slopes[0, 1] == 0
    assert found.slopes[0, 0] > 0


def test_rows_do_not_depend_on_the_rows_beside_them():
    rng = np.random.default_rng(2)
    scores = curves((-0.5, -0.5), (9.0, 5.0)).evaluate(GRID)[0] + rng.normal(0, 1, len(GRID))
    weights = rng.multinomial(len(GRID), np.full(len(GRID), 1 / len(GRID)), size=20).astype(float)
    weights[7] = weights[3]
    together = fit_additive(GRID, scores, weights, "additive_saturating")
    assert np.array_equal(together.exponents[7], together.exponents[3])
    for row in (0, 3, 19):
        alone = fit_additive(GRID, scores, weights[[row]], "additive_saturating")
        assert alone.evaluate(FAR)[0] == pytest.approx(together.evaluate(FAR)[row], abs=1e-9)


def test_gradient_is_the_slope_of_the_scores():
    curve = curves((-0.7, 0.0), (9.0, 5.0))
    step = 1e-4
    for source, shift in enumerate(np.eye(2) * step):
        slope = (curve.evaluate(FAR + shift) - curve.evaluate(FAR - shift)) / (2 * step)
        assert curve.gradient(FAR)[..., source] == pytest.approx(slope, rel=1e-5)


def test_units_of_the_sizes_do_not_matter():
    rng = np.random.default_rng(3)
    scores = curves((-0.5, -0.5), (9.0, 5.0)).evaluate(GRID)[0] + rng.normal(0, 0.3, len(GRID))
    unit, weights = np.array([1000.0, 7.0]), np.ones((1, len(GRID)))
    samples = fit_additive(GRID, scores, weights, "additive_saturating").evaluate(FAR)
    others = fit_additive(GRID * unit, scores, weights, "additive_saturating").evaluate(FAR * unit)
    assert others == pytest.approx(samples, abs=1e-6)
