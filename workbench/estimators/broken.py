"""A learning curve that bends: the broken neural scaling law with one break."""

from __future__ import annotations

from itertools import product
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.estimators.curves import ScalingCurve
from workbench.estimators.search import Array, levenberg_marquardt, line_fit

LEAST_SIZES = 8
_LOG_SIZES = np.linspace(0.0, np.log(1e12), 4000)


class BrokenPowerLaw(ScalingCurve):
    """Broken neural scaling law, ``v(n) = c - a n^-c0 (1 + (n/d)^(1/f))^(-c1 f)`` with one break at ``d``.

    Caballero et al., "Broken Neural Scaling Laws", ICLR 2023, equation 1, for the error ``100 - v``.  Six parameters: it is an
    optional member for curves of at least eight sizes.  ``a`` and ``c`` are linear; the other four are found on a grid and
    refined.  The curve may fall and rise again.

    >>> n = np.geomspace(10, 10_000, 10)
    >>> error = 60 * n**-0.1 * (1 + (n / 500) ** 2) ** (-0.6 * 0.5)
    >>> curve = BrokenPowerLaw().fit(n, 95 - error)
    >>> bool(np.abs(curve.predict(n) - (95 - error)).max() < 0.1)
    True
    >>> BrokenPowerLaw().fit(n[:5], 95 - error[:5])
    Traceback (most recent call last):
    ValueError: need at least 8 distinct sizes to fit 'broken', got 5
    """

    name = "broken"
    parameter_names = ("log_reference", "c0", "c1", "log_break", "log_smoothness", "a", "c")
    grid: ClassVar[Array] = np.array(
        list(product(np.linspace(0, 1.5, 7), np.linspace(-1.5, 1.5, 9), np.linspace(-3, 3, 9), np.log([0.1, 0.4, 1.0])))
    )
    _grid_size = len(grid)

    def fit(self, sizes: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit as :meth:`ScalingCurve.fit` does, but ask for at least eight distinct sizes."""
        distinct = len(np.unique(np.asarray(sizes, float)))
        if distinct < LEAST_SIZES:
            raise ValueError(f"need at least {LEAST_SIZES} distinct sizes to fit '{self.name}', got {distinct}")
        return super().fit(sizes, scores, sample_weight)

    @classmethod
    def _search(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        logs = np.broadcast_to(np.log(sizes), scores.shape)
        log_reference = logs.mean(-1)
        x = logs - log_reference[:, None]
        shared = x[:1] if len(sizes) == 1 else x
        error = line_fit(-_factor(cls.grid[None], shared[:, None, :]), scores[:, None, :], weights[:, None, :])[2]
        start = cls.grid[error.argmin(1)]

        def curve(shape: Array, rows: NDArray[np.intp]) -> Array:
            basis = -_factor(shape, x[rows])
            slope, level, _ = line_fit(basis, scores[rows], weights[rows])
            return slope[:, None] * basis + level[:, None]

        bounds = np.array([0.0, -4.0, -8.0, np.log(0.05)]), np.array([4.0, 4.0, 8.0, np.log(4.0)])
        shape = levenberg_marquardt(curve, start, scores, weights, *bounds)
        slope, level, _ = line_fit(-_factor(shape, x), scores, weights)
        return np.column_stack([log_reference, shape, slope, level])

    @classmethod
    def evaluate(cls, coefficients: Array, sizes: Array) -> Array:
        x = np.log(sizes) - coefficients[:, :1]
        return coefficients[:, 6:] - coefficients[:, 5:6] * _factor(coefficients[:, 1:5], x)

    @classmethod
    def invert(cls, coefficients: Array, target: Array) -> Array:
        values = cls.evaluate(coefficients, np.exp(_LOG_SIZES)[None])
        reached = values >= np.asarray(target, float)[:, None]
        right = np.clip(reached.argmax(1), 1, None)
        rows = np.arange(len(coefficients))
        low, high = values[rows, right - 1], values[rows, right]
        share = np.divide(target - low, high - low, out=np.zeros_like(low), where=high > low)
        size = np.exp(_LOG_SIZES[right - 1] + np.clip(share, 0, 1) * (_LOG_SIZES[1] - _LOG_SIZES[0]))
        return np.where(reached.any(1), np.where(reached[:, 0], 0.0, size), np.inf)

    @classmethod
    def limit(cls, coefficients: Array) -> Array:
        fall = coefficients[:, 1] + coefficients[:, 2]
        return np.where(
            fall > 0, coefficients[:, 6], np.where(fall == 0, coefficients[:, 6] - coefficients[:, 5], -np.inf)
        )


def _factor(shape: Array, log_x: Array) -> Array:
    """Return ``x^-c0 (1 + (x/d)^(1/f))^(-c1 f)`` in log space for shapes (..., 4) at ``log_x`` (..., m)."""
    c0, c1, log_break, log_smoothness = np.moveaxis(shape[..., None], -2, 0)
    smoothness = np.exp(log_smoothness)
    return np.exp(-c0 * log_x - c1 * smoothness * np.logaddexp(0.0, (log_x - log_break) / smoothness))
