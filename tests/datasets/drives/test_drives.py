import hashlib
from dataclasses import replace

import numpy as np
import pytest

from workbench.datasets import CAMERAS, DriveConfig, read_nuscenes, write_drives
from workbench.datasets._drive_camera import Look, picture
from workbench.datasets._drive_world import Scene, Street, Thing, make_scene
from workbench.datasets.drives import CALIBRATION, camera_rotation
from workbench.geometry.boxes3d import box_corners, project_points
from workbench.geometry.quaternions import rigid, rigid_inverse, yaw_quaternion
from workbench.metrics import DETECTION_NAMES, judged
from workbench.metrics.nuscenes_boxes import ATTRIBUTE_NAMES

from .drive_folder import SMALL, small_drives

EMPTY = Street(lanes=2, crossing=None, cross_lanes=1, island=None, origin=(0.0, 0.0), heading=0.0)
PLAIN = Look(np.ones(3), np.zeros((256, 256)))


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_world(tmp_path):
    first = _digests(small_drives())
    assert _digests(write_drives(tmp_path / "same", SMALL)) == first
    other = _digests(write_drives(tmp_path / "other", replace(SMALL, seed=1)))
    assert other["v1.0-mini/sample_annotation.json"] != first["v1.0-mini/sample_annotation.json"]


def test_more_training_scenes_leave_the_validation_scenes_as_they_were():
    config = DriveConfig()
    for index in range(2):
        one, other = (make_scene((0, 2, index), origin, config.extras, 30.0) for origin in ((0.0, 0.0), (400.0, 800.0)))
        assert [vars(thing) for thing in one.things] == [vars(thing) for thing in other.things]


def _seen_near(config, index, seconds):
    """Return classes that a camera of a validation scene sees within the smallest range that is judged."""
    scene = make_scene((config.seed, 2, index), (200.0, 200.0), config.extras, config.reach)
    seen = np.zeros(len(scene.things), int)
    place, heading = scene.ego(seconds)
    pose = rigid(yaw_quaternion(heading), [*place, 0])
    for channel in CAMERAS:
        where, direction, _ = CALIBRATION[channel]
        camera = pose @ rigid(camera_rotation(direction), where)
        seen += picture(scene, PLAIN, seconds, camera, config.intrinsics(channel), config.width, config.height).seen
    return {
        thing.kind
        for thing, count in zip(scene.things, seen, strict=True)
        if count and np.hypot(*(scene.street.to_world(np.array(thing.place(seconds))) - place)) < 30
    }


def test_the_validation_scenes_of_the_default_show_all_ten_classes_within_range():
    config = replace(DriveConfig(), width=88, height=48, rays=1)
    shown = set.union(*(_seen_near(config, index, seconds) for index in range(config.val) for seconds in (0.0, 1.5)))
    assert shown >= set(DETECTION_NAMES)


def test_annotations_follow_the_schema_of_the_benchmark():
    folder = read_nuscenes(small_drives())
    truth, points, racks, ego = folder.truth(folder.tokens())
    assert points.min() > 0
    assert np.isfinite(truth.velocity).all(1).mean() > 0.7
    assert 0 < len(judged(truth, ego, points, racks)) <= len(truth)
    for label, attribute in zip(truth.label, truth.attribute, strict=True):
        name = DETECTION_NAMES[label]
        if name in ("traffic_cone", "barrier"):
            assert attribute == -1
        else:
            kind = {"pedestrian": "pedestrian", "bicycle": "cycle", "motorcycle": "cycle"}.get(name, "vehicle")
            assert ATTRIBUTE_NAMES[attribute].startswith(kind)
    sizes = {tuple(row["size"]) for row in folder.tables.records["sample_annotation"].values()}
    assert all(min(size) > 0 for size in sizes)


def _camera(channel="CAM_FRONT", width=320, height=180):
    config = DriveConfig(width=width, height=height)
    place, direction, _ = CALIBRATION[channel]
    return config.intrinsics(channel), rigid(camera_rotation(direction), place)


def test_one_car_ahead_left_is_painted_where_it_is_in_every_camera():
    """The car at (12, 4) is seen by the front left and front cameras, left of the middle of the front one, and by no other."""
    car = Thing("car", "car", (2.0, 4.5, 1.6), (12.0, 4.0), 0.0)
    scene = Scene(EMPTY, (car,), (0.0, 0.0), 0.0, 0.0)
    corners = box_corners([[12, 4, 0.8]], [[2.0, 4.5, 1.6]], [0.0])[0]
    for channel in CAMERAS:
        intrinsics, pose = _camera(channel)
        shot, bare = (
            picture(Scene(EMPTY, things, (0.0, 0.0), 0.0, 0.0), PLAIN, 0.0, pose, intrinsics, 320, 180).pixels
            for things in ((car,), ())
        )
        changed = np.abs(shot - bare).max(2) > 1
        assert changed.any() == (channel in ("CAM_FRONT", "CAM_FRONT_LEFT")), channel
        assert changed.sum() <= picture(scene, PLAIN, 0.0, pose, intrinsics, 320, 180).seen[0]
        if channel == "CAM_FRONT":
            rows, columns = np.nonzero(changed)
            assert columns.max() < 160
            pixels, _ = project_points(corners, intrinsics, rigid_inverse(pose))
            assert columns.min() >= max(0, np.floor(pixels[:, 0].min()) - 1)
            assert columns.max() <= np.ceil(pixels[:, 0].max())
            assert rows.min() == pytest.approx(pixels[:, 1].min(), abs=1)
            assert rows.max() == pytest.approx(pixels[:, 1].max(), abs=1.5)


def test_what_stands_before_hides_what_stands_behind():
    near = Thing("bus", "bus", (2.9, 3.0, 3.4), (8.0, 0.0), 0.0)
    far = Thing("car", "car", (1.9, 4.6, 1.6), (20.0, 0.0), 0.0)
    intrinsics, pose = _camera()
    shot = picture(Scene(EMPTY, (near, far), (0.0, 0.0), 0.0, 0.0), PLAIN, 0.0, pose, intrinsics, 320, 180)
    assert shot.seen[0] == shot.alone[0] > 0
    assert shot.seen[1] == 0 < shot.alone[1]
    swapped = picture(Scene(EMPTY, (far, near), (0.0, 0.0), 0.0, 0.0), PLAIN, 0.0, pose, intrinsics, 320, 180)
    np.testing.assert_array_equal(shot.pixels, swapped.pixels)


def test_a_car_drives_along_its_nose():
    thing = Thing("car", "car", (2, 4, 1.5), (1.0, 2.0), np.pi / 2, speed=4.0)
    assert thing.place(0.5) == pytest.approx((1.0, 4.0))


def test_bad_constants_and_a_folder_in_use_are_named(tmp_path):
    for change in ({"samples": 1}, {"width": 8}, {"extras": (3, 2)}, {"noise": -1}, {"train": 0, "val": 0}):
        with pytest.raises(ValueError, match=next(iter(change))):
            DriveConfig(**change)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        write_drives(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
