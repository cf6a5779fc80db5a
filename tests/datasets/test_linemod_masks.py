"""Masks drawn from models in their poses: flat squares, so that pixels are plain arithmetic."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from workbench.datasets import LINEMOD_OBJECTS, NotInstalledError, read_coco_masks, read_linemod_masks, write_coco_masks
from workbench.datasets.linemod_masks import draw_depth, visible_masks

CAMERA = {"fx": 100.0, "fy": 100.0, "cx": 80.0, "cy": 60.0, "width": 160, "height": 120}
SQUARE = "-20 -20 0\n20 -20 0\n20 20 0\n-20 20 0\n"
TRIANGLES = "3 0 1 2\n3 0 2 3\n"


def _write(folder, poses, faces=TRIANGLES, count=2):
    (folder / "rgb").mkdir(exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "camera.json").write_text(json.dumps(CAMERA))
    rows = [
        {"obj_id": number, "cam_R_m2c": [1, 0, 0, 0, 1, 0, 0, 0, 1], "cam_t_m2c": shift}
        for number, shift in poses.items()
    ]
    (folder / "scene_gt.json").write_text(json.dumps({"7": rows}))
    Image.new("RGB", (160, 120)).save(folder / "rgb" / "000007.png")
    header = f"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nelement face {count}\nend_header\n"
    for number in LINEMOD_OBJECTS:
        (folder / "models" / f"obj_{number:06d}.ply").write_text(header + SQUARE + faces)
    return folder


def test_a_square_covers_the_pixels_that_its_pose_says_and_hides_what_is_behind(tmp_path):
    (image,) = read_linemod_masks(folder=_write(tmp_path, {1: [0, 0, 100], 5: [20, 0, 50]}))
    ape, can = image.masks()
    behind, front = np.zeros((2, 120, 160), bool)
    behind[40:81, 60:101] = True  # 20 mm at 100 mm about (80, 60), pixel centres at whole numbers
    front[20:101, 80:161] = True  # at 50 mm, and cut by the border
    np.testing.assert_array_equal(can, front)
    np.testing.assert_array_equal(ape, behind & ~front)
    assert image.id == "rgb/000007.png"
    assert image.path == tmp_path / "rgb" / "000007.png"


def test_masks_go_through_a_coco_file(tmp_path):
    images = read_linemod_masks(folder=_write(tmp_path, {1: [0, 0, 100], 8: [0, 0, 300]}))
    (back,) = read_coco_masks(write_coco_masks(tmp_path / "masks.json", images), tmp_path)
    np.testing.assert_array_equal(back.masks(), images[0].masks())
    assert len(back.masks()) == 1  # the driller is hidden


def test_what_hardly_shows_is_left_out(tmp_path):
    (image,) = read_linemod_masks(folder=_write(tmp_path, {1: [0, 0, 100], 9: [-117, 0, 100]}))
    assert len(image.masks()) == 1  # of the duck a column or two show at the border


@settings(max_examples=20, deadline=None)
@given(st.floats(1, 60), st.floats(0, 6.3), st.integers(1, 12))
def test_no_pixel_inside_a_triangle_is_missed(size, angle, depth):
    corners = np.array([[0, 0], [np.cos(angle), np.sin(angle)], [np.cos(angle + 1), np.sin(angle + 1)]]) * size + 64
    drawn = draw_depth(np.column_stack([corners, np.full(3, depth)]), np.array([[0, 1, 2]]), (128, 128))
    column, row = np.meshgrid(np.arange(128), np.arange(128))
    weights = np.linalg.solve(
        np.vstack([corners.T, np.ones(3)]), np.stack([column.ravel(), row.ravel(), np.ones(128 * 128)])
    )
    inside = (weights > 0).all(0).reshape(128, 128)
    np.testing.assert_allclose(drawn[inside], depth)
    near = (weights > -1.5 / max(size, 1)).all(0).reshape(128, 128)
    assert np.isinf(drawn[~near]).all()


def test_the_nearest_surface_wins_and_masks_share_nothing():
    rng = np.random.default_rng(0)
    depths = np.where(rng.random((3, 8, 9)) < 0.5, rng.random((3, 8, 9)), np.inf)
    masks = visible_masks(depths)
    assert (masks.sum(0) == np.isfinite(depths).any(0)).all()
    assert (depths[masks].sum()) == pytest.approx(np.where(np.isfinite(depths.min(0)), depths.min(0), 0).sum())


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(NotInstalledError, match="linemod_occlusion"):
        read_linemod_masks(folder=tmp_path)
    folder = _write(tmp_path, {1: [0, 0, 100]})
    with pytest.raises(ValueError, match=r"frames must lie in 0 to 0, got \[3\]"):
        read_linemod_masks([3], folder)
    for name, faces, message in (
        ("four", "4 0 1 2 3\n3 0 2 3\n", "other than three corners"),
        ("far", "3 0 1 2\n3 0 2 9\n", "face with corner 9; it has 4 vertices"),
        ("short", "3 0 1 2\n", "holds 1 faces; its header says 2"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match=message):
            read_linemod_masks(folder=_write(tmp_path / name, {1: [0, 0, 100]}, faces))
