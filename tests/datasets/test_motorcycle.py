"""The motorcycle pair's reader, on a small pair in its format: a plane whose disparity is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from workbench.datasets.extras import NotInstalledError
from workbench.datasets.motorcycle import load_motorcycle
from workbench.geometry.depth_fusion import project, unproject


def _write(folder, disparity, right=(6, 40, 3)):
    Image.fromarray(np.zeros((6, 40, 3), np.uint8)).save(folder / "motorcycle_left.png")
    Image.fromarray(np.zeros(right, np.uint8)).save(folder / "motorcycle_right.png")
    np.savez_compressed(folder / "motorcycle_disp.npz", disparity)


def test_a_pixel_is_its_disparity_further_left_in_the_right_photograph(tmp_path):
    disparity = np.full((6, 40), 12.5, np.float32)
    disparity[2, 3] = np.nan
    _write(tmp_path, disparity)
    pair = load_motorcycle(tmp_path)
    assert pair.depth[2, 3] == 0
    assert pair.depth[0, 0] == pytest.approx(193.001 * 994.978 / (12.5 + 31.086))
    left, right = pair.cameras
    points = unproject(pair.depth, left.intrinsics, left.cam_from_world)[0]
    columns, rows, _ = project(points, right.intrinsics, right.cam_from_world)
    np.testing.assert_allclose(columns, np.arange(40) - 12.5, atol=1e-3)
    np.testing.assert_allclose(rows, 0, atol=1e-6)
    assert left.depth_min < 2110 < 5017 < left.depth_max


def test_absent_and_damaged_files_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_MOTORCYCLE", str(tmp_path))
    with pytest.raises(NotInstalledError, match="build motorcycle"):
        load_motorcycle()
    _write(tmp_path, np.ones((6, 40)), right=(6, 41, 3))
    with pytest.raises(ValueError, match=r"the photographs are \(6, 40\) and \(6, 41\)"):
        load_motorcycle()
    (tmp_path / "motorcycle_disp.npz").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match="holds no array of disparities"):
        load_motorcycle()
