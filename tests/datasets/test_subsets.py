import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.datasets import load_digits_set, nested_stratified_subsets


@st.composite
def labels_and_sizes(draw):
    counts = draw(st.lists(st.integers(1, 40), min_size=1, max_size=8))
    labels = draw(st.permutations([index for index, count in enumerate(counts) for _ in range(count)]))
    sizes = draw(st.sets(st.integers(len(counts), len(labels)), min_size=1, max_size=8))
    return np.array(labels), sorted(sizes), draw(st.integers(0, 2**32 - 1))


@settings(max_examples=150, deadline=None)
@given(labels_and_sizes())
def test_subsets_are_nested_and_in_proportion(case):
    labels, sizes, seed = case
    subsets = nested_stratified_subsets(labels, sizes, seed)
    assert [len(subset) for subset in subsets] == sizes
    share = np.bincount(labels) / len(labels)
    for subset in subsets:
        assert len(np.unique(subset)) == len(subset)
        counts = np.bincount(labels[subset], minlength=len(share))
        assert np.abs(counts - len(subset) * share).max() < 1
    for smaller, larger in itertools.pairwise(subsets):
        np.testing.assert_array_equal(larger[: len(smaller)], smaller)


def test_seed_decides_the_draw():
    labels = load_digits_set().labels
    first, again, other = (nested_stratified_subsets(labels, [20, 200], seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[1], again[1])
    assert set(first[1]) != set(other[1])
    assert set(labels[first[0]]) == set(range(10))


def test_every_sample_is_equally_likely():
    labels = np.array([0] * 6 + [1] * 3)
    drawn = np.zeros(9)
    for seed in range(600):
        drawn[nested_stratified_subsets(labels, [3], seed)[0]] += 1
    np.testing.assert_allclose(drawn / 600, 1 / 3, atol=0.08)


@pytest.mark.parametrize(
    "sizes, error, message",
    [
        ([], ValueError, "sizes is empty"),
        ([4, 4], ValueError, "increase strictly, got 4 before 4"),
        ([6, 4], ValueError, "increase strictly, got 6 before 4"),
        ([2, 9], ValueError, "at most the number of labels, 8, got 9"),
        ([1, 4], ValueError, "at least the number of classes, 2, got 1"),
        ([2.0], TypeError, "whole numbers, got 2.0"),
        ([True], TypeError, "whole numbers, got True"),
    ],
)
def test_sizes_are_checked(sizes, error, message):
    with pytest.raises(error, match=message):
        nested_stratified_subsets(["a", "b"] * 4, sizes, 0)


@pytest.mark.parametrize("labels", [[], [[1, 2]]])
def test_labels_are_checked(labels):
    with pytest.raises(ValueError, match="non-empty one-dimensional"):
        nested_stratified_subsets(labels, [1], 0)
