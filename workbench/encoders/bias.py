"""Irreducible and reducible bias of an encoding, exactly: what a group of ``n`` rows is encoded to, sample by sample.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023, section 4.  A group of ``n``
rows with P(y = 1) = ``p`` is encoded to ``(K + m prior) / (n + m)`` with K binomial (equation 3), and predicted positive when
that is above the threshold.  The prior is taken as fixed.  Every argument may be an array; they broadcast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc
from scipy.stats import binom

from workbench.encoders.category_table import CategoryTable
from workbench.encoders.validation import Floats, check_share, check_strength, check_whole

TIE = 1e-9
"""Relative distance at which an encoding and the threshold count as equal: a decision must not hang on rounding."""


class BiasTerms(NamedTuple):
    """The two parts of the expected squared gap ``E (encoding - encoding of the reference)^2``.

    Attributes:
        irreducible: the squared gap of the expected encodings, ``B^2``: without smoothing the true ``(p - p_ref)^2``, which no
            further row removes.
        reducible: the variance ``V`` of the gap, which vanishes as both groups grow.
    """

    irreducible: Floats
    reducible: Floats


def bias_terms(
    p: ArrayLike, n: ArrayLike, p_ref: ArrayLike, n_ref: ArrayLike, smoothing: ArrayLike = 0.0, prior: ArrayLike = 0.5
) -> BiasTerms:
    """Return what the expected squared gap of two encodings is made of.

    With ``l = n / (n + m)``: ``B = [l p + (1 - l) prior] - [the same of the reference]`` and ``V = l^2 p (1 - p) / n + [the
    same]``.

    Args:
        p: P(y = 1) in the group.
        n: rows of the group, above 0; infinity for a group without variance.
        p_ref: P(y = 1) in the reference group.
        n_ref: rows of the reference group.
        smoothing: ``m``.
        prior: P(y = 1) overall.

    >>> plain = bias_terms(0.58, 10, 0.32, 5000)
    >>> smoothed = bias_terms(0.58, 10, 0.32, 5000, smoothing=100, prior=0.43)
    >>> [round(float(term), 4) for term in (*plain, *smoothed)]
    [0.0676, 0.0244, 0.0148, 0.0002]
    """
    p, p_ref, prior = (check_share(value, name) for value, name in ((p, "p"), (p_ref, "p_ref"), (prior, "prior")))
    mean, variance = _moments(p, n, smoothing, prior)
    mean_ref, variance_ref = _moments(p_ref, n_ref, smoothing, prior, "n_ref")
    return BiasTerms((mean - mean_ref) ** 2, variance + variance_ref)


def positive_probability(
    p: ArrayLike, n: ArrayLike, smoothing: ArrayLike = 0.0, prior: ArrayLike = 0.5, threshold: ArrayLike = 0.5
) -> Floats:
    """Return the probability, over samples, that the group is predicted positive: P(Bin(n, p) > threshold (n + m) - m prior).

    Args:
        p: P(y = 1) in the group.
        n: rows of the group; infinity for the limit, where the encoding is ``p``.
        smoothing: ``m``; infinity encodes every group by the prior.
        prior: P(y = 1) overall.
        threshold: an encoding at the threshold is not positive.

    >>> positive_probability(0.58, [10, 50, 200], [0, 100, 100], prior=0.43).round(3)
    array([0.582, 0.158, 0.888])
    """
    p, prior, m, n = _checked(p, prior, smoothing, n)
    limit = np.isinf(n) | np.isinf(m)
    rows, mixed = np.where(limit, 1.0, n), np.where(limit, 0.0, m)
    bound = threshold * (rows + mixed) - mixed * prior  # more positives than this are needed
    nearest = np.round(bound)
    needed = np.where(abs(bound - nearest) <= TIE * (rows + mixed), nearest, np.floor(bound))
    inside = np.clip(needed, 0, rows - 1)
    probability = np.where(needed < 0, 1.0, np.where(needed >= rows, 0.0, betainc(inside + 1, rows - inside, p)))
    encoding = np.where(np.isinf(m), prior, p)
    return np.where(limit, (encoding > threshold).astype(float), probability)


def flip_probability(
    p: ArrayLike, n: ArrayLike, smoothing: ArrayLike = 0.0, prior: ArrayLike = 0.5, threshold: ArrayLike = 0.5
) -> Floats:
    """Return the probability, over samples, that the group is predicted otherwise than its true ``p`` says.  Arguments as above.

    >>> flip_probability([0.58, 0.58, 0.3], 50, [0, 100, 0], prior=0.43).round(3)
    array([0.158, 0.842, 0.001])
    """
    positive = positive_probability(p, n, smoothing, prior, threshold)
    return np.where(np.asarray(p) > threshold, 1.0 - positive, positive)


def expected_equal_opportunity(
    p: ArrayLike,
    n: ArrayLike,
    p_ref: ArrayLike,
    n_ref: ArrayLike = np.inf,
    smoothing: ArrayLike = 0.0,
    prior: ArrayLike = 0.5,
    threshold: ArrayLike = 0.5,
) -> Floats:
    """Return the expected |equal opportunity|: where the attribute is the only feature, the two groups then differ in prediction.

    A group is predicted as one, so that its TPR is 0 or 1; the gap is 1 when one of two independent groups is predicted
    positive and the other is not.  With both groups unlimited it is the irreducible ``|1[p > 1/2] - 1[p_ref > 1/2]|``.

    >>> [round(float(expected_equal_opportunity(0.58, n, 0.32)), 3) for n in (10, 50, np.inf)]
    [0.582, 0.842, 1.0]
    """
    of_group, of_ref = (
        positive_probability(share, rows, smoothing, prior, threshold) for share, rows in ((p, n), (p_ref, n_ref))
    )
    return of_group + of_ref - 2 * of_group * of_ref


def encoding_distribution(
    p: float, n: int, smoothing: float = 0.0, prior: float = 0.5, least: float = 1e-7
) -> tuple[Floats, Floats]:
    """Return what the group may be encoded to, sample by sample, and with which probability.

    Args:
        p: P(y = 1) in the group.
        n: rows of the group.
        smoothing: ``m``, finite.
        prior: P(y = 1) overall.
        least: probability below which a value is left out.

    Returns:
        Values (k,) in ascending order, and their probabilities (k,).

    >>> values, probabilities = encoding_distribution(0.5, 2, smoothing=2, prior=0.25)
    >>> values, probabilities
    (array([0.125, 0.375, 0.625]), array([0.25, 0.5 , 0.25]))
    """
    n = check_whole(n, "n", 1)
    m, p, prior = float(check_strength(smoothing, "smoothing")), check_share(p, "p"), check_share(prior, "prior")
    positives = np.arange(n + 1)
    probabilities = binom.pmf(positives, n, p)
    kept = probabilities >= least
    return (positives[kept] + m * prior) / (n + m), probabilities[kept]


def optimal_smoothing(p: ArrayLike, prior: ArrayLike) -> Floats:
    """Return the ``m`` whose encoding of a group has the least mean squared error: ``p (1 - p) / (p - prior)^2``, whatever ``n``.

    Infinity for a group that is like the prior; 0 for one of a single class that is not.

    >>> optimal_smoothing([0.58, 0.5, 1.0], 0.5).round(2)
    array([38.06,   inf,  0.  ])
    """
    p, prior = np.broadcast_arrays(check_share(p, "p"), check_share(prior, "prior"))
    distance = (p - prior) ** 2
    return np.where(distance > 0, p * (1 - p) / np.where(distance > 0, distance, 1.0), np.inf)


def noise_attenuation(table: CategoryTable, noise: ArrayLike, smoothing: float = 0.0) -> Floats:
    """Return the share of its weight that a linear model keeps on an encoding with noise: ``v / (v + noise^2)``.

    ``v`` is the variance of the encoding over the training rows.  Exact for least squares on this feature alone with many rows,
    and a preview for other linear models.

    Args:
        table: the counts of the attribute.
        noise: standard deviations ``lambda`` of the noise, of any shape.
        smoothing: ``m``.

    Raises:
        ValueError: a noise is negative or not finite.
    """
    lam = check_strength(noise, "noise")
    encoding = table.means(smoothing)
    mean = np.average(encoding, weights=table.counts)
    variance = np.average((encoding - mean) ** 2, weights=table.counts)
    total = variance + lam**2
    return np.where(total > 0, variance / np.where(total > 0, total, 1.0), 1.0)


def _moments(p: Floats, n: ArrayLike, smoothing: ArrayLike, prior: Floats, name: str = "n") -> tuple[Floats, Floats]:
    """Return the mean and the variance of the encoding."""
    p, prior, m, n = _checked(p, prior, smoothing, n, name)
    weight = np.where(np.isinf(m), 0.0, np.where(np.isinf(n), 1.0, n / np.where(np.isinf(n), 1.0, n + m)))
    return weight * p + (1 - weight) * prior, weight**2 * p * (1 - p) / n


def _checked(p: ArrayLike, prior: ArrayLike, smoothing: ArrayLike, n: ArrayLike, name: str = "n") -> list[Floats]:
    """Return the arguments, checked and broadcast."""
    rows = np.asarray(n, np.float64)
    if not (rows >= 1).all():
        raise ValueError(f"{name} must be at least 1 row, got {rows[~(rows >= 1)].flat[0]:g}")
    return np.broadcast_arrays(
        check_share(p, "p"), check_share(prior, "prior"), check_strength(smoothing, "smoothing", True), rows
    )
