"""mCE, retention, subsets of classes and mean IoU: known values, invariances, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from workbench.metrics import (
    ALEXNET_ERROR,
    confusion_matrix,
    corruption_errors,
    mean_corruption_error,
    mean_iou,
    retention,
    subset_accuracy,
)
from workbench.metrics.robustness import SUBSETS, class_iou
from workbench.ops import CORRUPTIONS


def test_alexnet_itself_scores_100_and_its_published_mean():
    assert tuple(ALEXNET_ERROR) == CORRUPTIONS
    assert mean_corruption_error(ALEXNET_ERROR) == pytest.approx(100)
    assert np.mean(list(ALEXNET_ERROR.values())) == pytest.approx(0.788993, abs=5e-7)


@given(st.integers(0, 10**6), st.floats(0.1, 0.9))
@settings(max_examples=25, deadline=None)
def test_the_error_of_a_corruption_is_a_ratio_of_sums_over_severities(seed, scale):
    rng = np.random.default_rng(seed)
    reference = {name: rng.uniform(0.2, 1, 5) for name in CORRUPTIONS}
    errors = {name: scale * values for name, values in reference.items()}
    assert mean_corruption_error(errors, reference) == pytest.approx(100 * scale)
    shuffled = {name: rng.permutation(values) for name, values in errors.items()}
    assert mean_corruption_error(shuffled, reference) == pytest.approx(100 * scale)
    means = {name: values.mean() for name, values in errors.items()}
    assert mean_corruption_error(means, reference) == pytest.approx(100 * scale)
    one = next(iter(corruption_errors(errors)))
    assert corruption_errors(errors)[one] == pytest.approx(errors[one].mean() / ALEXNET_ERROR[one])


def test_a_partial_set_is_refused_unless_asked_for():
    some = {name: ALEXNET_ERROR[name] / 2 for name in CORRUPTIONS[:12]}
    with pytest.raises(
        ValueError, match=r"errors has 12 of 15 corruptions, elastic_transform, pixelate, jpeg_compression missing"
    ):
        mean_corruption_error(some)
    assert mean_corruption_error(some, partial=True) == pytest.approx(50)


@pytest.mark.parametrize(
    "errors, reference, match",
    [
        ({}, None, "errors is empty"),
        ({"fog": 0.5}, {"fog": 0.0}, "the reference makes no error on 'fog'"),
        ({"fog": 1.5}, None, r"errors\['fog'\] holds \[1.5\], expected numbers in \[0, 1\]"),
        ({"fog": float("nan")}, None, r"holds \[nan\], expected numbers"),
        ({"fog": []}, None, r"errors\['fog'\] has shape \(0,\)"),
        ({"fog": [0.1, 0.2]}, {"fog": [0.1, 0.2, 0.3]}, "'fog' has 2 severities, and 3 in the reference"),
        ({"rain": 0.5}, None, "the reference has no 'rain'; it has gaussian_noise"),
    ],
)
def test_errors_that_are_refused(errors, reference, match):
    with pytest.raises(ValueError, match=match):
        corruption_errors(errors, reference)


def test_extra_corruptions_are_no_part_of_the_published_mean():
    with pytest.raises(ValueError, match="the reference has no 'saturate'"):
        mean_corruption_error({**ALEXNET_ERROR, "saturate": 0.1})


def test_retention():
    assert retention(0.825, np.full((75,), 0.645)) == pytest.approx(0.645 / 0.825)
    with pytest.raises(ValueError, match="clean_accuracy is 0"):
        retention(0, [0.1])
    with pytest.raises(ValueError, match="corrupted_accuracy has shape"):
        retention(0.5, [])


def test_published_subsets_have_200_classes_in_order():
    for subset in SUBSETS.values():
        assert len(subset) == len(set(subset)) == 200
        assert list(subset) == sorted(subset)
    assert SUBSETS["imagenet-a"][:3] == (6, 11, 13)
    assert SUBSETS["imagenet-r"][-2:] == (983, 988)


def test_a_subset_leaves_the_other_classes_out():
    logits = np.zeros((2, 1000))
    logits[:, 0] = 9  # class 0 is in neither subset
    logits[0, 6], logits[1, 11] = 5, 5
    assert subset_accuracy(logits, [0, 1], "imagenet-a") == 1
    assert subset_accuracy(logits, [1, 1], "imagenet-a") == 0.5
    assert subset_accuracy(logits[1:], [6], "imagenet-r") == 1


@pytest.mark.parametrize(
    "logits, labels, subset, match",
    [
        (np.zeros((1, 1000)), [0], "imagenet-x", "subset must be one of imagenet-a, imagenet-r"),
        (np.zeros((0, 1000)), [], "imagenet-a", "of at least one image"),
        (np.zeros((2, 1000)), [0], "imagenet-a", r"got \(2, 1000\) and \(1,\)"),
        (np.zeros((1, 10)), [0], "imagenet-a", "logits has 10 classes, and the subset names 6 to 988"),
        (np.zeros((1, 1000)), [200], "imagenet-a", "labels are 200 to 200, expected 0 to 199"),
        (np.full((1, 1000), np.nan), [0], "imagenet-a", "logits holds NaN"),
    ],
)
def test_logits_that_are_refused(logits, labels, subset, match):
    with pytest.raises(ValueError, match=match):
        subset_accuracy(logits, labels, subset)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_mean_iou_is_that_of_scikit_learn_however_images_are_cut(seed):
    rng = np.random.default_rng(seed)
    label, prediction = rng.integers(0, 4, (2, 12, 10))
    masked = np.where(rng.random((12, 10)) < 0.2, 255, label)
    kept = masked != 255
    parts = [confusion_matrix(prediction[rows], masked[rows], 4) for rows in (slice(0, 5), slice(5, None))]
    expected = jaccard_score(label[kept], prediction[kept], average="macro", labels=[0, 1, 2, 3])
    assert mean_iou(sum(parts)) == pytest.approx(expected)


def test_a_class_that_never_occurs_does_not_count():
    confusion = confusion_matrix([0, 0, 2], [0, 0, 2], classes=19)
    assert mean_iou(confusion) == 1
    assert np.isnan(class_iou(confusion)[1])


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: confusion_matrix([0, 1], [0]), r"shape \(2,\), and label \(1,\)"),
        (lambda: confusion_matrix([0], [19]), "label holds 19 to 19, expected 0 to 18, or 255"),
        (lambda: confusion_matrix([255], [0]), "prediction holds 255 to 255"),
        (lambda: mean_iou(np.zeros((3, 3))), "confusion counts no pixel"),
        (lambda: mean_iou(np.zeros((3, 2))), r"shape \(3, 2\), expected \(classes, classes\)"),
    ],
)
def test_maps_that_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
