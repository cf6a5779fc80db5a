"""The pinhole camera in OpenCV's convention: x right, y down, z forward, a pixel's centre at whole coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def check_intrinsics(intrinsics: ArrayLike, where: str = "intrinsics") -> Array:
    """Return intrinsics as float64 (3, 3).

    Raises:
        ValueError: another shape, numbers that are not finite, focal lengths that are not above 0, or a last row other than 0 0 1.

    >>> check_intrinsics([[0, 0, 5], [0, 9, 5], [0, 0, 1]], "image 3: cam_K")
    Traceback (most recent call last):
    ValueError: image 3: cam_K has focal lengths 0 and 9, expected both above 0
    """
    found = np.asarray(intrinsics, float)
    if found.shape != (3, 3) or not np.isfinite(found).all():
        raise ValueError(f"{where} must be 3 x 3 finite numbers, got {np.array2string(found, threshold=9):.80}")
    if not (found[0, 0] > 0 and found[1, 1] > 0):
        raise ValueError(f"{where} has focal lengths {found[0, 0]:g} and {found[1, 1]:g}, expected both above 0")
    if not np.allclose(found[2], (0, 0, 1)):
        raise ValueError(f"{where} has a last row {found[2].tolist()}, expected [0, 0, 1]")
    return found


def project(
    points: ArrayLike, intrinsics: ArrayLike, rotation: ArrayLike | None = None, translation: ArrayLike | None = None
) -> Array:
    """Return the pixels (..., 2) at which a camera sees points (..., 3): ``u = K (R X + t)``, divided by its last number.

    A point at or behind the camera's plane, z <= 0, is seen nowhere: NaN, not a mirrored pixel.

    Args:
        points: in the camera's frame, or in the object's with a pose.
        intrinsics: (3, 3).
        rotation, translation: (3, 3) and (3,), from the object's frame to the camera's.

    >>> project([[0.0, 0, 2], [0, 0, -2]], [[100, 0, 32], [0, 100, 24], [0, 0, 1]])
    array([[32., 24.],
           [nan, nan]])
    """
    seen = np.asarray(points, float)
    if rotation is not None:
        seen = seen @ np.asarray(rotation, float).T
    if translation is not None:
        seen = seen + np.asarray(translation, float).reshape(3)
    rows = seen @ check_intrinsics(intrinsics).T
    depth = rows[..., 2:]
    return np.divide(rows[..., :2], depth, out=np.full(rows[..., :2].shape, np.nan), where=depth > 0)


def unproject(pixels: ArrayLike, depth: ArrayLike, intrinsics: ArrayLike) -> Array:
    """Return the points (..., 3) in the camera's frame that lie at pixels (..., 2) and at ``depth`` (...) along z.

    >>> unproject([132.0, 24.0], 2.0, [[100, 0, 32], [0, 100, 24], [0, 0, 1]])
    array([2., 0., 2.])
    """
    pixels = np.asarray(pixels, float)
    rays = (
        np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], -1) @ np.linalg.inv(check_intrinsics(intrinsics)).T
    )
    return rays * np.asarray(depth, float)[..., None]


def crop_intrinsics(intrinsics: ArrayLike, affine: ArrayLike) -> Array:
    """Return the intrinsics of the image that an affine map (2, 3) of pixels makes: ``A K``.

    >>> crop_intrinsics([[100, 0, 32], [0, 100, 24], [0, 0, 1]], [[2, 0, -4], [0, 2, -8]])
    array([[200.,   0.,  60.],
           [  0., 200.,  40.],
           [  0.,   0.,   1.]])
    """
    affine = np.asarray(affine, float)
    if affine.shape != (2, 3):
        raise ValueError(f"affine must be (2, 3), got {affine.shape}")
    return np.vstack([affine, (0, 0, 1)]) @ check_intrinsics(intrinsics)
