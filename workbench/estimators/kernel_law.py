"""A weighted Gaussian kernel law on the line in closed form: no grid, no numerical integral, accurate far out in the tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri_exp

from workbench.estimators.search import Array
from workbench.estimators.validation import as_numbers

Bandwidth = float | tuple[float, float] | None
"""Of the kernels, in samples: one number, or the bounds between which cross-validation chooses; ``None`` for :data:`RELATIVE`."""

RELATIVE = (0.04, 0.4)
"""Default bounds of the bandwidth, as shares of the median requirement."""

_TRIALS = 10

_FOLDS = 5
_MOST_ATOMS = 250
_SQRT_TAU = np.sqrt(2 * np.pi)
_LOG_TINY = -690.0  # ln 1e-300: below it the sum of tails is taken in log space


@dataclass(frozen=True)
class KernelMixture:
    """The mixture ``sum_i w_i N(a_i, h_i^2) + w_inf delta_inf`` of a requirement: closed forms of its survival and density.

    Attributes:
        atoms: (U,) distinct values, increasing.
        weights: (U,) their probabilities.
        bandwidths: (U,) their standard deviations.
        p_infinite: the probability of infinity; with ``weights`` it sums to one.
    """

    atoms: Array
    weights: Array
    bandwidths: Array
    p_infinite: float

    @classmethod
    def pool(cls, answers: Sequence[Array], limit: float, bandwidth: Bandwidth, seed: int) -> KernelMixture:
        """Return the equal mixture of the kernel laws of several sets of answers, such as one a family.

        Args:
            answers: the sets, each (B,); answers above ``limit`` count as infinite.
            limit: the most that may be collected.
            bandwidth: see :data:`Bandwidth`; each set has its own.
            seed: of the folds.
        """
        atoms, weights, bandwidths, infinite = [], [], [], 0.0
        for drawn in answers:
            finite = drawn[drawn <= limit]
            infinite += (len(drawn) - len(finite)) / (len(drawn) * len(answers))
            if not len(finite):
                continue
            values, counts = np.unique(finite, return_counts=True)
            bounds = tuple(share * np.median(finite) for share in RELATIVE) if bandwidth is None else bandwidth
            width = cross_validated_bandwidth(finite, bounds, seed) if isinstance(bounds, tuple) else bounds
            floor = np.maximum(1.0, 1e-3 * values)  # all answers equal: a smoothed step
            atoms.append(values)
            weights.append(counts / (len(drawn) * len(answers)))
            bandwidths.append(np.maximum(width, floor))
        if not atoms:
            return cls(np.empty(0), np.empty(0), np.empty(0), 1.0)
        order = np.argsort(np.concatenate(atoms), kind="stable")
        flat = [np.concatenate(parts)[order] for parts in (atoms, weights, bandwidths)]
        # not 1 - sum(weights), whose rounding error would outweigh every answer that the present size contradicts
        return cls(*flat, p_infinite=infinite)

    def sf(self, sizes: Array) -> Array:
        """Return ``Pr(D > q)`` (...) at sizes (...)."""
        scaled = (np.asarray(sizes, float)[..., None] - self.atoms) / self.bandwidths
        return ndtr(-scaled) @ self.weights + self.p_infinite

    def pdf(self, sizes: Array) -> Array:
        """Return the density (...) per sample, the mass at infinity left out."""
        scaled = (np.asarray(sizes, float)[..., None] - self.atoms) / self.bandwidths
        return np.exp(-0.5 * scaled**2) @ (self.weights / (_SQRT_TAU * self.bandwidths))

    def logsf(self, sizes: Array) -> Array:
        """Return ``ln Pr(D > q)`` (...), finite where the probability underflows."""
        sizes = np.asarray(sizes, float)
        with np.errstate(divide="ignore"):
            result = np.atleast_1d(np.log(self.sf(sizes)))
        deep = result < _LOG_TINY
        if deep.any() and self.p_infinite == 0.0:  # with a mass at infinity the survival never gets there
            scaled = (np.atleast_1d(sizes)[deep][:, None] - self.atoms) / self.bandwidths
            result[deep] = logsumexp(log_ndtr(-scaled), b=self.weights, axis=-1)
        return result.reshape(sizes.shape)

    def logpdf(self, sizes: Array) -> Array:
        """Return the logarithm of :meth:`pdf`."""
        scaled = (np.asarray(sizes, float)[..., None] - self.atoms) / self.bandwidths
        if not len(self.atoms):
            return np.full(scaled.shape[:-1], -np.inf)
        return logsumexp(-0.5 * scaled**2, b=self.weights / (_SQRT_TAU * self.bandwidths), axis=-1)

    def sample_above(self, present: float, count: int, rng: np.random.Generator) -> Array:
        """Return (count,) draws of D given D > ``present``; ``inf`` for the mass at infinity."""
        log_tail = log_ndtr((self.atoms - present) / self.bandwidths)
        with np.errstate(divide="ignore"):
            log_mass = np.append(log_tail + np.log(self.weights), np.log(self.p_infinite))
        mass = np.exp(log_mass - logsumexp(log_mass))
        index = rng.choice(len(mass), size=count, p=mass / mass.sum())
        draws = np.full(count, np.inf)
        finite = np.flatnonzero(index < len(self.atoms))
        atom = index[finite]
        # D = a - h z with z below (a - present) / h: invert a uniform share of that tail
        log_share = np.log(rng.uniform(size=len(finite))) + log_tail[atom]
        draws[finite] = np.maximum(self.atoms[atom] - self.bandwidths[atom] * ndtri_exp(log_share), present)
        return draws


def cross_validated_bandwidth(answers: ArrayLike, bounds: tuple[float, float], seed: int = 0) -> float:
    """Return the Gaussian bandwidth of the highest held-out likelihood over five folds (section 3.2 of the paper).

    Equal answers share a fold: a resample that came up twice would otherwise vouch for its own copy, and the narrowest kernel
    would always win.  Fewer than ten distinct answers cannot be split, and get the lower bound.

    Args:
        answers: (B,) finite values.
        bounds: least and greatest bandwidth, in samples.
        seed: of the folds.

    >>> rng = np.random.default_rng(0)
    >>> 100 < cross_validated_bandwidth(rng.normal(5000, 500, 300), (20, 2000)) < 400
    True
    """
    values, counts = np.unique(np.asarray(answers, float), return_counts=True)
    trials = np.geomspace(*bounds, _TRIALS)
    if len(values) < 2 * _FOLDS:
        return float(trials[0])
    if len(values) > _MOST_ATOMS:
        keep = np.linspace(0, len(values) - 1, _MOST_ATOMS).round().astype(int)
        values, counts = values[keep], counts[keep]
    fold = np.random.default_rng(seed).permutation(len(values)) % _FOLDS
    seen = np.where(fold[:, None] != fold, counts.astype(float), 0.0)
    seen /= seen.sum(1, keepdims=True)
    squared = -0.5 * (values[:, None] - values) ** 2
    tiny = np.finfo(float).tiny
    likelihood = [
        counts @ (np.log(np.maximum((seen * np.exp(squared / h**2)).sum(1), tiny)) - np.log(h)) for h in trials
    ]
    return float(trials[int(np.argmax(likelihood))])


def check_bandwidth(bandwidth: Bandwidth) -> Bandwidth:
    """Return ``None``, a positive number, or a tuple of two increasing ones; raise ValueError for anything else."""
    if bandwidth is None:
        return None
    values = as_numbers(bandwidth, "bandwidth")
    if values.shape not in ((), (2,)) or not np.isfinite(values).all() or not 0 < values.min() == values.flat[0]:
        raise ValueError(f"bandwidth must be a positive number or two increasing ones, got {bandwidth}")
    return tuple(values.tolist()) if values.ndim else float(values)
