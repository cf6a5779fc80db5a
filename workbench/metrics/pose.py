"""Metrics of 6D poses: ADD, ADD-S, reprojection, area under the recall curve, and the three errors of the BOP benchmark.

Hinterstoisser et al., ACCV 2012 (ADD, ADD-S); Xiang et al., "PoseCNN", RSS 2018 (AUC); Hodaň et al., "BOP Challenge 2020 on 6D
Object Localization", ECCVW 2020 (VSD, MSSD, MSPD, AR).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError, cKDTree

from workbench.geometry.cameras import Array, project
from workbench.geometry.pnp import Pose
from workbench.geometry.symmetries import Symmetries

BOP_THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 11))
"""Of MSSD, in diameters, and of VSD; MSPD's are 100 of these, pixels at a width of 640."""
VSD_DELTA = 15.0
"""Millimetres by which the model may lie behind the scene and still be visible."""


def add(points: ArrayLike, estimate: Pose, truth: Pose) -> float:
    """Return ADD, the mean distance between points (N, 3) of the object in both poses; infinite where there is no estimate.

    >>> box = np.array([[0.0, 0, 0], [1, 0, 0]])
    >>> add(box, Pose(np.eye(3), np.array([0.0, 3, 4])), Pose(np.eye(3), np.zeros(3)))
    5.0
    """
    if not estimate.success:
        return math.inf
    points = _points(points)
    return float(np.linalg.norm(estimate.transform(points) - truth.transform(points), axis=1).mean())


def add_s(points: ArrayLike, estimate: Pose, truth: Pose) -> float:
    """Return ADD-S, the mean distance from each point in its true pose to the nearest point in the estimated one.

    By a k-d tree, in n log n and without an n x n table; infinite where there is no estimate.

    >>> box = np.array([[-1.0, 0, 0], [1, 0, 0]])
    >>> add_s(box, Pose(np.diag([-1.0, -1, 1]), np.zeros(3)), Pose(np.eye(3), np.zeros(3)))
    0.0
    """
    if not estimate.success:
        return math.inf
    points = _points(points)
    # Distances stay what they are when both are seen from the estimate, where the tree of the object can be used.
    relative = (truth.transform(points) - estimate.translation) @ estimate.rotation
    return float(cKDTree(points).query(relative)[0].mean())


def reprojection_error(points: ArrayLike, estimate: Pose, truth: Pose, intrinsics: ArrayLike) -> float:
    """Return the mean distance, pixels, between where points (N, 3) are seen; infinite without an estimate or behind the camera."""
    if not estimate.success:
        return math.inf
    points = _points(points)
    seen = [project(points, intrinsics, pose.rotation, pose.translation) for pose in (estimate, truth)]
    found = float(np.linalg.norm(seen[0] - seen[1], axis=1).mean())
    return found if math.isfinite(found) else math.inf


def recall(errors: ArrayLike, threshold: float) -> float:
    """Return the share of errors strictly below a threshold; what was not found, infinite, is a miss.

    ADD-0.1d is the recall of ADD at a tenth of the diameter, ADD(-S)-0.1d that with ADD-S for symmetric objects.

    >>> recall([1.0, 10.0, np.inf], 10.0)
    0.333...
    """
    errors = _errors(errors)
    return float((errors < threshold).mean())


def area_under_recall(errors: ArrayLike, most: float = 100.0) -> float:
    """Return the area under the curve of recall over thresholds from 0 to ``most``, over ``most``: ``mean(max(0, 1 - e / most))``.

    Exact; the published code counts 1 000 thresholds, which gives up to 0.001 more.

    >>> area_under_recall([50.0])
    0.5
    """
    if not most > 0:
        raise ValueError(f"most must be above 0, got {most!r}")
    return float(np.maximum(0, 1 - _errors(errors) / most).mean())


def mssd(points: ArrayLike, estimate: Pose, truth: Pose, symmetries: Symmetries) -> float:
    """Return the maximum symmetry-aware surface distance: greatest over points, least over symmetries of the object."""
    if not estimate.success:
        return math.inf
    points = _hull(points)
    seen = estimate.transform(points)
    return float(min(np.linalg.norm(seen - other, axis=1).max() for other in _transformed(points, truth, symmetries)))


def mspd(points: ArrayLike, estimate: Pose, truth: Pose, symmetries: Symmetries, intrinsics: ArrayLike) -> float:
    """Return the maximum symmetry-aware projection distance, pixels: greatest over points, least over symmetries."""
    if not estimate.success:
        return math.inf
    points = _points(points)
    seen = project(estimate.transform(points), intrinsics)
    least = min(
        np.linalg.norm(seen - project(other, intrinsics), axis=1).max()
        for other in _transformed(points, truth, symmetries)
    )
    return float(least) if math.isfinite(least) else math.inf


def vsd(
    estimated: ArrayLike,
    true: ArrayLike,
    scene: ArrayLike,
    intrinsics: ArrayLike,
    tau: ArrayLike,
    *,
    delta: float = VSD_DELTA,
) -> Array:
    """Return the visible surface discrepancy (T,) at tolerances ``tau`` (T,).

    Of the pixels at which the model is visible in either pose, the share at which it is not in both, or at which the distances
    to the camera differ by ``tau`` or more. Visible is what lies at most ``delta`` behind the scene; at a pixel where the scene
    has no depth everything is. What is visible of the truth is counted as visible of the estimate too where both are drawn.

    Args:
        estimated, true: (H, W) depth of the model alone in both poses, millimetres along z, 0 where it is not.
        scene: (H, W) depth image, 0 where there is none.
        intrinsics: (3, 3); distances are along the ray, not along z.
        tau: millimetres.
        delta: millimetres.

    Raises:
        ValueError: shapes differ.
    """
    estimated, true, scene = (np.asarray(one, float) for one in (estimated, true, scene))
    if not estimated.shape == true.shape == scene.shape or true.ndim != 2:
        raise ValueError(
            f"depths must be of one size (H, W), got estimated {estimated.shape}, true {true.shape}, scene {scene.shape}"
        )
    rows, columns = np.indices(true.shape)
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(np.asarray(intrinsics, float)).T
    length = np.linalg.norm(rays, axis=-1)
    estimated, true, scene = estimated * length, true * length, scene * length
    shown_true = (true > 0) & ((scene == 0) | (true <= scene + delta))
    shown = (estimated > 0) & ((scene == 0) | (estimated <= scene + delta) | shown_true)
    either, both = (shown | shown_true).sum(), shown & shown_true
    if not either:
        return np.ones(np.shape(tau))
    apart = np.abs(estimated - true)[both]
    wrong = np.array([(apart >= one).sum() for one in np.atleast_1d(tau)]) + either - both.sum()
    return (wrong / either).reshape(np.shape(tau))


def average_recall(
    mssd_errors: ArrayLike,
    mspd_errors: ArrayLike,
    diameters: ArrayLike,
    width: float,
    vsd_errors: ArrayLike | None = None,
) -> dict[str, float]:
    """Return AR_MSSD, AR_MSPD, with depth AR_VSD, and their mean AR, each a recall averaged over BOP's thresholds.

    Args:
        mssd_errors: (N,), unit of the diameters.
        mspd_errors: (N,), pixels.
        diameters: (N,) of the objects.
        width: of the images, pixels; thresholds of MSPD grow with it.
        vsd_errors: (N, 10), at tolerances of 5 to 50 % of the diameter; None without depth, and AR is then the mean of two.
    """
    mssd_errors, mspd_errors, diameters = _errors(mssd_errors), _errors(mspd_errors), np.asarray(diameters, float)
    if not len(mssd_errors) == len(mspd_errors) == len(diameters):
        raise ValueError(
            f"expected errors and diameters of the same instances, got {len(mssd_errors)}, {len(mspd_errors)}, {len(diameters)}"
        )
    thresholds = np.array(BOP_THRESHOLDS)
    found = {
        "AR_MSSD": float((mssd_errors[:, None] < thresholds * diameters[:, None]).mean()),
        "AR_MSPD": float((mspd_errors[:, None] < 100 * thresholds * width / 640).mean()),
    }
    if vsd_errors is not None:
        vsd_errors = np.asarray(vsd_errors, float)
        if vsd_errors.shape != (len(mssd_errors), len(thresholds)):
            raise ValueError(f"vsd_errors must be ({len(mssd_errors)}, {len(thresholds)}), got {vsd_errors.shape}")
        found["AR_VSD"] = float((vsd_errors[..., None] < thresholds).mean())
    return found | {"AR": float(np.mean(list(found.values())))}


def warn_of_ambiguity(name: str, symmetric: bool, symmetries: Symmetries | None) -> None:
    """Warn that ADD says little of an object that looks symmetric but whose symmetries nobody stated."""
    if symmetric and (symmetries is None or len(symmetries) < 2):
        warnings.warn(
            f"{name} is symmetric and states no symmetries: its front cannot be told from its back, so that ADD and MSSD count "
            "poses as wrong that look right",
            UserWarning,
            stacklevel=2,
        )


def _transformed(points: Array, truth: Pose, symmetries: Symmetries) -> Iterator[Array]:
    """Yield points (N, 3) in every pose that looks like the truth."""
    for rotation, translation in zip(*symmetries.equivalents(truth), strict=True):
        yield points @ rotation.T + translation


def _hull(points: ArrayLike) -> Array:
    """Return the points of the convex hull: the distance between two poses is a convex function, greatest at one of these."""
    points = _points(points)
    try:
        return points[ConvexHull(points).vertices] if len(points) > 4 else points
    except QhullError:
        return points


def _points(points: ArrayLike) -> Array:
    found = np.asarray(points, float)
    if found.ndim != 2 or found.shape[1] != 3 or not len(found):
        raise ValueError(f"points must be (N, 3), at least one, got {found.shape}")
    return found


def _errors(errors: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(errors, float)
    if found.ndim != 1 or not found.size or np.isnan(found).any() or (found < 0).any():
        raise ValueError(f"errors must be numbers of at least 0, (N,), got {np.array2string(found, threshold=5):.80}")
    return found
