"""Rotation matrices: checked, drawn at random, compared, and brought to one representative where an object is symmetric."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]
TOLERANCE = 1e-2
"""Largest ``|R R^T - I|`` that is put down to rounding in a file."""


def nearest_rotation(matrix: ArrayLike, where: str = "rotation") -> Array:
    """Return the rotation (3, 3) next to a matrix that is one but for rounding: ``U V^T`` of its singular value decomposition.

    Raises:
        ValueError: another shape, not finite, ``|R R^T - I|`` of 0.01 or more, or a mirror (determinant -1).

    >>> nearest_rotation([[1, 0, 0], [0, 1, 0], [0, 0, 1.3]], "scene_gt 000002/3[0]: cam_R_m2c")
    Traceback (most recent call last):
    ValueError: scene_gt 000002/3[0]: cam_R_m2c is not a rotation (max deviation 0.69)
    """
    found = np.asarray(matrix, float)
    if found.shape != (3, 3) or not np.isfinite(found).all():
        raise ValueError(f"{where} must be 3 x 3 finite numbers, got {np.array2string(found, threshold=9):.80}")
    deviation = np.abs(found @ found.T - np.eye(3)).max()
    if deviation >= TOLERANCE:
        raise ValueError(f"{where} is not a rotation (max deviation {deviation:.2g})")
    if np.linalg.det(found) < 0:
        raise ValueError(f"{where} is a mirror, not a rotation (determinant {np.linalg.det(found):.2g})")
    left, _, right = np.linalg.svd(found)
    return left @ right


def rotation_angle(first: ArrayLike, second: ArrayLike) -> Array:
    """Return the angle (...), radians, between rotations (..., 3, 3).

    >>> round(float(np.degrees(rotation_angle(np.eye(3), axis_rotation("z", np.pi / 3)))), 6)
    60.0
    """
    relative = np.swapaxes(np.asarray(first, float), -1, -2) @ np.asarray(second, float)
    trace = np.trace(relative, axis1=-2, axis2=-1)
    # The antisymmetric part is exact for small angles, where the arc cosine of the trace is not.
    sine = np.stack([relative[..., i, j] - relative[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))], -1)
    return np.arctan2(np.linalg.norm(sine, axis=-1), trace - 1)


def axis_rotation(axis: str | ArrayLike, angle: ArrayLike) -> Array:
    """Return the rotation (..., 3, 3) by an angle (...), radians, about ``"x"``, ``"y"``, ``"z"`` or a vector (3,).

    >>> axis_rotation("z", np.pi / 2).round(6) @ [1, 0, 0]
    array([0., 1., 0.])
    """
    direction = np.eye(3)["xyz".index(axis)] if isinstance(axis, str) else np.asarray(axis, float)
    length = np.linalg.norm(direction)
    if not length > 0:
        raise ValueError(f"axis must not be 0, got {direction.tolist()}")
    angles = np.asarray(angle, float)
    matrices = Rotation.from_rotvec(angles.reshape(-1, 1) * direction / length).as_matrix()
    return matrices.reshape(*angles.shape, 3, 3)


def random_rotations(count: int, generator: np.random.Generator) -> Array:
    """Return rotations (count, 3, 3), uniform over all: normalised Gaussian quaternions."""
    quaternions = generator.standard_normal((count, 4))
    return Rotation.from_quat(quaternions).as_matrix().reshape(-1, 3, 3)


def canonical_rotation(rotation: ArrayLike, symmetries: ArrayLike) -> Array:
    """Return, of the rotations ``R S`` that show a symmetric object alike, that of the least angle to the identity.

    Poses that cannot be told apart in an image become one, so that a network is not taught two answers to one question.

    Args:
        rotation: (3, 3), from the object's frame to the camera's.
        symmetries: (S, 3, 3), rotations that leave the object as it is, the identity among them.

    >>> half = np.stack([np.eye(3), axis_rotation("z", np.pi)])
    >>> turned = axis_rotation("z", 2.5)
    >>> bool(np.allclose(canonical_rotation(turned, half), canonical_rotation(turned @ half[1], half)))
    True
    """
    found = np.asarray(rotation, float) @ np.asarray(symmetries, float)
    if found.ndim != 3:
        raise ValueError(f"symmetries must be (S, 3, 3), got {np.shape(symmetries)}")
    return found[np.argmax(np.trace(found, axis1=1, axis2=2).round(9))]
