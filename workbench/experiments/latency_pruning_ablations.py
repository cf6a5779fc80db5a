"""What each part of latency pruning is worth: size of the groups, number of steps, kind of importance, solver, at equal latency."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from torch import nn

from workbench.experiments.latency_pruning import FULL, LatencyPruningConfig, platform_table, pruned
from workbench.experiments.latency_pruning_methods import (
    HALP,
    LAYERS,
    MAGNITUDE,
    RANDOM,
    Scores,
    Subject,
    filled_up,
    place_of_all,
    subject,
)
from workbench.experiments.latency_pruning_steps import pruned_in_steps
from workbench.experiments.latency_pruning_task import PruningTask, pruning_task, train
from workbench.pruning import (
    ChannelPlan,
    HALPConfig,
    HALPPruner,
    latency_group_sizes,
    solve_knapsack,
    solve_knapsack_greedy,
    solve_knapsack_published,
)
from workbench.training import CancelToken, Progress, no_progress

SIZES, SIZES_PUBLISHED = "group size", "group size, published solver"
IMPORTANCES, SOLVERS, STEPS = "importance", "solver", "steps"
KINDS = (SIZES, SIZES_PUBLISHED, IMPORTANCES, SOLVERS, STEPS)
KINDS_HERE = (SIZES, SIZES_PUBLISHED, SOLVERS)
"""What depends on the stairs, and so is also measured with a table of this machine."""
STEP, TWO_STEPS, TAYLOR = "step", "two steps", "Taylor"
EXACT, PUBLISHED, GREEDY = "exact", "published", "greedy"
MINIBATCHES = 40
"""Of training in all, however many steps they are cut in."""
SHARES = (0.6, 0.4)

Solver = Callable[..., object]


@dataclass(frozen=True)
class Choice:
    """One way to choose, that differs from ours in one part: exact, by Taylor importance, in groups of one step.

    Attributes:
        group_size: number of channels, ``"step"`` of the latency staircase, or ``"two steps"``.
        importance: ``"Taylor"``, ``"magnitude"`` or ``"random"``.
        solver: of the knapsack.
    """

    group_size: int | str = STEP
    importance: str = TAYLOR
    solver: Solver = field(default=solve_knapsack)


GROUP_SIZES = (1, 4, 8, STEP, TWO_STEPS)
CHOICES = {
    SIZES: {str(size): Choice(group_size=size) for size in GROUP_SIZES},
    SIZES_PUBLISHED: {str(size): Choice(group_size=size, solver=solve_knapsack_published) for size in GROUP_SIZES},
    IMPORTANCES: {name: Choice(importance=name) for name in (TAYLOR, MAGNITUDE, RANDOM)},
    SOLVERS: {
        EXACT: Choice(),
        PUBLISHED: Choice(solver=solve_knapsack_published),
        GREEDY: Choice(solver=solve_knapsack_greedy),
    },
}
IN_STEPS = {f"{method}, {steps}": (method, steps) for method in (HALP, LAYERS) for steps in (1, 2, 5, 10, 20)}


def chosen(of: Subject, share: float, choice: Choice) -> ChannelPlan:
    """Return what a way to choose keeps at a share of the latency: all layers, filled up by single channels to the same latency.

    Args:
        of: network and platform.
        share: of the whole latency, above 0 and at most 1.
        choice: the way.

    Raises:
        ValueError: the importance is unknown, or the latency cannot be reached.
    """
    scores: dict[str, Scores] = {TAYLOR: of.taylor, MAGNITUDE: of.magnitude, RANDOM: of.random}
    if choice.importance not in scores:
        raise ValueError(f"importance must be one of {', '.join(scores)}, got {choice.importance!r}")
    values, target = scores[choice.importance], share * of.dense
    config = HALPConfig(refill=True, keep_one=True, allow_ragged=True, group_size=_sizes(of, choice.group_size))
    pruner = HALPPruner(of.model, of.graph, of.table, of.batch, config, solver=choice.solver)
    keep = pruner.solve(target, values).keep
    return of.plan(filled_up(of.graph, keep, place_of_all(of.graph, values), of.latency, target), target)


def _sizes(of: Subject, size: int | str) -> int | str | dict[str, int]:
    if size == STEP:
        return "latency"
    if size != TWO_STEPS:
        return size
    found = latency_group_sizes(of.graph, of.table, of.batch)
    return {name: 2 * found[group.name] for group in of.graph.groups for name in group.layers}


def measure_ablations(
    config: LatencyPruningConfig = FULL,
    shares: tuple[float, ...] = SHARES,
    kinds: tuple[str, ...] = KINDS,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> pd.DataFrame:
    """Prune each seed's network to each share of the latency by ways that differ in one part.

    Args:
        config: seeds, platform, batch, task and rate of tuning.
        shares: of the whole latency.
        kinds: of parts, of :data:`KINDS`.
        progress: called for each network.
        cancel: looked at in each step of training.

    Returns:
        One row a network: ``seed``, ``platform``, ``kind`` (the part), ``setting`` (of steps, the method and their number),
        ``share``, ``reached`` (share of the latency), ``importance`` (share kept, by the Taylor scores of the whole network),
        accuracy in percent ``before`` tuning, with renewed statistics, and ``after`` one epoch.  The last four are NaN where a
        way cannot reach the latency.

    Raises:
        Cancelled: Stop was asked for.
    """
    rows, table = [], platform_table(config.platform)
    count = len(config.seeds) * len(shares) * sum(len(CHOICES.get(kind, IN_STEPS)) for kind in kinds)
    for seed in config.seeds:
        task = pruning_task(seed, config.task, cancel=cancel)
        of = subject(task, table, config.batch)
        known: dict[bytes, tuple[float, float]] = {}
        for share in shares:
            for kind, setting, found in _networks(task, of, share, kinds, config, cancel):
                progress(len(rows), count, f"seed {seed}, {kind} {setting} at {share:.0%}")
                measured = (np.nan,) * 4
                if found is not None:
                    small, plan = found
                    mark = plan.keep.tobytes() + (
                        setting.encode() if kind == STEPS else b""
                    )  # a plan, the weights it had
                    if mark not in known:
                        known[mark] = _accuracies(task, small, config, cancel)
                    kept = float(of.taylor[of.graph.effective(plan.keep)].sum() / of.taylor.sum())
                    measured = (plan.latency / of.dense, kept, *known[mark])
                rows.append((seed, config.platform, kind, setting, share, *measured))
    columns = ["seed", "platform", "kind", "setting", "share", "reached", "importance", "before", "after"]
    return pd.DataFrame(rows, columns=columns)


def _networks(
    task: PruningTask,
    of: Subject,
    share: float,
    kinds: tuple[str, ...],
    config: LatencyPruningConfig,
    cancel: CancelToken | None,
) -> Iterator[tuple[str, str, tuple[nn.Module, ChannelPlan] | None]]:
    """Yield kind, setting, and small network and plan of each way, None where it does not reach the latency."""
    for kind in kinds:
        for setting, choice in CHOICES.get(kind, {}).items():
            try:
                plan = chosen(of, share, choice)
            except ValueError:
                yield kind, setting, None
            else:
                yield kind, setting, (pruned(task, plan), plan)
    for setting, (method, steps) in IN_STEPS.items() if STEPS in kinds else ():
        options = {"batch": config.batch, "steps": steps, "between": MINIBATCHES // steps, "cancel": cancel}
        yield STEPS, setting, pruned_in_steps(task, of.table, share, method, **options)


def _accuracies(
    task: PruningTask, small: nn.Module, config: LatencyPruningConfig, cancel: CancelToken | None
) -> tuple[float, float]:
    before = task.accuracy(small)
    train(small, task.images, task.labels, 1, config.rate, task.seed, cancel=cancel)
    return before, task.accuracy(small)
