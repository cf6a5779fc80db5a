"""Confidence intervals of shares and of their differences, in closed form: also right where a group has a handful of rows.

Wilson, JASA 22, 1927; Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
Medicine 17, 1998, method 10.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from workbench.encoders.validation import Floats, check_confidence

Interval = tuple[Floats, Floats]


def normal_quantile(confidence: float) -> float:
    """Return the two-sided quantile of the normal distribution.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return NormalDist().inv_cdf((1 + check_confidence(confidence)) / 2)


def share(successes: ArrayLike, trials: ArrayLike) -> Floats:
    """Return ``successes / trials``, NaN where there was no trial."""
    n = np.asarray(trials, np.float64)
    return np.asarray(successes) / np.where(n > 0, n, np.nan)


def wilson_interval(successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the lower and upper bound of a share, of any shape; NaN where there was no trial.

    >>> [round(float(bound), 3) for bound in wilson_interval(0, 4)]
    [0.0, 0.49]
    """
    z = normal_quantile(confidence)
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    n = np.where(n > 0, n, np.nan)
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    return np.where(k == 0, 0 * n, centre - half), np.where(k == n, 1 + 0 * n, centre + half)


def difference_interval(
    successes: ArrayLike, trials: ArrayLike, successes_2: ArrayLike, trials_2: ArrayLike, confidence: float = 0.95
) -> Interval:
    """Return the bounds of ``successes / trials - successes_2 / trials_2``, two shares of different rows; NaN without trials.

    >>> [round(float(bound), 4) for bound in difference_interval(56, 70, 48, 80)]  # Newcombe 1998, table II (a)
    [0.0524, 0.3339]
    """
    (low, high), (low_2, high_2) = (
        wilson_interval(k, n, confidence) for k, n in ((successes, trials), (successes_2, trials_2))
    )
    first, second = share(successes, trials), share(successes_2, trials_2)
    down = np.hypot(first - low, high_2 - second)
    up = np.hypot(high - first, second - low_2)
    return first - second - down, first - second + up


def magnitude_interval(low: Floats, high: Floats) -> Interval:
    """Return the bounds of ``|x|`` from the bounds of ``x``.

    >>> [float(bound) for bound in magnitude_interval(-0.5, 0.2)]
    [0.0, 0.5]
    """
    inside = (low <= 0) & (high >= 0)
    return np.where(inside, 0.0, np.minimum(np.abs(low), np.abs(high))), np.maximum(np.abs(low), np.abs(high))
