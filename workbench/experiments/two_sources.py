"""Measure a score at every mix of two data sources: clean labels, and cheap labels of which half are redrawn at random.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4, asks for the score on a grid of sizes
of both sources.  Here the learner is a ridge regression on random rectified features: what it needs of a set of samples is a
Gram matrix, and the matrices of two sources add up, so a grid of 16 x 16 mixes costs 256 small solves instead of 256 trainings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from workbench.datasets.subsets import nested_stratified_subsets
from workbench.experiments.learning_curves import Split, load_split
from workbench.training.progress import CancelToken, Progress, no_progress

FRACTIONS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.60, 0.70, 0.80, 0.90, 1.00)
START = 0.10
"""Share of each source that is owned before the first order, as in the paper."""


@dataclass(frozen=True)
class TwoSourcesConfig:
    """Which grid of two sources to measure.

    Attributes:
        dataset: ``"digits"`` or ``"fashion-mnist"``.
        clean: samples of source 1, whose labels are right.
        noisy: samples of source 2.
        redrawn: share of the labels of source 2 that are redrawn, each class alike.
        weight: weight of a sample of source 2 in the loss.
        features: number of random rectified features.
        ridge: penalty on the squared weights.
        fractions: sizes of both axes as shares of each source, increasing.
        seeds: one grid each: the seed draws sources, labels, subsets and features.
    """

    dataset: str = "digits"
    clean: int = 650
    noisy: int = 650
    redrawn: float = 0.5
    weight: float = 0.3
    features: int = 300
    ridge: float = 20.0
    fractions: tuple[float, ...] = FRACTIONS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


STORED_GRIDS = (
    TwoSourcesConfig(),
    TwoSourcesConfig("fashion-mnist", clean=8000, noisy=8000, features=800),
)
"""The grids of ``data/results/two_sources.csv``: less than a minute on one core."""


def measure_two_sources(
    config: TwoSourcesConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Train on every mix of the grid and score on the held-out test images.

    Args:
        config: what to measure.
        progress: called after each row of the grid.
        cancel: looked at before each row.

    Returns:
        One row a mix and seed: ``task``, ``seed``, ``n_1`` (clean), ``n_2`` (noisy), ``score`` (test accuracy in percent).

    Raises:
        ValueError: an unknown data set, or more samples asked for than its training part has.
        Cancelled: Stop was asked for.
    """
    split = load_split(config.dataset)
    if config.clean + config.noisy > len(split.train):
        raise ValueError(
            f"clean + noisy must be at most the {len(split.train)} training images of {config.dataset}, "
            f"got {config.clean} + {config.noisy}"
        )
    sizes = axes(config)
    total, rows = len(config.seeds) * len(sizes[0]), []
    for place, seed in enumerate(config.seeds):
        first, second, test = _statistics(config, split, sizes, seed)
        for row, size in enumerate(sizes[0]):
            progress(place * len(sizes[0]) + row, total, f"{config.dataset}, seed {seed}, {size:,} clean samples")
            if cancel is not None:
                cancel.raise_if_cancelled()
            for column, other in enumerate(sizes[1]):
                gram, moment = (first[part][row] + second[part][column] for part in (0, 1))
                score = _score(gram, moment, config.ridge, test, split.test_labels)
                rows.append((config.dataset, seed, size, other, score))
    progress(total, total, "done")
    return pd.DataFrame(rows, columns=["task", "seed", "n_1", "n_2", "score"])


def axes(config: TwoSourcesConfig) -> tuple[list[int], list[int]]:
    """Return the sizes of both sources on the grid.

    >>> axes(TwoSourcesConfig(noisy=1000, fractions=(0.02, 0.1, 1.0)))
    ([13, 65, 650], [20, 100, 1000])
    """
    first, second = ([round(fraction * full) for fraction in config.fractions] for full in (config.clean, config.noisy))
    return first, second


def start_points(config: TwoSourcesConfig) -> np.ndarray:
    """Return the mixes (m, 2) measured before the first order: all with at most 10 % of each source, the smallest first.

    The mixes beside the diagonal tell the sources apart; the last point is what is owned.

    >>> start_points(TwoSourcesConfig(fractions=(0.05, 0.1, 1.0))).tolist()
    [[32, 32], [32, 65], [65, 32], [65, 65]]
    """
    owned = [fraction for fraction in config.fractions if fraction <= START]
    points = np.array([(round(a * config.clean), round(b * config.noisy)) for a in owned for b in owned])
    return points[np.argsort(points.sum(1), kind="stable")]


Statistics = tuple[list[np.ndarray], list[np.ndarray]]
"""Gram matrices (F, F) and moments (F, classes) of nested subsets of growing size."""


def _statistics(
    config: TwoSourcesConfig, split: Split, sizes: tuple[list[int], list[int]], seed: int
) -> tuple[Statistics, Statistics, np.ndarray]:
    """Return the sufficient statistics of both sources and the features of the test images."""
    rng = np.random.default_rng(
        [seed, 1]
    )  # apart from the draws of the subsets, or the first samples are the redrawn ones
    directions = rng.normal(size=(split.train.shape[1], config.features))
    offsets = rng.normal(size=config.features)
    classes = int(split.train_labels.max()) + 1
    drawn = nested_stratified_subsets(split.train_labels, [config.clean, config.clean + config.noisy], seed)[-1]
    members = (drawn[: config.clean], drawn[config.clean :])
    noisy = split.train_labels[members[1]].copy()
    redrawn = rng.permutation(config.noisy)[: round(config.redrawn * config.noisy)]
    noisy[redrawn] = rng.integers(classes, size=len(redrawn))
    centre, spread = split.train[drawn].mean(0), split.train[drawn].std()

    def features(images: np.ndarray) -> np.ndarray:
        scaled = (images - centre) / (spread * np.sqrt(images.shape[1]))
        return np.column_stack([np.maximum(scaled @ directions + offsets, 0.0), np.ones(len(images))])

    def nested(member: np.ndarray, labels: np.ndarray, steps: list[int], weight: float) -> Statistics:
        order = nested_stratified_subsets(labels, steps, seed)[-1]
        values, signs = features(split.train[member[order]]), 2.0 * np.eye(classes)[labels[order]] - 1
        grams, moments, done = [0.0], [0.0], 0
        for step in steps:
            part, sign = values[done:step], signs[done:step]
            grams.append(grams[-1] + weight * part.T @ part)
            moments.append(moments[-1] + weight * part.T @ sign)
            done = step
        return grams[1:], moments[1:]

    first = nested(members[0], split.train_labels[members[0]], sizes[0], 1.0)
    second = nested(members[1], noisy, sizes[1], config.weight)
    return first, second, features(split.test)


def _score(gram: np.ndarray, moment: np.ndarray, ridge: float, test: np.ndarray, labels: np.ndarray) -> float:
    """Return the test accuracy in percent of ``(G + ridge I) w = M``, one weight vector a class."""
    weights = cho_solve(cho_factor(gram + ridge * np.eye(len(gram)), overwrite_a=True, check_finite=False), moment)
    return 100 * float(np.mean((test @ weights).argmax(1) == labels))
