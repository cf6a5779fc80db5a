"""Readers of DTU, BlendedMVS, and Tanks and Temples on tiny folders of their layouts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from workbench.datasets.multi_view import CameraReading
from workbench.datasets.multi_view_folders import (
    read_blended_mvs,
    read_dtu_observability,
    read_dtu_test,
    read_dtu_training,
    read_tanks_and_temples,
)
from workbench.geometry.pfm import write_pfm

CAMERA = "extrinsic\n1 0 0 {x}\n0 1 0 0\n0 0 1 0\n0 0 0 1\n\nintrinsic\n{f} 0 {c}\n0 {f} {c}\n0 0 1\n\n425 {interval}\n"
PAIRS = "2\n0\n1 1 99.5\n1\n1 0 99.5\n"


def _image(path, width, height, value=128):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, value, value)).save(path)


def _camera(path, x=0, f=80, c=8, interval=2.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CAMERA.format(x=x, f=f, c=c, interval=interval))


def _depth(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pfm(path, values)


@pytest.fixture
def mvsnet(tmp_path):
    """DTU as MVSNet trains on it: images of 640 x 512, intrinsics and maps for 160 x 128, files of images counted from 1."""
    (tmp_path / "Cameras").mkdir()
    (tmp_path / "Cameras" / "pair.txt").write_text(PAIRS)
    for view in (0, 1):
        _camera(tmp_path / "Cameras" / "train" / f"{view:08d}_cam.txt", x=view)
        for light in (3, 6):
            _image(
                tmp_path / "Rectified" / "scan7_train" / f"rect_{view + 1:03d}_{light}_r5000.png",
                640,
                512,
                10 * view + light,
            )
        _depth(tmp_path / "Depths" / "scan7_train" / f"depth_map_{view:04d}.pfm", np.full((128, 160), 500.0 + view))
    return tmp_path


def test_dtu_as_mvsnet_trains_on_it(mvsnet):
    (scene,) = read_dtu_training(mvsnet)
    assert scene.name == "scan7"
    sample = scene.sample(1, sources=1)
    assert sample.views == (1, 0)
    assert [image[0, 0, 0] for image in sample.images] == [13, 3]
    assert sample.images[0].shape == (512, 640, 3)
    # Intrinsics for 160 x 128, four times as large for the images.
    assert sample.cameras[0].intrinsics[0].tolist() == [320, 0, 32]
    assert sample.cameras[0].cam_from_world[0, 3] == 1
    assert (sample.cameras[0].depth_min, sample.cameras[0].depth_max) == (425, 905)
    assert sample.depth.shape == (512, 640)
    assert set(np.unique(sample.depth)) == {501}
    assert sample.notes == ("the depth of 160 x 128 was brought to its image's size",)
    assert read_dtu_training(mvsnet, light=6)[0].image(0)[0, 0, 0] == 6


def test_raw_depth_of_dtu_is_the_middle_of_every_other_pixel(mvsnet):
    rows, columns = np.indices((1200, 1600))
    _depth(mvsnet / "Depths_raw" / "scan7" / "depth_map_0000.pfm", (rows * 2000 + columns).astype(float))
    depth = read_dtu_training(mvsnet)[0].sample(0, 1).depth
    assert depth.shape == (512, 640)
    assert depth[0, 0] == 2 * 44 * 2000 + 2 * 80
    assert depth[-1, -1] == 2 * (44 + 511) * 2000 + 2 * (80 + 639)


def test_dtu_as_cvp_mvsnet_trains_on_it(tmp_path):
    """Cameras for the images, a list of scans, maps of the images' size, and 256 intervals."""
    (tmp_path / "Cameras").mkdir()
    (tmp_path / "Cameras" / "pair.txt").write_text(PAIRS)
    (tmp_path / "scan_list_train.txt").write_text("scan9\n")
    depth = np.full((12, 16), 600.0)
    depth[0, 0], depth[1, 1], depth[2, 2] = 0, np.nan, np.inf
    for view in (0, 1):
        _camera(tmp_path / "Cameras" / f"{view:08d}_cam.txt", interval=2)
        for scan in ("scan9", "scan10"):
            _image(tmp_path / "Rectified" / f"{scan}_train" / f"rect_{view + 1:03d}_3_r5000.png", 16, 12)
            _depth(tmp_path / "Depths" / f"{scan}_train" / f"depth_map_{view:04d}.pfm", depth)
    (scene,) = read_dtu_training(tmp_path)
    sample = scene.sample(0, 1)
    assert scene.name == "scan9"
    assert sample.cameras[0].intrinsics[0].tolist() == [80, 0, 8]
    assert sample.cameras[0].depth_max == 425 + 256 * 2
    assert sample.depth[[0, 1, 2, 3], [0, 1, 2, 3]].tolist() == [0, 0, 0, 600]
    assert read_dtu_training(tmp_path, ["scan10"])[0].name == "scan10"
    named = read_dtu_training(tmp_path, reading=CameraReading(depth_min=400.0, depth_max=800.0))[0].camera(0)
    assert (named.depth_max, named.rule) == (800, "given")


def _scene(folder, images="images", ending=".jpg", pair="pair.txt", views=(0, 1)):
    for view in views:
        _image(folder / images / f"{view:08d}{ending}", 16, 12)
        _camera(folder / "cams" / f"{view:08d}_cam.txt", x=view)
    (folder / pair).write_text(PAIRS)


def test_dtu_test_and_tanks_and_temples(tmp_path):
    for name in ("scan1", "scan24", "scan2", "intermediate/Family", "intermediate/Train", "advanced/Temple"):
        _scene(tmp_path / name)
    assert [scene.name for scene in read_dtu_test(tmp_path)] == ["scan1", "scan24"]
    assert [scene.name for scene in read_dtu_test(tmp_path, ["scan2"])] == ["scan2"]
    assert [scene.name for scene in read_tanks_and_temples(tmp_path)] == ["Family", "Train"]
    (temple,) = read_tanks_and_temples(tmp_path, "advanced", reading=CameraReading(interval_scale=2.0))
    sample = temple.sample(0)
    assert sample.depth is None
    assert sample.notes == ("Temple: view 0 has 1 source views, 2 were asked for",)
    assert sample.cameras[0].depth_max == 425 + 192 * 5


def test_blended_mvs_by_folder_or_by_scene_and_with_a_part_of_its_views(tmp_path):
    for name in ("5a3ca9cb270f0e3f14d0eddb", "5a4a38dad38c8a075495b5d2"):
        _scene(tmp_path / name, "blended_images", pair="cams/pair.txt")
        _depth(tmp_path / name / "rendered_depth_maps" / "00000000.pfm", np.full((12, 16), 2.5))
    assert len(read_blended_mvs(tmp_path)) == 2
    (scene,) = read_blended_mvs(tmp_path / "5a4a38dad38c8a075495b5d2")
    assert scene.name == "5a4a38dad38c8a075495b5d2"
    assert scene.depth(0)[0, 0] == 2.5
    assert scene.depth(1) is None
    (tmp_path / scene.name / "blended_images" / "00000001.jpg").unlink()
    (part,) = read_blended_mvs(tmp_path, [scene.name])
    assert part.pairs == {0: ()}
    assert part.references == ()


def test_observed_volume_and_table_of_a_scan(tmp_path):
    (tmp_path / "ObsMask").mkdir()
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1, 2, 3] = 1
    savemat(
        tmp_path / "ObsMask" / "ObsMask7_10.mat", {"ObsMask": mask, "BB": [[-10.0, -20, -30], [0, 0, 0]], "Res": 2.0}
    )
    savemat(tmp_path / "ObsMask" / "Plane7.mat", {"P": [[0.0], [0], [1], [-5]]})
    observed, plane = read_dtu_observability(tmp_path, 7)
    assert observed.contains(np.array([[-8.0, -16, -24], [-8, -16, -22]])).tolist() == [True, False]
    assert plane.tolist() == [0, 0, 1, -5]
    savemat(tmp_path / "ObsMask" / "Plane7.mat", {"Q": [1.0]})
    with pytest.raises(ValueError, match=r"Plane7\.mat lacks P; it has Q"):
        read_dtu_observability(tmp_path, 7)


def test_what_is_missing_is_named(tmp_path, mvsnet):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        read_blended_mvs(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="light must lie in 0 to 6, got 7"):
        read_dtu_training(mvsnet, light=7)
    with pytest.raises(FileNotFoundError, match="scan8_train"):
        read_dtu_training(mvsnet, ["scan8"])
    with pytest.raises(FileNotFoundError, match="scan99"):
        read_dtu_test(tmp_path, ["scan99"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no scene"):
        read_blended_mvs(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="ObsMask"):
        read_dtu_observability(tmp_path, 1)
    (scene,) = read_dtu_training(mvsnet)
    (mvsnet / "Cameras" / "train" / "00000000_cam.txt").unlink()
    (scene,) = read_dtu_training(mvsnet)
    assert list(scene.pairs) == [1]
    with pytest.raises(FileNotFoundError, match="scan7 has no camera of view 0"):
        scene.camera(0)
