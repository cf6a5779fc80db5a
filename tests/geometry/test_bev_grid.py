import numpy as np
import pytest

from workbench.geometry.bev_grid import BevGrid


def test_the_papers_grid_is_100_by_100_by_6_metres_and_its_corner_is_half_a_voxel_off():
    grid = BevGrid()
    assert grid.high == (50.0, 50.0, 5.0)
    small = BevGrid((4, 6, 2), (0.5, 0.25, 1.0), (-1.0, 0.0, 2.0))
    points = small.points()
    assert points.shape == (4, 6, 2, 3)
    np.testing.assert_allclose(points - small.points("corner"), np.broadcast_to([0.25, 0.125, 0.5], points.shape))
    np.testing.assert_allclose(points[3, 5, 1], [0.75, 1.375, 3.5])


def test_maps_have_y_along_rows_and_x_along_columns():
    grid = BevGrid((4, 6, 1), (1.0, 1.0, 1.0), (-2.0, -3.0, 0.0))
    assert grid.shape == (6, 4)
    np.testing.assert_allclose(grid.map_coordinates([1.5, -2.5]), [3, 0])  # ahead, to the right
    assert grid.distances()[0, 3] == pytest.approx(np.hypot(1.5, 2.5))


def test_a_coarser_grid_covers_the_same_ground():
    assert BevGrid().coarser(2).shape == (200, 200)
    assert BevGrid().coarser(4).high == BevGrid().high
    with pytest.raises(ValueError, match="factor must divide"):
        BevGrid().coarser(3)


@pytest.mark.parametrize("change", [{"cells": (0, 1, 1)}, {"voxel": (1, -1, 1)}, {"low": (0, 0, np.nan)}])
def test_bad_grids_are_named(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        BevGrid(**change)
    with pytest.raises(ValueError, match="anchor must be"):
        BevGrid((1, 1, 1)).points("middle")
