"""Cast scenes: exact depth, one scene a seed, and the layout of the real data set."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.datasets._ray_casting import Solid, cast, pixels_of
from workbench.datasets.multi_view_folders import read_blended_mvs
from workbench.datasets.ray_cast_scenes import (
    DEPTH_RANGE,
    RayCastConfig,
    ray_cast_folder,
    ray_cast_scene,
    write_blended_mvs,
)
from workbench.geometry.camera_text import check_camera
from workbench.geometry.depth_fusion import FusionConfig, check_consistency
from workbench.geometry.homography import plane_sweep_warp, relative_projection

SMALL = RayCastConfig(width=96, height=64, views=3)
GREY = np.full((4, 4, 3), 0.5)


@pytest.fixture(scope="module")
def scene():
    return ray_cast_scene(3, SMALL)


def _rays(x, y):
    return np.array([[[x, y, 1.0]]])


def test_depth_of_a_sphere_a_box_and_a_plane_by_hand():
    """Straight ahead: a sphere of radius 10 at 100 is met at 90, a box of half depth 5 at 95; to the side the wall behind."""
    origin, whole = np.zeros(3), (0, 1, 0, 1)
    wall = Solid("plane", np.array([0, 0, 200.0]), np.eye(3), np.ones(3), GREY, 1.0)
    sphere = Solid("sphere", np.array([0, 0, 100.0]), np.eye(3), np.full(3, 10.0), GREY, 1.0)
    box = Solid("box", np.array([0, 0, 100.0]), np.eye(3), np.array([8.0, 8, 5]), GREY, 1.0)
    for solid, expected in ((sphere, 90), (box, 95)):
        assert cast([wall, solid], origin, _rays(0, 0), [whole] * 2)[1].item() == pytest.approx(expected)
        assert cast([wall, solid], origin, _rays(0.3, 0), [whole] * 2)[1].item() == pytest.approx(200)
    # 8 / 95 is the edge of the box's front.
    assert cast([wall, box], origin, _rays(8 / 95 - 1e-6, 0), [whole] * 2)[1].item() == pytest.approx(95)
    assert cast([box], origin, -_rays(0, 0), [whole])[1].item() == np.inf


def test_a_solid_is_seen_only_in_the_pixels_that_it_may_cover(scene):
    """Leaving out the pixels beside the projected cube changes nothing."""
    rng = np.random.default_rng(0)
    camera = scene.cameras[1]
    rows, columns = np.indices((64, 96))
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(camera.intrinsics).T
    rays = rays @ camera.cam_from_world[:3, :3]
    for _ in range(10):
        half = rng.uniform(5, 80, 3)
        centre = np.array([*rng.uniform(-200, 200, 2), rng.uniform(450, 700)])
        for solid in (
            Solid("box", centre, np.eye(3), half, GREY, 1.0),
            Solid("sphere", centre, np.eye(3), half, GREY, 1.0),
        ):
            box = pixels_of(solid, camera.intrinsics, camera.cam_from_world, 64, 96)
            whole = cast([solid], camera.centre, rays, [(0, 64, 0, 96)])[1]
            np.testing.assert_array_equal(cast([solid], camera.centre, rays, [box])[1], whole)


def test_cameras_look_at_one_point_from_one_distance(scene):
    for view, camera in enumerate(scene.cameras):
        check_camera(camera.intrinsics, camera.cam_from_world, f"view {view}")
        middle = camera.cam_from_world @ [0, 0, 650, 1]
        np.testing.assert_allclose(middle[:3], [0, 0, 650], atol=1e-9)
    np.testing.assert_allclose(scene.cameras[0].cam_from_world, np.eye(4), atol=1e-12)


def test_the_source_seen_through_the_true_depth_is_the_reference(scene):
    """Where both views see the same surface their colours agree; at a wrong depth they do not."""
    images = [torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for image in scene.images]
    matrices = [(torch.from_numpy(c.intrinsics), torch.from_numpy(c.cam_from_world)) for c in scene.cameras]
    transform = relative_projection(*matrices[0], *matrices[1])[None]
    same, _ = check_consistency(
        scene.depths[0],
        scene.cameras[0].intrinsics,
        scene.cameras[0].cam_from_world,
        scene.depths[1],
        scene.cameras[1].intrinsics,
        scene.cameras[1].cam_from_world,
        FusionConfig(pixels=0.5, relative_depth=0.003),
    )
    assert same.mean() > 0.6
    errors = []
    for factor in (1.0, 1.06):
        depth = torch.from_numpy(scene.depths[0] * np.float32(factor))[None, None]
        warped, valid = plane_sweep_warp(images[1], transform, depth)
        mask = torch.from_numpy(same) & valid[0, 0]
        errors.append((warped[0, :, 0] - images[0][0]).abs().mean(0)[mask].mean().item())
    assert errors[0] < 0.6 * errors[1]


def test_depths_lie_in_the_range_and_thin_bars_make_boundaries():
    kinds = set()
    for seed in range(4):
        made = ray_cast_scene(seed, RayCastConfig(width=48, height=32, views=2))
        assert made.depths[0].min() > DEPTH_RANGE[0]
        assert made.depths[0].max() < DEPTH_RANGE[1]
        kinds |= set(made.kinds)
    assert kinds == {"sphere", "box", "bar"}


def test_one_seed_is_one_scene_whatever_the_number_of_views():
    one, other = ray_cast_scene(5, SMALL), ray_cast_scene(5, RayCastConfig(width=96, height=64, views=2))
    np.testing.assert_array_equal(one.images[1], other.images[1])
    np.testing.assert_array_equal(one.depths[1], other.depths[1])
    assert not np.array_equal(one.depths[0], ray_cast_scene(6, SMALL).depths[0])


def test_the_reader_of_the_real_thing_reads_what_was_written(tmp_path, scene):
    write_blended_mvs(tmp_path / "scene", scene)
    (read,) = read_blended_mvs(tmp_path)
    sample = read.sample(0)
    assert sample.views == (0, 1, 2)
    np.testing.assert_array_equal(sample.depth, scene.depths[0])
    for view in range(3):
        np.testing.assert_array_equal(sample.cameras[view].cam_from_world, scene.cameras[view].cam_from_world)
        assert np.abs(sample.images[view].astype(int) - scene.images[view]).mean() < 6  # JPEG
    assert (sample.cameras[0].depth_min, sample.cameras[0].depth_max) == DEPTH_RANGE
    assert [source for source, _ in read.pairs[1]] == [0, 2]
    with pytest.raises(FileExistsError):
        write_blended_mvs(tmp_path / "scene", scene)


def test_scenes_of_the_cache_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    config = RayCastConfig(width=32, height=24, views=2)
    (folder,) = ray_cast_folder([4], config)
    before = (folder / "cams" / "pair.txt").stat().st_mtime_ns
    assert ray_cast_folder([4], config) == [folder]
    assert (folder / "cams" / "pair.txt").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"width": 8}, "at least 16 pixels, got 8 x 128"),
        ({"views": 6}, "views must lie in 2 to 5, got 6"),
        ({"objects": (3, 2)}, "fewest <= most"),
        ({"samples": 0}, "samples must be at least 1"),
    ],
)
def test_bad_numbers_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RayCastConfig(**changes)
