import json
import shutil

import numpy as np
import pytest

from workbench.datasets import CAMERAS, read_nuscenes, read_nuscenes_map
from workbench.datasets.nuscenes_tables import TABLES, NuScenesTables
from workbench.geometry.bev_grid import BevGrid
from workbench.geometry.boxes3d import box_corners, image_boxes
from workbench.geometry.quaternions import quaternion_matrix
from workbench.metrics import DETECTION_NAMES

from .drive_folder import damaged, small_drives


@pytest.fixture(scope="module")
def folder():
    return read_nuscenes(small_drives())


def test_a_sample_has_six_cameras_boxes_in_the_cars_frame_and_its_place(folder):
    assert folder.scenes == ("scene-0061", "scene-0103")
    tokens = folder.tokens("toy_val")
    assert len(tokens) == 2
    assert tokens == folder.tokens()[2:]
    sample = folder.sample(tokens[1])
    assert tuple(sample.cameras) == CAMERAS
    assert sample.scene == "scene-0103"
    assert sample.location == "boston-seaport"
    assert sample.boxes.shape == (len(sample.labels), 9)
    assert len(sample.annotations) == len(sample.points) == len(sample.attributes) == len(sample.labels)
    assert sample.cameras["CAM_BACK"].image().shape == (36, 64, 3)
    assert sample.timestamp - folder.sample(tokens[0]).timestamp == 500_000


def test_the_chain_from_world_to_pixel_is_that_of_the_tables(folder):
    """Global to the car of the camera's own moment, to the camera, by the tables and plain matrices."""
    tables, token = folder.tables, folder.tokens()[1]
    sample = folder.sample(token)
    frame = tables.key_frames[token]["CAM_BACK_LEFT"]
    pose = tables.get("ego_pose", frame["ego_pose_token"])
    sensor = tables.get("calibrated_sensor", frame["calibrated_sensor_token"])
    row = tables.annotations[token][0]
    point = np.array(row["translation"])
    for record in (pose, sensor):
        point = quaternion_matrix(record["rotation"]).T @ (point - record["translation"])
    index = sample.annotations.index(row["token"])
    found = sample.cameras["CAM_BACK_LEFT"].cam_from_ego @ [*sample.boxes[index, :3], 1]
    np.testing.assert_allclose(found[:3], point, atol=1e-6)


def test_cameras_look_where_their_names_say(folder):
    sample = folder.sample(folder.tokens()[0])
    directions = {"CAM_FRONT": 0, "CAM_FRONT_LEFT": 55, "CAM_BACK_LEFT": 110, "CAM_BACK": 180, "CAM_BACK_RIGHT": -110}
    for channel, degrees in directions.items():
        axis = sample.cameras[channel].cam_from_ego[2, :3]
        np.testing.assert_allclose(axis, [np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), 0], atol=1e-6)


def test_velocities_are_those_that_positions_show(folder):
    first, second = (folder.sample(token) for token in folder.tokens("toy_train"))
    moving = 0
    for index, (label, box) in enumerate(zip(first.labels, first.boxes, strict=True)):
        following = [row for row in folder.tables.annotations[second.token] if row["prev"] == first.annotations[index]]
        if not following:
            assert np.isnan(box[7:]).all()
            continue
        start = first.world_from_ego @ [*box[:3], 1]
        velocity = first.world_from_ego[:2, :2] @ box[7:]
        np.testing.assert_allclose(start[:2] + 0.5 * velocity, following[0]["translation"][:2], atol=1e-6)
        if DETECTION_NAMES[label] == "car" and np.hypot(*box[7:]) > 1:
            moving += 1  # a car drives the way its nose points
            assert np.arctan2(box[8], box[7]) == pytest.approx(box[6], abs=1e-4)
    assert moving or np.isfinite(first.boxes[:, 7:]).any()


def test_truth_of_the_metric_is_the_samples_boxes_in_the_world(folder):
    tokens = folder.tokens()
    truth, points, _, ego = folder.truth(tokens)
    assert (points > 0).all()
    for place, token in enumerate(tokens):
        sample = folder.sample(token)
        mine = truth.take(truth.sample == place)
        np.testing.assert_array_equal(mine.label, sample.labels)
        world = sample.boxes[:, :3] @ sample.world_from_ego[:3, :3].T + sample.world_from_ego[:3, 3]
        np.testing.assert_allclose(mine.centre, world, atol=1e-6)
        np.testing.assert_allclose(ego[place], sample.world_from_ego[:3, 3])


def test_a_box_that_is_seen_lies_where_its_pixels_are(folder):
    sample = folder.sample(folder.tokens("toy_val")[0])
    corners = box_corners(sample.boxes[:, :3], sample.boxes[:, 3:6], sample.boxes[:, 6])
    seen = np.zeros(len(corners), bool)
    for camera in sample.cameras.values():
        boxes = image_boxes(corners, camera.intrinsics, camera.cam_from_ego, camera.width, camera.height, 0.1)
        seen |= np.isfinite(boxes).all(1)
    assert seen.all()  # every annotation has pixels in some camera


def test_a_subset_of_cameras_and_a_camera_that_is_missing(folder, tmp_path):
    token = folder.tokens()[0]
    assert tuple(folder.sample(token, ("CAM_BACK",)).cameras) == ("CAM_BACK",)
    with pytest.raises(KeyError, match="has no CAM_SIDE"):
        folder.sample(token, ("CAM_SIDE",))
    bare = damaged(tmp_path / "bare", "sample_annotation", lambda rows: None)
    camera = read_nuscenes(bare).sample(token).cameras["CAM_FRONT"]
    with pytest.raises(FileNotFoundError, match=rf"CAM_FRONT__00.jpg \(CAM_FRONT, sample_data {camera.token}\)"):
        camera.image()


BREAKS = {
    "calibrated_sensor": [
        (lambda row: row.update(rotation=[1, 1, 0, 0]), "unit quaternion"),
        (lambda row: row.update(camera_intrinsic=[[0, 0, 1], [0, 9, 1], [0, 0, 1]]), "focal lengths must be above 0"),
        (lambda row: row.update(translation=[0, None, 0]), "three finite numbers"),
    ],
    "ego_pose": [(lambda row: row.pop("rotation"), "has no 'rotation'")],
    "sample_annotation": [
        (lambda row: row.update(size=[1, 0, 1]), "size above 0"),
        (lambda row: row.update(instance_token="gone"), "refers to instance 'gone'"),
        (lambda row: row.update(attribute_tokens=["a", "b"]), "at most one"),
    ],
    "sample_data": [(lambda row: row.update(width="64"), "width is '64'")],
}


@pytest.mark.parametrize(
    "table, case", [(table, case) for table, cases in BREAKS.items() for case in range(len(cases))]
)
def test_a_damaged_record_is_named_by_its_table_and_token(table, case, tmp_path):
    change, message = BREAKS[table][case]
    broken = []

    def first(rows):
        change(rows[0])
        broken.append(rows[0]["token"])

    folder = read_nuscenes(damaged(tmp_path / "bad", table, first))
    with pytest.raises(ValueError, match=message) as raised:
        folder.sample(folder.tokens()[0])
    assert f"{table} {broken[0]}" in str(raised.value)


def test_folders_versions_and_splits_that_are_not_there(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_nuscenes(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no version of nuScenes"):
        read_nuscenes(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no version 'v1\.0-test'"):
        read_nuscenes(small_drives(), "v1.0-test")
    with pytest.raises(ValueError, match="no split 'night'"):
        folder.tokens("night")
    with pytest.raises(ValueError, match=r"lacks 1 scenes of the split 'mini_val', such as scene-0916"):
        folder.tokens("mini_val")
    copy = damaged(tmp_path / "two", "log", lambda rows: None)
    shutil.copytree(copy / "v1.0-mini", copy / "v1.0-trainval")
    with pytest.raises(ValueError, match=r"v1\.0-mini, v1\.0-trainval"):
        read_nuscenes(copy)
    assert NuScenesTables(copy, "v1.0-trainval").split("train") == ["scene-0061"]
    with pytest.raises(ValueError, match="lacks 149 scenes of the split 'val'"):
        NuScenesTables(copy, "v1.0-trainval").split("val")
    (copy / "v1.0-mini" / "log.json").write_text("[{")
    with pytest.raises(ValueError, match="not JSON"):
        read_nuscenes(copy, "v1.0-mini")
    assert "visibility" not in TABLES


def test_the_map_is_cut_at_holes_and_read_from_its_records(tmp_path):
    def change(content):
        content["node"] = [
            {"token": f"{x},{y}", "x": x, "y": y} for x in (-4.0, -2.0, 2.0, 4.0) for y in (-4.0, -2.0, 2.0, 4.0)
        ]
        ring = [f"{x},{y}" for x, y in ((-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0))]
        hole = [f"{x},{y}" for x, y in ((-2.0, -2.0), (2.0, -2.0), (2.0, 2.0), (-2.0, 2.0))]
        content["polygon"] = [{"token": "p", "exterior_node_tokens": ring, "holes": [{"node_tokens": hole}]}]
        content["drivable_area"] = [{"token": "d", "polygon_tokens": ["p"]}]
        content["line"] = [{"token": "l", "node_tokens": [ring[3], ring[2]]}]
        content["road_divider"] = [{"token": "r", "line_token": "l"}]
        content["lane_divider"] = []

    copy = damaged(tmp_path / "map", "boston-seaport", change)
    grid = BevGrid((10, 10, 1), (1.0, 1.0, 1.0), (-5.0, -5.0, 0.0))
    road, lane = read_nuscenes_map(copy, "boston-seaport").around(np.eye(4), grid)
    assert road.sum() == 64 - 16
    assert not road[4:6, 4:6].any()
    assert lane[8:10, 1:9].all()  # on the left of the car, y = 4
    assert lane.sum() == 2 * 10  # two cells thick, with round ends
    turned = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # the car looks along y of the world
    lane = read_nuscenes_map(copy, "boston-seaport").around(turned, grid)[1]
    assert lane[1:9, 8:10].all()  # now it is ahead
    far = np.eye(4)
    far[0, 3] = 100
    assert not read_nuscenes_map(copy, "boston-seaport").around(far, grid).any()


def test_a_map_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="map expansion"):
        read_nuscenes_map(small_drives(), "singapore-onenorth")

    def change(content):
        content["line"][0]["node_tokens"][0] = "gone"

    copy = damaged(tmp_path / "map", "boston-seaport", change)
    with pytest.raises(ValueError, match="node 'gone'"):
        read_nuscenes_map(copy, "boston-seaport")
    path = copy / "maps" / "expansion" / "boston-seaport.json"
    path.write_text(json.dumps({"node": []}))
    with pytest.raises(ValueError, match="has no 'line'"):
        read_nuscenes_map(copy, "boston-seaport")
