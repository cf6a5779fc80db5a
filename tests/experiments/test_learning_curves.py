"""Measuring learning curves: real learners on real digits, cached point by point, resumable, repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.experiments import learning_curves
from workbench.experiments.learning_curves import CurveConfig, load_split, measure_learning_curves
from workbench.experiments.results import load_results
from workbench.training import Cancelled, CancelToken

SMALL = CurveConfig(learners=("3-NN", "logistic regression"), seeds=(0, 1), fractions=(0.05, 0.2, 1.0))


def test_curve_rises_and_repeats(tmp_path):
    first = measure_learning_curves(SMALL, cache=tmp_path / "a")
    again = measure_learning_curves(SMALL, cache=tmp_path / "b")
    assert first["score"].tolist() == again["score"].tolist()
    assert len(first) == 2 * 2 * 3
    means = first.groupby(["learner", "n"])["score"].mean().unstack()
    assert (np.diff(means.to_numpy(), axis=1) > 0).all()
    assert means.loc["3-NN", 1300] > 97


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    token, trained = CancelToken(), []
    original = learning_curves._score

    def count(*arguments):
        trained.append(arguments[2:4])
        return original(*arguments)

    monkeypatch.setattr(learning_curves, "_score", count)

    def stop_after_five(done, total, message):
        if done == 5:
            token.cancel()

    with pytest.raises(Cancelled):
        measure_learning_curves(SMALL, stop_after_five, token, tmp_path)
    assert len(trained) == 5
    frame = measure_learning_curves(SMALL, cache=tmp_path)
    assert len(trained) == len(frame) == 12


def test_another_recipe_is_another_point(tmp_path):
    measure_learning_curves(CurveConfig(learners=("3-NN",), seeds=(0,), fractions=(0.1, 1.0)), cache=tmp_path)
    measure_learning_curves(CurveConfig(learners=("3-NN",), seeds=(0,), fractions=(0.1, 0.5, 1.0)), cache=tmp_path)
    assert len(list(tmp_path.rglob("*.json"))) == 5


def test_cnn_learns_and_repeats(tmp_path):
    config = CurveConfig("fashion-mnist", ("CNN",), (0,), (0.03,), epochs=2)
    first = measure_learning_curves(config, cache=tmp_path / "a")
    again = measure_learning_curves(config, cache=tmp_path / "b")
    assert first["score"].item() == again["score"].item()
    assert first["score"].item() > 50


@pytest.mark.parametrize("dataset, count, test_count", [("digits", 1300, 497), ("fashion-mnist", 20_000, 10_000)])
def test_splits_are_disjoint_and_scaled(dataset, count, test_count):
    split = load_split(dataset)
    assert (len(split.train), len(split.test)) == (count, test_count)
    assert 0 <= split.train.min() < split.train.max() <= 1
    rows = {row.tobytes() for row in split.train}
    shared = sum(row.tobytes() in rows for row in split.test)
    assert shared < 0.001 * test_count


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"learner must be one of .*got 'oracle'"):
        measure_learning_curves(CurveConfig(learners=("oracle",)), cache=tmp_path)
    with pytest.raises(ValueError, match=r"dataset must be one of .*'digits', 'fashion-mnist'.*got 'cifar'"):
        measure_learning_curves(CurveConfig("cifar"), cache=tmp_path)


def test_stored_curves_are_of_the_shape_and_sense_that_the_code_gives():
    stored = load_results("learning_curves")
    for config in learning_curves.STORED_CURVES:
        part = stored[stored["task"] == config.dataset]
        assert set(part["learner"]) == set(config.learners)
        assert len(part) == len(config.learners) * len(config.seeds) * len(config.fractions)
        means = part.groupby(["learner", "n"])["score"].mean().unstack()
        assert (means.iloc[:, -1] > means.iloc[:, 0] + 5).all()


def test_stored_point_is_what_the_code_gives(tmp_path):
    stored = load_results("learning_curves")
    config = CurveConfig(learners=("3-NN",), seeds=(0,))
    fresh = measure_learning_curves(config, cache=tmp_path)
    part = stored[(stored["task"] == "digits") & (stored["learner"] == "3-NN") & (stored["seed"] == 0)]
    assert part["score"].to_numpy() == pytest.approx(fresh["score"].to_numpy(), abs=0.25)


def test_stored_curves_of_cifar_10_are_of_the_shape_and_sense_that_the_code_gives():
    config, stored = learning_curves.CIFAR10_CURVES, load_results("cifar10_curves")
    assert list(stored.columns) == list(load_results("learning_curves").columns)
    assert set(stored["task"]) == {config.dataset}
    assert len(stored) == len(config.learners) * len(config.seeds) * len(config.fractions)
    assert sorted(stored["n"].unique()) == [round(50_000 * fraction) for fraction in config.fractions]
    means = stored.groupby(["learner", "n"])["score"].mean().unstack()
    assert (means.iloc[:, -1] > means.iloc[:, 0] + 5).all()
    assert means.loc["ridge"].iloc[-1] < means.loc["ridge"].max()  # a linear rule on 256 numbers learns no more
    assert means.loc["logistic regression"].max() > 82
