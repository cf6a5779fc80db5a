"""The plane sweep against cameras worked out by hand, closed forms and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from workbench.geometry.homography import plane_sweep_warp, relative_projection, scale_intrinsics, sweep


def _camera(rng, width=40, height=30):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec(rng.normal(0, 0.1, 3)).as_matrix()
    pose[:3, 3] = rng.normal(0, 0.3, 3)
    intrinsics = np.array([[45.0, 0, (width - 1) / 2], [0, 47.0, (height - 1) / 2], [0, 0, 1]])
    return torch.from_numpy(intrinsics), torch.from_numpy(pose)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(2.0, 9.0))
def test_a_pixel_falls_where_its_world_point_is_projected(seed, depth):
    rng = np.random.default_rng(seed)
    (k0, e0), (k1, e1) = _camera(rng), _camera(rng)
    depths = torch.full((1, 1, 30, 40), depth, dtype=torch.float64)
    u, v, in_front = sweep(relative_projection(k0, e0, k1, e1)[None], depths)
    column, row = rng.integers(40), rng.integers(30)
    point = torch.linalg.inv(e0) @ torch.cat([
        torch.linalg.inv(k0) @ torch.tensor([column, row, 1.0], dtype=torch.float64) * depth,
        torch.ones(1, dtype=torch.float64),
    ])  # fmt: skip
    image = k1 @ (e1 @ point)[:3]
    assert bool(in_front[0, 0, row, column]) == bool(image[2] > 0)
    if image[2] > 0.1:
        got = torch.stack([u[0, 0, row, column], v[0, 0, row, column]])
        torch.testing.assert_close(got, image[:2] / image[2], rtol=1e-9, atol=1e-9)


def test_the_same_camera_gives_the_same_image_and_the_legacy_grid_shifts_the_borders():
    """An identity camera: exact sampling changes nothing; the released grid is right at the centre, half a pixel off at borders."""
    k, e = _camera(np.random.default_rng(0), 41, 31)
    transform = relative_projection(k, e, k, e)[None]
    column = torch.arange(41.0).expand(1, 1, 31, 41).contiguous()
    depths = torch.full((1, 2, 31, 41), 5.0)
    exact, valid = plane_sweep_warp(column, transform, depths)
    torch.testing.assert_close(exact, column[:, :, None].expand_as(exact), rtol=0, atol=1e-4)
    assert valid[:, :, 1:-1, 1:-1].all()
    legacy, _ = plane_sweep_warp(column, transform, depths, legacy_grid=True)
    middle = legacy[0, 0, 0, 15]
    expected = torch.arange(41.0) * 41 / 40 - 0.5
    torch.testing.assert_close(middle[1:-1], expected[1:-1], rtol=0, atol=1e-4)
    assert middle[20] == pytest.approx(20, abs=1e-4)
    assert abs(float(middle[1]) - 1) > 0.45


def test_a_sideways_camera_sees_disparity():
    """u = x - f B / Z, the disparity of a rectified pair."""
    k = torch.tensor([[50.0, 0, 10], [0, 50, 5], [0, 0, 1]])
    left, right = torch.eye(4), torch.eye(4)
    right[0, 3] = -0.2
    depths = torch.tensor([2.0, 5.0]).reshape(1, 2, 1, 1).expand(1, 2, 11, 21)
    u, v, _ = sweep(relative_projection(k, left, k, right)[None], depths)
    torch.testing.assert_close(u[0, :, 3, 15], torch.tensor([15 - 5.0, 15 - 2.0]), rtol=0, atol=1e-5)
    torch.testing.assert_close(v[0, :, 3, 15], torch.tensor([3.0, 3.0]), rtol=0, atol=1e-5)


def test_points_behind_the_source_camera_are_outside():
    """Dividing by a negative q_z would land inside the image and sample what is mirrored."""
    k = torch.tensor([[50.0, 0, 10], [0, 50, 5], [0, 0, 1]])
    ahead = torch.eye(4)
    ahead[2, 3] = -3.0  # three units further on: what is nearer than 3 lies behind it
    transform = relative_projection(k, torch.eye(4), k, ahead)[None]
    depths = torch.tensor([2.0, 3.0, 6.0]).reshape(1, 3, 1, 1).expand(1, 3, 11, 21)
    warped, valid = plane_sweep_warp(torch.ones(1, 2, 11, 21), transform, depths)
    assert not valid[:, :2].any()
    assert (warped[:, :, :2] == 0).all()
    assert torch.isfinite(warped).all()
    assert warped[0, 0, 2, 5, 10] == 1


def test_half_precision_features_keep_float32_geometry():
    """905 mm has a step of 0.5 mm in half precision; the sample would move by a tenth of a pixel."""
    k = torch.tensor([[2000.0, 0, 400], [0, 2000, 2], [0, 0, 1]])
    side = torch.eye(4)
    side[0, 3] = -200.0
    transform = relative_projection(k, torch.eye(4), k, side)[None]
    depths = torch.full((1, 1, 5, 801), 903.3)
    columns = torch.arange(801.0).expand(1, 1, 5, 801) / 800
    with torch.autocast("cpu", torch.bfloat16):
        u, _, _ = sweep(transform, depths)
    warped, _ = plane_sweep_warp(columns.bfloat16(), transform, depths)
    assert u.dtype == torch.float32
    assert warped.dtype == torch.bfloat16
    assert u[0, 0, 2, 700].item() == pytest.approx(700 - 2000 * 200 / 903.3, abs=1e-3)
    assert warped[0, 0, 0, 2, 700].item() == pytest.approx((700 - 2000 * 200 / 903.3) / 800, rel=2**-8)


def test_gradients_reach_the_features_and_nothing_else():
    k, e = torch.tensor([[8.0, 0, 3.5], [0, 8, 2.5], [0, 0, 1]]), torch.eye(4)
    other = torch.eye(4)
    other[:3, 3] = torch.tensor([0.7, -0.3, 0.2])
    features = torch.rand(1, 2, 6, 8, dtype=torch.float64, requires_grad=True)
    depths = torch.full((1, 3, 6, 8), 4.0, dtype=torch.float64, requires_grad=True)
    transform = relative_projection(k, e, k, other)[None]
    warped, _ = plane_sweep_warp(features, transform, depths)
    warped.sum().backward()
    assert features.grad.abs().sum() > 0
    assert depths.grad is None
    assert torch.autograd.gradcheck(lambda f: plane_sweep_warp(f, transform, depths.detach())[0], (features,))


def test_intrinsics_of_a_resized_image_see_the_same_rays():
    """Pixel i of the small image is pixel i / x of the large one."""
    k = torch.tensor([[100.0, 0, 32], [0, 80, 24], [0, 0, 1]], dtype=torch.float64)
    small = scale_intrinsics(k, 0.25, 0.5)
    ray = torch.linalg.inv(small) @ torch.tensor([3.0, 7.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(ray, torch.linalg.inv(k) @ torch.tensor([12.0, 14.0, 1.0], dtype=torch.float64))
    with pytest.raises(ValueError, match="above 0, got 0"):
        scale_intrinsics(k, 0)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"depths must be \(B, D, h, w\)"):
        sweep(torch.eye(4), torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match=r"features must be \(1, C, h, w\)"):
        plane_sweep_warp(torch.ones(2, 1, 2, 2), torch.eye(4)[None], torch.ones(1, 1, 2, 2))
