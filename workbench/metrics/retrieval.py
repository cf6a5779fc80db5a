"""Metrics of a ranking: how many of the wanted images stand near its top, of those that a person can afford to label.

Images are ranked by score, highest first; equal scores keep the order of the pool, so that every number is reproducible.
Definitions: Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 2008, section 8.4.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike


def average_precision(scores: ArrayLike, positives: ArrayLike) -> float:
    """Return AP = mean over the positives of (positives ranked so far) / (their rank), without interpolation.

    Args:
        scores: (N,) numbers, higher is better; infinite ones are fine.
        positives: (N,) truth values, whether the image is wanted.

    Returns:
        In (0, 1]; NaN with a RuntimeWarning where the pool has no positive, for then no ranking is better than another.

    Raises:
        ValueError: the pool is empty, shapes differ, a score is NaN, or a truth value is neither 0 nor 1.

    >>> average_precision([0.9, 0.8, 0.7, 0.1], [True, False, True, False])  # (1/1 + 2/3) / 2
    0.8333...
    """
    ranked = _ranked(scores, positives)
    if not ranked.any():
        return _no_positives("average precision")
    ranks = np.flatnonzero(ranked) + 1
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


def precision_at(scores: ArrayLike, positives: ArrayLike, k: int) -> float:
    """Return the share of positives among the ``k`` best; of all N where ``k`` is larger. Arguments as average_precision.

    Raises:
        ValueError: as average_precision, or ``k`` is below 1.

    >>> precision_at([0.9, 0.8, 0.7, 0.1], [True, False, True, False], k=3)
    0.6666...
    """
    return float(_ranked(scores, positives)[: _count(k)].mean())


def recall_at(scores: ArrayLike, positives: ArrayLike, k: int) -> float:
    """Return which share of all positives is among the ``k`` best; NaN with a RuntimeWarning where there is none.

    Raises:
        ValueError: as average_precision, or ``k`` is below 1.

    >>> recall_at([0.9, 0.8, 0.7, 0.1], [True, False, True, False], k=1)
    0.5
    """
    ranked, count = _ranked(scores, positives), _count(k)
    if not ranked.any():
        return _no_positives("recall")
    return float(ranked[:count].sum() / ranked.sum())


def lift(scores: ArrayLike, positives: ArrayLike, k: int) -> float:
    """Return precision at ``k`` over the prevalence of positives: how many times a random draw; NaN where there is none.

    Raises:
        ValueError: as average_precision, or ``k`` is below 1.

    >>> lift([0.9, 0.8, 0.7, 0.1], [True, False, False, False], k=1)
    4.0
    """
    ranked, count = _ranked(scores, positives), _count(k)
    if not ranked.any():
        return _no_positives("lift")
    return float(ranked[:count].mean() / ranked.mean())


def _ranked(scores: ArrayLike, positives: ArrayLike) -> np.ndarray:
    """Return the truth values, bool (N,), in the order of the ranking."""
    scores, positives = np.asarray(scores), np.asarray(positives)
    if scores.ndim != 1 or scores.shape != positives.shape:
        raise ValueError(
            f"scores and positives must have one value per image, got shapes {scores.shape} and {positives.shape}"
        )
    if len(scores) == 0:
        raise ValueError("the pool is empty; expected at least one score")
    if np.isnan(scores).any():
        raise ValueError(f"score {int(np.flatnonzero(np.isnan(scores))[0])} is NaN; expected a number")
    if not np.isin(positives, (0, 1)).all():
        raise ValueError("positives must be true or false, 1 or 0")
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    return positives[order].astype(bool)


def _count(k: int) -> int:
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    return k


def _no_positives(name: str) -> float:
    warnings.warn(f"{name} is not defined: the pool has no positive", RuntimeWarning, stacklevel=3)
    return float("nan")
