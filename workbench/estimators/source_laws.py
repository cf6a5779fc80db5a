"""Two laws of the data requirement of several sources: a Gaussian mixture of requirements, and a vote of curves.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4.
"""

from __future__ import annotations

import copy
import warnings
from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_expit, log_ndtr, logsumexp
from sklearn.exceptions import ConvergenceWarning

from workbench.estimators.additive import AdditiveCurves
from workbench.estimators.law import RequirementLaw
from workbench.estimators.search import Array

COMPONENTS = (4, 10)
"""Least and greatest number of components of the mixture (the paper's Table 5)."""

_LOG_SMALL = -1e-200
_POINTS_AT_ONCE = 4096


class SourceLaw(RequirementLaw):
    """What the laws of several sources share: draws of the requirement, truncation at the present sizes, candidate sizes.

    Attributes:
        requirements: (B, K) cheapest sizes of the bootstrap curves, ``inf`` where one is never there.
    """

    def __init__(self, requirements: Array, present: Array, q_max: Array, met: bool) -> None:
        self.requirements, self.q_max, self.met = requirements, q_max, met
        self._place(present)

    def _place(self, present: Array) -> None:
        self.present = present
        self._log_at_present = float(self.log_miss(present))

    @abstractmethod
    def log_miss(self, points: Array) -> Array:
        """Return the logarithm (...) of the probability that sizes (..., K) do not suffice, before truncation."""

    @abstractmethod
    def _success_gradient(self, points: Array) -> Array:
        """Return the truncated gradient (P, K) at sizes (P, K)."""

    def given(self, present: ArrayLike) -> Self:
        present = np.array(present, float)
        if present.shape != self.present.shape or np.any(present < self.present) or np.any(present > self.q_max):
            raise ValueError(
                f"size must lie between {self.present.tolist()}, from which the law was learned, and "
                f"q_max={self.q_max.tolist()}, got {present.tolist()}"
            )
        law = copy.copy(self)
        law._place(present)
        return law

    def survival(self, points: ArrayLike) -> Array:
        points = np.asarray(points, float)
        if self.met:
            return np.zeros(points.shape[:-1])
        return np.exp(np.minimum(self.log_miss(points) - self._log_at_present, 0.0))

    def success_gradient(self, points: ArrayLike) -> Array:
        points = np.asarray(points, float)
        if self.met:
            return np.zeros(points.shape)
        return self._success_gradient(points.reshape(-1, self.sources)).reshape(points.shape)

    @property
    def centre(self) -> Array:
        draws = self._open_draws()
        typical = np.median(draws, 0) if len(draws) else self.q_max
        return np.maximum(typical, self.present + 1.0)

    def _open_draws(self) -> Array:
        """Return the draws that are finite and that the present sizes do not contradict, none below these."""
        finite = self.requirements[np.isfinite(self.requirements).all(1)]
        return np.maximum(finite[(finite > self.present).any(1)], self.present)

    def axes(self, count: int) -> list[Array]:
        centre, draws = self.centre, self._open_draws()
        if self.met:
            return [self.present[source : source + 1] for source in range(self.sources)]
        return [self._axis(source, count, centre, draws[:, source]) for source in range(self.sources)]

    def _axis(self, source: int, count: int, centre: Array, draws: Array) -> Array:
        """Place points at even steps of the risk and of its logarithm towards the centre, of the draws, and of the size."""
        start, end = self.present[source], self.q_max[source]
        if end <= start:
            return np.array([start])
        room = end - start
        fine = np.unique(np.concatenate([np.linspace(0, 1, 200), np.geomspace(0.1 / room, 1, 400)]).clip(0, 1)) * room
        line = self.present + fine[:, None] / (centre[source] - start) * (centre - self.present)
        risk = np.maximum(self.survival(np.minimum(line, self.q_max)), 1e-30)
        drawn = np.searchsorted(np.sort(draws), start + fine, side="right") / max(len(draws), 1)
        share = (1 - risk) - 0.01 * np.log(risk) + drawn + np.log1p(fine) / np.log1p(room)
        even = np.interp(np.linspace(share[0], share[-1], max(count, 2)), share, start + fine)
        return np.unique(np.concatenate([[start], even[1:-1], [end]]).clip(start, end))


class MixtureLaw(SourceLaw):
    """The paper's law: a Gaussian mixture of the requirements, whose distribution function is a product in each component.

    ``F(q) = sum_i w_i prod_k Phi((q_k - m_ik) / s_ik)``, the probability that the requirement is at most ``q`` in every source;
    it is truncated at the present sizes, ``(F(q) - F(q_0)) / (1 - F(q_0))``. A vector with less of one source and more of
    another may suffice as well, which this law leaves out: it is pessimistic. Draws that say that the present sizes suffice
    are contradicted by the score measured there and are left out while there are others.

    Args:
        requirements: (B, K) draws, ``inf`` where the target is out of reach.
        present: (K,) samples owned.
        q_max: (K,) most samples that may be owned; draws lie below it or are infinite.
        met: the target is reached already.
        seed: of the mixture's start.

    Attributes:
        means: (C, K) centres of the components, in samples.
        spreads: (C, K) their standard deviations, at least one sample and 0.1 % of the centre.
        weights: (C,) their probabilities; with ``p_infinite`` they sum to one.
        p_infinite: the share of draws that are never there.

    >>> draws = np.repeat([[100.0, 300.0]], 50, axis=0)
    >>> law = MixtureLaw(draws, np.array([50.0, 50.0]), np.array([1000.0, 1000.0]))
    >>> law.survival([[50, 50], [90, 320], [104, 304], [1000, 1000]]).round(3)
    array([1., 1., 0., 0.])
    """

    def __init__(self, requirements: Array, present: Array, q_max: Array, met: bool = False, seed: int = 0) -> None:
        finite = requirements[np.isfinite(requirements).all(1)]
        above = finite[(finite > present).any(1)]
        never = len(requirements) - len(finite)
        draws = above if len(above) else finite
        self.p_infinite = never / (never + len(draws)) if len(draws) else 1.0
        self.means, self.spreads, weights = _fit_mixture(draws, seed)
        self.weights = (1 - self.p_infinite) * weights
        super().__init__(requirements, present, q_max, met)

    def log_miss(self, points: Array) -> Array:
        scaled = (np.asarray(points, float)[..., None, :] - self.means) / self.spreads
        log_all = log_ndtr(scaled).sum(-1)
        with np.errstate(divide="ignore"):
            # 1 - prod Phi_k without cancellation; where even that underflows it is the sum of the tails
            log_not = np.where(
                log_all < _LOG_SMALL,
                np.log(-np.expm1(np.minimum(log_all, _LOG_SMALL))),
                logsumexp(log_ndtr(-scaled), axis=-1),
            )
            terms = np.concatenate(
                [log_not + np.log(self.weights), np.full((*log_not.shape[:-1], 1), np.log(self.p_infinite))], -1
            )
        return logsumexp(terms, axis=-1)

    def _success_gradient(self, points: Array) -> Array:
        scaled = (points[:, None, :] - self.means) / self.spreads
        log_each = log_ndtr(scaled)
        log_density = -0.5 * scaled**2 - 0.5 * np.log(2 * np.pi) - np.log(self.spreads)
        log_terms = log_density + log_each.sum(-1, keepdims=True) - log_each + np.log(self.weights)[:, None]
        return np.exp(log_terms - self._log_at_present).sum(1)


def _fit_mixture(draws: Array, seed: int) -> tuple[Array, Array, Array]:
    """Return means, spreads (C, K) and weights (C,) of the mixture of the least Bayesian information criterion."""
    from sklearn.mixture import GaussianMixture  # a fifth of a second of import that only this law needs

    if not len(draws):
        return np.empty((0, draws.shape[1])), np.empty((0, draws.shape[1])), np.empty(0)
    unit = np.maximum(draws.std(0), 1.0)
    scaled, distinct = draws / unit, len(np.unique(draws, axis=0))
    if distinct == 1:
        means, spreads, weights = draws[:1], np.zeros((1, draws.shape[1])), np.ones(1)
    else:
        counts = range(min(COMPONENTS[0], distinct), min(COMPONENTS[1], distinct) + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture short of its optimum is a law all the same
            fits = [
                GaussianMixture(count, covariance_type="diag", reg_covar=1e-5, random_state=seed).fit(scaled)
                for count in counts
            ]
        best = min(fits, key=lambda fit: fit.bic(scaled))
        means, spreads, weights = best.means_ * unit, np.sqrt(best.covariances_) * unit, best.weights_
    return means, np.maximum(spreads, np.maximum(1.0, 1e-3 * means)), weights


class EnsembleLaw(SourceLaw):
    """The share of bootstrap curves below the target, each judged through a logistic of width ``blur``.

    ``S(q) = mean_b expit((V* - v_b(q)) / blur)``, divided by its value at the present sizes. Unlike the componentwise
    :class:`MixtureLaw` it knows that more of one source can stand in for less of another.

    Args:
        curves: ``B`` bootstrap curves, scores in percent.
        target: the score V* to reach, in percent.
        requirements: (B, K) their cheapest sizes, for figures and starts.
        present: (K,) samples owned.
        q_max: (K,) most samples that may be owned.
        met: the target is reached already.
        blur: score points.

    >>> curve = AdditiveCurves(np.zeros(2), np.zeros((1, 2)), np.array([[10.0, 5.0]]), np.array([20.0]))
    >>> law = EnsembleLaw(curve, 80.0, np.array([[100.0, 16.3]]), np.array([10.0, 10.0]), np.array([200.0, 200.0]))
    >>> law.survival([[10, 10], [90, 20], [90, 30], [140, 15]]).round(3)
    array([1.   , 0.558, 0.   , 0.   ])
    """

    def __init__(
        self,
        curves: AdditiveCurves,
        target: float,
        requirements: Array,
        present: Array,
        q_max: Array,
        met: bool = False,
        blur: float = 0.1,
    ) -> None:
        self.curves, self.target, self.blur = curves, target, blur
        super().__init__(requirements, present, q_max, met)

    def log_miss(self, points: Array) -> Array:
        points = np.asarray(points, float)
        flat = points.reshape(-1, points.shape[-1])
        parts = [
            logsumexp(log_expit((self.target - self.curves.evaluate(part)) / self.blur), axis=0)
            for part in np.array_split(flat, max(1, -(-len(flat) // _POINTS_AT_ONCE)))
        ]
        return (np.concatenate(parts) - np.log(len(self.requirements))).reshape(points.shape[:-1])

    def _success_gradient(self, points: Array) -> Array:
        short = (self.target - self.curves.evaluate(points)) / self.blur
        log_weight = log_expit(short) + log_expit(-short) - self._log_at_present
        return (np.exp(log_weight)[..., None] * self.curves.gradient(points)).mean(0) / self.blur
