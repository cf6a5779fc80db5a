"""Prune the small network to latency budgets by every method: accuracy, transfer between platforms, and tables beside reality.

Shen et al., "Structural Pruning via Latency-Saliency Knapsack", NeurIPS 2022 (arXiv 2210.06659), small: digits, one residual
network a seed, latency by a simulated platform (illustrative constants) or by a table measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import nn

from workbench.experiments.latency_pruning_methods import (
    MAGNITUDE,
    METHODS,
    RANK,
    REFILL,
    UNIFORM,
    Subject,
    prune_to,
    subject,
)
from workbench.experiments.latency_pruning_task import BATCH, SIDE, PruningTask, TaskConfig, pruning_task, train
from workbench.pruning import (
    PLATFORMS,
    ChannelPlan,
    LatencyTable,
    TorchTimer,
    measure_latency,
    recalibrate_bn,
    shrink,
    simulate_latency_table,
)
from workbench.training import CancelToken, Progress, no_progress

RECALIBRATED = 8
"""Batches that the statistics are renewed with."""


@dataclass(frozen=True)
class LatencyPruningConfig:
    """What is measured.

    Attributes:
        seeds: of networks and images.
        platform: simulated, whose table gives the budgets.
        shares: of the whole latency, before tuning.
        tuned_shares: those at which ``tuned_methods`` are also trained for one epoch.
        tuned_methods: see there.
        rate: of that epoch.
        batch: images at once on the device.
        subnets: random networks that table and MACs are compared with reality on.
        task: what is trained.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    platform: str = "jetson_tx2"
    shares: tuple[float, ...] = (0.9, 0.75, 0.6, 0.4, 0.3)
    tuned_shares: tuple[float, ...] = (0.6, 0.4)
    tuned_methods: tuple[str, ...] = (REFILL, RANK, UNIFORM, MAGNITUDE)
    rate: float = 0.02
    batch: int = 64
    subnets: int = 14
    task: TaskConfig = field(default_factory=TaskConfig)


FULL = LatencyPruningConfig()


def pruned(task: PruningTask, plan: ChannelPlan, batches: int = RECALIBRATED) -> nn.Module:
    """Return the network without the removed channels, its statistics renewed on training images (EagleEye, ECCV 2020)."""
    small = shrink(task.model, plan)
    recalibrate_bn(small, task.images.split(BATCH)[:batches])
    return small


def measure_budgets(
    config: LatencyPruningConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Prune each seed's network to each budget by each method.

    Returns:
        One row a network: ``seed``, ``method``, ``share`` (budget), ``reached`` (share of the latency by the table),
        ``latency_ms``, ``macs_share``, ``parameters``, ``importance`` (share kept), accuracy in percent ``before`` tuning, with
        renewed statistics, and ``after`` one epoch, NaN where that was not trained; ``dense`` is that of the whole network.

    Raises:
        Cancelled: Stop was asked for.
    """
    rows = []
    total = len(config.seeds) * len(config.shares) * len(METHODS)
    for seed in config.seeds:
        task = pruning_task(seed, config.task, cancel=cancel)
        of = subject(task, simulate_latency_table(config.platform), config.batch)
        dense = task.accuracy(task.model)
        for share in config.shares:
            for method in METHODS:
                progress(len(rows), total, f"seed {seed}, {method} at {share:.0%}")
                if cancel is not None:
                    cancel.raise_if_cancelled()
                row = _row(task, of, share, method, config, cancel)
                rows.append({"seed": seed, "method": method, "share": share, **row, "dense": dense})
    return pd.DataFrame(rows)


def _row(
    task: PruningTask, of: Subject, share: float, method: str, config: LatencyPruningConfig, cancel: CancelToken | None
) -> dict[str, float]:
    plan = prune_to(share, method, of)
    small = pruned(task, plan)
    before, after = task.accuracy(small), np.nan
    if share in config.tuned_shares and method in config.tuned_methods:
        train(small, task.images, task.labels, 1, config.rate, task.seed, cancel=cancel)
        after = task.accuracy(small)
    return {
        "reached": plan.latency / of.dense,
        "latency_ms": plan.latency,
        "macs_share": sum(spec.macs for spec in of.graph.specs(of.batch, plan.keep)) / of.macs,
        "parameters": sum(parameter.numel() for parameter in small.parameters()),
        "importance": plan.importance / of.taylor.sum(),
        "before": before,
        "after": after,
    }


def measure_platforms(
    config: LatencyPruningConfig = FULL, share: float = 0.5, progress: Progress = no_progress
) -> pd.DataFrame:
    """Keep as much importance as a budget on one platform allows, by the knapsack of another.

    Returns:
        Columns ``seed``, ``planned_for``, ``run_on``, ``reached`` (share of the latency there, at most ``share``) and
        ``importance`` (share kept), NaN where no plan down to a quarter of the latency is fast enough there.  The plan for the
        platform itself should be the best of those that run on it.
    """
    rows = []
    for done, seed in enumerate(config.seeds):
        progress(done, len(config.seeds), f"platforms, seed {seed}")
        task = pruning_task(seed, config.task)
        subjects = {name: subject(task, simulate_latency_table(name), config.batch) for name in PLATFORMS}
        for planned, of in subjects.items():
            plans = [prune_to(float(part), REFILL, of) for part in np.linspace(0.95, 0.25, 29)]
            for run, there in subjects.items():
                shares = [there.graph.latency(there.table, there.batch, plan.keep) / there.dense for plan in plans]
                fitting = [place for place, reached in enumerate(shares) if reached <= share]
                if not fitting:
                    rows.append((seed, planned, run, np.nan, np.nan))
                    continue
                best = max(fitting, key=lambda place, plans=plans: plans[place].importance)
                rows.append((seed, planned, run, shares[best], plans[best].importance / of.taylor.sum()))
    return pd.DataFrame(rows, columns=["seed", "planned_for", "run_on", "reached", "importance"])


def measure_correlation(config: LatencyPruningConfig = FULL, progress: Progress = no_progress) -> pd.DataFrame:
    """Measure random sub-networks on this machine, beside the sum over a table measured here and their multiplications.

    Returns:
        Columns ``network`` (0 is the whole one), ``table_ms``, ``measured_ms`` and ``macs``.
    """
    task = pruning_task(config.seeds[0], config.task)
    table = LatencyTable(measure=TorchTimer(repetitions=9, unit="conv+bn+relu"))
    of = subject(task, table, config.batch)
    rng, images, rows = np.random.default_rng(0), torch.zeros(config.batch, 1, SIDE, SIDE), []
    for number in range(config.subnets + 1):
        progress(number, config.subnets + 1, "networks on this machine")
        keep = of.graph.everything()
        for group in of.graph.groups if number else ():
            width = rng.integers(group.size // 8, group.size + 1)
            keep[group.units] = rng.permutation(group.size) < width
        small = shrink(task.model, ChannelPlan(of.graph, keep))
        specs = of.graph.specs(config.batch, keep)
        measured = measure_latency(small, images, repetitions=15)
        rows.append((number, of.graph.latency(table, config.batch, keep), measured, sum(spec.macs for spec in specs)))
    return pd.DataFrame(rows, columns=["network", "table_ms", "measured_ms", "macs"])


def rank_correlations(networks: pd.DataFrame) -> dict[str, float]:
    """Return Spearman's correlation of the measured latency with ``table_ms`` and with ``macs``, the whole network left out."""
    some = networks[networks["network"] > 0]
    return {name: float(spearmanr(some["measured_ms"], some[name]).statistic) for name in ("table_ms", "macs")}


def summary(budgets: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over the seeds of each method at each budget."""
    columns = ["reached", "macs_share", "importance", "before", "after"]
    return budgets.groupby(["share", "method"], sort=False)[columns].agg(["mean", "std"])
