import json
import shutil

import numpy as np
import pytest

from workbench.datasets import read_detections, read_nuscenes, world_boxes, write_detections
from workbench.metrics import ATTRIBUTE_NAMES, DETECTION_NAMES, DetectionBoxes, judged, nuscenes_scores

from .drive_folder import small_drives


def _perfect():
    """What a detector that knows everything would write, from the car's frame of each sample."""
    folder = read_nuscenes(small_drives())
    tokens = folder.tokens()
    parts = []
    for place, token in enumerate(tokens):
        sample = folder.sample(token)
        boxes = np.nan_to_num(sample.boxes)
        scores = np.linspace(0.9, 0.1, len(boxes))
        parts.append(world_boxes(boxes, sample.labels, scores, sample.world_from_ego, place))
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return folder, tokens, DetectionBoxes(**columns)


def test_boxes_go_through_the_official_file_and_score_what_they_must(tmp_path):
    folder, tokens, found = _perfect()
    read = read_detections(write_detections(tmp_path / "results.json", found, tokens), tokens)
    for name, values in vars(found).items():
        np.testing.assert_allclose(getattr(read, name), values, atol=1e-12)
    truth, points, racks, ego = folder.truth(tokens)
    truth = judged(truth, ego, points, racks)
    scores = nuscenes_scores(judged(read, ego, racks=racks), truth)
    assert scores.mean_ap == pytest.approx(len(scores.present) / 10)
    for name in scores.present:
        errors = scores.errors[name]
        assert max(errors["trans_err"], errors["scale_err"]) == pytest.approx(0, abs=1e-6)
        assert not errors["orient_err"] > 1e-6  # NaN for cones


def test_every_sample_is_a_key_and_the_meta_names_five_sensors(tmp_path):
    nothing = DetectionBoxes([], [], [], [], [], score=[])
    content = json.loads(write_detections(tmp_path / "none.json", nothing, ["a", "b"]).read_text())
    assert content["results"] == {"a": [], "b": []}
    assert content["meta"] == {
        "use_camera": True,
        "use_lidar": False,
        "use_radar": False,
        "use_map": False,
        "use_external": False,
    }
    assert len(read_detections(tmp_path / "none.json", ["a", "b"])) == 0


@pytest.mark.parametrize(
    "name, speed, attribute",
    [
        ("car", 3.0, "vehicle.moving"),
        ("car", 0.1, "vehicle.parked"),
        ("bus", 0.0, "vehicle.stopped"),
        ("bicycle", 1.0, "cycle.with_rider"),
        ("motorcycle", 0.0, "cycle.without_rider"),
        ("pedestrian", 1.0, "pedestrian.moving"),
        ("pedestrian", 0.0, "pedestrian.standing"),
        ("barrier", 1.0, None),
    ],
)
def test_the_attribute_follows_from_class_and_speed(name, speed, attribute):
    boxes = world_boxes([[0, 0, 0, 1, 1, 1, 0, speed, 0]], [DETECTION_NAMES.index(name)], [0.5], np.eye(4))
    assert boxes.attribute.tolist() == [-1 if attribute is None else ATTRIBUTE_NAMES.index(attribute)]


def test_a_turned_car_turns_headings_and_velocities():
    pose = np.array([[0.0, -1, 0, 5], [1, 0, 0, 7], [0, 0, 1, 0], [0, 0, 0, 1]])
    boxes = world_boxes([[10, 2, 1, 2, 4, 1.5, 0.3, 3, 0]], [0], [0.5], pose)
    np.testing.assert_allclose(boxes.centre, [[3, 17, 1]])
    np.testing.assert_allclose(boxes.velocity, [[0, 3]], atol=1e-12)
    half = (0.3 + np.pi / 2) / 2
    np.testing.assert_allclose(boxes.rotation, [[np.cos(half), 0, 0, np.sin(half)]], atol=1e-12)


def _written(tmp_path, change):
    good = world_boxes([[0, 0, 0, 1, 1, 1, 0, 0, 0]], [0], [0.5], np.eye(4))
    path = write_detections(tmp_path / "bad.json", good, ["a"])
    content = json.loads(path.read_text())
    change(content["results"])
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda results: results["a"][0].update(detection_name="tram"), "'tram'; expected one of car, truck"),
        (lambda results: results["a"][0].update(attribute_name="flying"), "attribute_name is 'flying'"),
        (lambda results: results["a"][0].update(detection_score="1"), "detection_score is '1'"),
        (lambda results: results["a"][0].update(size=[1, 2]), "size is .* expected 3 numbers"),
        (lambda results: results.update(b=[]), "has, besides the split, 1 samples, such as b"),
        (lambda results: results.pop("a"), "lacks 1 samples, such as a"),
        (lambda results: results.update(a=results["a"] * 501), "501 boxes; at most 500"),
    ],
)
def test_bad_result_files_are_named(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_detections(_written(tmp_path, change), ["a"])


def test_bad_detections_are_not_written(tmp_path):
    many = world_boxes([[0, 0, 0, 1, 1, 1, 0, 0, 0]] * 501, [0] * 501, [0.5] * 501, np.eye(4))
    with pytest.raises(ValueError, match="501 boxes; at most 500"):
        write_detections(tmp_path / "x.json", many, ["a"])
    with pytest.raises(ValueError, match="sample must lie in 0 to"):
        write_detections(tmp_path / "x.json", many.take([0]), [])
    with pytest.raises(ValueError, match="'sonar'"):
        write_detections(tmp_path / "x.json", many.take([0]), ["a"], ("sonar",))
    assert not list(tmp_path.iterdir())


def test_the_official_program_reads_the_folder_and_gives_the_same_scores(tmp_path):
    evaluate = pytest.importorskip("nuscenes.eval.detection.evaluate", reason="nuscenes-devkit is an optional peer")
    from nuscenes import NuScenes
    from nuscenes.eval.common.config import config_factory

    folder, tokens, found = _perfect()
    rng = np.random.default_rng(0)
    found = DetectionBoxes(**vars(found) | {"centre": found.centre + rng.normal(0, 0.4, found.centre.shape)})
    path = write_detections(tmp_path / "results.json", found, tokens)
    # A split of the folder's own that holds all scenes.
    copy = tmp_path / "copy"
    shutil.copytree(small_drives(), copy)
    (copy / "v1.0-mini" / "splits.json").write_text(json.dumps({"all": list(folder.scenes)}))
    official = NuScenes("v1.0-mini", str(copy), verbose=False)
    theirs, _ = evaluate.DetectionEval(
        official, config_factory("detection_cvpr_2019"), str(path), "all", str(tmp_path / "out"), verbose=False
    ).evaluate()
    truth, points, racks, ego = folder.truth(tokens)
    ours = nuscenes_scores(judged(found, ego, racks=racks), judged(truth, ego, points, racks))
    assert ours.mean_ap == pytest.approx(theirs.mean_ap, abs=1e-9)
    assert ours.mean_errors == pytest.approx(theirs.tp_errors, abs=1e-9)
    assert ours.nds == pytest.approx(theirs.nd_score, abs=1e-9)
