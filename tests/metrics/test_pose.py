"""Pose metrics: brute force, closed forms, symmetries that cost nothing, and thresholds at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from workbench.geometry.meshes import box_corners
from workbench.geometry.pnp import Pose
from workbench.geometry.rasteriser import rasterise
from workbench.geometry.rotations import axis_rotation, random_rotations
from workbench.geometry.symmetries import CONTINUOUS_STEPS, Symmetries
from workbench.metrics.pose import (
    add,
    add_s,
    area_under_recall,
    average_recall,
    mspd,
    mssd,
    recall,
    reprojection_error,
    vsd,
    warn_of_ambiguity,
)

K = np.array([[400.0, 0, 80], [0, 400, 60], [0, 0, 1]])
HALF_TURN = np.diag([-1.0, -1, 1, 1])
NOTHING = Pose.none()


def pose(seed: int) -> Pose:
    generator = np.random.default_rng(seed)
    return Pose(random_rotations(1, generator)[0], np.array([5.0, -4, 600]) + generator.normal(0, 10, 3))


def cloud(seed: int = 0, count: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 30, (count, 3))


@given(first=st.integers(0, 99), second=st.integers(100, 199))
@settings(deadline=None, max_examples=25)
def test_distances_equal_brute_force(first, second):
    points, estimate, truth = cloud(), pose(first), pose(second)
    seen, true = (points @ one.rotation.T + one.translation for one in (estimate, truth))
    table = cdist(true, seen)
    assert add(points, estimate, truth) == pytest.approx(np.diag(table).mean())
    assert add_s(points, estimate, truth) == pytest.approx(table.min(1).mean())
    assert mssd(points, estimate, truth, Symmetries.none()) == pytest.approx(np.diag(table).max())
    pixels = [(one @ K.T)[:, :2] / one[:, 2:] for one in (seen, true)]
    apart = np.linalg.norm(pixels[0] - pixels[1], axis=1)
    assert mspd(points, estimate, truth, Symmetries.none(), K) == pytest.approx(apart.max())
    assert reprojection_error(points, estimate, truth, K) == pytest.approx(apart.mean())


def test_a_shift_is_its_length_in_all_distances_and_focal_over_depth_in_pixels():
    points, truth = cloud() * [1, 1, 0], Pose(np.eye(3), np.array([0.0, 0, 500]))
    moved = Pose(truth.rotation, truth.translation + np.array([3, 4, 0]))
    assert add(points, moved, truth) == pytest.approx(5)
    assert mssd(points, moved, truth, Symmetries.none()) == pytest.approx(5)
    assert mspd(points, moved, truth, Symmetries.none(), K) == pytest.approx(4)
    assert reprojection_error(points, moved, truth, K) == pytest.approx(4)


@given(seed=st.integers(0, 200), index=st.integers(0, 2 * CONTINUOUS_STEPS - 1))
@settings(deadline=None, max_examples=15)
def test_a_pose_turned_by_a_symmetry_costs_nothing(seed, index):
    axis, offset = (0.0, 0, 1), (7.0, -3, 0)
    flip = np.eye(4)
    flip[:3, :3] = axis_rotation("x", np.pi)
    flip[:3, 3] = np.array([7.0, -3, 0]) - flip[:3, :3] @ [7.0, -3, 0]
    symmetries = Symmetries.combine([flip], [(axis, offset)])
    assert len(symmetries) == 2 * CONTINUOUS_STEPS == 630
    truth, points = pose(seed), cloud()
    rotations, translations = symmetries.equivalents(truth)
    turned = Pose(rotations[index], translations[index])
    assert mssd(points, turned, truth, symmetries) == pytest.approx(0, abs=1e-9)
    assert mspd(points, turned, truth, symmetries, K) == pytest.approx(0, abs=1e-9)
    if index:
        assert mssd(points, turned, truth, Symmetries.none()) > 0.1
    np.testing.assert_allclose(symmetries.rotations[0], np.eye(3), atol=1e-12)


def test_between_two_samples_of_an_axis_the_error_is_below_a_hundredth_of_the_diameter():
    symmetries = Symmetries.combine([], [((0, 0, 1), (0, 0, 0))])
    truth = pose(1)
    turned = Pose(truth.rotation @ axis_rotation("z", np.pi / CONTINUOUS_STEPS), truth.translation)
    disc = np.stack([np.cos(np.arange(64)), np.sin(np.arange(64)), np.zeros(64)], -1)
    assert 0 < mssd(disc, turned, truth, symmetries) <= 0.01 * 2


def test_a_symmetric_object_turned_has_no_add_s_but_an_add():
    box = box_corners([[-20, -10, -30], [20, 10, 30]])
    truth = pose(3)
    turned = Pose(truth.rotation @ HALF_TURN[:3, :3], truth.translation)
    assert add_s(box, turned, truth) == pytest.approx(0, abs=1e-9)
    assert add(box, turned, truth) == pytest.approx(2 * math.hypot(20, 10))
    assert mssd(box, turned, truth, Symmetries.combine([HALF_TURN])) == pytest.approx(0, abs=1e-9)


def test_recall_is_strict_and_what_is_missing_is_missed():
    assert recall([9.9, 10.0, math.inf, 0.0], 10.0) == 0.5
    assert area_under_recall([0, 50, 100, math.inf]) == pytest.approx(1.5 / 4)
    steps = np.linspace(0, 100, 200_001)
    errors = np.random.default_rng(0).exponential(40, 50)
    assert area_under_recall(errors) == pytest.approx((errors[:, None] <= steps).mean(), abs=1e-4)


def test_no_estimate_is_infinitely_far():
    points, truth = cloud(), pose(0)
    none = Symmetries.none()
    found = [add(points, NOTHING, truth), add_s(points, NOTHING, truth), mssd(points, NOTHING, truth, none)]
    found += [mspd(points, NOTHING, truth, none, K), reprojection_error(points, NOTHING, truth, K)]
    behind = Pose(np.eye(3), np.array([0.0, 0, -500]))
    found += [mspd(points, behind, truth, none, K), reprojection_error(points, behind, truth, K)]
    assert found == [math.inf] * 7


def test_average_recall_counts_every_threshold():
    found = average_recall([0.0, 12.0, math.inf], [0.0, 12.0, math.inf], [100.0, 100.0, 100.0], 640)
    assert found["AR_MSSD"] == pytest.approx((10 + 8 + 0) / 30)
    assert found["AR_MSPD"] == pytest.approx((10 + 8 + 0) / 30)
    assert found["AR"] == pytest.approx((found["AR_MSSD"] + found["AR_MSPD"]) / 2)
    narrow = average_recall([0.0], [12.0], [100.0], 320, np.full((1, 10), 0.12))
    assert narrow["AR_MSPD"] == pytest.approx(0.6)
    assert narrow["AR_VSD"] == pytest.approx(0.8)
    assert narrow["AR"] == pytest.approx((1 + 0.6 + 0.8) / 3)
    with pytest.raises(ValueError, match=r"vsd_errors must be \(1, 10\), got \(1, 3\)"):
        average_recall([0.0], [0.0], [1.0], 640, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="same instances, got 1, 2, 1"):
        average_recall([0.0], [0.0, 1.0], [1.0], 640)


def wall(z: float, x: float = 0.0) -> np.ndarray:
    corners = np.array([[x - 10, -10, z], [x + 10, -10, z], [x + 10, 10, z], [x - 10, 10, z]], float)
    return rasterise(corners, [[0, 1, 2], [0, 2, 3]], K, (160, 120)).depth


def test_visible_surface_discrepancy_of_a_wall():
    scene = wall(200.0)
    taus = np.array([1.0, 5.0, 30.0])
    assert vsd(wall(200.0), wall(200.0), scene, K, taus).tolist() == [0, 0, 0]
    behind = vsd(wall(210.0), wall(200.0), scene, K, taus)
    assert behind[0] == behind[1] == 1
    assert behind[2] < 0.15  # only the border, which is smaller from farther away
    assert vsd(wall(200.0, 60), wall(200.0), scene, K, taus).tolist() == [1, 1, 1]
    half = vsd(wall(200.0, 10), wall(200.0), scene, K, taus)
    assert half == pytest.approx(2 / 3, abs=0.03)


def test_what_is_hidden_does_not_count_and_no_depth_hides_nothing():
    nearer = wall(100.0)
    true = wall(200.0)
    assert vsd(true, true, nearer, K, [5.0]).tolist() == [1]  # nothing of it is visible
    assert vsd(true, true, np.zeros_like(true), K, [5.0]).tolist() == [0]
    left = nearer.copy()
    left[:, 80:] = 0
    moved = wall(200.0)
    moved[:, :80] += 50 * (moved[:, :80] > 0)
    assert vsd(moved, true, left, K, [5.0]).tolist() == [0]  # it differs only where it cannot be seen
    with pytest.raises(ValueError, match=r"estimated \(120, 160\), true \(120, 160\), scene \(2, 2\)"):
        vsd(true, true, np.zeros((2, 2)), K, [5.0])


@pytest.mark.parametrize("bad", [[], [np.nan], [-1.0], [[1.0]]])
def test_errors_that_are_none(bad):
    with pytest.raises(ValueError, match="errors must be numbers of at least 0"):
        recall(bad, 1.0)


def test_bad_points_and_symmetries_are_named():
    with pytest.raises(ValueError, match=r"points must be \(N, 3\), at least one, got \(0, 3\)"):
        add(np.zeros((0, 3)), pose(0), pose(1))
    with pytest.raises(ValueError, match=r"discrete\[0\] has 9 numbers, expected 16"):
        Symmetries.combine([np.eye(3)])
    with pytest.raises(ValueError, match="steps must be at least 1"):
        Symmetries.combine([], steps=0)
    with pytest.raises(ValueError, match="most must be above 0"):
        area_under_recall([1.0], 0)


def test_a_symmetric_object_without_stated_symmetries_gets_a_warning():
    with pytest.warns(UserWarning, match="egg box is symmetric and states no symmetries"):
        warn_of_ambiguity("egg box", True, None)


def test_no_warning_where_symmetries_are_stated(recwarn):
    warn_of_ambiguity("egg box", True, Symmetries.combine([HALF_TURN]))
    warn_of_ambiguity("ape", False, None)
    assert not recwarn
