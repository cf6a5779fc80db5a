"""Additive learning curves of several data sources: every source adds its own power of its own size.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.estimators.curves import box_cox
from workbench.estimators.search import Array, levenberg_marquardt

EXPONENTS: dict[str, tuple[float, float]] = {"additive": (0.0, 1.5), "additive_saturating": (-4.0, 0.0)}
"""The families by name: the least and the greatest exponent of a source; -4 to 0 saturates, 0 is the logarithm."""

_CELLS = 150
_STEPS = 40


@dataclass(frozen=True, eq=False)
class AdditiveCurves:
    """``B`` curves ``v(q) = level + sum_k slope_k (x_k^b_k - 1) / b_k`` with ``x_k = q_k / reference_k``.

    A source with ``b_k = 0`` adds ``slope_k ln x_k``. The form is that of the paper's ``t_0 + sum_k t_k q_k^b_k``, without the
    valley ``b_k -> 0, t_k -> inf, t_0 -> -inf``.

    Attributes:
        log_reference: (K,) logarithms of the reference sizes.
        exponents: (B, K).
        slopes: (B, K), none negative: more data of a source never lowers the curve.
        level: (B,) scores at the reference sizes.

    >>> curves = AdditiveCurves(np.log([100.0, 50.0]), np.array([[1.0, 0.0]]), np.array([[20.0, 5.0]]), np.array([60.0]))
    >>> curves.evaluate([[100, 50], [200, 50]])
    array([[60., 80.]])
    >>> curves.gradient([100, 50])
    array([[0.2, 0.1]])
    """

    log_reference: Array
    exponents: Array
    slopes: Array
    level: Array

    def evaluate(self, points: ArrayLike) -> Array:
        """Return the scores (B, ...) at sizes ``points`` (..., K)."""
        log_x = np.log(np.asarray(points, float)) - self.log_reference
        shape = (len(self.level),) + (1,) * (log_x.ndim - 1)
        scores = np.broadcast_to(self.level.reshape(shape), (len(self.level), *log_x.shape[:-1])).copy()
        for source in range(len(self.log_reference)):
            basis = box_cox(log_x[None, ..., source], self.exponents[:, source].reshape(shape))
            scores += self.slopes[:, source].reshape(shape) * basis
        return scores

    def paired(self, sizes: Array) -> Array:
        """Return the score (B,) of each curve at its own sizes (B, K)."""
        return self.level + (self.slopes * box_cox(np.log(sizes) - self.log_reference, self.exponents)).sum(-1)

    def gradient(self, points: ArrayLike) -> Array:
        """Return the slopes (B, ..., K) of the scores in the sizes, in score units per sample."""
        points = np.asarray(points, float)
        shape = (len(self.level),) + (1,) * (points.ndim - 1) + (len(self.log_reference),)
        log_x = np.log(points) - self.log_reference
        return self.slopes.reshape(shape) * np.exp(self.exponents.reshape(shape) * log_x) / points

    def take(self, rows: NDArray[np.intp]) -> AdditiveCurves:
        """Return the curves at ``rows``, in that order."""
        return AdditiveCurves(self.log_reference, self.exponents[rows], self.slopes[rows], self.level[rows])


def fit_additive(sizes: Array, scores: Array, weights: Array, family: str) -> AdditiveCurves:
    """Fit one curve a row of weights by least squares, separably: for fixed exponents the rest is linear.

    A coarse grid of exponents is tried, and the best cell is refined by damped Gauss-Newton steps on the fit in which the level
    and the slopes are already the best ones (variable projection). Equal rows of weights are fitted once.

    Args:
        sizes: (m, K) numbers of samples.
        scores: (m,).
        weights: (B, m), not negative; zero leaves a point out. Each row should determine its curve: see ``check_design``.
        family: a name of ``EXPONENTS``.

    Returns:
        The ``B`` curves.

    >>> q = np.array([[10, 10], [10, 40], [40, 10], [40, 40], [80, 20], [20, 80]])
    >>> curves = fit_additive(q, 90 - 100 / q[:, 0] ** 0.5 - 60 / q[:, 1], np.ones((1, 6)), "additive_saturating")
    >>> curves.exponents.round(4)
    array([[-0.5, -1. ]])
    """
    rows, inverse = np.unique(weights, axis=0, return_inverse=True)
    share = rows / rows.sum(1, keepdims=True)
    centred = scores - (share @ scores)[:, None]
    logs = np.log(np.asarray(sizes, float))
    log_reference = logs.mean(0)
    log_x = logs - log_reference
    low, high = (np.full(log_x.shape[1], bound) for bound in EXPONENTS[family])

    def project(exponents: Array, index: NDArray[np.intp]) -> Array:
        basis, slopes = _slopes(log_x, exponents, centred[index], share[index])
        return (basis * slopes[:, None, :]).sum(-1)

    start = _best_cells(log_x, _grid(low, high), centred, share)
    exponents = levenberg_marquardt(project, start, centred, share, low, high, iterations=_STEPS)
    _, slopes = _slopes(log_x, exponents, centred, share)
    values = (slopes[:, None, :] * box_cox(log_x, exponents[:, None, :])).sum(-1)
    level = (share * (scores - values)).sum(-1)
    return AdditiveCurves(log_reference, exponents, slopes, level).take(inverse.ravel())


def _grid(low: Array, high: Array) -> Array:
    """Return about ``_CELLS`` rows of exponents (C, K) between the bounds, denser towards zero, where exponents usually lie."""
    count = max(3, round(_CELLS ** (1 / len(low))))
    far, near = (low, high) if -low[0] > high[0] else (high, low)
    axes = [a + (b - a) * np.linspace(0, 1, count) ** 2 for a, b in zip(near, far, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(low))


def _best_cells(log_x: Array, grid: Array, centred: Array, share: Array) -> Array:
    """Return, for each row, the exponents (B, K) of the grid (C, K) that fit best."""
    basis = box_cox(log_x, grid[:, None, :])
    basis = basis - basis.mean(1, keepdims=True)
    products = basis[..., :, None] * basis[..., None, :]
    mean = np.einsum("bm,cmk->bck", share, basis)
    normal = np.einsum("bm,cmkl->bckl", share, products) - mean[..., :, None] * mean[..., None, :]
    moment = np.einsum("bm,cmk->bck", share * centred, basis)
    return grid[nonnegative_slopes(normal, moment)[1].argmax(1)]


def _slopes(log_x: Array, exponents: Array, centred: Array, share: Array) -> tuple[Array, Array]:
    """Return the basis (B, m, K), centred in each row, and the best slopes (B, K) for given exponents (B, K)."""
    basis = box_cox(log_x, exponents[:, None, :])
    basis = basis - (share[..., None] * basis).sum(1, keepdims=True)
    weighted = share[..., None] * basis
    normal = weighted.swapaxes(1, 2) @ basis
    moment = (weighted * centred[..., None]).sum(1)
    return basis, nonnegative_slopes(normal, moment)[0]


def nonnegative_slopes(normal: Array, moment: Array) -> tuple[Array, Array]:
    """Solve ``min_a a' N a - 2 g' a`` over ``a >= 0``, many small problems at once, by trying every set of positive slopes.

    Args:
        normal: (..., K, K) normal matrices ``N``.
        moment: (..., K) moments ``g``.

    Returns:
        Slopes (..., K) and the decrease of the squared error (...).

    >>> nonnegative_slopes(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([4.0, -1.0]))
    (array([2., 0.]), array(8.))
    """
    sources = moment.shape[-1]
    spread = np.sqrt(np.einsum("...kk->...k", normal))
    spread = np.where(spread > 0, spread, 1.0)
    normal, moment = normal / (spread[..., :, None] * spread[..., None, :]), moment / spread
    slopes, gain = np.zeros_like(moment), np.zeros(moment.shape[:-1])
    for count in range(1, sources + 1):
        for active in itertools.combinations(range(sources), count):
            chosen = list(active)
            trial = moment[..., chosen]
            if count > 1:  # 1e-12 keeps equal columns solvable; the scaled matrix has ones on its diagonal
                system = normal[..., np.array(chosen)[:, None], chosen] + 1e-12 * np.eye(count)
                trial = np.linalg.solve(system, trial[..., None])[..., 0]
            decrease = (trial * moment[..., chosen]).sum(-1)
            better = (trial >= 0).all(-1) & (decrease > gain)
            gain = np.where(better, decrease, gain)
            full = np.zeros_like(moment)
            full[..., chosen] = trial
            slopes = np.where(better[..., None], full, slopes)
    return slopes / spread, gain
