"""Collection campaigns on learning curves that were measured: digits and Fashion-MNIST, and hundreds of LCDB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from workbench.datasets.learning_curves import lcdb_curves
from workbench.estimators import PUBLISHED_FAMILY, LocPolicy, Policy, RegressionPolicy
from workbench.experiments.collection_sweeps import OptimalCollectionConfig, Row, outcome_rows, sweep
from workbench.experiments.optimal_collection_sources import two_source_rows
from workbench.experiments.results import load_results
from workbench.experiments.tasks import Task, make_task, measured_tasks

FAMILIES: dict[str, str | tuple[str, ...]] = {
    "power": "power",
    "power_saturating": "power_saturating",
    "four functions": PUBLISHED_FAMILY,
}
TARGETS = 9
CAP = 10


def parts(config: OptimalCollectionConfig) -> list[tuple[str, Callable[[], Iterable[Row]]]]:
    """Return the measurements on real data, each with its name."""
    return [
        ("the curves measured here", partial(measured_rows, config)),
        ("curves of LCDB", partial(lcdb_rows, config)),
        ("two sources", partial(two_source_rows, config)),
    ]


def between(task: Task, count: int = TARGETS) -> np.ndarray:
    """Return ``count`` targets evenly between the best score owned and the best score measured."""
    owned, best = task.oracle.scores[: task.subsets].max(), task.oracle.scores.max()
    return np.linspace(owned, best, count + 2)[1:-1]


def measured_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """C4 on curves measured here, seeds averaged: nine targets a curve, P = 100 N c, at most ten times the data there is."""
    tables = [load_results(name) for name in ("learning_curves", "cifar10_curves")]
    tasks = measured_tasks(pd.concat(tables, ignore_index=True), "measured here")
    for dataset in dict.fromkeys(name.split(",")[0] for name in tasks):
        chosen = [task for name, task in tasks.items() if name.startswith(dataset)]
        label = f"{dataset}, {len(chosen)} learners"
        yield from _play("measured", label, [(task, between(task)) for task in chosen], config)


def lcdb_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """C4 on LCDB: curves drawn at random among those with five known sizes and a rise of half a point; one target half-way."""
    chosen = lcdb_tasks(config.lcdb_curves, config.seeds[0])
    yield from _play("LCDB", f"LCDB, {len(chosen)} curves", [(task, between(task, 1)) for task in chosen], config)


def lcdb_tasks(count: int, seed: int) -> list[Task]:
    """Return ``count`` curves of LCDB drawn without replacement, a tenth of each known."""
    frame = lcdb_curves().rename(columns={"score_mean": "score"})
    groups = list(frame.groupby(["openmlid", "learner"], sort=True))
    tasks = []
    for index in np.random.default_rng(seed).permutation(len(groups)):
        (openmlid, learner), points = groups[index]
        task = make_task(f"{openmlid}, {learner}", points)
        known = int(np.searchsorted(task.oracle.sizes, 0.1 * task.oracle.full_size, side="right"))
        scores = task.oracle.scores
        if known >= 5 and len(scores) - known >= 3 and scores[known:].max() >= scores[:known].max() + 0.5:
            tasks.append(task)
        if len(tasks) == count:
            break
    return tasks


def _play(
    claim: str, label: str, tasks: list[tuple[Task, np.ndarray]], config: OptimalCollectionConfig
) -> Iterator[Row]:
    for label_of_family, family in FAMILIES.items():
        policies: tuple[Policy, ...] = (LocPolicy(family, n_boot=config.n_boot),)
        if isinstance(family, str):
            policies = (RegressionPolicy(family), *policies)
        for policy in policies:
            for rounds in config.rounds:
                games = [
                    sweep(
                        task,
                        policy,
                        rounds,
                        penalty=100 * task.oracle.full_size,
                        targets=targets,
                        q_max=CAP * task.oracle.full_size,
                    ).assign(total=lambda frame, task=task: frame["total"] / task.oracle.full_size)
                    for task, targets in tasks
                ]
                games = pd.concat(games, ignore_index=True)
                yield from outcome_rows(claim, f"{label}, {policy.name}, {label_of_family}, T={rounds}", games)
