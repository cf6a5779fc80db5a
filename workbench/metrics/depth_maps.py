"""Errors of depth maps: over all pixels, in the band around boundaries of objects, and in the interior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

REGIONS = ("all", "band", "interior")


def valid_depth(depth: ArrayLike) -> NDArray[np.bool_]:
    """Return where a map holds a depth: finite and above 0."""
    depth = np.asarray(depth)
    return np.isfinite(depth) & (depth > 0)


def boundary_band(depth: ArrayLike, jump: float, radius: int = 1) -> NDArray[np.bool_]:
    """Return the pixels within ``radius`` (a square) of a jump in depth: of two neighbours that differ by more than ``jump``.

    Args:
        depth: (..., height, width); pixels without a depth make no jump and belong to no band.
        jump: in the unit of the depth.
        radius: pixels; 0 for the two neighbours alone.

    >>> boundary_band([[1.0, 1, 1, 9, 9, 9]], jump=5)[0].tolist()
    [False, True, True, True, True, False]
    """
    depth = np.asarray(depth, float)
    if not jump > 0 or radius < 0:
        raise ValueError(f"jump must be above 0 and radius at least 0, got {jump!r} and {radius!r}")
    valid = valid_depth(depth)
    edge = np.zeros(depth.shape, bool)
    for axis in (-2, -1):
        lower, upper = (_cut(axis, slice(None, -1)), _cut(axis, slice(1, None)))
        with np.errstate(invalid="ignore"):
            steep = valid[lower] & valid[upper] & (np.abs(depth[upper] - depth[lower]) > jump)
        edge[lower] |= steep
        edge[upper] |= steep
    if radius:
        size = (1,) * (depth.ndim - 2) + (2 * radius + 1,) * 2
        edge = ndimage.maximum_filter(edge, size)
    return edge & valid


def _cut(axis: int, part: slice) -> tuple[object, ...]:
    return (..., part, slice(None)) if axis == -2 else (..., part)


def regions(truth: ArrayLike, jump: float, radius: int = 1) -> dict[str, NDArray[np.bool_]]:
    """Return the masks of the pixels that count in each of ``REGIONS``."""
    valid, band = valid_depth(truth), boundary_band(truth, jump, radius)
    return {"all": valid, "band": band, "interior": valid & ~band}


def depth_errors(
    predicted: ArrayLike, truth: ArrayLike, taus: Sequence[float], *, jump: float, radius: int = 1
) -> dict[str, dict[str, float]]:
    """Return for each region the number of pixels, mean and median absolute error, and the share of errors above each tau.

    A pixel without a predicted depth (0, or not finite) is wrong at any tau, and left out of mean and median.

    Args:
        predicted, truth: (..., height, width); truth is 0 or not finite where it is not known.
        taus: thresholds, in the unit of the depth.
        jump, radius: of :func:`boundary_band`.

    Raises:
        ValueError: the two are of different shapes.

    >>> depth_errors([[1.0, 2, 9]], [[1.0, 1, 0]], [0.5], jump=5)["all"]
    {'pixels': 2, 'mean': 0.5, 'median': 0.5, '> 0.5': 0.5}
    """
    predicted, truth = np.asarray(predicted, float), np.asarray(truth, float)
    if predicted.shape != truth.shape:
        raise ValueError(f"predicted and truth must be of one shape, got {predicted.shape} and {truth.shape}")
    found = valid_depth(predicted)
    error = np.where(found, np.abs(np.where(found, predicted, 0) - truth), np.inf)
    table = {}
    for name, mask in regions(truth, jump, radius).items():
        errors = error[mask]
        known = errors[np.isfinite(errors)]
        row = {"pixels": int(mask.sum())}
        row |= {
            key: float(f(known)) if len(known) else float("nan")
            for key, f in (("mean", np.mean), ("median", np.median))
        }
        row |= {f"> {tau:g}": float((errors > tau).mean()) if len(errors) else float("nan") for tau in taus}
        table[name] = row
    return table


def hypothesis_coverage(
    hypotheses: ArrayLike, truth: ArrayLike, interval: ArrayLike, within: float = 0.5
) -> NDArray[np.bool_]:
    """Return where the true depth lies within so many intervals of one of a pixel's hypotheses; the hypotheses may be coarser.

    Args:
        hypotheses: (D, h, w) or (B, D, h, w).
        truth: (H, W) or (B, H, W), H and W the same multiple of h and w; False where it holds no depth.
        interval: of the hypotheses, a number or (B,).
        within: intervals; 0.5 says that the truth lies in the cell of one of them.

    Raises:
        ValueError: sizes that do not fit.

    >>> hypothesis_coverage([[[5.0]], [[9.0]]], [[5.4, 6.0], [9.0, 0.0]], interval=1.0).tolist()
    [[True, False], [True, False]]
    """
    hypotheses, truth = np.asarray(hypotheses, float), np.asarray(truth, float)
    if hypotheses.ndim != truth.ndim + 1 or (truth.ndim == 3 and len(hypotheses) != len(truth)):
        raise ValueError(
            f"hypotheses must be (D, h, w) for a truth (H, W), got {hypotheses.shape} and {truth.shape}; both may have a batch"
        )
    factor = truth.shape[-1] // hypotheses.shape[-1]
    if truth.shape[-2:] != tuple(factor * side for side in hypotheses.shape[-2:]):
        raise ValueError(f"truth {truth.shape} is no whole multiple of hypotheses {hypotheses.shape}")
    nearest = np.full(truth.shape, np.inf)
    for index in range(hypotheses.shape[-3]):
        fine = hypotheses[..., index, :, :].repeat(factor, -2).repeat(factor, -1)
        np.minimum(nearest, np.abs(fine - np.where(valid_depth(truth), truth, np.inf)), out=nearest)
    return (nearest <= within * np.reshape(np.asarray(interval, float), (-1, 1, 1))).reshape(truth.shape)
