import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from workbench.geometry.quaternions import (
    check_quaternions,
    matrix_quaternion,
    quaternion_matrix,
    quaternion_yaw,
    rigid,
    rigid_inverse,
    yaw_quaternion,
)


def _random(seed: int, count: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, 4))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_matrices_are_those_of_scipy_and_lead_back(seed):
    quaternions = _random(seed, 5)
    matrices = quaternion_matrix(quaternions)
    np.testing.assert_allclose(matrices, Rotation.from_quat(np.roll(quaternions, -1, 1)).as_matrix(), atol=1e-12)
    for quaternion, matrix in zip(quaternions, matrices, strict=True):
        found = matrix_quaternion(matrix)
        assert abs(found @ quaternion) == pytest.approx(1, abs=1e-12)
        assert found[0] >= 0


def test_half_turns_have_their_quaternion():
    for axis in range(3):
        matrix = -np.eye(3)
        matrix[axis, axis] = 1
        np.testing.assert_allclose(np.abs(matrix_quaternion(matrix)), np.eye(4)[axis + 1], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.floats(-3.1, 3.1), st.floats(-0.4, 0.4))
def test_the_heading_is_where_the_nose_points_seen_from_above(yaw, pitch):
    assert float(quaternion_yaw(yaw_quaternion(yaw))) == pytest.approx(yaw, abs=1e-12)
    tilted = Rotation.from_euler("ZY", [yaw, pitch]).as_quat()
    assert float(quaternion_yaw(np.roll(tilted, 1))) == pytest.approx(yaw, abs=1e-9)


def test_the_inverse_of_a_pose_undoes_it():
    pose = rigid(_random(3, 1)[0], [1.0, -2.0, 3.0])
    np.testing.assert_allclose(rigid_inverse(pose) @ pose, np.eye(4), atol=1e-12)
    many = np.stack([pose, np.eye(4)])
    np.testing.assert_allclose(rigid_inverse(many), np.linalg.inv(many), atol=1e-12)


def test_a_norm_slightly_off_is_mended_and_a_bad_one_named():
    assert np.linalg.norm(check_quaternions([1.0005, 0, 0, 0])) == 1
    for bad in ([1.01, 0, 0, 0], [np.nan, 0, 0, 1], [0, 0, 0, 0]):
        with pytest.raises(ValueError, match=r"ego_pose 12: .*unit quaternion"):
            rigid(bad, [0, 0, 0], "ego_pose 12")
    with pytest.raises(ValueError, match="four numbers"):
        quaternion_matrix([1.0, 0, 0])
    with pytest.raises(ValueError, match="three finite numbers"):
        rigid([1, 0, 0, 0], [0, np.inf, 0])
    with pytest.raises(ValueError, match="determinant 1"):
        matrix_quaternion(np.diag([1.0, 1, -1]))
