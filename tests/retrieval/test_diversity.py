"""Greedy choice: the objectives by brute force, the guarantee, and near-duplicates."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from workbench.retrieval import covering_facility_location, facility_location, graph_cut

RNG = np.random.default_rng(0)
QUERIES = RNG.random((3, 8))
BETWEEN = np.corrcoef(RNG.random((8, 6))).clip(0)


def facility_value(chosen, eta=1.0):
    part = QUERIES[:, list(chosen)]
    return part.max(1).sum() + eta * part.max(0).sum()


def covering_value(chosen, eta=1.0):
    return np.minimum(BETWEEN[:, list(chosen)].max(1), eta * QUERIES.max(0)).sum()


def graph_cut_value(chosen, balance=1.0, redundancy=0.5):
    chosen = list(chosen)
    pairs = sum(BETWEEN[i, j] for i, j in combinations(chosen, 2))
    return 2 * balance * QUERIES[:, chosen].sum() - redundancy * pairs


CASES = {
    "facility": (facility_value, lambda count: facility_location(QUERIES, count)),
    "covering": (covering_value, lambda count: covering_facility_location(QUERIES, BETWEEN, count)),
    "graph cut": (graph_cut_value, lambda count: graph_cut(QUERIES, BETWEEN, count, redundancy=0.5)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_step_takes_the_largest_gain(name):
    value, choose = CASES[name]
    chosen = choose(8)
    assert sorted(chosen) == list(range(8))
    for step in range(8):
        rest = [index for index in range(8) if index not in chosen[:step]]
        best = max(value([*chosen[:step], index]) for index in rest)
        assert value(chosen[: step + 1]) == pytest.approx(best)


@pytest.mark.parametrize("name", ["facility", "covering"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_greedy_is_near_the_best_of_all_sets(name, count):
    value, choose = CASES[name]
    best = max(value(chosen) for chosen in combinations(range(8), count))
    assert value(choose(count)) >= (1 - 1 / np.e) * best


def test_near_duplicates_add_nothing():
    frames = np.repeat(np.eye(3), 4, 0)  # three scenes of four frames each
    between = frames @ frames.T
    relevance = np.repeat([0.9, 0.8, 0.7], 4)[None]
    assert graph_cut(relevance, None, 3) == [0, 1, 2]
    assert covering_facility_location(relevance, between, 3) == [0, 4, 8]
    assert graph_cut(relevance, between, 3, redundancy=1) == [0, 4, 8]


def test_every_query_is_served_before_one_is_served_twice():
    queries = np.array([[0.9, 0.9, 0.0], [0.0, 0.0, 0.5]])
    assert facility_location(queries, 2, eta=0.1) == [0, 2]
    assert facility_location(queries, 2, eta=10) == [0, 1]


def test_ties_keep_the_order_and_more_than_there_are_gives_all():
    assert facility_location(np.ones((1, 4)), 9) == [0, 1, 2, 3]


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="count must be a whole number of at least 1, got 0"):
        facility_location(QUERIES, 0)
    with pytest.raises(ValueError, match="queries must be finite and not negative: cut cosines at 0"):
        facility_location(-QUERIES, 2)
    with pytest.raises(ValueError, match=r"queries has shape \(8,\), expected \(Q, V\)"):
        facility_location(QUERIES[0], 2)
    with pytest.raises(ValueError, match=r"pictures has shape \(7, 8\), expected \(8, 8\)"):
        covering_facility_location(QUERIES, BETWEEN[:7], 2)
    with pytest.raises(ValueError, match="pictures is None, but redundancy is above 0"):
        graph_cut(QUERIES, None, 2, redundancy=1)
    for options in ({"balance": -1}, {"redundancy": -1}):
        with pytest.raises(ValueError, match="must be 0 or more, got -1"):
            graph_cut(QUERIES, BETWEEN, 2, **options)
    with pytest.raises(ValueError, match="eta must be 0 or more, got nan"):
        facility_location(QUERIES, 2, eta=float("nan"))
