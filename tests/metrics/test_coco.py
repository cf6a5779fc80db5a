import math

import numpy as np
import pytest

from workbench.metrics import InstanceSet, coco_scores, corloc


def _square(x: int, y: int, side: int) -> np.ndarray:
    mask = np.zeros((64, 64), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_perfect_masks_and_boxes_have_one():
    masks = [_square(2, 3, 10), _square(30, 30, 40)]
    scores = coco_scores([InstanceSet(masks, [0.5, 0.9])], [InstanceSet(masks)])
    assert scores["AP"] == scores["AR100"] == scores["AP small"] == scores["AP medium"] == 1
    assert scores["AR1"] == 0.5
    assert math.isnan(scores["AP large"])


def test_each_overlap_counts_by_itself():
    # intersection over union 0.8: seven of the ten overlaps, 0.5 to 0.8
    scores = coco_scores([InstanceSet([[0, 0, 10, 8]], [1.0])], [InstanceSet([[0, 0, 10, 10]])])
    assert scores["AP"] == pytest.approx(0.7)
    assert scores["AP75"] == 1


def test_a_wrong_box_before_the_right_one_halves_precision():
    found = InstanceSet([[40, 40, 50, 50], [0, 0, 10, 10]], [0.9, 0.8])
    assert coco_scores([found], [InstanceSet([[0, 0, 10, 10]])])["AP50"] == pytest.approx(0.5)


def test_a_second_box_on_one_object_is_wrong_but_on_a_crowd_is_left_out():
    found = InstanceSet([[0, 0, 10, 10], [0, 0, 10, 10], [20, 0, 30, 10]], [0.9, 0.8, 0.7])
    truth = [[0, 0, 10, 10], [20, 0, 30, 10]]
    assert coco_scores([found], [InstanceSet(truth)])["AP50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    inside = InstanceSet([[0, 0, 5, 5], [5, 5, 10, 10], [20, 0, 30, 10]], [0.9, 0.8, 0.7])
    assert coco_scores([inside], [InstanceSet(truth, crowd=[True, False])])["AP50"] == 1


def test_nothing_found_is_zero_and_nothing_there_is_not_a_number():
    truth = [InstanceSet([[0, 0, 10, 10]])]
    assert coco_scores([InstanceSet([])], truth)["AP"] == 0
    assert math.isnan(coco_scores(truth, [InstanceSet([])])["AP"])


def test_scores_may_be_rescaled_and_images_given_one_by_one():
    generator = np.random.default_rng(0)
    boxes = [np.sort(generator.integers(0, 60, (6, 2, 2)), 1).reshape(6, 4) + np.array([0, 0, 3, 3]) for _ in range(8)]
    scores = generator.random((4, 6))
    truth = [InstanceSet(one) for one in boxes[:4]]
    moved = [one + generator.integers(-2, 3, (6, 4)) for one in boxes[:4]]
    moved = [np.concatenate([np.minimum(one[:, :2], one[:, 2:] - 1), one[:, 2:]], 1) for one in moved]
    first = coco_scores((InstanceSet(box, score) for box, score in zip(moved, scores, strict=True)), iter(truth))
    second = coco_scores([InstanceSet(box, score**3) for box, score in zip(moved, scores, strict=True)], truth)
    assert first == pytest.approx(second, nan_ok=True)
    assert 0 < first["AP"] < 1


def test_corloc_takes_the_best_box_only():
    truth = [InstanceSet([[0, 0, 10, 10]]), InstanceSet([]), InstanceSet([[0, 0, 10, 10]])]
    best_wrong = InstanceSet([[0, 0, 10, 10], [30, 30, 40, 40]], [0.1, 0.9])
    found = [InstanceSet([[0, 0, 10, 10]], [0.2]), InstanceSet([]), best_wrong]
    assert corloc(found, truth) == 0.5
    assert corloc([InstanceSet([[0, 0, 10, 5]], [1.0])], truth[:1]) == 0  # just half is not more than half
    assert math.isnan(corloc([InstanceSet([])], [InstanceSet([])]))


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="shapes must be"):
        InstanceSet(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="as many scores"):
        InstanceSet([[0, 0, 1, 1]], [0.1, 0.2])
    with pytest.raises(ValueError, match="got NaN"):
        InstanceSet([[0, 0, 1, 1]], [float("nan")])
    with pytest.raises(ValueError, match="found and truth must be of the same images"):
        coco_scores([], [InstanceSet([])])
    with pytest.raises(ValueError, match="must be alike"):
        coco_scores([InstanceSet([_square(0, 0, 3)], [1.0])], [InstanceSet([[0, 0, 1, 1]])])
    with pytest.raises(ValueError, match="overlap must lie"):
        corloc([], [], 1.0)
