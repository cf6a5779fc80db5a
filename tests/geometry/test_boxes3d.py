import numpy as np
import pytest

from workbench.geometry.boxes3d import box_corners, clip_to_rectangle, image_boxes, project_points

AHEAD = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
"""A camera at the car's origin that looks forward."""
K = np.array([[100.0, 0, 80], [0, 100, 45], [0, 0, 1]])


def test_a_left_turn_puts_the_front_to_the_left():
    corners = box_corners([[5, 1, 1]], [[2, 4, 2]], [np.pi / 2])[0]
    np.testing.assert_allclose(corners[:2].mean(0), [5, 3, 0], atol=1e-12)  # the front, bottom
    np.testing.assert_allclose(corners[[0, 3]].mean(0)[:2], [4, 1], atol=1e-12)  # its left side looks back


def test_a_car_ahead_left_is_seen_left_of_the_middle():
    corners = box_corners([[10, 3, 0]], [[2, 4, 1.5]], [0.0])
    box = image_boxes(corners, K, AHEAD, 160, 90)[0]
    pixels, depth = project_points(corners[0], K, AHEAD)
    assert depth.min() == pytest.approx(8)
    np.testing.assert_allclose(box, [*pixels.min(0), *pixels.max(0)])
    assert box[2] < 80


def test_what_is_behind_or_beside_is_not_seen_and_what_is_near_is_cut():
    corners = box_corners([[-10, 0, 0], [10, 40, 0], [3, 0, 0], [0.0, 0, 0]], [[2, 4, 1.5]] * 4, [0.0] * 4)
    boxes = image_boxes(corners, K, AHEAD, 160, 90)
    assert np.isnan(boxes[:2]).all()
    np.testing.assert_allclose(boxes[2, [1, 3]], [0, 90])
    np.testing.assert_allclose(boxes[2, [0, 2]], [0, 160])
    assert not np.isnan(boxes[3]).any()  # the camera is inside: the corners ahead remain


def test_a_polygon_around_the_image_leaves_the_image():
    around = np.array([[-9.0, -9], [99, -9], [99, 99], [-9, 99]])
    assert sorted(clip_to_rectangle(around, 4, 3).tolist()) == [[0, 0], [0, 3], [4, 0], [4, 3]]
    assert len(clip_to_rectangle(around + 200, 4, 3)) == 0


def test_points_on_the_plane_of_the_camera_have_no_pixel():
    pixels, _ = project_points([[0.0, 1, 1], [1e-4, 0, 0], [2e-3, 0, 0]], K, AHEAD)
    assert np.isnan(pixels[:2]).all()
    np.testing.assert_allclose(pixels[2], [80, 45])


def test_sizes_must_be_above_0():
    with pytest.raises(ValueError, match="size must be above 0"):
        box_corners([[0, 0, 0]], [[0, 1, 1]], [0])
