"""Depth-map metrics on a step: where the band lies and what its errors are is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.metrics.depth_maps import boundary_band, depth_errors, hypothesis_coverage, regions

STEP = np.full((8, 10), 500.0)
STEP[:, 6:] = 700.0


def test_the_band_is_the_jump_widened_by_its_radius():
    assert np.flatnonzero(boundary_band(STEP, 20, radius=0)[3]).tolist() == [5, 6]
    assert np.flatnonzero(boundary_band(STEP, 20)[3]).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(boundary_band(STEP, 20, radius=2)[3]).tolist() == [3, 4, 5, 6, 7, 8]
    assert not boundary_band(STEP, 200).any()


@given(st.floats(1, 100))
def test_the_band_turns_with_the_map(jump):
    depth = np.random.default_rng(0).uniform(400, 600, (7, 9))
    np.testing.assert_array_equal(boundary_band(depth.T, jump), boundary_band(depth, jump).T)


def test_holes_make_no_jump_and_maps_of_a_batch_do_not_touch():
    depth = STEP.copy()
    depth[:, 5] = 0
    assert not boundary_band(depth, 20).any()
    both = boundary_band(np.stack([STEP, np.full_like(STEP, 900)]), 20)
    np.testing.assert_array_equal(both[0], boundary_band(STEP, 20))
    assert not both[1].any()


def test_regions_part_all_pixels():
    depth = STEP.copy()
    depth[0, 0], depth[1, 1] = 0, np.nan
    parts = regions(depth, 20)
    assert parts["all"].sum() == 78
    assert not (parts["band"] & parts["interior"]).any()
    np.testing.assert_array_equal(parts["band"] | parts["interior"], parts["all"])


def test_errors_by_region():
    predicted = STEP.copy()
    predicted[:, 4:8] += 12  # the whole band
    predicted[0, 0] = 0  # no depth: wrong at any tau, and not in the mean
    errors = depth_errors(predicted, STEP, [10, 20], jump=20)
    assert errors["band"] == {"pixels": 32, "mean": 12.0, "median": 12.0, "> 10": 1.0, "> 20": 0.0}
    assert errors["interior"] == {"pixels": 48, "mean": 0.0, "median": 0.0, "> 10": 1 / 48, "> 20": 1 / 48}
    assert errors["all"]["mean"] == pytest.approx(12 * 32 / 79)
    with pytest.raises(ValueError, match="one shape"):
        depth_errors(STEP, STEP[:4], [1], jump=20)


def test_no_pixel_gives_nan_not_zero():
    errors = depth_errors(STEP, np.zeros_like(STEP), [10], jump=20)["all"]
    assert errors["pixels"] == 0
    assert np.isnan([errors["mean"], errors["> 10"]]).all()


def test_coverage_reads_coarse_hypotheses_at_fine_pixels():
    hypotheses = np.array([[[500.0, 500.0]], [[700.0, 520.0]]])  # two hypotheses of 1 x 2 pixels
    truth = np.array([[509.0, 690.0, 511.0, 0.0], [511.0, 600.0, 530.5, np.inf]])
    covered = hypothesis_coverage(hypotheses, truth, interval=20.0)
    assert covered.tolist() == [[True, True, True, False], [False, False, False, False]]
    assert hypothesis_coverage(hypotheses, truth, 20.0, within=0.75)[1].tolist() == [True, False, True, False]
    batch = hypothesis_coverage(np.stack([hypotheses] * 2), np.stack([truth] * 2), [20.0, 30.0])
    np.testing.assert_array_equal(batch[0], covered)
    assert batch[1, 1].tolist() == [True, False, True, False]


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no whole multiple"):
        hypothesis_coverage(np.ones((2, 2, 2)), np.ones((4, 5)), 1.0)
    with pytest.raises(ValueError, match=r"hypotheses must be \(D, h, w\)"):
        hypothesis_coverage(np.ones((2, 2)), np.ones((4, 4)), 1.0)
    with pytest.raises(ValueError, match="jump must be above 0"):
        boundary_band(STEP, 0)
