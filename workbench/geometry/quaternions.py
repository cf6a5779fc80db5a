"""Unit quaternions, scalar first (w, x, y, z), as nuScenes stores rotations; headings about the vertical axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_UNIT = 1e-3
Array = NDArray[np.float64]


def check_quaternions(quaternions: ArrayLike, where: str = "quaternions") -> Array:
    """Return quaternions (..., 4) as float64 of norm exactly 1.

    Args:
        quaternions: w, x, y, z; their norm may be off by 1e-3.
        where: names them in the error.

    Raises:
        ValueError: another shape, not finite, or a norm further off.

    >>> check_quaternions([2, 0, 0, 0], "ego_pose 7f")
    Traceback (most recent call last):
    ValueError: ego_pose 7f: a rotation must be a unit quaternion (w, x, y, z), got [2.0, 0.0, 0.0, 0.0] of norm 2
    """
    found = np.asarray(quaternions, float)
    if found.shape[-1:] != (4,):
        raise ValueError(f"{where}: a rotation must be four numbers w, x, y, z, got shape {found.shape}")
    norms = np.linalg.norm(found, axis=-1)
    wrong = ~(np.abs(norms - 1) <= _UNIT)
    if wrong.any():
        bad, norm = found[wrong][0], norms[wrong].flat[0]
        raise ValueError(
            f"{where}: a rotation must be a unit quaternion (w, x, y, z), got {bad.tolist()} of norm {norm:g}"
        )
    return found / norms[..., None]


def quaternion_matrix(quaternions: ArrayLike, where: str = "quaternions") -> Array:
    """Return rotation matrices (..., 3, 3) of unit quaternions (..., 4).

    Raises:
        ValueError: not unit quaternions.

    >>> quaternion_matrix([0.5**0.5, 0, 0, 0.5**0.5]).round(9) + 0.0  # a quarter turn to the left
    array([[ 0., -1.,  0.],
           [ 1.,  0.,  0.],
           [ 0.,  0.,  1.]])
    """
    w, x, y, z = np.moveaxis(check_quaternions(quaternions, where), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def matrix_quaternion(matrix: ArrayLike) -> Array:
    """Return the unit quaternion (4,), w at least 0, of a rotation matrix (3, 3).

    Raises:
        ValueError: another shape, or no rotation (orthonormal to 1e-3, determinant +1).

    >>> matrix_quaternion([[0, -1, 0], [1, 0, 0], [0, 0, 1]]).round(4) + 0.0
    array([0.7071, 0.    , 0.    , 0.7071])
    """
    m = np.asarray(matrix, float)
    if m.shape != (3, 3) or not np.abs(m @ m.T - np.eye(3)).max() < _UNIT or np.linalg.det(m) < 0:
        raise ValueError(f"matrix must be a rotation (3, 3) of determinant 1, got {m.tolist()}")
    # The eigenvector of the greatest eigenvalue of this matrix is the quaternion, whatever the angle.
    off = [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]]
    form = np.empty((4, 4))
    form[0, 0], form[0, 1:], form[1:, 0] = np.trace(m), off, off
    form[1:, 1:] = m + m.T - np.trace(m) * np.eye(3)
    found = np.linalg.eigh(form)[1][:, -1]
    return found if found[0] >= 0 else -found


def yaw_quaternion(yaw: ArrayLike) -> Array:
    """Return quaternions (..., 4) that turn by ``yaw`` radians about z, counter-clockwise seen from above.

    >>> yaw_quaternion(np.pi).round(9) + 0.0
    array([0., 0., 0., 1.])
    """
    half = np.asarray(yaw, float) / 2
    zero = np.zeros_like(half)
    return np.stack([np.cos(half), zero, zero, np.sin(half)], -1)


def quaternion_yaw(quaternions: ArrayLike) -> Array:
    """Return headings (...,), radians in (-pi, pi]: where the turned x axis points in the plane of x and y.

    >>> float(quaternion_yaw(yaw_quaternion(-1.25)))
    -1.25
    """
    w, x, y, z = np.moveaxis(check_quaternions(quaternions), -1, 0)
    return np.arctan2(2 * (x * y + z * w), 1 - 2 * (y * y + z * z))


def rigid(rotation: ArrayLike, translation: ArrayLike, where: str = "pose") -> Array:
    """Return the 4x4 of ``x -> R x + t`` of a unit quaternion (4,) and a translation (3,).

    Raises:
        ValueError: not a unit quaternion, or a translation that is not three finite numbers.
    """
    shift = np.asarray(translation, float)
    if shift.shape != (3,) or not np.isfinite(shift).all():
        raise ValueError(f"{where}: a translation must be three finite numbers, got {shift.tolist()}")
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = quaternion_matrix(rotation, where), shift
    return found


def rigid_inverse(pose: ArrayLike) -> Array:
    """Return the inverse (..., 4, 4) of rigid poses (..., 4, 4), exactly a rotation again."""
    pose = np.asarray(pose, float)
    found = np.zeros_like(pose)
    turned = np.swapaxes(pose[..., :3, :3], -1, -2)
    found[..., :3, :3] = turned
    found[..., :3, 3] = -(turned @ pose[..., :3, 3:])[..., 0]
    found[..., 3, 3] = 1
    return found
