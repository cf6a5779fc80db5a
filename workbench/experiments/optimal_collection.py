"""Buy data like an investor: the paper's Table 1, Figure 2, Table 6 and robustness, re-measured on its own learning curves.

Mahmood et al., "Optimizing Data Collection for Machine Learning", NeurIPS 2022.  The curves are one run each; what varies over
seeds here is the bootstrap.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.estimators import (
    PUBLISHED_FAMILY,
    EnsemblePolicy,
    LocPolicy,
    Policy,
    RegressionPolicy,
    RequirementDistribution,
    plan,
)
from workbench.experiments import optimal_collection_real as real
from workbench.experiments.collection_sweeps import OptimalCollectionConfig, Row, outcome_rows, row, sweep
from workbench.experiments.how_much_data import PAPER_CORRECTED, task_correction
from workbench.experiments.optimal_collection_paper import (
    DEFAULT_PAPER_BANDWIDTHS,
    PAPER_BANDWIDTHS,
    PAPER_FIGURE_2,
    PAPER_TABLE_1,
    PAPER_TABLE_6,
    PENALTIES,
    ROUNDS,
)
from workbench.experiments.results import COLUMNS
from workbench.experiments.tasks import load_task
from workbench.training import CancelToken, Progress, no_progress

POLICIES = ("regression", "regression + tau", "ensemble mean", "LOC", "LOC, four functions")
"""The paper's baselines and method, for the power law; and LOC with the equal mixture of the four published functions."""

DETERMINISTIC = POLICIES[:2]

FULL = OptimalCollectionConfig()
"""Everything that `make results` measures."""


def policy_named(name: str, rounds: int, n_boot: int = 300) -> Policy:
    """Return one of :data:`POLICIES`; tau is learned on CIFAR-10 for the same number of rounds."""
    if name == "regression":
        return RegressionPolicy()
    if name == "regression + tau":
        return RegressionPolicy(correction=task_correction("CIFAR-10", "power", rounds, "doubling"))
    if name == "ensemble mean":
        return EnsemblePolicy(n_boot=n_boot)
    if name == "LOC":
        return LocPolicy(n_boot=n_boot)
    if name == "LOC, four functions":
        return LocPolicy(PUBLISHED_FAMILY, n_boot=n_boot)
    raise ValueError(f"policy must be one of {POLICIES}, got {name!r}")


def play_table_1(
    config: OptimalCollectionConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Play every policy on every task, horizon, target and seed of Table 1.

    Returns:
        Columns ``task``, ``rounds``, ``policy``, ``seed`` and those of :func:`sweep`.
    """
    games = [(task, rounds, name) for task in config.tasks for rounds in config.rounds for name in POLICIES]
    tables = []
    for done, (name, rounds, policy_name) in enumerate(games):
        progress(done, len(games), f"{name}, T={rounds}, {policy_name}")
        if cancel is not None:
            cancel.raise_if_cancelled()
        task, policy = load_task(name), policy_named(policy_name, rounds, config.n_boot)
        for seed in config.seeds[:1] if policy_name in DETERMINISTIC else config.seeds:
            table = sweep(
                task,
                policy,
                rounds,
                penalty=PENALTIES[name],
                targets=task.published_targets[:: config.every],
                seed=seed,
            )
            tables.append(table.assign(task=name, rounds=rounds, policy=policy_name, seed=seed))
    progress(len(games), len(games), "done")
    return pd.concat(tables, ignore_index=True)


def table_1_rows(games: pd.DataFrame) -> Iterator[Row]:
    """C4 and C5: failures and cost ratios of Table 1, of all policies, and what LOC foresaw."""
    for (task, rounds, policy), part in games.groupby(["task", "rounds", "policy"], sort=False):
        published = PAPER_TABLE_1[task].get(policy, ((None, None),) * 3)
        paper = dict(zip(ROUNDS, published, strict=True)).get(rounds, (None, None))
        yield from outcome_rows("C4", f"{task}, {policy}, T={rounds}", part, paper)
        if policy.startswith("LOC"):
            setting = f"{task}, {policy}, T={rounds}"
            yield row("C3", setting, "foreseen chance of success", 100 * part["chance"].mean(), "% of targets")


def figure_2_rows(games: pd.DataFrame) -> Iterator[Row]:
    """Collected / needed by target, beside the points read off Figure 2."""
    ratios = games.groupby(["task", "rounds", "policy", "target"])["ratio"].mean()
    for (task, rounds), (targets, regression, loc) in PAPER_FIGURE_2.items():
        for policy, published in (("regression", regression), ("LOC", loc)):
            for target, paper in zip(targets, published, strict=True):
                if (task, rounds, policy, target) in ratios.index:
                    setting = f"{task}, {policy}, T={rounds}, V*={target:g}"
                    value = ratios[task, rounds, policy, target]
                    yield row("Figure 2", setting, "collected / needed", value, "ratio", paper)


def solver_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """C1: the paper's descent beside the exact plan, on the first law of every target."""
    for rounds in config.rounds:
        gaps = []
        for name in config.tasks:
            task = load_task(name)
            for target in task.published_targets[:: config.every]:
                law = RequirementDistribution.from_curve(
                    task.start_sizes, task.oracle.scores[: task.subsets], target, n_boot=config.n_boot
                )
                facts = {"cost": 1.0, "penalty": PENALTIES[name], "rounds": rounds, "whole": False}
                exact = plan(law, task.initial_size, **facts).expected_cost
                descent = plan(law, task.initial_size, **facts, solver="gradient").expected_cost
                gaps.append(100 * (descent / exact - 1))
        setting = f"first law of {len(gaps)} targets, T={rounds}"
        yield row("C1", setting, "median excess of the descent", np.median(gaps), "% of expected cost")
        yield row("C1", setting, "largest excess of the descent", np.max(gaps), "% of expected cost")
        yield row("C1", setting, "least excess of the descent", np.min(gaps), "% of expected cost")
        yield row("C1", setting, "descents more than 1 % dearer", 100 * np.mean(np.array(gaps) > 1), "% of targets")


def tau_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """Table 7: regression with the tau of CIFAR-10, with the uniform weights of the companion paper."""
    for name in config.tasks:
        task = load_task(name)
        for rounds in config.rounds:
            tau = task_correction("CIFAR-10", "power", rounds, "uniform")
            policy = RegressionPolicy(weights="uniform", correction=tau)
            targets = task.published_targets[:: config.every]
            games = sweep(task, policy, rounds, penalty=PENALTIES[name], targets=targets)
            published = dict(zip(ROUNDS, PAPER_CORRECTED.get(name, ((None, None),) * 3), strict=True))
            setting = f"{name}, regression + tau, uniform weights, T={rounds}"
            yield from outcome_rows("Table 7", setting, games, published.get(rounds, (None, None)))


def cost_and_penalty_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """Robustness: cost and penalty over decades on CIFAR-100, and the published blow-up on VOC."""
    task, policy = load_task("CIFAR-100"), LocPolicy(n_boot=config.n_boot)
    targets = task.published_targets[:: 3 * config.every]
    grid = [(1.0, penalty) for penalty in (1e6, 1e7, 1e8, 1e9)] + [(cost, 1e7) for cost in (1e-3, 1e-2, 1e-1)]
    for rounds in config.rounds:
        for cost, penalty in grid:
            games = sweep(task, policy, rounds, penalty=penalty, cost=cost, targets=targets)
            setting = f"CIFAR-100, LOC, T={rounds}, c={cost:g}, P={penalty:g}"
            yield from outcome_rows("robustness", setting, games)
            yield row("robustness", setting, "collected / needed", games["ratio"].mean(), "ratio")
    voc = load_task("VOC")
    for q_max in (None, 1e4 * voc.initial_size):
        games = sweep(voc, policy, 3, penalty=1e9, targets=np.array([71.0]), q_max=q_max)
        label = "20 times the start" if q_max is None else "10 000 times the start"
        setting = f"VOC, LOC, T=3, P=1e9, V*=71, cap {label}"
        yield row("robustness", setting, "collected / needed", games["ratio"].iloc[0], "ratio", 1e4 if q_max else None)


def choice_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """What the paper leaves open: bandwidths, and how many distinct sizes a resample must have."""
    for name in config.tasks:
        paper = PAPER_BANDWIDTHS.get(name, DEFAULT_PAPER_BANDWIDTHS)
        variants = {
            "the paper's bandwidths": LocPolicy(n_boot=config.n_boot, bandwidth=paper),
            "3 distinct sizes": LocPolicy(n_boot=config.n_boot, min_distinct=3),
            "uniform weights": LocPolicy(n_boot=config.n_boot, weights="uniform"),
        }
        task = load_task(name)
        for label, policy in variants.items():
            for rounds in config.rounds:
                targets = task.published_targets[:: config.every]
                games = sweep(task, policy, rounds, penalty=PENALTIES[name], targets=targets)
                yield from outcome_rows("choices", f"{name}, LOC, {label}, T={rounds}", games)


def family_rows(config: OptimalCollectionConfig) -> Iterator[Row]:
    """Table 6: the other functions on CIFAR-100; and what the paper does not try, a function that saturates and a mixture."""
    task = load_task("CIFAR-100")
    targets = task.published_targets[:: config.every]
    families = {**{name: name for name in PAPER_TABLE_6}, "power_saturating": "power_saturating"}
    families["power + log + root"] = ("power", "log", "root")
    for label, family in families.items():
        policies: dict[str, Policy] = {"LOC": LocPolicy(family, n_boot=config.n_boot)}
        if isinstance(family, str):
            policies["regression"] = RegressionPolicy(family)
        for policy_name, policy in policies.items():
            published = PAPER_TABLE_6.get(label, {}).get(policy_name, ((None, None),) * 3)
            for rounds in config.rounds:
                games = sweep(task, policy, rounds, penalty=PENALTIES["CIFAR-100"], targets=targets)
                paper = dict(zip(ROUNDS, published, strict=True)).get(rounds, (None, None))
                yield from outcome_rows("Table 6", f"CIFAR-100, {policy_name}, {label}, T={rounds}", games, paper)


def run(
    config: OptimalCollectionConfig = FULL,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    games: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Re-measure every claim; return the tidy table of :data:`workbench.experiments.results.COLUMNS`.

    Args:
        config: what to measure.
        progress: called after each part.
        cancel: looked at between parts.
        games: the campaigns of Table 1 where :func:`play_table_1` has played them already.

    Raises:
        Cancelled: Stop was asked for.
    """
    started = time.perf_counter()
    if games is None:
        games = play_table_1(config, progress, cancel)
    parts = [
        ("Table 1", lambda: table_1_rows(games)),
        ("Figure 2", lambda: figure_2_rows(games)),
        ("exact plan and descent", lambda: solver_rows(config)),
    ]
    if config.robustness:
        parts += [
            ("tau", lambda: tau_rows(config)),
            ("cost and penalty", lambda: cost_and_penalty_rows(config)),
            ("open choices", lambda: choice_rows(config)),
            ("other functions", lambda: family_rows(config)),
        ]
    if config.real:
        parts += real.parts(config)
    tables = []
    for done, (label, part) in enumerate(parts):
        progress(done, len(parts), label)
        if cancel is not None:
            cancel.raise_if_cancelled()
        table = pd.DataFrame(list(part()), columns=["claim", "setting", "quantity", "paper", "value", "spread", "unit"])
        seconds, started = time.perf_counter() - started, time.perf_counter()
        tables.append(table.assign(seed=config.seeds[0], seconds=seconds))
    progress(len(parts), len(parts), "done")
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]
