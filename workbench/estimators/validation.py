"""Checks of what a person hands to an estimator: a clear error names what came and what was expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from workbench.estimators.search import Array

PARAMETERS = 3


def check_sizes(sizes: ArrayLike) -> Array:
    """Return ``sizes`` as floats; raise ValueError naming the first index that is not a positive finite number."""
    values = as_numbers(sizes, "sizes")
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(bad):
        raise ValueError(
            f"sizes[{bad[0]}] is {values.flat[bad[0]]:g}; sizes count samples and must be positive and finite"
        )
    return values


def check_score(value: float, name: str) -> float:
    """Return a finite float; raise ValueError naming the argument otherwise."""
    number = as_numbers(value, name)
    if number.ndim or not np.isfinite(number):
        raise ValueError(f"{name} must be one finite number, got {value!r}")
    return float(number)


def check_count(value: float, name: str, least: int = 1) -> int:
    """Return a whole number; raise ValueError naming the argument if it is not one or is below ``least``."""
    number = as_numbers(value, name)
    if number.ndim or not np.isfinite(number) or number != np.floor(number) or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value}")
    return int(number)


def check_penalty(penalty: float) -> float:
    """Return a finite float that is not negative; raise ValueError otherwise."""
    number = check_score(penalty, "penalty")
    if number < 0:
        raise ValueError(f"penalty must not be negative, got {number:g}")
    return number


def check_positive(values: ArrayLike, name: str) -> Array:
    """Return (K,) positive finite floats, of one value or one a source; raise ValueError naming the argument otherwise."""
    numbers = np.atleast_1d(as_numbers(values, name))
    bad = numbers[~(np.isfinite(numbers) & (numbers > 0))]
    if len(bad):
        raise ValueError(f"{name} must be {'positive' if bad[0] <= 0 else 'finite'}, got {bad[0]:g}")
    return numbers


def check_measurements(
    sizes: ArrayLike, scores: ArrayLike, weights: ArrayLike | None, score_scale: float, curve: str
) -> tuple[Array, Array, Array]:
    """Return sizes, scores and weights of shape (m,), sorted by size.

    Raises:
        ValueError: lengths differ, a value is not usable, scores do not fit ``score_scale``, or fewer than three distinct
            sizes carry weight.
    """
    sizes, scores = check_sizes(sizes), as_numbers(scores, "scores")
    weights = np.ones(sizes.shape) if weights is None else as_numbers(weights, "sample_weight")
    if sizes.ndim != 1 or scores.shape != sizes.shape or weights.shape != sizes.shape:
        raise ValueError(
            f"sizes, scores and sample_weight must be one-dimensional and of one length, got shapes "
            f"{sizes.shape}, {scores.shape} and {weights.shape}"
        )
    check_score_scale(scores, score_scale)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise ValueError(f"sample_weight[{bad[0]}] is {weights[bad[0]]:g}; weights must be finite and not negative")
    distinct = len(np.unique(sizes[weights > 0]))
    if distinct < PARAMETERS:
        raise ValueError(f"need at least {PARAMETERS} distinct sizes to fit '{curve}', got {distinct}")
    order = np.argsort(sizes, kind="stable")
    return sizes[order], scores[order], weights[order]


def check_score_scale(scores: Array, score_scale: float) -> None:
    """Raise ValueError when a score is not finite or when the scores look as if they were on another scale."""
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise ValueError(f"scores[{bad[0]}] is {scores[bad[0]]}; scores must be finite numbers")
    if not (np.isfinite(score_scale) and score_scale > 0):
        raise ValueError(
            f"score_scale must be a positive number (100 for percent, 1 for fractions), got {score_scale!r}"
        )
    if len(scores) and score_scale > 1 and np.max(np.abs(scores)) <= 1:
        raise ValueError(
            f"scores look like fractions (the largest is {np.max(scores):g}) but score_scale is {score_scale:g}: "
            "pass score_scale=1, or multiply the scores by 100"
        )
    if len(scores) and np.max(scores) > score_scale:
        index = int(np.argmax(scores))
        raise ValueError(
            f"scores[{index}] is {scores[index]:g}, above score_scale={score_scale:g}, the score of a perfect model"
        )


def as_numbers(values: ArrayLike, name: str) -> Array:
    """Return an array of floats; raise ValueError naming the argument for anything that is no number."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, got {values!r:.80}") from None
