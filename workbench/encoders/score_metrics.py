"""Metrics of the scores themselves, without a threshold: strong demographic parity and the area under the ROC curve.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023; strong demographic parity after
Jiang et al., "Wasserstein Fair Classification", UAI 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.encoders.categories import Codes
from workbench.encoders.validation import (
    Floats,
    check_confidence,
    check_groups,
    check_scores,
    check_target,
    check_whole,
    listed,
)


def strong_parity(
    score: ArrayLike, group: ArrayLike, reference: Any, *, draws: int = 0, confidence: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Return the Wasserstein-1 distance of each group's scores to those of a reference group.

    Args:
        score: (n,) numbers; the distances have their unit.
        group: (n,) group of each row; missing values are a group, written ``(missing)``.
        reference: the group that the others are compared with.
        draws: how often rows are drawn anew for the interval and for what chance does; 0 for neither.
        confidence: level of both.
        seed: of the draws.

    Returns:
        Like the frame of :func:`workbench.encoders.gaps`: ``metric``, ``group``, ``value``, ``n``, ``reference``.  Small groups of
        the same distribution as the reference are not at zero: chance alone sets samples apart.  So with ``draws`` there are
        ``low`` and ``high``, the percentile interval of the bootstrap over the rows of both groups, which inherits that bias, and
        ``chance``, which the distance stays below with probability ``confidence`` when the names of the two groups are shuffled:
        a value above it is no accident of the sample.

    Raises:
        ValueError: the reference is not among the groups, lengths differ, a score is not finite, ``draws`` is negative, or
            ``confidence`` is not between 0 and 1.

    >>> strong_parity([0.1, 0.3, 0.5, 0.9], ["a", "a", "b", "b"], "a")
              metric group  value  n reference
    0  strong_parity     b    0.5  2         a
    """
    scores = check_scores(score)
    categories, codes = check_groups(group, len(scores))
    if reference not in categories.labels:
        raise ValueError(f"reference {reference!r} is not among the groups {listed(categories.labels)}")
    position = categories.labels.index(reference)
    frame = pd.DataFrame(
        {
            "metric": "strong_parity",
            "group": categories.labels,
            "value": parity_values(scores, codes, len(categories), position),
            "n": np.bincount(codes),
            "reference": reference,
        }
    )
    if check_whole(draws, "draws", 0):
        tail = 50 * (1 - check_confidence(confidence))
        rng, samples = np.random.default_rng(seed), [scores[codes == code] for code in range(len(categories))]
        drawn = [_drawn_distances(sample, samples[position], int(draws), rng) for sample in samples]
        frame[["low", "high"]] = [np.percentile(again, [tail, 100 - tail]) for again, _ in drawn]
        frame["chance"] = [np.percentile(shuffled, 100 * confidence) for _, shuffled in drawn]
    return frame.drop(index=position).reset_index(drop=True)


def _drawn_distances(first: Floats, second: Floats, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return distances (draws,) of samples drawn anew with replacement, and of samples whose rows were shuffled among them."""
    both, found = np.concatenate([first, second]), np.empty((2, draws))
    for draw in range(draws):
        found[0, draw] = _distance(*(np.sort(rng.choice(sample, len(sample))) for sample in (first, second)))
        rng.shuffle(both)
        found[1, draw] = _distance(np.sort(both[: len(first)]), np.sort(both[len(first) :]))
    return found[0], found[1]


def parity_values(scores: Floats, codes: Codes, groups: int, reference: int) -> Floats:
    """Return the distance (g,) of each group's scores to those of the group at position ``reference``."""
    ordered = np.split(scores[np.argsort(codes, kind="stable")], np.cumsum(np.bincount(codes, minlength=groups))[:-1])
    samples = [np.sort(sample) for sample in ordered]
    return np.array([_distance(sample, samples[reference]) for sample in samples])


def wasserstein(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Wasserstein-1 distance of two samples, the area between their quantile functions; O(n log n).

    Args:
        first: (n,) numbers.
        second: (m,) numbers; sizes may differ.

    Raises:
        ValueError: a sample is empty or holds what is not finite.

    >>> wasserstein([0, 1, 3], [5, 6, 8])
    5.0
    """
    samples = [np.sort(check_scores(sample)) for sample in (first, second)]
    if not all(len(sample) for sample in samples):
        raise ValueError("a sample is empty; expected at least one number in each")
    return _distance(*samples)


def _distance(sample: Floats, reference: Floats) -> float:
    """Return the distance of two sorted samples.

    The ``j``-th of ``n`` values holds the levels from ``a = j/n`` to ``b = (j+1)/n``.  The reference's quantile function is
    below it up to the level ``c`` and above it from there on, so that the area between the two is ``x (2c - a - b) - (2 P(c) -
    P(a) - P(b))`` with the integral ``P`` of the quantile function: a running sum of the reference.
    """
    n, m = len(sample), len(reference)
    shift = reference[0]  # keeps the running sum small where scores lie far from zero
    levels, running = np.arange(m + 1) / m, np.concatenate([[0.0], np.cumsum(reference - shift)]) / m
    edges = np.arange(n + 1) / n
    crossing = np.clip(np.searchsorted(reference, sample) / m, edges[:-1], edges[1:])
    at_edges, at_crossing = np.interp(edges, levels, running), np.interp(crossing, levels, running)
    areas = (sample - shift) * (2 * crossing - edges[:-1] - edges[1:]) - (
        2 * at_crossing - at_edges[:-1] - at_edges[1:]
    )
    return float(np.maximum(areas, 0.0).sum())


def group_auc(y: ArrayLike, score: ArrayLike, group: ArrayLike) -> pd.DataFrame:
    """Return the area under the ROC curve within each group: P(score of a positive > of a negative), ties count half.

    Args:
        y: (n,) of 0 and 1 or booleans.
        score: (n,) numbers, higher is more positive.
        group: (n,) group of each row.

    Returns:
        One row per group: ``group``, ``auc`` (NaN where the group has a single class), ``n`` and ``positives``.

    >>> group_auc([1, 0, 0, 1], [0.9, 0.2, 0.1, 0.4], ["a", "a", "b", "b"])
      group  auc  n  positives
    0     a  1.0  2          1
    1     b  1.0  2          1
    """
    target = check_target(y, one_class=True)
    scores = check_scores(score, len(target))
    categories, codes = check_groups(group, len(target))
    return pd.DataFrame(
        {
            "group": categories.labels,
            "auc": auc_values(target, scores, codes, len(categories)),
            "n": np.bincount(codes),
            "positives": np.bincount(codes[target == 1], minlength=len(categories)),
        }
    )


def auc_values(target: ArrayLike, scores: Floats, codes: Codes, groups: int) -> Floats:
    """Return the AUC (g,) of each group from the ranks of all groups at once: (rank sum - P (P + 1) / 2) / (P N)."""
    order = np.lexsort((scores, codes))
    in_order, group_of = scores[order], codes[order]
    new = np.concatenate([[True], (np.diff(in_order) != 0) | (np.diff(group_of) != 0)])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(order))
    rank = np.repeat((first + last + 1) / 2, last - first)  # of all rows; equal scores share theirs
    rows = np.bincount(codes, minlength=groups)
    positive = np.asarray(target)[order] == 1
    positives = np.bincount(group_of[positive], minlength=groups)
    start = np.cumsum(rows) - rows
    rank_sum = np.bincount(group_of[positive], rank[positive], minlength=groups) - positives * start
    pairs = positives * (rows - positives)
    return np.where(pairs > 0, rank_sum - positives * (positives + 1) / 2, np.nan) / np.where(pairs > 0, pairs, 1)
