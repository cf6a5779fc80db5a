"""Learning curves to play with: the published six, those measured here, some of LCDB, and a person's own."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.datasets.learning_curves import lcdb_curves, published_curves
from workbench.estimators import LearningCurveOracle
from workbench.estimators.search import Array
from workbench.experiments.results import load_results

SUBSETS = {"CIFAR-10": 5, "CIFAR-100": 5, "ImageNet": 4, "VOC": 4, "BDD100K": 5, "nuScenes": 5}
"""Measured points owned at the start: 10 % of the data (VOC 20 %), as in the names of the published plots."""

PUBLISHED_TARGETS = {
    "CIFAR-10": (79, 93),
    "CIFAR-100": (40, 73),
    "ImageNet": (43, 67),
    "VOC": (66, 75),
    "BDD100K": (19, 27),
    "nuScenes": (21, 31),
}
"""First and last target of the published sweeps, in score points."""

SCORE_NAMES = {"VOC": "mAP (%)", "BDD100K": "mIoU (%)", "nuScenes": "BEV mIoU (%)"}

ILL_BEHAVED = (("Fashion-MNIST", "LinearDiscriminantAnalysis"), ("mnist_784", "RidgeClassifier"))
WELL_BEHAVED = (
    ("Fashion-MNIST", "RandomForestClassifier"),
    ("Fashion-MNIST", "SVC_rbf"),
    ("mnist_784", "RandomForestClassifier"),
)


@dataclass(frozen=True, eq=False)
class Task:
    """A learning curve to play with: what was measured, and how much of it is owned at the start.

    Attributes:
        name: for a person.
        points: columns ``seed``, ``n`` and ``score`` (percent, higher is better), sorted by ``n``.
        subsets: number of distinct sizes owned at the start.
        sweep: first and last target of the published sweep; by default all that the curve reaches.
        score_name: name and unit of the score.
    """

    name: str
    points: pd.DataFrame
    subsets: int
    sweep: tuple[int, int] | None = None
    score_name: str = "Score (%)"

    @cached_property
    def oracle(self) -> LearningCurveOracle:
        """The true curve: the mean over seeds."""
        return LearningCurveOracle(self.points["n"], self.points["score"])

    @property
    def start_sizes(self) -> Array:
        """Sizes measured before the first order."""
        return self.oracle.sizes[: self.subsets]

    @property
    def initial_size(self) -> int:
        """Samples owned at the start."""
        return int(self.start_sizes[-1])

    @cached_property
    def targets(self) -> Array:
        """The integers above every score owned that the curve reaches."""
        scores = self.oracle.scores
        return np.arange(np.floor(scores[: self.subsets].max()) + 1, np.floor(scores.max()) + 1)

    @property
    def published_targets(self) -> Array:
        """Those of :attr:`targets` that the published sweep holds."""
        low, high = self.sweep or (-np.inf, np.inf)
        return self.targets[(self.targets >= low) & (self.targets <= high)]

    @cached_property
    def truth(self) -> Array:
        """Smallest sufficient size of each of :attr:`targets`."""
        return np.array([self.oracle.required_size(target) for target in self.targets])

    def with_seeds(self, count: int) -> Task:
        """Return the task as the first ``count`` seeds alone would have shown it."""
        seeds = sorted(self.points["seed"].unique())[:count]
        return replace(self, points=self.points[self.points["seed"].isin(seeds)])

    def one_seed(self, seed: int) -> Task:
        """Return the task as one seed alone would have shown it."""
        return replace(self, points=self.points[self.points["seed"] == seed])

    def with_subsets(self, subsets: int) -> Task:
        """Return the task with another number of sizes owned at the start."""
        return replace(self, subsets=subsets)


def make_task(name: str, points: pd.DataFrame, **facts: Any) -> Task:
    """Return a task of measured points; a tenth of the largest size is owned, and at least four distinct sizes.

    Args:
        name: for a person.
        points: columns ``n`` and ``score`` (percent, higher is better), and ``seed`` where there are several.
        **facts: other fields of :class:`Task`.
    """
    points = points if "seed" in points else points.assign(seed=0)
    points = points[["seed", "n", "score"]].sort_values("n", kind="stable").reset_index(drop=True)
    sizes = np.unique(points["n"])
    tenth = int(np.searchsorted(sizes, 0.1 * sizes[-1], side="right"))
    return Task(name, points, min(max(tenth, 4), len(sizes)), **facts)


@cache
def load_task(name: str) -> Task:
    """Return one of the six published tasks."""
    return replace(
        make_task(name, published_curves(name)),
        subsets=SUBSETS[name],
        sweep=PUBLISHED_TARGETS[name],
        score_name=SCORE_NAMES.get(name, "Top-1 accuracy (%)"),
    )


def measured_tasks(curves: pd.DataFrame, when: str) -> dict[str, Task]:
    """Return one task a learner of what :func:`workbench.experiments.learning_curves.measure_learning_curves` returned."""
    tasks = {}
    for (task, learner), points in curves.groupby(["task", "learner"], sort=False):
        name = f"{task}, {learner} ({when})"
        tasks[name] = make_task(name, points, score_name="Test accuracy (%)")
    return tasks


def catalogue() -> dict[str, Task]:
    """Return every learning curve that ships with the workbench: the published six, those measured here, and some of LCDB."""
    tasks = {name: load_task(name) for name in SUBSETS}
    for table in ("learning_curves", "cifar10_curves"):
        with contextlib.suppress(FileNotFoundError):
            tasks |= measured_tasks(load_results(table), "measured here")
    for dataset, learner in WELL_BEHAVED + ILL_BEHAVED:
        name = f"LCDB: {dataset}, {learner}"
        points = lcdb_curves(dataset, learner).rename(columns={"score_mean": "score"})
        tasks[name] = make_task(name, points, score_name="Test accuracy (%)")
    return tasks
