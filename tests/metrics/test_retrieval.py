import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from workbench.metrics import average_precision, lift, precision_at, recall_at

POOLS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30).filter(
    lambda pool: any(positive for _, positive in pool)
)


def test_closed_forms():
    scores = [5, 4, 3, 2, 1]
    assert average_precision(scores, [1, 1, 0, 0, 0]) == 1
    assert average_precision(scores, [0, 0, 0, 0, 1]) == 1 / 5
    assert average_precision(scores, [0, 1, 0, 1, 0]) == (1 / 2 + 2 / 4) / 2
    assert precision_at(scores, [1, 0, 1, 0, 0], 2) == 1 / 2
    assert recall_at(scores, [1, 0, 1, 1, 0], 3) == 2 / 3
    assert lift(scores, [1, 0, 0, 0, 0], 2) == (1 / 2) / (1 / 5)


@given(pool=POOLS, seed=st.integers(0, 99))
def test_average_precision_is_scikit_learns_where_no_scores_are_equal(pool, seed):
    positives = np.array([positive for _, positive in pool])
    scores = np.random.default_rng(seed).permutation(len(pool))
    assert average_precision(scores, positives) == pytest.approx(average_precision_score(positives, scores))


@given(pool=POOLS)
def test_equal_scores_rank_in_the_order_of_the_pool(pool):
    scores, positives = (np.array(column) for column in zip(*pool, strict=True))
    broken_ties = scores - np.arange(len(scores)) / 1000
    assert average_precision(scores, positives) == average_precision(broken_ties, positives)
    assert precision_at(scores, positives, 3) == precision_at(broken_ties, positives, 3)


@given(pool=POOLS, k=st.integers(1, 40))
def test_precision_recall_and_lift_agree(pool, k):
    scores, positives = (np.array(column) for column in zip(*pool, strict=True))
    hits = recall_at(scores, positives, k) * positives.sum()
    assert precision_at(scores, positives, k) * min(k, len(pool)) == pytest.approx(hits)
    assert lift(scores, positives, k) * positives.mean() == pytest.approx(precision_at(scores, positives, k))


def test_more_than_the_pool_is_the_pool():
    assert precision_at([1, 2], [True, False], 9) == 0.5
    assert recall_at([1, 2], [True, False], 9) == lift([1, 2], [True, False], 9) == 1


def test_tensors_and_infinite_scores_rank():
    scores = torch.tensor([-torch.inf, 0.5, torch.inf])
    assert average_precision(scores, torch.tensor([False, False, True])) == 1
    assert average_precision(scores, torch.tensor([True, False, False])) == 1 / 3


@pytest.mark.parametrize("metric", [average_precision, lambda *pool: recall_at(*pool, 1), lambda *pool: lift(*pool, 1)])
def test_without_positives_there_is_no_number(metric):
    with pytest.warns(RuntimeWarning, match="is not defined: the pool has no positive"):
        assert np.isnan(metric([1.0, 2.0], [False, False]))


@pytest.mark.parametrize(
    "scores, positives, message",
    [
        ([], [], "the pool is empty"),
        ([1, 2], [True], r"one value per image, got shapes \(2,\) and \(1,\)"),
        ([[1]], [[True]], r"got shapes \(1, 1\) and \(1, 1\)"),
        ([1, np.nan], [True, False], "score 1 is NaN"),
        ([1, 2], [0, 3], "positives must be true or false"),
    ],
)
def test_bad_input_is_named(scores, positives, message):
    with pytest.raises(ValueError, match=message):
        average_precision(scores, positives)
    with pytest.raises(ValueError, match=message):
        precision_at(scores, positives, 1)


@pytest.mark.parametrize("metric", [precision_at, recall_at, lift])
def test_k_is_at_least_one(metric):
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        metric([1.0], [True], 0)
