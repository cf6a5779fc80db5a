"""Boxes that stand upright: corners, and what a camera sees of them.

A box has its centre (x, y, z), its size (width, length, height) and its yaw: the angle from x to its length, counter-clockwise seen
from above, radians.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

NEAR = 1e-3
"""Metres before a camera from which a point can be projected."""
_SIGNS = np.array([[x, y, z] for z in (-1, 1) for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))]) / 2
Array = NDArray[np.float64]


def box_corners(centre: ArrayLike, size: ArrayLike, yaw: ArrayLike) -> Array:
    """Return the corners (n, 8, 3): bottom then top, each front left, front right, back right, back left.

    Args:
        centre: (n, 3) metres.
        size: (n, 3) width, length, height, metres.
        yaw: (n,) radians.

    Raises:
        ValueError: a size that is not above 0.

    >>> box_corners([[0, 0, 1]], [[2, 4, 2]], [0])[0, :4].tolist()
    [[2.0, 1.0, 0.0], [2.0, -1.0, 0.0], [-2.0, -1.0, 0.0], [-2.0, 1.0, 0.0]]
    """
    centre, size = np.asarray(centre, float).reshape(-1, 3), np.asarray(size, float).reshape(-1, 3)
    yaw = np.asarray(yaw, float).reshape(-1)
    if not (size > 0).all():
        raise ValueError(f"size must be above 0, got {size[~(size > 0).all(1)][0].tolist()}")
    along = _SIGNS[None] * size[:, None, [1, 0, 2]]
    cosine, sine = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    turned = np.stack(
        [cosine * along[..., 0] - sine * along[..., 1], sine * along[..., 0] + cosine * along[..., 1], along[..., 2]],
        -1,
    )
    return turned + centre[:, None]


def project_points(points: ArrayLike, intrinsics: ArrayLike, cam_from_ego: ArrayLike) -> tuple[Array, Array]:
    """Return pixels (..., 2), column and row, and depths (...,) of points (..., 3); pixels are NaN nearer than ``NEAR``."""
    pose = np.asarray(cam_from_ego, float)
    seen = np.asarray(points, float) @ pose[:3, :3].T + pose[:3, 3]
    depth = seen[..., 2]
    safe = np.where(depth > NEAR, depth, np.nan)
    image = seen @ np.asarray(intrinsics, float).T
    return image[..., :2] / safe[..., None], depth


def image_boxes(
    corners: ArrayLike, intrinsics: ArrayLike, cam_from_ego: ArrayLike, width: int, height: int, least: float = 1.0
) -> Array:
    """Return the tight 2D boxes (n, 4) x0, y0, x1, y1 of 3D boxes; NaN for one that the camera does not see.

    The corners in front of the camera are projected, their convex hull is cut with the image, and the box is that of what is left.

    Args:
        corners: (n, 8, 3) metres, in the car's frame.
        intrinsics: (3, 3).
        cam_from_ego: (4, 4).
        width, height: of the image, pixels; its corners are (0, 0) and (width, height).
        least: width and height below which a box is not seen, pixels.
    """
    pixels, _ = project_points(corners, intrinsics, cam_from_ego)
    found = np.full((len(pixels), 4), np.nan)
    for index, points in enumerate(pixels):
        points = points[np.isfinite(points).all(1)]
        if len(points) and not (points.max(0) <= 0).any() and not (points.min(0) >= (width, height)).any():
            hull = points[cv2.convexHull(points.astype(np.float32), returnPoints=False)[:, 0]]
            part = clip_to_rectangle(hull, width, height)
            if len(part) and (np.ptp(part, axis=0) >= least).all():
                found[index] = [*part.min(0), *part.max(0)]
    return found


def clip_to_rectangle(polygon: Array, width: float, height: float) -> Array:
    """Return the part (m, 2) of a convex polygon (n, 2) inside 0..width x 0..height; empty when there is none.

    Sutherland, Hodgman, "Reentrant Polygon Clipping", 1974.

    >>> clip_to_rectangle(np.array([[-1.0, 0], [1, 0], [1, 1], [-1, 1]]), 5, 5).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    for axis, sign, limit in ((0, 1, 0.0), (0, -1, width), (1, 1, 0.0), (1, -1, height)):
        if not len(polygon):
            break
        inside = sign * (polygon[:, axis] - limit)
        after, inside_after = np.roll(polygon, -1, 0), np.roll(inside, -1)
        crosses = inside * inside_after < 0
        share = np.divide(inside, inside - inside_after, out=np.zeros_like(inside), where=crosses)
        crossing = polygon + share[:, None] * (after - polygon)
        both = np.stack([polygon, crossing], 1).reshape(-1, 2)
        polygon = both[np.stack([inside >= 0, crosses], 1).reshape(-1)]
    return polygon
