"""The dynamic programme beside tables of all pairs and of all paths, and its plans for two sources beside brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.estimators import expected_cost, plan
from workbench.estimators.dynamic_programme import best_among, best_next
from workbench.estimators.law import RequirementLaw


def test_halving_search_equals_the_table_of_all_pairs():
    rng = np.random.default_rng(0)
    for count in (401, 700, 1_023):
        sizes = np.sort(rng.uniform(1, 100, count))[:, None]
        missed, bill = np.sort(rng.uniform(0, 1, count))[::-1], sizes[:, 0] - sizes[0, 0]
        for value in (1_000 * missed, rng.uniform(0, 100, count), 1_000 * np.round(missed, 1)):
            total = np.where(np.tri(count, k=-1) > 0, np.inf, bill * missed[:, None] + value)
            best, least = best_next(sizes, missed, bill, value)
            assert np.array_equal(best, total.argmin(1))
            assert np.array_equal(least, total.min(1))


class TableLaw(RequirementLaw):
    """A survival given on whole sizes 0 ... n - 1 of two sources."""

    def __init__(self, table) -> None:
        self.table, self.present, self.q_max = table, np.zeros(2), np.full(2, len(table) - 1.0)

    centre = property(lambda self: self.q_max)

    def survival(self, points):
        points = np.asarray(points, int)
        return self.table[points[..., 0], points[..., 1]]

    def success_gradient(self, points):
        raise TypeError("a table has no density")

    def given(self, present):
        return self

    def axes(self, count):
        return [np.arange(len(self.table), dtype=float)] * 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.floats(-1, 3))
def test_best_path_on_a_table_of_two_sources_is_the_best_of_all_paths(seed, rounds, log_penalty):
    """A stock never falls: a path that swapped one source for the other would often seem cheaper."""
    rng = np.random.default_rng(seed)
    hazard = rng.exponential(size=(4, 4)) ** 4 * rng.uniform(0.05, 1)
    hazard[0, 0] = 0.0
    table = np.exp(-hazard.cumsum(0).cumsum(1))
    points = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0), indexing="ij"), -1).reshape(-1, 2)
    price, penalty = np.array([1.0, rng.uniform(0.05, 1)]), 10**log_penalty
    paths = np.array(list(itertools.product(points, repeat=rounds)))
    rising = (np.diff(paths, axis=1, prepend=np.zeros((len(paths), 1, 2))) >= 0).all((1, 2))
    least = expected_cost(TableLaw(table), paths[rising], price, penalty).min()
    best = best_among(TableLaw(table), points, price, penalty, rounds)
    assert np.all(np.diff(best, axis=0) >= 0)
    assert expected_cost(TableLaw(table), best, price, penalty) == pytest.approx(least, rel=1e-12)


class ProductLaw(RequirementLaw):
    """Independent exponential requirements of two sources: all of them must be met."""

    def __init__(self, scales, present=(0.0, 0.0)) -> None:
        self.scales, self.present, self.q_max = (
            np.asarray(scales, float),
            np.asarray(present, float),
            np.array([60.0, 60.0]),
        )

    @property
    def centre(self):
        return np.maximum(2 * self.scales, self.present + 1)

    def _met(self, points):
        return np.prod(-np.expm1(-np.asarray(points, float) / self.scales), -1)

    def survival(self, points):
        return (1 - self._met(points)) / (1 - self._met(self.present))

    def success_gradient(self, points):
        points = np.asarray(points, float)
        one = -np.expm1(-points / self.scales)
        return np.exp(-points / self.scales) / self.scales * one[..., ::-1] / (1 - self._met(self.present))

    def given(self, present):
        return ProductLaw(self.scales, present)

    def axes(self, count):
        return [np.unique(np.append(low, np.linspace(low, 60.0, count))) for low in self.present]


@pytest.mark.parametrize("price", [(1.0, 1.0), (1.0, 0.2)])
@pytest.mark.parametrize("penalty", [2.0, 60.0, 1_000.0])
@pytest.mark.parametrize("whole", [True, False])
def test_two_independent_sources_match_brute_force(price, penalty, whole):
    law = ProductLaw([4.0, 8.0], present=(1.0, 2.0))
    grid = [np.arange(1.0, 61.0), np.arange(2.0, 61.0)]
    points = np.stack(np.meshgrid(*grid, indexing="ij"), -1).reshape(-1, 2)
    once = (points - law.present) @ price + penalty * law.survival(points)
    best = plan(law, (1, 2), cost=price, penalty=penalty, rounds=1, whole=whole)
    assert best.expected_cost <= once.min() * (1 + 1e-9)
    coarse = points[::7]
    first = (coarse - law.present) @ price
    second = np.where(
        (points >= coarse[:, None]).all(-1), (points - coarse[:, None]) @ price * law.survival(coarse)[:, None], np.inf
    )
    twice = (first[:, None] + second + penalty * law.survival(points)).min()
    best = plan(law, (1, 2), cost=price, penalty=penalty, rounds=2, whole=whole)
    assert best.orders.shape == (2, 2)
    assert best.expected_cost <= min(twice, penalty) * (1 + 1e-9)
    assert np.all(best.orders >= 0)
    if whole:
        assert best.expected_cost == pytest.approx(min(once.min(), best.expected_cost))
        assert np.array_equal(best.sizes, np.round(best.sizes))


class ProductLawWithoutDensity(ProductLaw):
    def success_gradient(self, points):
        raise TypeError("no density")

    def given(self, present):
        return ProductLawWithoutDensity(self.scales, present)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_finer_grids_alone_come_close_where_there_is_no_density(rounds):
    smooth, bare = (
        plan(law([4.0, 8.0]), (1, 2), cost=(1, 0.3), penalty=500, rounds=rounds, whole=False).expected_cost
        for law in (ProductLaw, ProductLawWithoutDensity)
    )
    assert smooth <= bare <= smooth * (1 + 1e-5)


def test_cheap_source_is_bought_more():
    law = ProductLaw([6.0, 6.0], present=(1.0, 1.0))
    best = plan(law, (1, 1), cost=(1.0, 0.1), penalty=500, rounds=1)
    assert best.orders[0, 1] > best.orders[0, 0]


class ThreeSources(ProductLaw):
    def __init__(self) -> None:
        super().__init__([4.0, 4.0, 4.0], (1.0, 1.0, 1.0))
        self.q_max = np.full(3, 60.0)

    def given(self, present):
        return self

    def success_gradient(self, points):
        points = np.asarray(points, float)
        one = -np.expm1(-points / self.scales)
        return (
            np.exp(-points / self.scales)
            / self.scales
            * one.prod(-1, keepdims=True)
            / one
            / (1 - self._met(self.present))
        )


def test_three_sources_have_the_descent_alone():
    law = ThreeSources()
    with pytest.raises(ValueError, match="at most two sources, got 3: use solver='gradient'"):
        plan(law, (1, 1, 1), cost=(1, 1, 1), penalty=500, rounds=2)
    best = plan(law, (1, 1, 1), cost=(1, 1, 1), penalty=500, rounds=2, solver="gradient")
    assert best.orders.shape == (2, 3)
    assert np.array_equal(best.sizes, np.round(best.sizes))
    assert best.success_probability > 0.8
