"""Boxes of moving rectangles before a noisy wall are those that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.datasets.motion_boxes import median_background, moving_boxes


def _frames(count=15, seed=0):
    """Return a textured wall, and frames of it with noise and a walker 12 x 30 that moves 11 pixels a frame."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(60, 120, (80, 200, 3))
    frames, boxes = [], []
    for index in range(count):
        frame = wall + rng.integers(-9, 10, wall.shape)
        x = 5 + 11 * index
        frame[40:70, x : x + 12] = (200, 30, 30)
        frames.append(frame.astype(np.uint8))
        boxes.append((x, 40, x + 12, 70))
    return wall, frames, boxes


def test_the_median_is_the_wall_and_the_boxes_are_the_walkers():
    wall, frames, boxes = _frames()
    background = median_background(frames)
    assert np.abs(background.astype(int) - wall).max() <= 9
    for frame, box in zip(frames, boxes, strict=True):
        assert moving_boxes(frame, background) == [box]


@given(st.integers(0, 170), st.integers(0, 50), st.integers(10, 30), st.integers(25, 30))
def test_a_box_may_touch_any_border(x, y, width, height):
    wall = np.full((80, 200, 3), 90, np.uint8)
    frame = wall.copy()
    frame[y : y + height, x : x + width] = 200
    assert moving_boxes(frame, wall) == [(x, y, min(x + width, 200), min(y + height, 80))]


def test_gaps_close_specks_vanish_and_small_regions_do_not_count():
    wall = np.full((80, 200, 3), 90, np.uint8)
    frame = wall.copy()
    frame[10:30, 50:62], frame[36:60, 50:62] = 250, 250  # body and legs
    frame[10:30, 100:112], frame[50:70, 100:112] = 250, 250  # two things
    frame[5, 5] = frame[70, 20] = 255
    frame[40:48, 150:158] = 255
    assert moving_boxes(frame, wall, least_area=200) == [(50, 10, 62, 60), (100, 10, 112, 30), (100, 50, 112, 70)]
    assert (150, 40, 158, 48) in moving_boxes(frame, wall, least_area=60)
    assert moving_boxes(frame, wall, difference=200) == []


def test_wrong_shapes_are_named():
    wall = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="images is empty"):
        median_background([])
    with pytest.raises(ValueError, match="images have different shapes"):
        median_background([wall, wall[:4]])
    with pytest.raises(ValueError, match=r"image has shape \(4, 8, 3\), the background \(8, 8, 3\)"):
        moving_boxes(wall[:4], wall)
