"""How many samples does a target score need?  The estimate, its interval, and what speaks against it.

Mahmood et al., "How Much More Data Do I Need?", CVPR 2022, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from workbench.estimators.curves import CURVES, PUBLISHED_FAMILY, ScalingCurve
from workbench.estimators.diagnostics import Diagnosis, diagnose
from workbench.estimators.search import Array
from workbench.estimators.validation import PARAMETERS, check_score, check_sizes

Status = Literal[
    "ok",
    "already met",
    "unreachable under this fit",
    "scores do not increase with n",
    "contradicted by the last score",
]

EXACT = "exact interpolation, no residual: as many points as parameters, so nothing here says how well the curve fits"


@dataclass(frozen=True)
class Requirement:
    """The answer to "how many samples reach this target?".

    Attributes:
        target: the score asked for, in the person's own direction and scale.
        size: total samples needed (a whole number), ``inf`` when the fit never gets there.
        order: samples to collect on top of the largest size measured.
        interval: smallest and largest answer of the published four functions (the paper's guideline for one round).
        bootstrap_interval: 5 % and 95 % quantiles of this function's answer over resamples of the points; ``None`` if not asked.
        by_curve: the answer of each function.
        cost_of_one_point: further samples that one score point costs at ``size``; ``nan`` where the fit gives none.
        status: what kind of answer this is.
        ill_behaved: the measured curve breaks the assumptions; do not rely on ``size``.
        warnings: sentences for a person.
    """

    target: float
    size: float
    order: float
    interval: tuple[float, float]
    bootstrap_interval: tuple[float, float] | None
    by_curve: dict[str, float]
    cost_of_one_point: float
    status: Status
    ill_behaved: bool
    warnings: tuple[str, ...]

    @property
    def confident(self) -> bool:
        """Whether the answer is a number that nothing measured speaks against."""
        return self.status in ("ok", "already met") and not self.ill_behaved


class DataRequirementEstimator(BaseEstimator):
    """Fit a learning curve to measured scores and read off the data requirement, with the correction factor of the paper.

    Args:
        curve: a name of ``CURVES`` or a :class:`ScalingCurve` class such as ``BrokenPowerLaw``.
        correction: the correction factor tau: the fit is read at ``target + correction`` (in units of the score).
        weights: ``"uniform"``, or ``"doubling"`` (1, 2, 4, ... by size: the newest point counts most).
        score_scale: the score of a perfect model: 100 for percent, 1 for fractions.
        direction: ``"max"`` if higher scores are better, ``"min"`` for errors (fitted as ``score_scale - error``).
        seed: seed of the bootstrap.

    Attributes:
        curve_: the fitted :class:`ScalingCurve`.
        family_: the published four, fitted to the same points.
        diagnosis_: the :class:`Diagnosis` of the points.
        sizes_, scores_: the measurements, sorted by size.

    >>> estimator = DataRequirementEstimator("power").fit([1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9])
    >>> answer = estimator.estimate(90)
    >>> answer.size, answer.status, answer.order == answer.size - 5000
    (8934.0, 'ok', True)
    >>> estimator.estimate(70).status
    'already met'
    """

    def __init__(
        self,
        curve: str | type[ScalingCurve] = "power",
        correction: float = 0.0,
        weights: Literal["uniform", "doubling"] = "uniform",
        score_scale: float = 100.0,
        direction: Literal["max", "min"] = "max",
        seed: int = 0,
    ) -> None:
        self.curve = curve
        self.correction = correction
        self.weights = weights
        self.score_scale = score_scale
        self.direction = direction
        self.seed = seed

    def fit(self, sizes: ArrayLike, scores: ArrayLike) -> Self:
        """Fit the chosen function, and the published four for the interval.

        Args:
            sizes: (m,) numbers of samples with at least three distinct values.
            scores: (m,) scores measured at those sizes.

        Raises:
            ValueError: an option or a measurement is not usable; the message names it.
        """
        curve = self.curve_class()
        if self.direction not in ("max", "min"):
            raise ValueError(f"direction must be 'max' or 'min', got {self.direction!r}")
        check_score(self.correction, "correction")
        sizes, scores = check_sizes(sizes), np.asarray(scores, float)
        order = np.argsort(sizes, kind="stable") if sizes.ndim == 1 and sizes.shape == scores.shape else slice(None)
        sizes, scores = sizes[order], scores[order]
        weights = rank_weights(self.weights, sizes.size)
        self.curve_ = curve(self.score_scale).fit(sizes, self._upward(scores), weights)
        self.family_ = {
            name: CURVES[name](self.score_scale).fit(sizes, self._upward(scores), weights) for name in PUBLISHED_FAMILY
        }
        self.sizes_, self.scores_, self.sample_weight_ = sizes, scores, weights
        self.diagnosis_: Diagnosis = diagnose(sizes, self._upward(scores), self.curve_.predict(sizes))
        return self

    def update(self, size: float, score: float) -> Self:
        """Add the measurement of one more round and fit again."""
        return self.fit(np.append(self.sizes_, size), np.append(self.scores_, score))

    def predict(self, sizes: ArrayLike) -> Array:
        """Return the fitted scores at ``sizes`` in the person's own direction."""
        return self._upward(self.curve_.predict(sizes))

    def required_size(self, target: float) -> float:
        """Return :attr:`Requirement.size` for ``target``."""
        return self.estimate(target).size

    def estimate(self, target: float, *, n_boot: int = 0) -> Requirement:
        """Return the :class:`Requirement` of ``target``.

        Args:
            target: the score to reach, on ``score_scale`` and in ``direction``.
            n_boot: resamples for the bootstrap interval, 0 for none.
        """
        target = check_score(target, "target")
        upward, aim = float(self._upward(target)), float(self._upward(target)) + self.correction
        owned, measured = float(self.sizes_[-1]), self._upward(self.scores_)
        by_curve = {name: curve.required_size(aim) for name, curve in self.family_.items()}
        size, warnings = self.curve_.required_size(aim), list(self.diagnosis_.warnings)
        if len(np.unique(self.sizes_)) == PARAMETERS:
            warnings.append(EXACT)
        status: Status = "ok"
        if upward <= measured.max():
            size, status = float(self.sizes_[np.flatnonzero(measured >= upward)[0]]), "already met"
        elif not np.isfinite(size):
            falling = "scores do not increase with n" in warnings
            status = "scores do not increase with n" if falling else "unreachable under this fit"
        elif size <= owned:
            status = "contradicted by the last score"
            warnings.append(
                f"the fit says {size:,.0f} samples suffice, but the score at {owned:,.0f} is below the target"
            )
            size = owned + 1
        return Requirement(
            target=target,
            size=size,
            order=max(size - owned, 0.0),
            interval=(min(by_curve.values()), max(by_curve.values())),
            bootstrap_interval=self._bootstrap_interval(target, n_boot) if n_boot else None,
            by_curve=by_curve,
            cost_of_one_point=self.cost_of_one_point(size),
            status=status,
            ill_behaved=self.diagnosis_.ill_behaved,
            warnings=tuple(warnings),
        )

    def cost_of_one_point(self, size: float) -> float:
        """Return the samples that one more score point costs at ``size``, ``1 / v'(size)``: the error amplifier of the paper."""
        if not np.isfinite(size):
            return float("nan")
        step = 1e-4 * size
        slope = np.diff(self.curve_.predict([size - step, size + step]))[0] / (2 * step)
        return float(1 / slope) if slope > 0 else float("nan")

    def bootstrap_sizes(self, target: float, n_boot: int = 500) -> Array:
        """Return (n_boot,) requirements of ``target`` over resamples of the points; ``inf`` where one never gets there."""
        return self.bootstrap_fits(target, n_boot)[1]

    def bootstrap_fits(self, target: float, n_boot: int = 500) -> tuple[Array, Array]:
        """Return coefficients (n_boot, p) and requirements (n_boot,) of ``target`` over resamples of the points.

        Resamples with fewer than three distinct sizes do not determine the curve and are drawn again.
        """
        percent = 100.0 / self.score_scale
        curve, aim = self.curve_class(), float(self._upward(target)) + self.correction
        coefficients = bootstrap_coefficients(
            curve, self.sizes_, self._upward(self.scores_) * percent, self.sample_weight_, n_boot, self.seed
        )
        return coefficients, curve.invert(coefficients, np.full(n_boot, aim * percent))

    def curve_class(self) -> type[ScalingCurve]:
        """Return the class that ``curve`` names.

        Raises:
            ValueError: the name is not one of ``CURVES``.
        """
        return curve_named(self.curve)

    def _bootstrap_interval(self, target: float, n_boot: int) -> tuple[float, float]:
        low, high = np.quantile(self.bootstrap_sizes(target, n_boot), [0.05, 0.95], method="inverted_cdf")
        return float(low), float(high)

    def _upward(self, scores: ArrayLike) -> Array:
        scores = np.asarray(scores, float)
        return scores if self.direction == "max" else self.score_scale - scores


def curve_named(curve: str | type[ScalingCurve]) -> type[ScalingCurve]:
    """Return the class of learning curve that ``curve`` names.

    Raises:
        ValueError: the name is not one of ``CURVES``.
    """
    if isinstance(curve, type) and issubclass(curve, ScalingCurve):
        return curve
    if curve not in CURVES:
        raise ValueError(f"curve must be one of {list(CURVES)}, got {curve!r}")
    return CURVES[curve]


def rank_weights(weights: str, count: int) -> Array:
    """Return (count,) weights by rank of size.

    >>> rank_weights("doubling", 4)
    array([1., 2., 4., 8.])
    """
    if weights == "uniform":
        return np.ones(count)
    if weights == "doubling":
        return np.exp2(np.arange(count) - max(count - 1000, 0))  # no overflow: the oldest of many weigh nothing
    raise ValueError(f"weights must be 'uniform' or 'doubling', got {weights!r}")


def bootstrap_counts(sizes: Array, n_boot: int, rng: np.random.Generator, min_distinct: int = PARAMETERS) -> Array:
    """Return (n_boot, m) counts of how often each point is drawn, each row with at least ``min_distinct`` distinct sizes."""
    sizes = np.asarray(sizes, float)
    needed = min(min_distinct, len(np.unique(sizes)))
    groups = np.unique(sizes, return_inverse=True)[1]
    members = np.equal.outer(np.arange(groups.max() + 1), groups).astype(float)
    accepted: list[Array] = []
    missing = n_boot
    while missing:
        counts = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=2 * missing).astype(float)
        counts = counts[(counts @ members.T > 0).sum(1) >= needed][:missing]
        accepted.append(counts)
        missing -= len(counts)
    return np.concatenate(accepted)


def bootstrap_coefficients(
    curve: type[ScalingCurve],
    sizes: Array,
    percent: Array,
    weights: Array,
    n_boot: int,
    seed: int,
    min_distinct: int = PARAMETERS,
) -> Array:
    """Fit ``curve`` to ``n_boot`` resamples of the points; a point drawn twice counts twice, with its own weight.

    Args:
        curve: the family.
        sizes: (m,) sizes.
        percent: (m,) scores in percent, higher is better.
        weights: (m,) weight of each point.
        n_boot: resamples.
        seed: of the resampling.
        min_distinct: resamples with fewer distinct sizes are drawn again.

    Returns:
        (n_boot, p) coefficients, read-only: the last few results are kept, as targets and costs change more often than points.
    """
    return _bootstrap_coefficients(
        curve, *(np.asarray(a, float).tobytes() for a in (sizes, percent, weights)), n_boot, seed, min_distinct
    )


@lru_cache(maxsize=64)
def _bootstrap_coefficients(
    curve: type[ScalingCurve], sizes: bytes, percent: bytes, weights: bytes, n_boot: int, seed: int, min_distinct: int
) -> Array:
    sizes, percent, weights = (np.frombuffer(buffer) for buffer in (sizes, percent, weights))
    counts = bootstrap_counts(sizes, n_boot, np.random.default_rng(seed), min_distinct)
    coefficients = curve.fit_batch(sizes, np.broadcast_to(percent, counts.shape), counts * weights)
    coefficients.flags.writeable = False
    return coefficients
