"""Cameras, rotations and the pose solver: inverses, invariances, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.geometry.cameras import check_intrinsics, crop_intrinsics, project, unproject
from workbench.geometry.pnp import METHODS, reprojection_threshold, solve_pnp
from workbench.geometry.rotations import (
    axis_rotation,
    canonical_rotation,
    nearest_rotation,
    random_rotations,
    rotation_angle,
)

K = np.array([[430.0, 0, 160], [0, 425, 120], [0, 0, 1]])
BOX = np.array([[x, y, z] for x in (-50, 50) for y in (-30, 30) for z in (-40, 40)], float)


def pose(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return random_rotations(1, generator)[0], np.array([*generator.uniform(-50, 50, 2), generator.uniform(400, 700)])


def test_projection_equals_opencv_and_unprojects_back():
    rotation, shift = pose(0)
    seen = project(BOX, K, rotation, shift)
    expected, _ = cv2.projectPoints(BOX, cv2.Rodrigues(rotation)[0], shift, K, None)
    np.testing.assert_allclose(seen, expected[:, 0], atol=1e-9)
    camera = BOX @ rotation.T + shift
    np.testing.assert_allclose(unproject(seen, camera[:, 2], K), camera, atol=1e-9)


def test_a_crop_sees_what_the_affine_map_of_its_pixels_says():
    affine = np.array([[1.5, 0.1, -30], [-0.1, 1.5, 12]])
    points = BOX + np.array([0, 0, 500])
    through = project(points, K) @ affine[:, :2].T + affine[:, 2]
    np.testing.assert_allclose(project(points, crop_intrinsics(K, affine)), through, atol=1e-9)
    with pytest.raises(ValueError, match=r"affine must be \(2, 3\)"):
        crop_intrinsics(K, np.eye(3))


def test_points_behind_the_camera_are_seen_nowhere():
    assert np.isnan(project([[1.0, 1, 0], [1, 1, -5]], K)).all()


@pytest.mark.parametrize(
    "matrix, message",
    [
        (np.eye(2), "must be 3 x 3 finite"),
        (np.full((3, 3), np.nan), "must be 3 x 3 finite"),
        (np.diag([-1.0, 1, 1]), "focal lengths -1 and 1"),
        (np.ones((3, 3)), "last row"),
    ],
)
def test_intrinsics_that_are_none(matrix, message):
    with pytest.raises(ValueError, match=f"cam_K .*{message}|cam_K {message}"):
        check_intrinsics(matrix, "cam_K")


@given(seed=st.integers(0, 1000), noise=st.floats(0, 1e-3))
@settings(deadline=None, max_examples=30)
def test_rounding_is_repaired_and_the_angle_is_that_of_the_rotation_vector(seed, noise):
    generator = np.random.default_rng(seed)
    first, second = random_rotations(2, generator)
    repaired = nearest_rotation(first + noise * generator.standard_normal((3, 3)))
    np.testing.assert_allclose(repaired @ repaired.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(repaired) == pytest.approx(1)
    assert rotation_angle(repaired, first) <= 5 * noise + 1e-7
    assert rotation_angle(first, second) == pytest.approx(np.linalg.norm(cv2.Rodrigues(first.T @ second)[0]), abs=1e-6)


def test_what_is_no_rotation_is_named():
    for matrix, message in (
        (np.eye(3) * 1.2, r"cam_R_m2c is not a rotation \(max deviation 0.44\)"),
        (np.diag([1.0, 1, -1]), "cam_R_m2c is a mirror"),
        (np.ones(9), "cam_R_m2c must be 3 x 3"),
    ):
        with pytest.raises(ValueError, match=message):
            nearest_rotation(matrix, "cam_R_m2c")
    with pytest.raises(ValueError, match="axis must not be 0"):
        axis_rotation([0, 0, 0], 1.0)


@given(seed=st.integers(0, 200), fold=st.integers(2, 6))
@settings(deadline=None, max_examples=30)
def test_poses_that_look_alike_have_one_representative(seed, fold):
    symmetries = axis_rotation([0.2, 1, 0.1], 2 * np.pi * np.arange(fold) / fold)
    rotation = random_rotations(1, np.random.default_rng(seed))[0]
    found = [canonical_rotation(rotation @ one, symmetries) for one in symmetries]
    for one in found:
        np.testing.assert_allclose(one, found[0], atol=1e-9)
    assert min(rotation_angle(rotation @ one, found[0]) for one in symmetries) < 1e-6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("refine", [False, True])
def test_exact_votes_give_the_exact_pose(method, refine):
    rotation, shift = pose(1)
    found = solve_pnp(BOX, project(BOX, K, rotation, shift), K, method=method, refine=refine)
    assert found.success
    assert found.inliers.all()
    assert rotation_angle(found.rotation, rotation) < 1e-4
    np.testing.assert_allclose(found.translation, shift, atol=0.05)
    np.testing.assert_allclose(found.transform(BOX), BOX @ rotation.T + shift, atol=0.1)


def test_outliers_are_left_out_and_refining_helps_the_depth():
    errors, generator = {False: [], True: []}, np.random.default_rng(0)
    for seed in range(12):
        rotation, shift = pose(seed)
        seen = np.tile(project(BOX, K, rotation, shift), (10, 1)) + generator.normal(0, 1, (80, 2))
        wrong = generator.random(80) < 0.3
        seen[wrong] = generator.uniform(0, 320, (wrong.sum(), 2))
        for refine, kept in errors.items():
            found = solve_pnp(np.tile(BOX, (10, 1)), seen, K, threshold=4.0, refine=refine)
            again = solve_pnp(np.tile(BOX, (10, 1)), seen, K, threshold=4.0, refine=refine)
            assert found.success
            assert (found.translation == again.translation).all()
            assert found.inliers[wrong].mean() < 0.15
            kept.append(abs(found.translation[2] - shift[2]))
    assert np.median(errors[True]) < np.median(errors[False]) < 15


@pytest.mark.parametrize(
    "seen",
    [
        np.full((8, 2), 100.0),
        np.full((8, 2), np.nan),
        np.vstack([np.full((5, 2), np.nan), np.eye(3)[:, :2]]),
        np.full((8, 2), 1e300),
        np.zeros((8, 2)),
    ],
    ids=["one pixel", "NaN", "three left", "huge", "zero"],
)
def test_what_determines_no_pose_is_no_pose(seen):
    found = solve_pnp(BOX, seen, K)
    assert not found.success
    assert np.isnan(found.translation).all()
    assert not found.inliers.any()


@given(
    pixels=arrays(float, (12, 2), elements=st.floats(-1e4, 1e4) | st.just(np.nan) | st.just(np.inf)),
    points=arrays(float, (12, 3), elements=st.floats(-100, 100)),
)
@settings(deadline=None, max_examples=60)
def test_no_votes_whatever_give_a_pose_that_is_not_finite(pixels, points):
    for refine in (False, True):
        found = solve_pnp(points, pixels, K, refine=refine)
        if found.success:
            assert np.isfinite(found.rotation).all()
            assert np.isfinite(found.translation).all()
            assert found.translation[2] > 0
            assert found.inliers.sum() >= 4


def test_bad_arguments_are_named_and_thresholds_follow_the_width():
    with pytest.raises(ValueError, match=r"\(N, 3\) and \(N, 2\), got \(8, 3\) and \(7, 2\)"):
        solve_pnp(BOX, np.zeros((7, 2)), K)
    with pytest.raises(ValueError, match="method must be one of epnp, sqpnp, iterative, got 'p5p'"):
        solve_pnp(BOX, np.zeros((8, 2)), K, method="p5p")
    with pytest.raises(ValueError, match="threshold must be above 0"):
        solve_pnp(BOX, np.zeros((8, 2)), K, threshold=0)
    assert reprojection_threshold(5.0, 1280) == 10
