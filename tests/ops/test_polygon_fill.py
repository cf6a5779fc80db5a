import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.ops.polygon_fill import draw_line, fill_polygon


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_cells_inside_are_those_whose_centre_opencv_says_is_inside(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    ring = 8 + np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(2, 9, (9, 1)).astype(np.float32)
    ring = ring.astype(np.float32)
    found = fill_polygon([ring], 16, 17)
    expected = [[cv2.pointPolygonTest(ring, (float(x), float(y)), False) > 0 for x in range(17)] for y in range(16)]
    np.testing.assert_array_equal(found, expected)


def test_halves_of_a_square_share_no_cell_and_leave_none_out():
    left, right = [[0, 0], [3, 0], [3, 6], [0, 6]], [[3, 0], [6, 0], [6, 6], [3, 6]]
    both = fill_polygon([left], 6, 6).astype(int) + fill_polygon([right], 6, 6)
    np.testing.assert_array_equal(both, 1)


def test_a_ring_that_is_closed_or_runs_the_other_way_round_is_the_same():
    ring = [[1.2, 0.1], [8.7, 3.3], [4.0, 7.9]]
    expected = fill_polygon([ring], 9, 9)
    assert expected.any()
    np.testing.assert_array_equal(fill_polygon([[*ring, ring[0]]], 9, 9), expected)
    np.testing.assert_array_equal(fill_polygon([ring[::-1]], 9, 9), expected)


def test_bad_rings_are_named():
    with pytest.raises(ValueError, match="three finite points"):
        fill_polygon([[[0, 0], [1, 1]]], 3, 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_line_covers_the_cells_that_are_near_it(seed):
    points = np.random.default_rng(seed).uniform(-6, 18, (4, 2))
    dense = np.concatenate([np.linspace(a, b, 2000) for a, b in itertools.pairwise(points)])
    x, y = np.meshgrid(np.arange(13), np.arange(11))
    nearest = np.hypot(x[..., None] - dense[:, 0], y[..., None] - dense[:, 1]).min(-1)
    found = draw_line(points, 11, 13, 3.0)
    clear = np.abs(nearest - 1.5) > 0.02
    np.testing.assert_array_equal(found[clear], (nearest < 1.5)[clear])


def test_a_line_two_cells_thick_is_two_cells_wide():
    assert draw_line([[-5, 3.3], [50, 3.3]], 9, 9, 2.0).sum(0).tolist() == [2] * 9
    with pytest.raises(ValueError, match="two finite points"):
        draw_line([[0, 0]], 3, 3, 2.0)
