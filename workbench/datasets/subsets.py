"""Growing subsets of a labelled set, for measuring learning curves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def nested_stratified_subsets(labels: ArrayLike, sizes: Sequence[int], seed: int) -> list[np.ndarray]:
    """Return one array of indices per size, each the beginning of the next, with every class in proportion.

    In a subset of n samples, class c with N_c of the N labels has more than n N_c / N - 1 and fewer than n N_c / N + 1 samples,
    at every n. So a learning curve measured on them never mixes "more data" with "other classes".

    Which samples are drawn is random; which class comes next is the earliest-deadline-first schedule of proportionate fairness
    (Baruah, Cohen, Plaxton, Varvel, "Proportionate progress", Algorithmica 1996): the j-th sample of a class may be placed from
    position floor((j-1) N / N_c) on and must be placed before ceil(j N / N_c).

    Args:
        labels: (N,) of any type that ``numpy.unique`` sorts.
        sizes: strictly increasing, from at least the number of classes to at most N.
        seed: of the random draw; the same seed gives the same subsets.

    Returns:
        List of int64 arrays, the i-th of length ``sizes[i]``, without repeats.

    Raises:
        ValueError: labels are empty or not one-dimensional; sizes are empty, not strictly increasing, above N, or below the
            number of classes (classifiers refuse a training set that lacks a class). A rare class may still be absent from
            the smallest subsets, since it is in proportion.
        TypeError: a size is not a whole number.

    >>> labels = ["cat"] * 6 + ["dog"] * 3
    >>> [sorted(subset.tolist()) for subset in nested_stratified_subsets(labels, [3, 9], seed=0)]
    [[4, 5, 6], [0, 1, 2, 3, 4, 5, 6, 7, 8]]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or len(labels) == 0:
        raise ValueError(f"labels must be a non-empty one-dimensional array, got shape {labels.shape}")
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    _check_sizes(sizes, len(counts), len(labels))
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    members = [shuffled[classes[shuffled] == index] for index in range(len(counts))]
    turns = _fair_turns(counts.tolist(), int(sizes[-1]), generator.permutation(len(counts)).tolist())
    order = np.empty(len(turns), dtype=np.int64)
    for index, own in enumerate(members):
        places = np.flatnonzero(turns == index)
        order[places] = own[: len(places)]
    return [order[:size].copy() for size in sizes]


def _check_sizes(sizes: Sequence[int], n_classes: int, n_samples: int) -> None:
    if len(sizes) == 0:
        raise ValueError("sizes is empty; expected at least one")
    for size in sizes:
        if isinstance(size, bool | np.bool_) or not isinstance(size, int | np.integer):
            raise TypeError(f"sizes must be whole numbers, got {size!r}")
    for before, after in itertools.pairwise(sizes):
        if after <= before:
            raise ValueError(f"sizes must increase strictly, got {before} before {after}")
    if sizes[0] < n_classes:
        raise ValueError(f"sizes must be at least the number of classes, {n_classes}, got {sizes[0]}")
    if sizes[-1] > n_samples:
        raise ValueError(f"sizes must be at most the number of labels, {n_samples}, got {sizes[-1]}")


def _fair_turns(counts: list[int], length: int, tie_order: list[int]) -> np.ndarray:
    """Return which class takes each of the first ``length`` places; ``tie_order`` breaks ties between equal deadlines."""
    total = sum(counts)
    waiting = [(0, tie_order[index], index, 1) for index in range(len(counts))]
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int, int]] = []
    turns = np.empty(length, dtype=np.int64)
    for place in range(length):
        while waiting and waiting[0][0] <= place:
            _, tie, index, j = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-j * total // counts[index]), tie, index, j))
        _, tie, index, j = heapq.heappop(ready)
        turns[place] = index
        if j < counts[index]:
            heapq.heappush(waiting, (j * total // counts[index], tie, index, j + 1))
    return turns
