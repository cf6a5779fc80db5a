"""Prune the small network to latency budgets by every method: accuracy, and tables beside reality.

Shen et al., "Structural Pruning via Latency-Saliency Knapsack", NeurIPS 2022 (arXiv 2210.06659), small: digits, one residual
network a seed, latency by a simulated platform (illustrative constants) or by a table measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import nn

from workbench.experiments.latency_pruning_methods import (
    LAYERS,
    MAGNITUDE,
    METHODS,
    RANK,
    REFILL,
    UNIFORM,
    Subject,
    prune_to,
    subject,
)
from workbench.experiments.latency_pruning_steps import IN_STEPS, pruned_in_steps
from workbench.experiments.latency_pruning_task import BATCH, SIDE, PruningTask, TaskConfig, pruning_task, train
from workbench.pruning import (
    ChannelPlan,
    LatencyTable,
    TorchTimer,
    measure_latency,
    recalibrate_bn,
    shrink,
    simulate_latency_table,
)
from workbench.pruning.pruner import UnreachableError
from workbench.training import CancelToken, Progress, no_progress

HERE = "this machine"
RECALIBRATED = 8
"""Batches that the statistics are renewed with."""


@dataclass(frozen=True)
class LatencyPruningConfig:
    """What is measured.

    Attributes:
        seeds: of networks and images.
        platform: simulated, whose table gives the budgets, or :data:`HERE` for a table measured on this machine.
        shares: of the whole latency, for ``methods`` at once.
        methods: see there.
        step_shares: of the whole latency, for ``step_methods`` in steps with training between.
        step_methods: see there.
        tuned_shares: those at which the small network is also trained for one epoch.
        rate: of that epoch.
        batch: images at once on the device.
        subnets: random networks that table and MACs are compared with reality on.
        task: what is trained.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    platform: str = "jetson_tx2"
    shares: tuple[float, ...] = (0.9, 0.75, 0.6, 0.4, 0.3)
    methods: tuple[str, ...] = METHODS
    step_shares: tuple[float, ...] = (0.6, 0.4)
    step_methods: tuple[str, ...] = IN_STEPS
    tuned_shares: tuple[float, ...] = (0.6, 0.4)
    rate: float = 0.02
    batch: int = 64
    subnets: int = 14
    task: TaskConfig = field(default_factory=TaskConfig)


FULL = LatencyPruningConfig()
MEASURED = LatencyPruningConfig(
    platform=HERE,
    methods=(REFILL, LAYERS, RANK, UNIFORM, MAGNITUDE),
    tuned_shares=LatencyPruningConfig.shares,
)
"""Budgets by a table that is measured on this machine, each network tuned."""
COLUMNS = (
    *(
        "seed",
        "method",
        "share",
        "reached",
        "latency_ms",
        "measured_ms",
        "whole_ms",
        "macs_share",
        "parameters",
        "importance",
    ),
    *("before", "after", "dense"),
)
ROUNDS = 15
"""In which networks are measured in turn."""


def pruned(task: PruningTask, plan: ChannelPlan, batches: int = RECALIBRATED) -> nn.Module:
    """Return the network without the removed channels, its statistics renewed on training images (EagleEye, ECCV 2020)."""
    small = shrink(task.model, plan)
    recalibrate_bn(small, task.images.split(BATCH)[:batches])
    return small


def measure_budgets(
    config: LatencyPruningConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Prune each seed's network to each budget by each method, at once.

    Returns:
        One row a network: ``seed``, ``method``, ``share`` (budget), ``reached`` (share of the latency by the table),
        ``latency_ms``, ``measured_ms`` and ``whole_ms`` (of the small network and the whole one on this machine, in turn),
        ``macs_share``, ``parameters``, ``importance`` (share kept, by the scores of the whole network), accuracy in percent
        ``before`` tuning, with renewed statistics, and ``after`` one epoch, NaN where that was not trained; ``dense`` is that of
        the whole network.  Where a method cannot reach a budget all but the first three and ``dense`` are NaN.

    Raises:
        Cancelled: Stop was asked for.
    """

    def at_once(task: PruningTask, of: Subject, share: float, method: str) -> tuple[nn.Module, ChannelPlan]:
        plan = prune_to(share, method, of)
        return pruned(task, plan), plan

    return _measure(
        config, [(share, method) for share in config.shares for method in config.methods], at_once, progress, cancel
    )


def measure_steps(
    config: LatencyPruningConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Prune each seed's network in steps between which it is trained, 40 minibatches in all, the same for each method.

    Returns:
        As :func:`measure_budgets`; ``before`` is after those minibatches and before the epoch of tuning.

    Raises:
        Cancelled: Stop was asked for.
    """

    def in_steps(task: PruningTask, of: Subject, share: float, method: str) -> tuple[nn.Module, ChannelPlan]:
        return pruned_in_steps(task, of.table, share, method, batch=config.batch, cancel=cancel)

    wanted = [(share, method) for share in config.step_shares for method in config.step_methods]
    return _measure(config, wanted, in_steps, progress, cancel)


def _measure(
    config: LatencyPruningConfig,
    wanted: list[tuple[float, str]],
    prune: Callable[[PruningTask, Subject, float, str], tuple[nn.Module, ChannelPlan]],
    progress: Progress,
    cancel: CancelToken | None,
) -> pd.DataFrame:
    rows, table = [], platform_table(config.platform)
    for seed in config.seeds:
        task = pruning_task(seed, config.task, cancel=cancel)
        of = subject(task, table, config.batch)
        dense = task.accuracy(task.model)
        for share, method in wanted:
            progress(len(rows), len(wanted) * len(config.seeds), f"seed {seed}, {method} at {share:.0%}")
            if cancel is not None:
                cancel.raise_if_cancelled()
            row = {"seed": seed, "method": method, "share": share, "dense": dense}
            try:
                small, plan = prune(task, of, share, method)
            except UnreachableError:
                rows.append(row)
                continue
            tuned = share in config.tuned_shares
            rows.append(row | _measured(task, of, small, plan, tuned, config, cancel))
    return pd.DataFrame(rows, columns=COLUMNS)


def platform_table(platform: str) -> LatencyTable:
    """Return the table of a simulated platform, or one that is filled by measuring on this machine (:data:`HERE`)."""
    if platform == HERE:
        return LatencyTable(measure=TorchTimer(repetitions=9, unit="conv+bn+relu"))
    return simulate_latency_table(platform)


def _measured(
    task: PruningTask,
    of: Subject,
    small: nn.Module,
    plan: ChannelPlan,
    tuned: bool,
    config: LatencyPruningConfig,
    cancel: CancelToken | None,
) -> dict[str, float]:
    before, after = task.accuracy(small), np.nan
    measured, whole = measured_in_turn((small, task.model), torch.zeros(config.batch, 1, SIDE, SIDE))
    parameters = sum(parameter.numel() for parameter in small.parameters())
    if tuned:
        train(small, task.images, task.labels, 1, config.rate, task.seed, cancel=cancel)
        after = task.accuracy(small)
    return {
        "reached": plan.latency / of.dense,
        "latency_ms": plan.latency,
        "measured_ms": measured,
        "whole_ms": whole,
        "macs_share": sum(spec.macs for spec in of.graph.specs(of.batch, plan.keep)) / of.macs,
        "parameters": parameters,
        "importance": float(of.taylor[of.graph.effective(plan.keep)].sum() / of.taylor.sum()),
        "before": before,
        "after": after,
    }


def measured_in_turn(networks: Sequence[nn.Module], images: torch.Tensor, rounds: int = ROUNDS) -> list[float]:
    """Return the least ms of each network on images, measured in turn, so that a busy minute of the machine slows them all."""
    ms = [[measure_latency(network, images, repetitions=3, warm_up=1) for network in networks] for _ in range(rounds)]
    return np.min(ms, axis=0).tolist()


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
