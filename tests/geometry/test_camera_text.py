"""Camera files as they are found: two to four numbers, tabs, missing lines, and cameras that cannot be one."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.geometry.camera_text import MultiViewCamera, check_camera, read_camera_text, write_camera_text

EXTRINSIC = "0 -1 0 5\n1 0 0 6\n0 0 1 7\n0 0 0 1"
INTRINSIC = "2892.33 0 823.205\n0 2883.18 619.071\n0 0 1"


def _write(path, depths, extrinsic=EXTRINSIC, intrinsic=INTRINSIC):
    path.write_text(f"extrinsic\n{extrinsic}\n\nintrinsic\n{intrinsic}\n\n{depths}\n")
    return path


@pytest.mark.parametrize(
    "depths, expected, rule",
    [
        ("425 2.5", (425, 905), "min interval: max = 425 + 192 x 2.5"),
        ("425.0 935.0", (425, 935), "min max"),
        ("425 2.5 128", (425, 745), "min interval planes: max = 425 + 128 x 2.5"),
        ("0.6 0.02 128 3.1", (0.6, 3.1), "min interval planes max"),
        ("4.25e2\t2.5E0  ", (425, 905), "min interval"),
    ],
)
def test_the_rule_that_fired_is_told(tmp_path, depths, expected, rule):
    camera = read_camera_text(_write(tmp_path / "00000000_cam.txt", depths))
    assert (camera.depth_min, camera.depth_max) == pytest.approx(expected)
    assert camera.rule.startswith(rule)
    assert camera.cam_from_world[0].tolist() == [0, -1, 0, 5]
    assert camera.intrinsics[1].tolist() == [0, 2883.18, 619.071]


def test_readers_differ_in_planes_and_scale_of_the_interval(tmp_path):
    """NP-CVP-MVSNet counts 256 intervals; CasMVSNet scales the interval by 1.06."""
    path = _write(tmp_path / "cam.txt", "425 2.5")
    assert read_camera_text(path, planes=256).depth_max == 1065
    assert read_camera_text(path, interval_scale=1.06).depth_max == pytest.approx(933.8)


def test_given_depths_take_the_place_of_the_files(tmp_path):
    path = _write(tmp_path / "cam.txt", "425 2.5")
    camera = read_camera_text(path, depth_min=400, depth_max=900)
    assert (camera.depth_min, camera.depth_max, camera.rule) == (400, 900, "given")
    camera = read_camera_text(path, depth_min=10.0)
    assert (camera.depth_min, camera.depth_max) == (10, 905)
    assert camera.rule.endswith("; min given")


def test_blank_lines_and_tabs_do_not_matter(tmp_path):
    path = tmp_path / "cam.txt"
    path.write_text("extrinsic " + EXTRINSIC.replace("\n", "\t") + "\r\nintrinsic\r\n" + INTRINSIC + " 425 2.5   ")
    assert read_camera_text(path).depth_max == 905


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation * np.linalg.det(rotation), [0.1, 1 / 3, -7]
    camera = MultiViewCamera(np.array([[100.1, 0, 31.5], [0, 99.9, 23.5], [0, 0, 1]]), pose, 425.3, 905.7)
    write_camera_text(tmp_path / "cam.txt", camera)
    again = read_camera_text(tmp_path / "cam.txt")
    np.testing.assert_array_equal(again.cam_from_world, pose)
    np.testing.assert_array_equal(again.intrinsics, camera.intrinsics)
    assert (again.depth_min, again.depth_max) == (425.3, 905.7)
    np.testing.assert_allclose(pose[:3, :3] @ again.centre + pose[:3, 3], 0, atol=1e-12)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"depths": "-1 2.5"}, "depth range must satisfy 0 < min < max, got -1 and 2.5"),
        ({"depths": "0 2.5"}, "0 < min < max, got 0 and 2.5"),
        ({"depths": "nan 2.5"}, "0 < min < max"),
        ({"depths": "425 2.5 192 300"}, "got 425 and 300"),
        ({"depths": "425"}, "expected 2, 3 or 4 numbers for the range of depths, got 1"),
        ({"depths": "425 two"}, "depth holds '425 two'"),
        ({"extrinsic": "1 0 0 0"}, "extrinsic holds"),
        ({"extrinsic": "2 0 0 5\n0 2 0 6\n0 0 2 7\n0 0 0 1"}, "not orthonormal: determinant 8"),
        ({"extrinsic": "-1 0 0 5\n0 1 0 6\n0 0 1 7\n0 0 0 1"}, "not orthonormal: determinant -1"),
        ({"extrinsic": "1 0 0 5\n0 1 0 6\n0 0 1 7\n0 0 0 2"}, "last row of the pose"),
        ({"intrinsic": "0 0 5\n0 9 5\n0 0 1"}, "focal lengths must be above 0, got 0 and 9"),
        ({"intrinsic": "9 0 5\n0 9 5\n0 0 0"}, r"must be \[fx s cx"),
        ({"intrinsic": "9 0 inf\n0 9 5\n0 0 1"}, "not finite"),
    ],
)
def test_bad_files_are_named(tmp_path, changes, message):
    path = _write(tmp_path / "00000007_cam.txt", **{"depths": "425 2.5", **changes})
    with pytest.raises(ValueError, match=message) as caught:
        read_camera_text(path)
    assert "00000007_cam.txt" in str(caught.value)


def test_missing_word_and_missing_file(tmp_path):
    path = tmp_path / "cam.txt"
    path.write_text("intrinsic 1 2 3")
    with pytest.raises(ValueError, match=r"cam.txt lacks the word 'extrinsic'"):
        read_camera_text(path)
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        read_camera_text(tmp_path / "none.txt")
    with pytest.raises(ValueError, match=r"view 2: expected intrinsics \(3, 3\)"):
        check_camera(np.eye(4), np.eye(4), "view 2")
