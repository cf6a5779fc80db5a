"""Point-cloud metrics on clouds whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from workbench.metrics.point_clouds import (
    CropVolume,
    ObservedVolume,
    dtu_scores,
    f_score,
    thin_points,
    voxel_means,
)


def _plane(z, side=10.0, step=0.5):
    x, y = np.meshgrid(np.arange(0, side, step), np.arange(0, side, step))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 0.5))
def test_thinned_points_are_apart_and_everything_lies_near_one(seed, spacing):
    points = np.random.default_rng(seed).random((200, 3))
    kept = thin_points(points, spacing, seed)
    assert {tuple(p) for p in kept} <= {tuple(p) for p in points}
    assert not cKDTree(kept).query_pairs(spacing)
    assert cKDTree(kept).query(points)[0].max() <= spacing


def test_parallel_planes_are_their_distance_apart():
    scores = dtu_scores(_plane(0), _plane(1.5))
    assert scores == pytest.approx({"accuracy": 1.5, "completeness": 1.5, "overall": 1.5})


def test_missing_parts_cost_completeness_and_stray_points_accuracy():
    half = _plane(0)[_plane(0)[:, 0] < 5]
    scores = dtu_scores(half, _plane(0))
    assert scores["accuracy"] == 0
    assert scores["completeness"] == pytest.approx(np.maximum(_plane(0)[:, 0] - 4.5, 0).mean())
    stray = np.concatenate([_plane(0), _plane(5)[:100]])
    scores = dtu_scores(stray, _plane(0))
    assert scores["completeness"] == 0
    assert scores["accuracy"] == pytest.approx(5 * 100 / len(stray))


def test_distances_from_20_mm_on_do_not_count():
    far = np.concatenate([_plane(0), [[0, 0, 300.0]]])
    assert dtu_scores(far, _plane(0))["accuracy"] == 0
    assert np.isnan(dtu_scores(_plane(0), _plane(50))["overall"])


def test_only_the_observed_reconstruction_and_the_reference_above_the_table_count():
    mask = np.zeros((10, 10, 3), bool)
    mask[:5] = True
    observed = ObservedVolume(mask, [0, 0, -1], 1.0)
    inside = observed.contains(np.array([[4.4, 3, 0], [4.6, 3, 0], [-0.6, 0, 0], [2, 2, 1.6], [0.0, 0, -1]]))
    assert inside.tolist() == [True, False, False, False, True]
    points = np.concatenate([_plane(0), [[8.0, 8, 1]]])  # the stray point lies where nothing was observed
    assert dtu_scores(points, _plane(0), observed)["accuracy"] == 0
    reference = np.concatenate([_plane(0), _plane(-3)])
    assert dtu_scores(_plane(0), reference)["completeness"] == pytest.approx(1.5)
    assert dtu_scores(_plane(0), reference, plane=[0, 0, 1, 1])["completeness"] == 0
    with pytest.raises(ValueError, match="4 numbers, got 3"):
        dtu_scores(points, reference, plane=[0, 0, 1])


def test_f_score_is_the_harmonic_mean_of_both_shares():
    truth = _plane(0)
    mine = np.concatenate([truth[truth[:, 0] < 5], truth[truth[:, 0] >= 5] + [0, 0, 1.0]])
    scores = f_score(mine, truth, 0.4)
    assert scores["precision"] == pytest.approx(0.5)
    assert scores["recall"] == pytest.approx(0.5)
    assert scores["f_score"] == pytest.approx(0.5)
    assert f_score(truth, truth, 0.4)["f_score"] == 1
    assert f_score(np.zeros((0, 3)), truth, 0.4) == {"precision": 0.0, "recall": 0.0, "f_score": 0.0}


def test_reconstruction_is_brought_into_the_references_frame_and_cropped():
    truth = _plane(0)
    transform = np.eye(4)
    transform[:3, :3] *= 2
    transform[:3, 3] = [1, 2, 3]
    moved = (truth - [1, 2, 3]) / 2
    assert f_score(moved, truth, 0.1)["f_score"] < 0.5
    assert f_score(moved, truth, 0.1, transform=transform)["f_score"] == 1
    crop = CropVolume([[0, 0, 9], [4, 0, 9], [4, 4, 9], [0, 4, 9]], "Z", -1, 1)
    stray = np.concatenate([truth, [[8.2, 8.2, 5]]])
    assert f_score(stray, truth, 0.1, crop=crop)["precision"] == 1
    assert f_score(stray, truth, 0.1)["precision"] < 1


def test_a_prism_over_a_polygon_that_is_not_convex():
    """An L standing along y: the notch is outside."""
    corners = [[0, 7, 0], [4, 7, 0], [4, 7, 2], [2, 7, 2], [2, 7, 4], [0, 7, 4]]
    points = np.array([[1, 0, 3], [3, 0, 1], [3, 0, 3], [1, 9, 1], [-1, 0, 1.0]])
    assert CropVolume(corners, "Y", -1, 1).contains(points).tolist() == [True, True, False, False, False]
    with pytest.raises(ValueError, match="axis must be 'X', 'Y' or 'Z', got 'W'"):
        CropVolume(corners, "W", 0, 1).contains(points)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_voxel_means_weigh_to_the_mean_of_all(seed):
    points = np.random.default_rng(seed).normal(size=(50, 3))
    means = voxel_means(points, 0.7)
    _, counts = np.unique(np.floor(points / 0.7), axis=0, return_counts=True)
    np.testing.assert_allclose((means * counts[:, None]).sum(0), points.sum(0), atol=1e-9)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"reference must be finite points \(N, 3\), got \(2, 2\)"):
        dtu_scores([[0.0, 0, 0]], [[1.0, 2], [3, 4]])
    with pytest.raises(ValueError, match="points must be finite"):
        thin_points([[np.nan, 0, 0]], 0.1)
    for call in (lambda: thin_points([[0.0, 0, 0]], 0), lambda: voxel_means([[0.0, 0, 0]], -1)):
        with pytest.raises(ValueError, match="must be above 0"):
            call()
    with pytest.raises(ValueError, match="tau must be above 0, got 0"):
        f_score([[0.0, 0, 0]], [[0.0, 0, 0]], 0)
    with pytest.raises(ValueError, match=r"transform must be \(4, 4\)"):
        f_score([[0.0, 0, 0]], [[0.0, 0, 0]], 1, transform=np.eye(3))
