from dataclasses import replace

import numpy as np
import pytest

from workbench.estimators.triangulated_oracle import TriangulatedOracle
from workbench.experiments import two_sources
from workbench.experiments.results import load_results
from workbench.experiments.two_sources import TwoSourcesConfig, measure_two_sources, start_points
from workbench.training.progress import Cancelled, CancelToken

TINY = TwoSourcesConfig(fractions=(0.02, 0.1, 1.0), features=100, seeds=(0,))


def test_grid_has_every_mix_and_more_clean_data_helps():
    said = []
    frame = measure_two_sources(replace(TINY, seeds=(0, 1)), progress=lambda *step: said.append(step))
    assert list(frame.columns) == ["task", "seed", "n_1", "n_2", "score"]
    assert len(frame) == 2 * 9
    assert said[0] == (0, 6, "digits, seed 0, 13 clean samples")
    assert said[-1] == (6, 6, "done")
    grid = frame.groupby(["n_1", "n_2"])["score"].mean().unstack()
    assert (grid.diff().iloc[1:] > 1).all(axis=None)
    assert grid.iloc[-1, -1] > 90


def test_same_seed_same_grid_and_another_seed_another():
    first, again, other = (measure_two_sources(replace(TINY, seeds=seeds))["score"] for seeds in ((0,), (0,), (5,)))
    assert first.equals(again)
    assert not first.equals(other)


def test_sums_of_statistics_train_on_the_union_of_the_samples():
    split = two_sources.load_split("digits")
    sizes = two_sources.axes(TINY)
    first, second, test = two_sources._statistics(replace(TINY, redrawn=0.0, weight=1.0), split, sizes, 0)
    assert first[0][-1][-1, -1] == 650  # the feature of ones counts the samples
    assert [gram[-1, -1] for gram in second[0]] == sizes[1]
    assert test.shape == (497, 101)
    half = two_sources._statistics(replace(TINY, weight=0.5), split, sizes, 0)[1]
    assert half[0][-1][-1, -1] == pytest.approx(325)
    assert half[0][-1] == pytest.approx(second[0][-1] / 2)  # the redrawn labels leave the images alone


def test_redrawing_labels_is_what_makes_the_second_source_worse():
    scores = {
        redrawn: measure_two_sources(replace(TINY, redrawn=redrawn, weight=1.0, seeds=(0, 1)))
        .query("n_1 == 13 and n_2 == 650")["score"]
        .mean()
        for redrawn in (0.0, 0.5, 1.0)
    }
    assert scores[0.0] > scores[0.5] + 3 > scores[1.0] + 30


def test_start_points_end_at_a_tenth_of_each_source_and_leave_the_diagonal():
    points = start_points(TwoSourcesConfig())
    assert points[-1].tolist() == [65, 65]
    assert len(points) == len(np.unique(points, axis=0)) == 9
    assert (np.diff(points.sum(1)) >= 0).all()
    assert (points <= 65).all()
    assert (points[:, 0] != points[:, 1]).sum() == 6


def test_stop_and_unusable_settings():
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        measure_two_sources(TINY, cancel=token)
    with pytest.raises(
        ValueError, match="clean \\+ noisy must be at most the 1300 training images of digits, got 1000"
    ):
        measure_two_sources(replace(TINY, clean=1000))
    with pytest.raises(ValueError, match="dataset must be"):
        measure_two_sources(TwoSourcesConfig("cifar"))


def test_stored_grids_are_of_the_shape_and_sense_that_the_code_gives():
    stored = load_results("two_sources")
    for config in two_sources.STORED_GRIDS:
        part = stored[stored["task"] == config.dataset]
        assert len(part) == len(config.seeds) * len(config.fractions) ** 2
        oracle = TriangulatedOracle.from_frame(part)
        first, owned, whole = oracle.score([start_points(config)[0], start_points(config)[-1], config.full])
        assert first + 4 < owned < whole - 4
        assert oracle.score([start_points(config)[0][0], config.full[1]]) > first


def test_stored_points_are_what_the_code_gives():
    stored = load_results("two_sources")
    config = replace(TwoSourcesConfig(), seeds=(0,))
    fresh = measure_two_sources(config)
    part = stored[(stored["task"] == "digits") & (stored["seed"] == 0)]
    assert part["score"].to_numpy() == pytest.approx(fresh["score"].to_numpy(), abs=0.25)
