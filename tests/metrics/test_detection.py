"""Average precision of detections: worked examples, what VOC leaves out, and a peer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from workbench.metrics import BoxSet, intersection_over_union, voc_average_precision


def squares(*lefts):
    return [[left, 0, left + 10, 10] for left in lefts]


def test_perfect_detections_and_none():
    truth = [BoxSet(squares(0, 20), [1, 2]), BoxSet([], [])]
    for interpolation in ("area", "11 points"):
        options = {"interpolation": interpolation}
        assert voc_average_precision(truth, truth, **options) == {1: 1, 2: 1}
        assert voc_average_precision([BoxSet([], [])] * 2, truth, **options) == {1: 0, 2: 0}


def test_published_interpolations_by_hand():
    """True, false, true of two: precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1."""
    truth = [BoxSet(squares(0, 50), ["a", "a"])]
    found = [BoxSet(squares(0, 100, 50), ["a"] * 3, [0.9, 0.8, 0.7])]
    assert voc_average_precision(found, truth)["a"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert voc_average_precision(found, truth, interpolation="11 points")["a"] == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_second_detection_of_a_box_is_wrong_and_of_a_difficult_one_is_nothing():
    found = [BoxSet(squares(0, 0.1, 50), [1] * 3, [0.9, 0.8, 0.7])]
    plain = [BoxSet(squares(0, 50), [1, 1])]
    assert voc_average_precision(found, plain)[1] == pytest.approx(0.5 + 0.5 * 2 / 3)
    difficult = [BoxSet(squares(0, 50), [1, 1], difficult=[True, False])]
    assert voc_average_precision(found, difficult)[1] == 1
    only = [BoxSet(squares(0), [1], difficult=[True])]
    assert voc_average_precision(found, only) == {}


def test_detection_takes_the_box_of_greatest_overlap_even_if_that_is_taken():
    """VOC's rule: no second choice, so the duplicate is wrong though another box overlaps by half too."""
    truth = [BoxSet([[0, 0, 10, 10], [0, 0, 10, 14]], [1, 1])]
    found = [BoxSet([[0, 0, 10, 10], [0, 0, 10, 11]], [1, 1], [0.9, 0.8])]
    assert voc_average_precision(found, truth)[1] == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any), st.integers(0, 10**6))
def test_area_is_never_below_that_of_scikit_learn_which_does_not_interpolate(right, seed):
    """Boxes that are hit once or not at all, each in an image of its own: a ranking of positives and negatives."""
    scores = np.random.default_rng(seed).permutation(len(right)) / len(right)
    found = [BoxSet(squares(0), [1], [score]) for score in scores]
    truth = [BoxSet(squares(0), [1]) if hit else BoxSet([], []) for hit in right]
    ours, theirs = voc_average_precision(found, truth)[1], average_precision_score(right, scores)
    assert theirs <= ours + 1e-12
    if sorted(right, reverse=True) == [hit for _, hit in sorted(zip(-scores, right, strict=True))]:
        assert ours == pytest.approx(theirs)
    order = np.random.default_rng(seed).permutation(len(right))
    shuffled = voc_average_precision([found[i] for i in order], [truth[i] for i in order])[1]
    assert shuffled == pytest.approx(ours)


def test_overlap_of_boxes():
    shares = intersection_over_union([[0, 0, 4, 4], [1, 1, 1, 1]], [[2, 2, 6, 6], [0, 0, 4, 4], [9, 9, 9, 9]])
    assert shares == pytest.approx(np.array([[4 / 28, 1, 0], [0, 0, 0]]))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"interpolation": "101 points"}, "interpolation must be one of area, 11 points, got '101 points'"),
        ({"overlap": 0}, "overlap must lie in 0 to 1, got 0"),
        ({"found": []}, "found and truth must be of the same images, got 0 and 1"),
    ],
)
def test_questions_that_make_no_sense(options, message):
    boxes = [BoxSet(squares(0), [1])]
    with pytest.raises(ValueError, match=message):
        voc_average_precision(options.pop("found", boxes), boxes, **options)
    with pytest.raises(ValueError, match="1 boxes need as many labels and scores, got 1 and 2"):
        BoxSet(squares(0), [1], [0.5, 0.4])
