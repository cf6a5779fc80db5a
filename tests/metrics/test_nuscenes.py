import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.geometry.quaternions import yaw_quaternion
from workbench.metrics import (
    ATTRIBUTE_NAMES,
    CLASS_RANGE,
    DETECTION_NAMES,
    BicycleRacks,
    DetectionBoxes,
    judged,
    nuscenes_scores,
)
from workbench.metrics.nuscenes import DISTANCES, ERRORS, NO_ERROR, _curve, _of_class, _pairs


def boxes(count: int, seed: int, samples: int = 4, spread: float = 12.0, scored: bool = True) -> DetectionBoxes:
    rng = np.random.default_rng(seed)
    return DetectionBoxes(
        sample=np.sort(rng.integers(0, samples, count)),
        label=rng.integers(0, 10, count),
        centre=rng.normal(0, spread, (count, 3)),
        size=rng.uniform(0.4, 5, (count, 3)),
        rotation=yaw_quaternion(rng.uniform(-4, 4, count)),
        velocity=np.where(rng.random((count, 1)) < 0.2, np.nan, rng.normal(0, 3, (count, 2))),
        attribute=rng.integers(-1, len(ATTRIBUTE_NAMES), count),
        score=np.round(rng.random(count), 1) if scored else None,  # many equal scores
    )


def noisy(truth: DetectionBoxes, seed: int, extra: int = 20) -> DetectionBoxes:
    """What a detector might say: most of the truth, moved, twice now and then, and something that is not there."""
    rng = np.random.default_rng(seed)
    index = rng.choice(len(truth), max(1, len(truth)), replace=True)
    other = boxes(extra, seed + 1, int(truth.sample.max()) + 1)
    near, count = truth.take(index), len(index)
    parts = {
        "sample": near.sample,
        "label": near.label,
        "centre": near.centre + rng.normal(0, 0.8, (count, 3)),
        "size": near.size * rng.uniform(0.7, 1.4, (count, 3)),
        "rotation": yaw_quaternion(rng.uniform(-4, 4, count)),
        "velocity": rng.normal(0, 2, (count, 2)),
        "attribute": np.where(rng.random(count) < 0.7, near.attribute, 1),
        "score": np.round(rng.random(count), 1),
    }
    return DetectionBoxes(**{name: np.concatenate([value, getattr(other, name)]) for name, value in parts.items()})


def brute_force(found: DetectionBoxes, truth: DetectionBoxes, label: int, threshold: float) -> list[tuple[int, int]]:
    """Return (found, true or -1) as the definition reads: one box after the other, over all true boxes."""
    order = sorted((found.score[i], found.sample[i], i) for i in np.flatnonzero(found.label == label))[::-1]
    taken, pairs = set(), []
    for *_, i in order:
        best, least = -1, math.inf
        for j in range(len(truth)):
            if truth.label[j] != label or truth.sample[j] != found.sample[i] or j in taken:
                continue
            distance = math.hypot(*(found.centre[i, :2] - truth.centre[j, :2]))
            if distance < least:
                best, least = j, distance
        if least < threshold:
            taken.add(best)
        pairs.append((i, best if least < threshold else -1))
    return pairs


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 100_000), st.sampled_from(DISTANCES))
def test_matches_are_those_of_the_definition(seed, threshold):
    truth = boxes(40, seed, spread=3, scored=False)
    found = noisy(truth, seed)
    for label in (0, 5):
        pairs = brute_force(found, truth, label, threshold)
        mine, theirs = _of_class(found, label), truth.take(truth.label == label)
        curve = _curve(mine, theirs, _pairs(mine, theirs), threshold, "car")
        hits = np.cumsum([j >= 0 for _, j in pairs]).astype(float)
        if not len(hits) or not hits[-1]:
            assert not curve.precision.any()
            continue
        recall, scores = hits / len(theirs), found.score[[i for i, _ in pairs]]
        precision = np.interp(np.linspace(0, 1, 101), recall, hits / np.arange(1, len(hits) + 1), right=0)
        np.testing.assert_allclose(curve.precision, precision, atol=1e-12)
        confidence = np.interp(np.linspace(0, 1, 101), recall, scores, right=0)
        np.testing.assert_allclose(curve.confidence, confidence, atol=1e-12)


def perfect(seed: int = 0, count: int = 200) -> DetectionBoxes:
    truth = boxes(count, seed, spread=200, scored=False)  # far from each other
    attribute = np.maximum(truth.attribute, 0)
    return DetectionBoxes(
        truth.sample,
        np.arange(count) % 10,
        truth.centre,
        truth.size,
        truth.rotation,
        np.nan_to_num(truth.velocity),
        attribute,
    )


def with_scores(truth: DetectionBoxes, seed: int = 0) -> DetectionBoxes:
    score = np.random.default_rng(seed).uniform(0.1, 1, len(truth))
    columns = {name: value for name, value in vars(truth).items() if name != "score"}
    return DetectionBoxes(**columns, score=score)


def test_perfect_boxes_score_1():
    truth = perfect()
    scores = nuscenes_scores(with_scores(truth), truth)
    assert scores.mean_ap == pytest.approx(1, abs=1e-12)
    assert scores.nds == pytest.approx(1, abs=1e-12)
    assert max(scores.mean_errors.values()) == pytest.approx(0, abs=1e-12)
    assert scores.present == DETECTION_NAMES


def test_a_class_that_is_not_there_counts_as_ap_0_and_errors_1():
    truth = perfect()
    truth = truth.take(truth.label < 5)
    scores = nuscenes_scores(with_scores(truth), truth)
    assert scores.mean_ap == pytest.approx(0.5)
    assert scores.mean_ap_present == pytest.approx(1)
    assert scores.errors["pedestrian"] == dict.fromkeys(ERRORS, 1.0)
    assert scores.mean_errors["trans_err"] == pytest.approx(0.5)
    assert scores.mean_errors["vel_err"] == pytest.approx(3 / 8)  # of the eight classes that have a velocity


def test_nothing_found_scores_0():
    truth = perfect()
    nothing = DetectionBoxes([], [], [], [], [], score=[])
    scores = nuscenes_scores(nothing, truth)
    assert scores.mean_ap == 0
    assert scores.nds == 0
    for name, missing in NO_ERROR.items():
        assert {error for error, value in scores.errors[name].items() if math.isnan(value)} == set(missing)


def one(centre, score=None, **columns):
    given = {"label": [0], "size": [[2, 4, 1.5]], "rotation": [[1, 0, 0, 0]], "velocity": [[1, 0]], "attribute": [5]}
    return DetectionBoxes(sample=[0], centre=[centre], score=None if score is None else [score], **given | columns)


def test_the_distance_must_be_below_the_threshold_and_height_does_not_count():
    truth = one([0, 0, 0])
    assert nuscenes_scores(one([0.5, 0, 90], 1.0), truth).aps["car"] == pytest.approx({0.5: 0, 1: 1, 2: 1, 4: 1})


def test_errors_of_one_pair_by_hand():
    found = one(
        [0.3, 0.4, 5],
        0.5,
        size=[[1, 4, 1.5]],
        rotation=yaw_quaternion([3.0]),
        velocity=[[1, 2]],
        attribute=[6],
    )
    errors = nuscenes_scores(found, one([0, 0, 0], rotation=yaw_quaternion([-3.0]))).errors["car"]
    expected = {"trans_err": 0.5, "scale_err": 0.5, "orient_err": 2 * math.pi - 6, "vel_err": 2, "attr_err": 1}
    assert errors == pytest.approx(expected)
    turned = {"label": [9], "rotation": yaw_quaternion([math.pi])}
    assert nuscenes_scores(one([0, 0, 0], 0.5, **turned), one([0, 0, 0], label=[9])).errors["barrier"][
        "orient_err"
    ] == pytest.approx(0, abs=1e-9)  # a barrier has no front


def test_unknown_velocity_and_attribute_of_the_truth_are_left_out():
    truth = one([0, 0, 0], velocity=[[np.nan, np.nan]], attribute=[-1])
    errors = nuscenes_scores(one([0, 0, 0], 0.5), truth).errors["car"]
    assert errors["vel_err"] == errors["attr_err"] == 1  # none is known at all
    assert errors["trans_err"] == 0


def test_average_precision_by_hand():
    # Two of four are found, first and third of three: precision 1 up to recall 1/4, falls to 1/2, and rises to 2/3 at 1/2.
    truth = DetectionBoxes([0, 1, 2, 3], [0] * 4, [[0, 0, 0]] * 4, [[2, 4, 1]] * 4, [[1, 0, 0, 0]] * 4)
    found = DetectionBoxes(
        [0, 1, 2],
        [0] * 3,
        [[0, 0, 0], [30, 0, 0], [0, 0, 0]],
        [[2, 4, 1]] * 3,
        [[1, 0, 0, 0]] * 3,
        score=[0.9, 0.8, 0.7],
    )
    recalls = np.arange(11, 101) / 100
    # np.interp takes the last of equal recalls, so 1/4 has precision 1/2 and from there it rises linearly to 2/3
    precision = np.where(recalls < 0.25, 1, np.where(recalls <= 0.5, 0.5 + (recalls - 0.25) / 0.25 / 6, 0))
    expected = np.maximum(precision - 0.1, 0).mean() / 0.9
    assert nuscenes_scores(found, truth).aps["car"][0.5] == pytest.approx(expected, abs=1e-12)


def test_better_boxes_never_score_less():
    truth = boxes(120, 5, scored=False)
    found = noisy(truth, 5)
    half = DetectionBoxes(**vars(found) | {"score": found.score / 2})
    assert nuscenes_scores(half, truth).mean_ap == pytest.approx(nuscenes_scores(found, truth).mean_ap)


def test_only_boxes_in_range_with_points_and_outside_racks_are_judged():
    labels = np.array([0, 0, 8, 7, 7, 5])
    centre = np.array([[60.0, 0, 0], [59.9, 0, 0], [41, 0, 0], [20, 0, 0], [20, 9, 0], [20, 0, 0]])
    all_of = DetectionBoxes([1] * 6, labels, centre, [[1, 1, 1]] * 6, [[1, 0, 0, 0]] * 6)
    ego = [[500, 500, 0], [10, 0, 0]]
    rack = BicycleRacks([1], [[20.0, 0, 0]], [[2.0, 6.0, 2.0]], yaw_quaternion([0.3]))
    kept = judged(all_of, ego, racks=rack)
    assert kept.centre.tolist() == [[59.9, 0, 0], [20, 9, 0], [20, 0, 0]]  # 50 m is out, a bicycle lies in the rack
    assert len(judged(all_of, ego, points=[1, 0, 1, 1, 0, 2], racks=rack)) == 1
    assert CLASS_RANGE[DETECTION_NAMES.index("traffic_cone")] == 30


@pytest.mark.parametrize(
    "change, message",
    [
        ({"size": [[0, 1, 1]]}, "size must be above 0"),
        ({"label": [10]}, "label must lie in 0 to 9"),
        ({"attribute": [8]}, "attribute must lie in -1 to 7"),
        ({"rotation": [[1, 1, 0, 0]]}, "unit quaternion"),
        ({"centre": [[np.nan, 0, 0]]}, "centre must be finite"),
        ({"score": [np.nan]}, "score must be finite"),
        ({"velocity": [[0, 0, 0]]}, r"velocity must be of shape \(1, 2\)"),
    ],
)
def test_bad_boxes_are_named(change, message):
    row = {"sample": [0], "label": [0], "centre": [[0, 0, 0]], "size": [[1, 1, 1]], "rotation": [[1, 0, 0, 0]]}
    with pytest.raises(ValueError, match=message):
        DetectionBoxes(**row | change)


def _official(part: DetectionBoxes):
    from nuscenes.eval.common.data_classes import EvalBoxes
    from nuscenes.eval.detection.data_classes import DetectionBox

    found = EvalBoxes()
    for sample in range(int(part.sample.max()) + 1):
        found.add_boxes(str(sample), [])
    for i in range(len(part)):
        row = DetectionBox(
            str(part.sample[i]),
            tuple(part.centre[i]),
            tuple(part.size[i]),
            tuple(part.rotation[i]),
            tuple(part.velocity[i]),
            num_pts=1,
            detection_name=DETECTION_NAMES[part.label[i]],
            detection_score=float(part.score[i]),
            attribute_name="" if part.attribute[i] < 0 else ATTRIBUTE_NAMES[part.attribute[i]],
        )
        found.add_boxes(str(part.sample[i]), [row])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_the_benchmarks_own_program(seed):
    algo = pytest.importorskip("nuscenes.eval.detection.algo", reason="nuscenes-devkit is an optional peer")
    from nuscenes.eval.common.utils import center_distance

    truth = boxes(150, seed, spread=6, scored=False)
    if seed == 2:
        truth = truth.take(truth.label != 4)
    found = noisy(truth, seed, extra=40)
    theirs, mine = (_official(part) for part in (truth, found))
    scores = nuscenes_scores(found, truth)
    for name in DETECTION_NAMES:
        for distance in DISTANCES:
            data = algo.accumulate(theirs, mine, name, center_distance, distance)
            assert scores.aps[name][distance] == pytest.approx(algo.calc_ap(data, 0.1, 0.1), abs=1e-9)
            if distance == 2:
                for error in set(ERRORS) - set(NO_ERROR.get(name, ())):
                    assert scores.errors[name][error] == pytest.approx(algo.calc_tp(data, 0.1, error), abs=1e-9)
