"""Learning-curve families: score as an increasing function of the number of samples, with three parameters each.

Mahmood et al., "How Much More Data Do I Need?", CVPR 2022, Table 1.  Each family is fitted by separable least squares: for
fixed nonlinear parameters the rest is linear, so a fit is a small search instead of a descent that can get stuck.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from workbench.estimators.search import Array, line_fit, pick, search_line, search_offset
from workbench.estimators.validation import check_measurements, check_score, check_sizes

_FEW = 1e-9


class ScalingCurve(RegressorMixin, BaseEstimator):
    """A family of learning curves; subclasses give the formula, its inverse and its search.

    Sizes count samples (the unit matters: ``root`` is not invariant to it).  Scores are on the scale ``score_scale``: 100 for
    percent, 1 for fractions.

    Args:
        score_scale: the score of a perfect model.

    Attributes:
        coefficients_: (p,) fitted parameters, named by ``parameter_names``, for scores in percent.
        asymptote_: the score that the fit approaches as the size grows, ``inf`` when it is unbounded.
    """

    name: ClassVar[str]
    parameter_names: ClassVar[tuple[str, ...]]

    def __init__(self, score_scale: float = 100.0) -> None:
        self.score_scale = score_scale

    def fit(self, sizes: ArrayLike, scores: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit by weighted least squares.

        Args:
            sizes: (m,) numbers of samples, positive; repeats are kept as repeats.
            scores: (m,) scores on ``score_scale``.
            sample_weight: (m,) nonnegative weights, default all equal.

        Raises:
            ValueError: fewer distinct sizes than three, or a value that is not usable (named by its index).
        """
        sizes, scores, weights = check_measurements(sizes, scores, sample_weight, self.score_scale, self.name)
        percent = scores * (100.0 / self.score_scale)
        self.coefficients_ = self.fit_batch(sizes, percent[None], weights[None])[0]
        self.asymptote_ = float(self.limit(self.coefficients_[None])[0] * self.score_scale / 100.0)
        return self

    def predict(self, sizes: ArrayLike) -> Array:
        """Return the fitted scores at ``sizes``, an array of any shape."""
        sizes = check_sizes(sizes)
        values = self.evaluate(self.coefficients_[None], sizes.reshape(1, -1))
        return values.reshape(sizes.shape) * (self.score_scale / 100.0)

    def required_size(self, target: float) -> float:
        """Return the smallest whole number of samples at which the fit reaches ``target``, ``inf`` when it never does."""
        percent = check_score(target, "target") * (100.0 / self.score_scale)
        return float(whole(self.invert(self.coefficients_[None], np.array([percent])))[0])

    @classmethod
    def fit_batch(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        """Fit ``B`` weighted data sets at once, without checks; scores in percent.

        Args:
            sizes: (m,) shared by all rows, or (B, m).
            scores: (B, m).
            weights: (B, m); zero leaves a point out.

        Returns:
            (B, p) coefficients.
        """
        sizes = np.asarray(sizes, float)
        if sizes.ndim == 1:  # resamples of a few points repeat: each distinct one is fitted once
            rows, inverse = np.unique(np.concatenate([scores, weights], 1), axis=0, return_inverse=True)
            scores, weights = np.hsplit(rows, 2)
        cells = max(1, int(4e6 // (cls._grid_size * scores.shape[1])))
        fits = [
            cls._search(sizes[None] if sizes.ndim == 1 else sizes[block], scores[block], weights[block])
            for block in (slice(start, start + cells) for start in range(0, len(scores), cells))
        ]
        return np.concatenate(fits)[inverse.ravel()] if sizes.ndim == 1 else np.concatenate(fits)

    _grid_size: ClassVar[int]

    @classmethod
    def _search(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        raise TypeError(f"{cls.__name__} is abstract: use one of {list(CURVES)}")

    @classmethod
    def evaluate(cls, coefficients: Array, sizes: Array) -> Array:
        """Return scores in percent of shape (B, m) for coefficients (B, p) at sizes (B or 1, m)."""
        raise TypeError(f"{cls.__name__} is abstract: use one of {list(CURVES)}")

    @classmethod
    def invert(cls, coefficients: Array, target: Array) -> Array:
        """Return, for coefficients (B, p), the (B,) real sizes that reach ``target`` in percent: ``inf`` if never, 0 if always."""
        raise TypeError(f"{cls.__name__} is abstract: use one of {list(CURVES)}")

    @classmethod
    def limit(cls, coefficients: Array) -> Array:
        """Return the (B,) scores in percent that the curves approach as the size grows."""
        raise TypeError(f"{cls.__name__} is abstract: use one of {list(CURVES)}")


def whole(sizes: Array) -> Array:
    """Round sizes up to whole samples, forgiving the rounding error of an inverse.

    >>> whole(np.array([9.2, 10.000001, np.inf]))
    array([10., 10., inf])
    """
    sizes = np.asarray(sizes, float)
    return np.maximum(np.ceil(sizes - 1e-6 * np.where(np.isfinite(sizes), sizes, 0.0)), 0.0)


class _BoxCox(ScalingCurve):
    """Power laws in Box-Cox form, ``v(n) = a (x^b - 1) / b + c`` with ``x = n / n_ref`` and ``b = 0`` meaning ``a ln x + c``.

    The form is that of ``t1 n^t2 + t3`` with ``t2 = b``, without the valley ``t2 -> 0, t1 -> inf, t3 -> -inf`` in which a
    descent on (t1, t2, t3) drifts.
    """

    parameter_names = ("log_reference", "exponent", "slope", "level")
    exponents: ClassVar[Array]

    @classmethod
    def _search(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        used = weights > 0
        logs = np.log(np.broadcast_to(sizes, scores.shape))
        log_reference = (used * logs).sum(-1) / used.sum(-1)
        if len(sizes) == 1:
            log_reference[:] = logs[0].mean()
            logs = logs[:1]
        x = logs - log_reference[: len(logs), None]
        exponent = search_line(lambda b: box_cox(x[:, None, :], b[..., None]), cls.exponents, scores, weights)
        slope, level, _ = line_fit(box_cox(x, exponent[:, None]), scores, weights)
        return np.stack([log_reference, exponent, slope, level], -1)

    @classmethod
    def evaluate(cls, coefficients: Array, sizes: Array) -> Array:
        log_reference, exponent, slope, level = coefficients.T[..., None]
        return slope * box_cox(np.log(sizes) - log_reference, exponent) + level

    @classmethod
    def invert(cls, coefficients: Array, target: Array) -> Array:
        log_reference, exponent, slope, level = coefficients.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rise = (target - level) / slope
            inner = 1 + exponent * rise
            log_size = np.where(np.abs(exponent) < _FEW, rise, np.log(np.maximum(inner, 0)) / exponent)
            size = np.exp(log_size + log_reference)
        size = np.where(
            (slope > 0) & (np.abs(exponent) >= _FEW) & (inner <= 0), np.where(exponent > 0, 0.0, np.inf), size
        )
        return np.where(slope > 0, size, np.where(level >= target, 0.0, np.inf))

    @classmethod
    def limit(cls, coefficients: Array) -> Array:
        _, exponent, slope, level = coefficients.T
        bounded = exponent < -_FEW
        asymptote = level - slope / np.where(bounded, exponent, 1.0)
        return np.where(slope > 0, np.where(bounded, asymptote, np.inf), level)

    def published_parameters(self) -> dict[str, float]:
        """Return ``t1, t2, t3`` of ``t1 n^t2 + t3`` in percent; ``nan`` where the fit is the logarithmic limit ``t2 = 0``."""
        log_reference, exponent, slope, level = self.coefficients_
        if abs(exponent) < _FEW:
            return {"t1": float("nan"), "t2": 0.0, "t3": float("nan")}
        factor = slope / exponent
        return {
            "t1": float(factor * np.exp(-exponent * log_reference)),
            "t2": float(exponent),
            "t3": float(level - factor),
        }


def box_cox(log_x: Array, exponent: Array) -> Array:
    """Return ``(x^b - 1) / b``, and ``ln x`` where ``b`` is zero, from ``ln x``."""
    small = np.abs(exponent) < _FEW
    return np.where(small, log_x, np.expm1(exponent * log_x) / np.where(small, 1.0, exponent))


class PowerLaw(_BoxCox):
    """Unbounded power law ``v(n) = t1 n^t2 + t3`` with ``0 <= t2 <= 1.5``, the published behaviour (``t2 = 0`` is the log law).

    >>> curve = PowerLaw().fit([100, 200, 400, 800], [50, 60, 70, 80])
    >>> curve.required_size(90)
    1600.0
    >>> curve.fit([100, 200], [50, 60])
    Traceback (most recent call last):
    ValueError: need at least 3 distinct sizes to fit 'power', got 2
    """

    name = "power"
    exponents = np.linspace(0.0, 1.5, 61)
    _grid_size = len(exponents)


class PowerLawSaturating(_BoxCox):
    """Saturating power law ``v(n) = t3 - |t1| n^-|t2|`` with ``-4 <= t2 <= 0``: it may never reach the target.

    >>> n = np.array([100, 200, 400, 800, 1600])
    >>> curve = PowerLawSaturating().fit(n, 80 - 300 * n**-0.5)
    >>> round(curve.asymptote_, 3), curve.required_size(78), curve.required_size(81)
    (80.0, 22500.0, inf)
    """

    name = "power_saturating"
    exponents = np.linspace(-4.0, 0.0, 81)
    _grid_size = len(exponents)


class Logarithmic(ScalingCurve):
    """Logarithm ``v(n) = t1 ln(n + t2) + t3`` with ``t2 > -n_min``.

    >>> n = np.array([100, 200, 400, 800])
    >>> curve = Logarithmic().fit(n, 10 * np.log(n + 50) + 5)
    >>> bool(abs(curve.required_size(80) - (np.exp(7.5) - 50)) < 2)
    True
    """

    name = "log"
    parameter_names = ("t1", "t2", "t3")
    log_shifts: ClassVar[Array] = np.linspace(np.log(1e-3), np.log(1e4), 81)
    _grid_size = len(log_shifts)

    @classmethod
    def _search(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        used = (weights > 0).any(0) if len(sizes) == 1 else weights > 0
        smallest = np.where(used, sizes, np.inf).min(-1, keepdims=True)
        x = sizes / smallest - 1
        x = np.where(used, x, 0.0)
        log_shift = search_line(lambda s: np.log(x[:, None, :] + np.exp(s)[..., None]), cls.log_shifts, scores, weights)
        shift = np.exp(log_shift)
        slope, level, _ = line_fit(np.log(x + shift[:, None]), scores, weights)
        return np.stack([slope, smallest[:, 0] * (shift - 1), level - slope * np.log(smallest[:, 0])], -1)

    @classmethod
    def evaluate(cls, coefficients: Array, sizes: Array) -> Array:
        slope, shift, level = coefficients.T[..., None]
        return slope * np.log(np.maximum(sizes + shift, np.finfo(float).tiny)) + level

    @classmethod
    def invert(cls, coefficients: Array, target: Array) -> Array:
        slope, shift, level = coefficients.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            size = np.maximum(np.exp((target - level) / slope) - shift, 0.0)
        return np.where(slope > 0, size, np.where(level >= target, 0.0, np.inf))

    @classmethod
    def limit(cls, coefficients: Array) -> Array:
        slope, _, level = coefficients.T
        return np.where(slope > 0, np.inf, level)


class Arctan(ScalingCurve):
    """Arctangent ``v(n) = (200/pi) arctan(t1 (pi/2) n + t2) + t3`` with ``t1, t2 >= 0``, bounded by ``100 + t3``.

    The amplitude is fixed at 100 percent, so ``score_scale`` matters.

    >>> n = np.array([100, 200, 400, 800, 1600])
    >>> curve = Arctan().fit(n, 200 / np.pi * np.arctan(0.004 * n + 0.3) - 5)
    >>> curve.required_size(90), round(curve.asymptote_, 3), curve.required_size(96)
    (3102.0, 95.0, inf)
    """

    name = "arctan"
    parameter_names = ("log_t1", "t2", "t3")
    grid: ClassVar[Array] = np.stack(
        [axis.ravel() for axis in np.meshgrid(np.linspace(-7, 7, 29), np.r_[0.0, np.geomspace(0.02, 200, 20)])], -1
    )
    _grid_size = len(grid)

    @classmethod
    def _search(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        log_reference, x = _around_middle(sizes, weights)
        bounds = np.array([-30.0, 0.0]), np.array([30.0, 1e5])

        def curve(parameters: Array, rows: NDArray[np.intp]) -> Array:
            slope, shift = np.exp(parameters[..., :1]), parameters[..., 1:]
            return 200 / np.pi * np.arctan(slope * pick(x, rows)[:, None, :] + shift)

        parameters, offset = search_offset(curve, cls.grid, scores, weights, bounds)
        log_slope = parameters[:, 0] - log_reference + np.log(2 / np.pi)
        coefficients = np.stack([log_slope, parameters[:, 1], offset], -1)
        return _flatten(coefficients, sizes, scores, weights, -np.inf)

    @classmethod
    def evaluate(cls, coefficients: Array, sizes: Array) -> Array:
        log_slope, shift, level = coefficients.T[..., None]
        return 200 / np.pi * np.arctan(np.exp(log_slope) * np.pi / 2 * sizes + shift) + level

    @classmethod
    def invert(cls, coefficients: Array, target: Array) -> Array:
        log_slope, shift, level = coefficients.T
        angle = (target - level) * np.pi / 200
        inside = (angle > np.arctan(shift)) & (angle < np.pi / 2)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            size = (np.tan(np.where(inside, angle, 0.0)) - shift) / (np.exp(log_slope) * np.pi / 2)
        return np.where(inside, size, np.where(angle <= np.arctan(shift), 0.0, np.inf))

    @classmethod
    def limit(cls, coefficients: Array) -> Array:
        log_slope, _, level = coefficients.T
        return level + np.where(np.isneginf(log_slope), 0.0, 100.0)


class AlgebraicRoot(ScalingCurve):
    """Algebraic root ``v(n) = 100 n / (1 + |t1 n|^t2)^(1/t2) + t3``, bounded by ``100/|t1| + t3``.

    The bare ``100 n`` is the published form: the family is not invariant to the unit in which samples are counted.

    >>> n = np.array([100, 200, 400, 800, 1600])
    >>> curve = AlgebraicRoot().fit(n, 100 * n / (1 + (1.2 * n) ** 0.5) ** 2 + 3)
    >>> curve.required_size(85), round(curve.asymptote_, 2)
    (12710.0, 86.33)
    """

    name = "root"
    parameter_names = ("log_t1", "log_t2", "t3")
    grid: ClassVar[Array] = np.stack(
        [axis.ravel() for axis in np.meshgrid(np.linspace(np.log(0.5), np.log(2000), 24), np.linspace(-5, 3, 25))], -1
    )
    _grid_size = len(grid)

    @classmethod
    def _search(cls, sizes: Array, scores: Array, weights: Array) -> Array:
        log_reference, x = _around_middle(sizes, weights)
        log_sizes = np.log(x) + log_reference[: len(x), None]
        bounds = np.array([-20.0, -8.0]), np.array([np.log(1e7), 6.0])

        def log_t1(log_level: Array, power: Array, reference: Array) -> Array:
            gap = power * np.maximum(np.log(100) + reference - log_level, 1e-12)
            return (gap + np.log(-np.expm1(-gap))) / power - reference

        def curve(parameters: Array, rows: NDArray[np.intp]) -> Array:
            log_level, power = parameters[..., :1], np.exp(parameters[..., 1:])
            scale = log_t1(log_level, power, pick(log_reference, rows)[:, None, None])
            return _root(pick(log_sizes, rows)[:, None, :], scale, power)

        parameters, offset = search_offset(curve, cls.grid, scores, weights, bounds)
        reference = np.broadcast_to(log_reference, offset.shape)
        scale = log_t1(parameters[:, 0], np.exp(parameters[:, 1]), reference)
        return _flatten(np.stack([scale, parameters[:, 1], offset], -1), sizes, scores, weights, np.inf)

    @classmethod
    def evaluate(cls, coefficients: Array, sizes: Array) -> Array:
        scale, log_power, level = coefficients.T[..., None]
        return _root(np.log(sizes), scale, np.exp(log_power)) + level

    @classmethod
    def invert(cls, coefficients: Array, target: Array) -> Array:
        scale, log_power, level = coefficients.T
        power = np.exp(log_power)
        rise = (target - level) / 100
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            log_rise = np.log(np.maximum(rise, 0))
            reachable = log_rise < -scale
            gap = power * np.where(reachable & (rise > 0), log_rise + scale, -1.0)
            size = np.exp(log_rise - np.log(-np.expm1(gap)) / power)
        return np.where(rise <= 0, 0.0, np.where(reachable, size, np.inf))

    @classmethod
    def limit(cls, coefficients: Array) -> Array:
        scale, _, level = coefficients.T
        with np.errstate(over="ignore"):
            return level + 100 * np.exp(-scale)


def _root(log_sizes: Array, log_t1: Array, power: Array) -> Array:
    """Return ``100 n / (1 + (t1 n)^t2)^(1/t2)`` in log space, where neither large sizes nor small powers overflow."""
    return 100 * np.exp(log_sizes - np.logaddexp(0.0, power * (log_t1 + log_sizes)) / power)


def _around_middle(sizes: Array, weights: Array) -> tuple[Array, Array]:
    """Return the log of each row's geometric mean size (B or 1,) and the sizes divided by it (B or 1, m)."""
    used = (weights > 0) if len(sizes) > 1 else np.ones((1, sizes.shape[1]), bool)
    log_reference = (used * np.log(sizes)).sum(-1) / used.sum(-1)
    return log_reference, sizes / np.exp(log_reference)[:, None]


def _flatten(coefficients: Array, sizes: Array, scores: Array, weights: Array, no_slope: float) -> Array:
    """Replace rows whose scores do not increase with the size by the constant curve (a fitted slope of exactly zero)."""
    slope, _, _ = line_fit(np.broadcast_to(np.log(sizes), scores.shape), scores, weights)
    mean = (weights * scores).sum(-1) / weights.sum(-1)
    constant = np.stack([np.full_like(mean, no_slope), np.zeros_like(mean), mean], -1)
    return np.where(slope[:, None] > 0, coefficients, constant)


CURVES: dict[str, type[ScalingCurve]] = {
    curve.name: curve for curve in (PowerLaw, PowerLawSaturating, Arctan, Logarithmic, AlgebraicRoot)
}
"""The curves by name."""

PUBLISHED_FAMILY = ("power", "arctan", "log", "root")
"""The four functions of the paper's Table 1, whose answers together make its interval."""
