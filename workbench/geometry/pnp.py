"""A pose from points of an object and where they are seen, by OpenCV's RANSAC, that is finite or not a pose at all."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.geometry.cameras import Array, check_intrinsics, project

METHODS = {"epnp": cv2.SOLVEPNP_EPNP, "sqpnp": cv2.SOLVEPNP_SQPNP, "iterative": cv2.SOLVEPNP_ITERATIVE}
"""Solvers of a minimal and of the final set by name."""
REFERENCE_WIDTH = 640
"""Width of the image, pixels, that a threshold is given for."""
_LEAST = 4
_LEAST_SPAN = 1.0
"""Pixels that the object must span in the image: farther away its rotation and depth cannot be told."""


@dataclass(frozen=True, eq=False)
class Pose:
    """From the object's frame to the camera's: ``X_camera = R X + t``.

    Attributes:
        rotation: (3, 3).
        translation: (3,), in the unit of the object's points.
        success: False where no pose was found; rotation and translation are NaN then.
        inliers: which correspondences agree with the pose, boolean (N,).
        score: how sure the network is, 0 where nothing says so.
    """

    rotation: Array
    translation: Array
    success: bool = True
    inliers: NDArray[np.bool_] | None = None
    score: float = 0.0

    @classmethod
    def none(cls, count: int = 0) -> Pose:
        """Return what stands for no pose."""
        return cls(np.full((3, 3), np.nan), np.full(3, np.nan), False, np.zeros(count, bool))

    def transform(self, points: ArrayLike) -> Array:
        """Return points (N, 3) of the object in the camera's frame."""
        return np.asarray(points, float) @ self.rotation.T + self.translation


def reprojection_threshold(pixels: float, width: float) -> float:
    """Return a threshold for an image of ``width`` from one for 640 pixels.

    >>> reprojection_threshold(5.0, 320)
    2.5
    """
    return pixels * width / REFERENCE_WIDTH


def solve_pnp(
    points: ArrayLike,
    pixels: ArrayLike,
    intrinsics: ArrayLike,
    *,
    threshold: float = 5.0,
    iterations: int = 100,
    confidence: float = 0.99,
    method: str = "epnp",
    refine: bool = False,
) -> Pose:
    """Return the pose that most correspondences agree with.

    Correspondences that are not finite are left out. Fewer than four, a solution that is not finite, lies behind the camera, is so
    far away that the object spans less than a pixel, or has fewer than four inliers, is no pose: ``success`` is False. The same
    input gives the same pose.

    Args:
        points: (N, 3), of the object.
        pixels: (N, 2), where they are seen.
        intrinsics: (3, 3).
        threshold: greatest distance, pixels of this image, between a pixel and the projection of its point.
        iterations: of RANSAC at most.
        confidence: at which it stops.
        method: one of :data:`METHODS`.
        refine: estimate again from the inliers, by Levenberg and Marquardt, and judge all correspondences anew.

    Raises:
        ValueError: shapes that do not fit, intrinsics that are none, another method, or a threshold that is not above 0.

    >>> box = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    >>> K = np.array([[100.0, 0, 64], [0, 100, 48], [0, 0, 1]])
    >>> solve_pnp(box, project(box, K, np.eye(3), [0, 0, 9]), K).translation.round(3) + 0.0
    array([0., 0., 9.])
    >>> solve_pnp(box[:3], np.zeros((3, 2)), K).success
    False
    """
    points, pixels = np.asarray(points, float), np.asarray(pixels, float)
    if points.ndim != 2 or points.shape[1] != 3 or pixels.shape != (len(points), 2):
        raise ValueError(f"points and pixels must be (N, 3) and (N, 2), got {points.shape} and {pixels.shape}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0 pixels, got {threshold!r}")
    intrinsics = check_intrinsics(intrinsics)
    rows = np.flatnonzero(np.isfinite(points).all(1) & np.isfinite(pixels).all(1))
    if len(rows) < _LEAST:
        return Pose.none(len(points))
    sides = [np.ascontiguousarray(side[rows]) for side in (points, pixels)]
    try:
        found, turn, shift, inside = cv2.solvePnPRansac(
            *sides,
            intrinsics,
            None,
            iterationsCount=iterations,
            reprojectionError=threshold,
            confidence=confidence,
            flags=METHODS[method],
        )
    except cv2.error:  # what a solver says of points that determine no pose, such as all on one line
        return Pose.none(len(points))
    if not found or inside is None:
        return Pose.none(len(points))
    inliers = np.zeros(len(points), bool)
    inliers[rows[inside[:, 0]]] = True
    if refine and inliers.sum() >= _LEAST:
        turn, shift = cv2.solvePnPRefineLM(points[inliers], pixels[inliers], intrinsics, None, turn, shift)
    return _accepted(turn, shift, points, pixels, intrinsics, threshold, inliers, refine)


def _accepted(
    turn: Array,
    shift: Array,
    points: Array,
    pixels: Array,
    intrinsics: Array,
    threshold: float,
    inliers: NDArray[np.bool_],
    again: bool,
) -> Pose:
    """Return the pose of a rotation vector and a translation, if it is one."""
    if not (np.isfinite(turn).all() and np.isfinite(shift).all() and shift[2, 0] > 0):
        return Pose.none(len(points))
    rotation, translation = cv2.Rodrigues(turn)[0], shift[:, 0].copy()
    seen = project(points[inliers], intrinsics, rotation, translation)
    if not len(seen) or not np.ptp(seen, axis=0).max() >= _LEAST_SPAN:  # NaN behind the camera fails as well
        return Pose.none(len(points))
    if again:
        distances = np.linalg.norm(project(points, intrinsics, rotation, translation) - pixels, axis=1)
        inliers = distances <= threshold  # NaN is no inlier
    if inliers.sum() < _LEAST:
        return Pose.none(len(points))
    return Pose(rotation, translation, True, inliers)
