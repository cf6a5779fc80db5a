"""Batched searches over the nonlinear parameters of a curve; the linear ones are solved in closed form.

Every function works on ``B`` weighted data sets at once.  A bootstrap resample is a row of weights (how often each point was
drawn), a shorter data set is a row with zero weights, so one array serves resamples, rounds and targets alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def line_fit(basis: Array, scores: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Fit ``scores ~ a * basis + c`` with ``a >= 0`` by weighted least squares along the last axis.

    Args:
        basis: (..., m) values of the basis function at the data.
        scores: (..., m) scores, broadcastable with ``basis``.
        weights: (..., m) nonnegative weights, broadcastable with ``basis``.

    Returns:
        Slope ``a``, intercept ``c`` and weighted sum of squared errors, each of shape (...).
    """
    total = weights.sum(-1)
    mean_score = (weights * scores).sum(-1) / total
    mean_basis = (weights * basis).sum(-1) / total
    centred_basis = basis - mean_basis[..., None]
    centred_score = scores - mean_score[..., None]
    weighted_basis = weights * centred_basis
    variance = (weighted_basis * centred_basis).sum(-1)
    covariance = (weighted_basis * centred_score).sum(-1)
    slope = np.maximum(np.divide(covariance, variance, out=np.zeros_like(covariance), where=variance > 0), 0.0)
    error = (weights * centred_score**2).sum(-1) - slope * (2 * covariance - slope * variance)
    return slope, mean_score - slope * mean_basis, np.maximum(error, 0.0)


def search_line(
    basis_of: Callable[[Array], Array], grid: Array, scores: Array, weights: Array, iterations: int = 34
) -> Array:
    """Find, for each row, the parameter whose basis fits best: all of ``grid`` at once, then golden section beside the best.

    Args:
        basis_of: maps parameters (B, G) to basis values (B, G, m); a leading axis of 1 stands for all rows.
        grid: (G,) increasing parameter values.
        scores: (B, m) scores.
        weights: (B, m) weights.
        iterations: golden-section steps; 34 narrow a grid cell by 1e-7, where the error no longer tells.

    Returns:
        (B,) best parameter.
    """
    error = line_fit(basis_of(grid[None, :]), scores[:, None, :], weights[:, None, :])[2]
    best = error.argmin(1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, len(grid) - 1)]

    def cost(parameter: Array) -> Array:
        return line_fit(basis_of(parameter[:, None])[:, 0], scores, weights)[2]

    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    cost_inner, cost_outer = cost(inner), cost(outer)
    for _ in range(iterations):
        left = cost_inner <= cost_outer
        low, high = np.where(left, low, inner), np.where(left, outer, high)
        fresh = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        cost_fresh = cost(fresh)
        inner, outer = np.where(left, fresh, outer), np.where(left, inner, fresh)
        cost_inner, cost_outer = np.where(left, cost_fresh, cost_outer), np.where(left, cost_inner, cost_fresh)
    candidates = np.stack([(low + high) / 2, grid[best]])
    costs = np.stack([cost(candidates[0]), error[np.arange(len(best)), best]])
    return candidates[costs.argmin(0), np.arange(len(best))]


def pick(values: Array, rows: NDArray[np.intp]) -> Array:
    """Return the ``rows`` of ``values``, or ``values`` itself where its one row stands for all."""
    return values if len(values) == 1 else values[rows]


Curve = Callable[[Array, NDArray[np.intp]], Array]
"""``curve(parameters, rows)``: values of the data sets ``rows`` for their parameters."""


def search_offset(
    curve: Curve, grid: Array, scores: Array, weights: Array, bounds: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Find, for each row, the parameters of ``curve`` that fit best when an additive offset is free as well.

    All of ``grid`` is tried at once, and the best cell is refined by :func:`levenberg_marquardt`.

    Args:
        curve: maps parameters (b, G, p) of data sets ``rows`` (b,) to values (b, G, m); values (1, G, m) stand for all rows.
        grid: (G, p) parameter rows of order one.
        scores: (B, m) scores.
        weights: (B, m) weights.
        bounds: lower and upper bounds, (p,) each.

    Returns:
        Parameters (B, p) and offsets (B,).
    """
    every = np.arange(len(scores))
    share = weights / weights.sum(-1, keepdims=True)
    target = scores - (share * scores).sum(-1, keepdims=True)

    def centred(parameters: Array, rows: NDArray[np.intp]) -> Array:
        values = curve(parameters[:, None, :], rows)[:, 0]
        return values - (share[rows] * values).sum(-1, keepdims=True)

    values = curve(grid[None], every)
    if len(values) == 1:
        moments = np.einsum("bm,gm->bg", share, values[0] ** 2) - (share @ values[0].T) ** 2
        best = (moments - 2 * np.einsum("bm,gm->bg", share * target, values[0])).argmin(1)
    else:
        moments = np.einsum("bm,bgm->bg", share, values**2) - np.einsum("bm,bgm->bg", share, values) ** 2
        best = (moments - 2 * np.einsum("bm,bgm->bg", share * target, values)).argmin(1)
    parameters = levenberg_marquardt(centred, grid[best], target, share, *bounds)
    fitted = curve(parameters[:, None, :], every)[:, 0]
    return parameters, (share * (scores - fitted)).sum(-1)


def levenberg_marquardt(
    curve: Curve, start: Array, scores: Array, weights: Array, lower: Array, upper: Array, iterations: int = 200
) -> Array:
    """Refine ``B`` parameter rows at once by damped Gauss-Newton steps with central differences.

    A row is left alone once its error no longer falls; most rows need ten steps, and a few in narrow valleys many more.

    Args:
        curve: maps parameters (b, p) of data sets ``rows`` (b,) to values (b, m); parameters should be of order one.
        start: (B, p) start values.
        scores: (B, m) scores.
        weights: (B, m) weights.
        lower: (p,) lower bounds.
        upper: (p,) upper bounds.
        iterations: most steps.

    Returns:
        (B, p) refined parameters, never worse than ``start``.
    """
    result, rows = start.copy(), np.arange(len(start))
    parameters, residual = start.copy(), scores - curve(start, rows)
    error = (weights * residual**2).sum(-1)
    damping = np.full(len(rows), 1e-3)
    diagonal = np.arange(start.shape[1])
    for _ in range(iterations):
        jacobian = _central_differences(lambda trial, rows=rows: curve(trial, rows), parameters)
        weighted = jacobian * weights[rows][..., None]
        normal = np.einsum("bmp,bmq->bpq", weighted, jacobian)
        gradient = np.einsum("bmp,bm->bp", weighted, residual)
        normal[:, diagonal, diagonal] += damping[:, None] * normal[:, diagonal, diagonal] + 1e-12
        step = np.linalg.solve(normal, gradient[..., None])[..., 0]
        trial = np.clip(parameters + step, lower, upper)
        trial_residual = scores[rows] - curve(trial, rows)
        trial_error = (weights[rows] * trial_residual**2).sum(-1)
        better = trial_error < error
        done = np.where(better, error - trial_error <= 1e-12 * error, damping > 1e6)
        parameters = np.where(better[:, None], trial, parameters)
        residual = np.where(better[:, None], trial_residual, residual)
        error = np.where(better, trial_error, error)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-12, 1e10)
        result[rows] = parameters
        if done.any():
            going = ~done
            rows, parameters, residual = rows[going], parameters[going], residual[going]
            error, damping = error[going], damping[going]
            if not len(rows):
                break
    return result


def _central_differences(curve: Callable[[Array], Array], parameters: Array) -> Array:
    columns = []
    for index in range(parameters.shape[1]):
        step = np.zeros_like(parameters)
        step[:, index] = 1e-5 * np.maximum(1.0, np.abs(parameters[:, index]))
        columns.append((curve(parameters + step) - curve(parameters - step)) / (2 * step[:, index, None]))
    return np.stack(columns, -1)
