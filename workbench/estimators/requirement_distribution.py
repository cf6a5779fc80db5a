"""The data requirement of one source as a random variable: learned from a curve by the bootstrap, or any law of scipy.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 3.2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from workbench.estimators.curves import ScalingCurve, whole
from workbench.estimators.kernel_law import Bandwidth, KernelMixture, check_bandwidth
from workbench.estimators.law import RequirementLaw
from workbench.estimators.requirement import bootstrap_coefficients, curve_named, rank_weights
from workbench.estimators.search import Array
from workbench.estimators.validation import PARAMETERS, check_count, check_measurements, check_score

Family = str | type[ScalingCurve] | Sequence[str]

_LOG_SMALL = -575.0  # ln 1e-250: below it the survival is divided in log space
_FARTHEST = 1e-30  # survival at which a law without a cap of its own is cut
_ROUNDING = 1e-12  # a chance of success below it may be a rounding error
_SECTIONS = 16  # into which an inverse cuts its bracket, again and again
_BENDS = np.array([-2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])  # bandwidths from an atom: optima lie on its falling side


class RequirementDistribution(RequirementLaw):
    """The law of the least number of samples D* that reaches the target, given that the samples owned do not.

    ``F~(q) = (F(q) - F(q0)) / (1 - F(q0))`` for the present size ``q0``, evaluated as ``1 - S(q) / S(q0)`` with the survivals
    in log space where they underflow, so that a law that the last measurement contradicts stays a law.

    Made by :meth:`from_curve` and :meth:`from_law`.

    >>> sizes, scores = [1000, 2000, 3000, 4000, 5000], [44.0, 60.8, 64.9, 75.6, 76.9]
    >>> law = RequirementDistribution.from_curve(sizes, scores, 90)
    >>> float(law.cdf(5000)), bool(8000 < law.quantile(0.5) < 10000), law.p_unreachable < 0.01
    (0.0, True, True)
    """

    @classmethod
    def from_curve(
        cls,
        sizes: ArrayLike,
        scores: ArrayLike,
        target: float,
        *,
        family: Family = "power",
        n_boot: int = 500,
        weights: str = "doubling",
        min_distinct: int = 4,
        q_max: float | None = None,
        bandwidth: Bandwidth = None,
        score_scale: float = 100.0,
        direction: str = "max",
        seed: int = 0,
    ) -> KernelDistribution:
        """Learn the law from measured scores: resample the points, fit, read off the requirement, smooth (Algorithm 1).

        Args:
            sizes: (m,) numbers of samples with at least three distinct values; the largest is the present size.
            scores: (m,) scores measured there.
            target: the score to reach.
            family: a name of ``CURVES``, a :class:`ScalingCurve` class, or several names for their equal mixture.
            n_boot: resamples (of each family).
            weights: ``"doubling"`` as in the paper (the newest point counts most) or ``"uniform"``.
            min_distinct: resamples with fewer distinct sizes (or with fewer than there are) are drawn again; at least 3, which
                determine the three parameters exactly, and such interpolants have absurd tails.
            q_max: most samples that may be owned; default 20 times the present size.  Answers above count as unreachable.
            bandwidth: of the kernels, in samples, or two bounds between which the held-out likelihood chooses; by default
                4 % and 40 % of the median requirement.
            score_scale: the score of a perfect model.
            direction: ``"max"`` if higher scores are better, ``"min"`` for errors.
            seed: of the resamples and of the folds.

        Raises:
            ValueError: an argument is not usable; the message names it.
        """
        if direction not in ("max", "min"):
            raise ValueError(f"direction must be 'max' or 'min', got {direction!r}")
        families = [family] if isinstance(family, str | type) else list(family)
        if not families:
            raise ValueError("family must name at least one learning curve")
        curves = [curve_named(name) for name in families]
        aim = check_score(target, "target")
        sizes, scores, _ = check_measurements(sizes, scores, None, score_scale, curves[0].name)
        if direction == "min":
            scores, aim = score_scale - scores, score_scale - aim
        present = float(sizes[-1])
        limit = _check_limit(20 * present if q_max is None else q_max, present)
        n_boot, min_distinct = check_count(n_boot, "n_boot"), check_count(min_distinct, "min_distinct", PARAMETERS)
        bandwidth = check_bandwidth(bandwidth)
        percent, ranks = 100.0 / score_scale, rank_weights(weights, len(sizes))
        answers = []
        for curve in curves:
            fits = bootstrap_coefficients(curve, sizes, scores * percent, ranks, n_boot, seed, min_distinct)
            answers.append(whole(curve.invert(fits, np.full(n_boot, aim * percent))))
        law = KernelDistribution(answers, present, limit, bandwidth, seed)
        law.met = bool(scores.max() >= aim)
        return law

    @classmethod
    def from_law(cls, frozen: Any, *, present: float | None = None, q_max: float | None = None) -> FrozenDistribution:
        """Take a frozen law of ``scipy.stats`` for D*.

        Args:
            frozen: such as ``scipy.stats.norm(10_000, 1_000)``.
            present: samples owned; ``None`` leaves the law whole, and the plan cuts it at the size it starts from.
            q_max: most samples that may be owned; default where the survival is 1e-30.

        >>> from scipy import stats
        >>> law = RequirementDistribution.from_law(stats.norm(10_000, 1_000))
        >>> float(law.cdf(10_000)), round(float(law.quantile(0.975)))
        (0.5, 11960)
        """
        named = all(callable(getattr(frozen, name, None)) for name in ("sf", "logsf", "isf", "support"))
        if not named or getattr(frozen, "numargs", 0):
            raise TypeError(f"frozen must be a frozen law of scipy.stats, such as norm(100, 10), got {frozen!r:.80}")
        low = -np.inf if present is None else check_score(present, "present")
        return FrozenDistribution(frozen, low, q_max if q_max is None else _check_limit(q_max, low))

    # The law of one source

    @abstractmethod
    def sf(self, sizes: ArrayLike) -> Array:
        """Return the probability (...) that sizes (...) do not reach the target; 1 up to the present size."""

    @abstractmethod
    def logsf(self, sizes: ArrayLike) -> Array:
        """Return the logarithm of :meth:`sf`, finite where it underflows."""

    @abstractmethod
    def pdf(self, sizes: ArrayLike) -> Array:
        """Return the density (...) of D* per sample at sizes (...); 0 below the present size."""

    @abstractmethod
    def sample(self, count: int, seed: int = 0) -> Array:
        """Return (count,) draws of D*, each above the present size; ``inf`` where it is above ``q_max``: out of reach."""

    def cdf(self, sizes: ArrayLike) -> Array:
        """Return the probability (...) that sizes (...) reach the target."""
        return 1.0 - self.sf(sizes)

    def quantile(self, probability: ArrayLike) -> Array:
        """Return the sizes (...) that reach the target with ``probability`` (...), ``inf`` where none does."""
        return self.isf(1.0 - _check_probability(probability, "probability"))

    def isf(self, risk: ArrayLike) -> Array:
        """Return the sizes (...) that miss the target with probability ``risk`` (...): the inverse of :meth:`sf`.

        ``inf`` where even ``q_max`` misses it with a higher probability.
        """
        risk = _check_probability(risk, "risk")
        with np.errstate(divide="ignore"):
            wanted = np.log(risk)
        low, high = np.full(risk.shape, self._start()), np.full(risk.shape, self._end())
        out = wanted < self.logsf(high)
        share = np.linspace(0.0, 1.0, _SECTIONS + 1)
        for _ in range(14):  # 16^14 parts: the rounding error of a size
            edges = low[..., None] + (high - low)[..., None] * share
            below = self.logsf(edges[..., 1:-1]) <= wanted[..., None]
            index = np.where(below.any(-1), below.argmax(-1), _SECTIONS - 1)[..., None]
            low, high = (np.take_along_axis(edges, index + side, -1)[..., 0] for side in (0, 1))
        return np.where(out, np.inf, np.where(wanted >= 0, self._start(), high))

    def mean(self) -> float:
        """Return the mean of the requirements up to ``q_max``, given that D* is among them; the present size where met."""
        if self.met:
            return float(self.present[0])
        grid = self.axes(2000)[0]
        sf = self.sf(grid)
        reached = sf[0] - sf[-1]
        if reached <= 0:
            return float("inf")
        return float(((sf[:-1] - sf[1:]) * (grid[:-1] + grid[1:])).sum() / (2 * reached))

    def _start(self) -> float:
        """The largest size at which the law has surely not begun."""
        return float(self.present[0])

    def _end(self) -> float:
        return float(self.q_max[0])

    # What a plan needs (see RequirementLaw)

    @property
    def centre(self) -> Array:
        reached, start = float(1.0 - self.sf(self.q_max[0])), self._start()
        if reached < _ROUNDING:
            return self.q_max.copy()
        return np.array([max(float(self.isf(1.0 - 0.5 * reached)), start + 1e-9 * max(abs(start), 1.0))])

    def survival(self, points: ArrayLike) -> Array:
        return self.sf(np.asarray(points, float)[..., 0])

    def success_gradient(self, points: ArrayLike) -> Array:
        return self.pdf(np.asarray(points, float)[..., 0])[..., None]

    def axes(self, count: int) -> list[Array]:
        start, end = self._start(), self._end()
        if self.met or end <= start:
            return [np.array([start])]
        reach = min(float(self.centre[0]), end) - start
        third = max(count // 3, 8)
        near = start + np.linspace(0.0, 3.0, third) * reach
        far = start + np.geomspace(1e-4 * reach, end - start, third)
        axis = np.unique(np.concatenate([near, far, self._landmarks(third)]))
        return [np.concatenate([[start], axis[(axis > start) & (axis < end)], [end]])]

    @abstractmethod
    def _landmarks(self, count: int) -> Array:
        """Return about ``count`` sizes where the law bends."""


class KernelDistribution(RequirementDistribution):
    """The kernel law of bootstrap answers, truncated at the present size; see :meth:`RequirementDistribution.from_curve`.

    Attributes:
        requirements: (families, n_boot) bootstrap answers, ``inf`` where a fit never reaches the target.
        kernels: the law before truncation.
        bandwidth: the smallest bandwidth in it, in samples.
    """

    def __init__(
        self, requirements: Sequence[Array], present: float, q_max: float, bandwidth: Bandwidth, seed: int
    ) -> None:
        self.requirements = np.stack([np.asarray(answers, float) for answers in requirements])
        self.kernels = KernelMixture.pool(list(self.requirements), q_max, bandwidth, seed)
        self._place(present, q_max)

    def _place(self, present: float, q_max: float) -> None:
        self.present, self.q_max = np.array([float(present)]), np.array([float(q_max)])
        self._log_at_present = float(self.kernels.logsf(np.array(float(present))))

    @property
    def bandwidth(self) -> float:
        return float(self.kernels.bandwidths.min()) if len(self.kernels.atoms) else float("nan")

    def given(self, present: ArrayLike) -> Self:
        law = object.__new__(type(self))
        law.requirements, law.kernels, law.met = self.requirements, self.kernels, self.met
        law._place(_check_present(present, self), float(self.q_max[0]))
        return law

    def sf(self, sizes: ArrayLike) -> Array:
        sizes = np.asarray(sizes, float)
        if self.met:
            return np.zeros(sizes.shape)
        if self._log_at_present < _LOG_SMALL:
            return np.exp(self.logsf(sizes))
        ratio = self.kernels.sf(sizes) * np.exp(-self._log_at_present)
        return np.where(sizes <= self.present[0], 1.0, np.minimum(ratio, 1.0))

    def logsf(self, sizes: ArrayLike) -> Array:
        sizes = np.asarray(sizes, float)
        if self.met:
            return np.full(sizes.shape, -np.inf)
        ratio = np.minimum(self.kernels.logsf(sizes) - self._log_at_present, 0.0)
        return np.where(sizes <= self.present[0], 0.0, ratio)

    def pdf(self, sizes: ArrayLike) -> Array:
        sizes = np.asarray(sizes, float)
        if self.met:
            return np.zeros(sizes.shape)
        if self._log_at_present < _LOG_SMALL:
            density = np.exp(self.kernels.logpdf(sizes) - self._log_at_present)
        else:
            density = self.kernels.pdf(sizes) * np.exp(-self._log_at_present)
        return np.where(sizes < self.present[0], 0.0, density)

    def sample(self, count: int, seed: int = 0) -> Array:
        draws = self.kernels.sample_above(float(self.present[0]), count, np.random.default_rng(seed))
        return np.where(draws > self.q_max[0], np.inf, draws)

    @property
    def centre(self) -> Array:
        atoms, weights = self.kernels.atoms, self.kernels.weights
        open_weight = np.cumsum(np.where(atoms > self.present[0], weights, 0.0))
        if not len(atoms) or open_weight[-1] <= 0:  # every answer is contradicted by the present size
            return super().centre
        return atoms[np.searchsorted(open_weight, 0.5 * open_weight[-1]), None]

    def _landmarks(self, count: int) -> Array:
        atoms, bandwidths = self.kernels.atoms, self.kernels.bandwidths
        keep = np.unique(np.linspace(0, len(atoms) - 1, min(len(atoms), count // len(_BENDS))).round().astype(int))
        return (atoms[keep, None] + bandwidths[keep, None] * _BENDS).ravel()


class FrozenDistribution(RequirementDistribution):
    """A frozen law of ``scipy.stats``, truncated at the present size; see :meth:`RequirementDistribution.from_law`."""

    def __init__(self, frozen: Any, present: float, q_max: float | None) -> None:
        self.frozen = frozen
        self.present = np.array([float(present)])
        self._log_at_present = float(frozen.logsf(present)) if np.isfinite(present) else 0.0
        self._cap = q_max
        self.q_max = np.array([self._farthest() if q_max is None else float(q_max)])

    def _farthest(self) -> float:
        """Return where the truncated survival has fallen below 1e-30, or the end of the support."""
        start, last = self._start(), float(self.frozen.support()[1])
        far = max(float(self.frozen.median()), start)
        step = max(1.0, far - start)
        while far < last and self.logsf(far) > np.log(_FARTHEST):
            far, step = min(far + step, last), 2 * step
        return max(far, start + 1)

    def given(self, present: ArrayLike) -> Self:
        return type(self)(self.frozen, _check_present(present, self), self._cap)

    def sf(self, sizes: ArrayLike) -> Array:
        if self._log_at_present < _LOG_SMALL:
            return np.exp(self.logsf(sizes))
        sizes = np.asarray(sizes, float)
        ratio = np.minimum(self.frozen.sf(sizes) * np.exp(-self._log_at_present), 1.0)
        return np.where(sizes <= self.present[0], 1.0, ratio)

    def logsf(self, sizes: ArrayLike) -> Array:
        sizes = np.asarray(sizes, float)
        beyond = np.where(sizes <= self.present[0], 0.0, -np.inf)
        if np.isneginf(self._log_at_present):  # the law ends before the present size: any more would do
            return beyond
        ratio = np.minimum(self.frozen.logsf(sizes) - self._log_at_present, 0.0)
        return np.where(sizes <= self.present[0], 0.0, ratio)

    def pdf(self, sizes: ArrayLike) -> Array:
        if not hasattr(self.frozen, "logpdf"):
            raise TypeError("this law counts whole samples and has no density: use the exact solver, which needs none")
        sizes = np.asarray(sizes, float)
        if np.isneginf(self._log_at_present):
            return np.zeros(sizes.shape)
        density = np.exp(self.frozen.logpdf(sizes) - self._log_at_present)
        return np.where(sizes < self.present[0], 0.0, density)

    def sample(self, count: int, seed: int = 0) -> Array:
        return self.isf(np.random.default_rng(seed).uniform(size=count))

    def isf(self, risk: ArrayLike) -> Array:
        if self._log_at_present < _LOG_SMALL:
            return super().isf(risk)
        values = np.asarray(self.frozen.isf(_check_probability(risk, "risk") * np.exp(self._log_at_present)), float)
        values = np.maximum(values, self.present[0])
        return np.where(values > self.q_max[0], np.inf, values)

    def _start(self) -> float:
        present, low = float(self.present[0]), float(self.frozen.support()[0])
        return next((size for size in (present, low) if np.isfinite(size)), float(self.frozen.ppf(_FARTHEST)))

    def _landmarks(self, count: int) -> Array:
        risk = np.concatenate([np.linspace(1.0, 0.0, count // 2), np.geomspace(_FARTHEST, 1.0, count // 2)])
        sizes = self.isf(risk)
        sizes = sizes[np.isfinite(sizes)]
        return np.concatenate([sizes, np.ceil(sizes)])  # laws of whole samples step there


def _check_limit(q_max: float, present: float) -> float:
    limit = check_score(q_max, "q_max")
    if limit < present:
        raise ValueError(f"q_max must not be below the present size {present:g}, got {limit:g}")
    return limit


def _check_present(present: ArrayLike, law: RequirementDistribution) -> float:
    value = check_score(float(np.ravel(np.asarray(present, float))[0]), "size")
    if value < law.present[0]:
        raise ValueError(
            f"size must not be below the {law.present[0]:g} samples that the law was learned from, got {value:g}"
        )
    cap = law.q_max[0] if not isinstance(law, FrozenDistribution) else law._cap or np.inf
    if value > cap:
        raise ValueError(f"size must not be above q_max={cap:g}, got {value:g}")
    return value


def _check_probability(probability: ArrayLike, name: str) -> Array:
    values = np.asarray(probability, float)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"{name} must lie between 0 and 1, got {probability!r:.80}")
    return values
