"""Measure a score at every mix of two data sources: clean and noisy labels, or one half of the classes and the other.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022, section 4, asks for the score on a grid of sizes
of both sources.  Here the learner is a ridge regression on random rectified features: what it needs of a set of samples is a
Gram matrix, and the matrices of two sources add up, so a grid of 16 x 16 mixes costs 256 small solves instead of 256 trainings.
A weight in the loss that all samples of a source share is a factor of its matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from workbench.datasets.subsets import nested_stratified_subsets
from workbench.experiments.learning_curves import CIFAR10, Split, load_split
from workbench.training.progress import CancelToken, Progress, no_progress

FRACTIONS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.60, 0.70, 0.80, 0.90, 1.00)
START = 0.10
"""Share of each source that is owned before the first order, as in the paper."""


@dataclass(frozen=True)
class TwoSourcesConfig:
    """A grid of clean labels, and of cheap labels of which a share is redrawn at random.

    Attributes:
        dataset: also the name of the task: ``"digits"`` or ``"fashion-mnist"``.
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

    @property
    def full(self) -> tuple[int, int]:
        """Samples of both sources."""
        return self.clean, self.noisy

    @property
    def sources(self) -> tuple[str, str]:
        """What to call a sample of either source."""
        return "clean", "noisy"

    @property
    def contents(self) -> tuple[str, str]:
        """What the samples of either source come with."""
        return "clean labels", f"{100 * self.redrawn:g} % of the labels redrawn"

    @property
    def images(self) -> str:
        """The name of the images for :func:`load_split`."""
        return self.dataset

    def weights(self, first: int, second: int) -> tuple[float, float]:
        """Return what the matrices of ``first`` and ``second`` samples count in the loss, besides :attr:`weight`."""
        return 1.0, 1.0


@dataclass(frozen=True)
class ClassHalvesConfig:
    """A grid of the first five classes and the last five, as the paper splits CIFAR-100.

    Attributes:
        dataset: name of the task.
        first: samples of source 1, of classes 0 to 4 in equal shares.
        second: samples of source 2, of classes 5 to 9 in equal shares.
        balanced: whether each class has the same weight in the loss, whatever the mix (the paper's section 5); else each sample.
        features: number of random rectified features.
        ridge: penalty on the squared weights.
        fractions: sizes of both axes as shares of each source, increasing.
        seeds: one grid each: the seed draws subsets and features.
        images: where they are from.
    """

    dataset: str = "cifar-10 halves"
    first: int = 25_000
    second: int = 25_000
    balanced: bool = True
    features: int = 1500
    ridge: float = 20.0
    fractions: tuple[float, ...] = FRACTIONS
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    images: str = CIFAR10

    @property
    def full(self) -> tuple[int, int]:
        """Samples of both sources."""
        return self.first, self.second

    @property
    def sources(self) -> tuple[str, str]:
        """What to call a sample of either source."""
        return "first-half", "second-half"

    @property
    def contents(self) -> tuple[str, str]:
        """What the samples of either source come with."""
        return "classes 0 to 4", "classes 5 to 9"

    def weights(self, first: int, second: int) -> tuple[float, float]:
        """Return the weights in the loss: inverse class frequencies, of mean 1 over the samples.

        >>> ClassHalvesConfig().weights(500, 1500)
        (2.0, 0.6666666666666666)
        """
        return ((first + second) / (2 * first), (first + second) / (2 * second)) if self.balanced else (1.0, 1.0)


Grid = TwoSourcesConfig | ClassHalvesConfig

STORED_GRIDS: tuple[Grid, ...] = (
    TwoSourcesConfig(),
    TwoSourcesConfig("fashion-mnist", clean=8000, noisy=8000, features=800),
    ClassHalvesConfig(),
)
"""The grids of ``data/results/two_sources.csv`` on which campaigns are played."""

UNBALANCED = replace(STORED_GRIDS[-1], dataset="cifar-10 halves, unbalanced", balanced=False)
"""Also in that table: the halves without class weights, where more of one half makes the score worse."""


def measure_two_sources(
    config: Grid, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Train on every mix of the grid and score on the held-out test images.

    Args:
        config: what to measure.
        progress: called after each row of the grid.
        cancel: looked at before each row.

    Returns:
        One row a mix and seed: ``task``, ``seed``, ``n_1``, ``n_2`` (samples of both sources), ``score`` (test accuracy in
        percent).

    Raises:
        ValueError: an unknown data set, more samples asked for than its training part has, or class halves whose sizes do not
            hold the classes in equal shares.
        NotInstalledError: the data set is not on this machine.
        Cancelled: Stop was asked for.
    """
    split = load_split(config.images, progress, cancel)
    sizes = axes(config)
    total, rows = len(config.seeds) * len(sizes[0]), []
    for place, seed in enumerate(config.seeds):
        first, second, test = _statistics(config, split, sizes, seed)
        for row, size in enumerate(sizes[0]):
            name = config.sources[0]
            progress(place * len(sizes[0]) + row, total, f"{config.dataset}, seed {seed}, {size:,} {name} samples")
            if cancel is not None:
                cancel.raise_if_cancelled()
            for column, other in enumerate(sizes[1]):
                one, two = config.weights(size, other)
                gram, moment = (one * first[part][row] + two * second[part][column] for part in (0, 1))
                score = _score(gram, moment, config.ridge, test, split.test_labels)
                rows.append((config.dataset, seed, size, other, score))
    progress(total, total, "done")
    return pd.DataFrame(rows, columns=["task", "seed", "n_1", "n_2", "score"])


def axes(config: Grid) -> tuple[list[int], list[int]]:
    """Return the sizes of both sources on the grid.

    >>> axes(TwoSourcesConfig(noisy=1000, fractions=(0.02, 0.1, 1.0)))
    ([13, 65, 650], [20, 100, 1000])
    """
    first, second = ([round(fraction * full) for fraction in config.fractions] for full in config.full)
    return first, second


def start_points(config: Grid) -> np.ndarray:
    """Return the mixes (m, 2) measured before the first order: all with at most 10 % of each source, the smallest first.

    The mixes beside the diagonal tell the sources apart; the last point is what is owned.

    >>> start_points(TwoSourcesConfig(fractions=(0.05, 0.1, 1.0))).tolist()
    [[32, 32], [32, 65], [65, 32], [65, 65]]
    """
    owned = [fraction for fraction in config.fractions if fraction <= START]
    points = np.array([(round(a * config.full[0]), round(b * config.full[1])) for a in owned for b in owned])
    return points[np.argsort(points.sum(1), kind="stable")]


Statistics = tuple[list[np.ndarray], list[np.ndarray]]
"""Gram matrices (F, F) and moments (F, classes) of nested subsets of growing size."""


def _statistics(
    config: Grid, split: Split, sizes: tuple[list[int], list[int]], seed: int
) -> tuple[Statistics, Statistics, np.ndarray]:
    """Return the sufficient statistics of both sources and the features of the test images."""
    rng = np.random.default_rng(
        [seed, 1]
    )  # apart from the draws of the subsets, or the first samples are the redrawn ones
    directions = rng.normal(size=(split.train.shape[1], config.features))
    offsets = rng.normal(size=config.features)
    classes = int(split.train_labels.max()) + 1
    if isinstance(config, TwoSourcesConfig):
        members, labels, factors = _clean_and_noisy(config, split, rng, seed)
    else:
        members, labels, factors = _class_halves(config, split, sizes, seed)
    drawn = np.concatenate(members)
    centre, spread = split.train[drawn].mean(0), split.train[drawn].std()

    def features(images: np.ndarray) -> np.ndarray:
        scaled = (images - centre) / (spread * np.sqrt(images.shape[1]))
        return np.column_stack([np.maximum(scaled @ directions + offsets, 0.0), np.ones(len(images))])

    def nested(member: np.ndarray, labels: np.ndarray, steps: list[int], factor: float) -> Statistics:
        order = nested_stratified_subsets(labels, steps, seed)[-1]
        signs = 2.0 * np.eye(classes)[labels[order]] - 1
        grams, moments, done = [0.0], [0.0], 0
        for step in steps:
            part, sign = features(split.train[member[order[done:step]]]), signs[done:step]
            grams.append(grams[-1] + factor * part.T @ part)
            moments.append(moments[-1] + factor * part.T @ sign)
            done = step
        return grams[1:], moments[1:]

    first, second = (nested(*source) for source in zip(members, labels, sizes, factors, strict=True))
    return first, second, features(split.test)


Sources = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], tuple[float, float]]
"""Of both sources: places (N,) in the training data, labels (N,), and the weight of a sample."""


def _clean_and_noisy(config: TwoSourcesConfig, split: Split, rng: np.random.Generator, seed: int) -> Sources:
    if sum(config.full) > len(split.train):
        raise ValueError(
            f"clean + noisy must be at most the {len(split.train)} training images of {config.dataset}, "
            f"got {config.clean} + {config.noisy}"
        )
    drawn = nested_stratified_subsets(split.train_labels, [config.clean, config.clean + config.noisy], seed)[-1]
    members = (drawn[: config.clean], drawn[config.clean :])
    noisy = split.train_labels[members[1]].copy()
    redrawn = rng.permutation(config.noisy)[: round(config.redrawn * config.noisy)]
    noisy[redrawn] = rng.integers(int(split.train_labels.max()) + 1, size=len(redrawn))
    return members, (split.train_labels[members[0]], noisy), (1.0, config.weight)


def _class_halves(config: ClassHalvesConfig, split: Split, sizes: tuple[list[int], list[int]], seed: int) -> Sources:
    members = []
    for classes, full, steps in zip((range(5), range(5, 10)), config.full, sizes, strict=True):
        places = np.flatnonzero(np.isin(split.train_labels, classes))
        if full > len(places):
            raise ValueError(f"classes {classes[0]} to {classes[-1]} have {len(places)} training images, got {full}")
        member = places[nested_stratified_subsets(split.train_labels[places], [full], seed)[0]]
        counts = np.bincount(split.train_labels[member])[classes[0] :]
        if np.ptp(counts) or any(step % len(classes) for step in steps):
            raise ValueError(f"classes {classes[0]} to {classes[-1]} must have equal shares in {full} and {steps}")
        members.append(member)
    return tuple(members), tuple(split.train_labels[places] for places in members), (1.0, 1.0)


def _score(gram: np.ndarray, moment: np.ndarray, ridge: float, test: np.ndarray, labels: np.ndarray) -> float:
    """Return the test accuracy in percent of ``(G + ridge I) w = M``, one weight vector a class."""
    weights = cho_solve(cho_factor(gram + ridge * np.eye(len(gram)), overwrite_a=True, check_finite=False), moment)
    return 100 * float(np.mean((test @ weights).argmax(1) == labels))
