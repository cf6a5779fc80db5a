"""Two halves of the classes as two sources: class weights are factors of the statistics, and without them more data hurts."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.class_weight import compute_sample_weight

from workbench.estimators.triangulated_oracle import TriangulatedOracle
from workbench.experiments import two_sources
from workbench.experiments.learning_curves import Split
from workbench.experiments.results import load_results
from workbench.experiments.two_sources import UNBALANCED, ClassHalvesConfig, measure_two_sources, start_points

SMALL = ClassHalvesConfig(first=100, second=40, features=30, ridge=2.0, fractions=(0.25, 0.5, 1.0), seeds=(0,))


@pytest.fixture
def split(monkeypatch):
    """Return ten overlapping clouds: 20 pictures of each of the first five, 8 of each other, and the same to test."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), [20] * 5 + [8] * 5)
    images = (rng.normal(size=(10, 6))[labels] + 0.7 * rng.normal(size=(140, 6))).astype(np.float32)
    made = Split(images, labels, images, labels, 1)
    monkeypatch.setattr(two_sources, "load_split", lambda name, progress, cancel: made)
    return made


@pytest.mark.parametrize("balanced", [True, False])
def test_the_factors_are_an_explicit_weighted_ridge(split, balanced):
    config = replace(SMALL, balanced=balanced)
    score = measure_two_sources(config).query("n_1 == 100 and n_2 == 40")["score"].item()
    first, second, features = two_sources._statistics(config, split, two_sources.axes(config), 0)
    signs = 2.0 * np.eye(10)[split.train_labels] - 1
    weight = compute_sample_weight("balanced", split.train_labels) if balanced else None
    explicit = Ridge(2.0, fit_intercept=False).fit(features, signs, sample_weight=weight)
    assert score == pytest.approx(100 * np.mean(explicit.predict(features).argmax(1) == split.train_labels))
    one, two = config.weights(100, 40)
    gram, moment = (one * first[part][-1] + two * second[part][-1] for part in (0, 1))
    solved = np.linalg.solve(gram + 2.0 * np.eye(31), moment)
    np.testing.assert_allclose(solved, explicit.coef_.T, atol=1e-8)


def test_each_source_holds_its_classes_in_equal_shares(split):
    first, second, _ = two_sources._statistics(SMALL, split, two_sources.axes(SMALL), 0)
    halves = ((first, range(5), (25, 50, 100)), (second, range(5, 10), (10, 20, 40)))
    for (_, moments), classes, sizes in halves:
        for moment, size in zip(moments, sizes, strict=True):
            positive = (moment[-1] + size) / 2  # the feature of ones, against signs +1 and -1
            expected = [size / 5 if index in classes else 0 for index in range(10)]
            assert positive == pytest.approx(expected)


def test_unequal_shares_and_too_many_are_refused(split):
    with pytest.raises(ValueError, match="classes 5 to 9 have 40 training images, got 60"):
        measure_two_sources(replace(SMALL, second=60))
    with pytest.raises(ValueError, match="classes 0 to 4 must have equal shares"):
        measure_two_sources(replace(SMALL, fractions=(0.33, 1.0)))


@pytest.fixture(scope="module")
def stored():
    table = load_results("two_sources")
    return {config.dataset: table[table["task"] == config.dataset] for config in (ClassHalvesConfig(), UNBALANCED)}


def test_stored_grids_have_every_mix(stored):
    config = ClassHalvesConfig()
    sizes = [round(25_000 * fraction) for fraction in config.fractions]
    for part in stored.values():
        assert len(part) == len(config.seeds) * len(sizes) ** 2
        assert sorted(part["n_1"].unique()) == sorted(part["n_2"].unique()) == sizes


def test_with_class_weights_more_of_either_half_helps(stored):
    oracle = TriangulatedOracle.from_frame(stored["cifar-10 halves"])
    first, owned = oracle.score(start_points(ClassHalvesConfig())[[0, -1]])
    assert first + 4 < owned < oracle.score([25_000, 25_000]) - 3
    steps = [np.diff(oracle.scores, axis=axis) for axis in (0, 1)]
    assert min(step.min() for step in steps) > -0.5
    assert np.mean([(step > 0).mean() for step in steps]) > 0.9


def test_without_class_weights_more_of_one_half_hurts(stored):
    oracle = TriangulatedOracle.from_frame(stored["cifar-10 halves, unbalanced"])
    few, many = oracle.score([[500, 500], [500, 25_000]])
    assert many < few - 15
    balanced = TriangulatedOracle.from_frame(stored["cifar-10 halves"])
    assert np.diag(balanced.scores) == pytest.approx(np.diag(oracle.scores))
