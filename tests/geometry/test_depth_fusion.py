"""Fusion on a plane that is seen from several sides: its depth is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.geometry.depth_fusion import (
    FusionConfig,
    check_consistency,
    fuse_depth_maps,
    project,
    sample_depth,
    unproject,
)

K = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
SIZE = (48, 64)


def _pose(x, y, angle):
    c, s = np.cos(angle), np.sin(angle)
    pose = np.eye(4)
    pose[:3, :3] = [[c, 0, -s], [0, 1, 0], [s, 0, c]]
    pose[:3, 3] = -pose[:3, :3] @ [x, y, 0]
    return pose


POSES = np.stack([_pose(x, y, a) for x, y, a in [(0, 0, 0), (40, 0, 0.04), (-40, 0, -0.04), (0, 30, 0), (0, -30, 0)]])


def _plane_depth(pose, z=500.0):
    """Depth of the plane z = 500 of the world in a camera: the ray's world z component decides."""
    rows, columns = np.indices(SIZE)
    rays = np.stack([columns, rows, np.ones(SIZE)], -1) @ np.linalg.inv(K).T
    return z / (rays @ pose[:3, :3])[..., 2]


DEPTHS = [_plane_depth(pose) for pose in POSES]
SURE = [np.ones(SIZE)] * 5
KS = np.stack([K] * 5)


def test_unprojected_points_lie_on_the_plane_and_project_back():
    points = unproject(DEPTHS[1], K, POSES[1])
    np.testing.assert_allclose(points[..., 2], 500, rtol=1e-12)
    columns, rows, depth = project(points, K, POSES[1])
    np.testing.assert_allclose(columns, np.indices(SIZE)[1], atol=1e-9)
    np.testing.assert_allclose(rows, np.indices(SIZE)[0], atol=1e-9)
    np.testing.assert_allclose(depth, DEPTHS[1])


def test_a_sample_is_bilinear_and_never_mixes_a_hole():
    depth = np.array([[1.0, 2.0, 0.0], [3.0, 4.0, 5.0]])
    columns, rows = np.array([0.5, 1.0, 1.5, -0.1, 2.0]), np.array([0.5, 0.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(sample_depth(depth, columns, rows), [2.5, 2.0, np.nan, np.nan, 5.0])


def test_views_of_one_plane_agree_and_give_it_back():
    cloud = fuse_depth_maps(DEPTHS, SURE, KS, POSES, config=FusionConfig(views=4))
    assert len(cloud.points) > 0.5 * 5 * SIZE[0] * SIZE[1]
    np.testing.assert_allclose(cloud.points[:, 2], 500, rtol=1e-5)
    assert (cloud.agreeing == 4).all()
    assert set(cloud.view) == set(range(5))


def test_a_wrong_depth_is_left_out_by_the_views_that_must_agree():
    wrong = [depth.copy() for depth in DEPTHS]
    wrong[0][20:24, 30:34] *= 1.1
    cloud = fuse_depth_maps(wrong, SURE, KS, POSES)
    own = cloud.points[cloud.view == 0]
    columns, rows, _ = project(own, K, POSES[0])
    assert not ((np.abs(columns - 31.5) < 1.6) & (np.abs(rows - 21.5) < 1.6)).any()
    np.testing.assert_allclose(cloud.points[:, 2], 500, rtol=0.003)


def test_tolerances_are_those_asked_for():
    """A depth that is 2 % too far comes back at 2 %, and moves by f B (1/d - 1/d') = 60 x 40 x (1/500 - 1/510) < 0.1 pixels."""
    far = DEPTHS[0] * 1.02
    arguments = (far, K, POSES[0], _plane_depth(_pose(40, 0, 0)), K, _pose(40, 0, 0))
    agrees, back = check_consistency(*arguments, FusionConfig(relative_depth=0.01))
    assert not agrees.any()
    assert not back.any()
    agrees, back = check_consistency(*arguments, FusionConfig(relative_depth=0.03))
    assert agrees.mean() > 0.8
    np.testing.assert_allclose(back[agrees], 500, rtol=1e-6)
    agrees, _ = check_consistency(*arguments, FusionConfig(relative_depth=0.03, pixels=0.05))
    assert not agrees.any()


def test_unsure_pixels_and_holes_are_left_out_and_colours_follow():
    confidences = [np.full(SIZE, 0.9) for _ in DEPTHS]
    confidences[0][:, :20] = 0.5
    holes = [depth.copy() for depth in DEPTHS]
    holes[1][10] = 0
    images = [np.full((*SIZE, 3), view, np.uint8) for view in range(5)]
    cloud = fuse_depth_maps(holes, confidences, KS, POSES, images=images)
    columns, _, _ = project(cloud.points[cloud.view == 0], K, POSES[0])
    assert columns.min() > 19.9
    _, rows, _ = project(cloud.points[cloud.view == 1], K, POSES[1])
    assert not (np.abs(rows - 10) < 0.5).any()
    np.testing.assert_array_equal(cloud.colours[:, 0], cloud.view)


def test_too_few_views_and_unequal_numbers_are_refused():
    with pytest.raises(ValueError, match="view 0 has 1 other views; config asks 3"):
        fuse_depth_maps(DEPTHS[:2], SURE[:2], KS[:2], POSES[:2])
    with pytest.raises(ValueError, match=r"equally many, got \[4, 5\]"):
        fuse_depth_maps(DEPTHS, SURE[:4], KS, POSES)
    with pytest.raises(ValueError, match="view 0 has 2 other views"):
        fuse_depth_maps(DEPTHS, SURE, KS, POSES, sources={view: [1, 2] for view in range(5)})
    for changes in ({"pixels": 0}, {"relative_depth": -1}, {"confidence": 2}, {"views": 0}):
        with pytest.raises(ValueError, match=r"got -?\d"):
            FusionConfig(**changes)
