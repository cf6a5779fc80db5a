"""Clustering by the information bottleneck, and self-attention as its twin: one step of each, to be repeated.

Zhou et al., ICML 2022, proposition 2.1; Tishby, Pereira, Bialek, "The Information Bottleneck Method", 1999; Cheng, "Mean Shift,
Mode Seeking, and Clustering", IEEE TPAMI 1995.  All in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax


@dataclass(frozen=True)
class Clusters:
    """Soft clusters.

    Attributes:
        centres: (k, d).
        masses: (k,) expected numbers of points; they add up to n.
        assignment: (n, k) of each point to each cluster; rows add up to 1.
    """

    centres: np.ndarray
    masses: np.ndarray
    assignment: np.ndarray


def bottleneck_step(
    points: ArrayLike, centres: ArrayLike, masses: ArrayLike, beta: float, spread: float = 1.0
) -> Clusters:
    """Return one iteration of the information bottleneck with Gaussian clusters of one spread.

    ``p(c|i) = softmax over c of log(n_c / n) - beta |x_i - mu_c|^2 / (2 spread^2)``, then ``n_c = sum_i p(c|i)`` and
    ``mu_c = sum_i p(c|i) x_i / n_c``. With unit centres of equal mass it is attention whose keys are the
    centres, normalised over them.

    Args:
        points: (n, d).
        centres, masses: of the clusters before, (k, d) and (k,); masses need not add up to n. A cluster without mass stays empty.
        beta: how much a distance counts against the loss of information; 0 assigns by mass alone.
        spread: standard deviation of a cluster.

    Raises:
        ValueError: shapes do not match, ``beta`` is negative, ``spread`` not above 0, or a mass negative or all 0.
    """
    points, centres, masses = (np.asarray(value, np.float64) for value in (points, centres, masses))
    if (
        points.ndim != 2
        or centres.ndim != 2
        or points.shape[1] != centres.shape[1]
        or masses.shape != centres.shape[:1]
    ):
        raise ValueError(
            f"expected points (n, d), centres (k, d) and masses (k,), got {points.shape}, {centres.shape}, {masses.shape}"
        )
    if not (beta >= 0 and spread > 0):
        raise ValueError(f"beta must not be negative and spread above 0, got {beta} and {spread}")
    if not (masses >= 0).all() or not masses.sum():
        raise ValueError(f"masses must not be negative nor all 0, got {masses.tolist()}")
    distances = ((points[:, None] - centres) ** 2).sum(2)
    with np.errstate(divide="ignore"):
        scores = np.log(masses / masses.sum()) - beta * distances / (2 * spread**2)
    assignment = softmax(scores, axis=1)
    found = assignment.sum(0)
    sums = assignment.T @ points
    moved = np.divide(sums, found[:, None], out=centres.copy(), where=found[:, None] > 0)
    return Clusters(moved, found, assignment)


def free_energy(points: ArrayLike, clusters: Clusters, beta: float, spread: float = 1.0) -> float:
    """Return what no :func:`bottleneck_step` raises: ``I(C; I) + beta E|x - mu|^2 / (2 spread^2)``, in nats a point.

    ``I(C; I)`` is the mutual information of cluster and point. The clusters are those that the step returned.
    """
    points = np.asarray(points, np.float64)
    assignment, count = clusters.assignment, len(points)
    share = clusters.masses / count
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(assignment > 0, assignment * np.log(assignment / share), 0.0)
    distances = ((points[:, None] - clusters.centres) ** 2).sum(2)
    return float((terms.sum() + beta * (assignment * distances).sum() / (2 * spread**2)) / count)


def proposition_2_1(points: ArrayLike, centres: ArrayLike, covariance: ArrayLike, masses: ArrayLike) -> np.ndarray:
    """Return the new centres as the paper prints them, (k, d).

    ``z_c = sum_i log(n_c / n) / (n det Sigma) softmax over c of (mu_c^T Sigma^-1 x_i / (1/2)) x_i``. As printed the factor
    ``log(n_c / n)`` is at most 0, and the softmax runs over clusters for each point, as in slot attention; ordinary attention
    normalises over keys.

    Args:
        points: (n, d).
        centres, masses: (k, d) and (k,), the masses adding up to n.
        covariance: (d, d), of every cluster.

    Raises:
        ValueError: the covariance is not positive definite, a mass is not above 0, or they do not add up to n.
    """
    points, centres, covariance, masses = (np.asarray(v, np.float64) for v in (points, centres, covariance, masses))
    sign, log_determinant = np.linalg.slogdet(covariance)
    if sign <= 0 or np.linalg.eigvalsh(covariance).min() <= 0:
        raise ValueError("covariance is not positive definite")
    if not (masses > 0).all() or not np.isclose(masses.sum(), len(points)):
        raise ValueError(f"masses must be above 0 and add up to {len(points)}, got {masses.tolist()}")
    queries = np.linalg.solve(covariance, points.T).T
    weights = softmax(2 * queries @ centres.T, axis=1)
    scale = np.log(masses / len(points)) / (len(points) * np.exp(log_determinant))
    return scale[:, None] * (weights.T @ points)


def mean_shift_step(points: ArrayLike, beta: float) -> np.ndarray:
    """Return ``normalise(softmax(beta X X^T) X)``: self-attention without learned weights, mean shift on the sphere.

    Args:
        points: (n, d), scaled to length 1 first.
        beta: the inverse temperature; a small one draws all points together, a large one leaves each where it is.

    Raises:
        ValueError: another shape, a point is 0, or ``beta`` is negative.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or not beta >= 0:
        raise ValueError(f"expected points (n, d) and a beta of at least 0, got {points.shape} and {beta}")
    unit = _unit(points)
    return _unit(softmax(beta * unit @ unit.T, axis=1) @ unit)


def _unit(points: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError(f"point {int(np.flatnonzero(lengths[:, 0] == 0)[0])} is 0; it has no direction")
    return points / lengths
