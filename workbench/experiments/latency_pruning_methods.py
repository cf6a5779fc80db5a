"""Ways to choose the channels of a network for a latency, all filled up to just under it: HALP, its variants, and what it beats."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import cross_entropy

from workbench.experiments.latency_pruning_task import BATCH, PruningTask
from workbench.pruning import (
    ChannelGraph,
    ChannelPlan,
    HALPConfig,
    HALPPruner,
    LatencyTable,
    MagnitudeImportance,
    RandomImportance,
    TaylorImportance,
    exponential_schedule,
    solve_knapsack_published,
)

Keep = NDArray[np.bool_]
Scores = NDArray[np.float64]

HALP, REFILL, HEURISTIC, MACS = "HALP", "HALP, refilled", "HALP, published solver", "HALP, cost in MACs"
RANK, UNIFORM, MAGNITUDE, RANDOM = "Taylor rank", "uniform", "magnitude", "random"
METHODS = (HALP, REFILL, HEURISTIC, MACS, RANK, UNIFORM, MAGNITUDE, RANDOM)
STEPS, SCORED, HALVINGS = 5, 8, 14


@dataclass(frozen=True)
class Subject:
    """A trained network, what its channels are worth, and the device that it is to be fast on.

    Attributes:
        model: the network, which is not changed.
        graph: of it.
        table: of the device.
        batch: images at once on the device.
        taylor: (units,) importances.
        magnitude: (units,) sizes of weights.
        random: (units,) draws.
    """

    model: nn.Module
    graph: ChannelGraph
    table: LatencyTable
    batch: int
    taylor: Scores = field(repr=False)
    magnitude: Scores = field(repr=False)
    random: Scores = field(repr=False)

    @property
    def dense(self) -> float:
        """Return ms of the whole network by the table."""
        return self.graph.latency(self.table, self.batch)

    @property
    def macs(self) -> int:
        """Return multiplications of the convolutions on a batch."""
        return sum(spec.macs for spec in self.graph.specs(self.batch))


def subject(task: PruningTask, table: LatencyTable, batch: int = 64, scored: int = SCORED) -> Subject:
    """Return a task's network with the importances of ``scored`` training batches (HALP, Eq. 3).

    Args:
        task: a trained network.
        table: of the device.
        batch: images at once on the device.
        scored: batches of which the importance is the mean.

    Raises:
        ValueError: ``scored`` is not positive or there are not so many batches.
    """
    if not 1 <= scored <= len(task.images) // BATCH:
        raise ValueError(f"scored must lie in 1 to {len(task.images) // BATCH} batches, got {scored!r}")
    model = task.model.eval()
    graph = ChannelGraph.trace(model, task.images[:1])
    importance = TaylorImportance(graph)
    model.train()  # gradients as in fine-tuning; the statistics are put back
    state = {name: value.clone() for name, value in model.state_dict().items()}
    for start in range(0, scored * BATCH, BATCH):
        model.zero_grad()
        chosen = slice(start, start + BATCH)
        cross_entropy(model(task.images[chosen]), task.labels[chosen]).backward()
        importance.update(model)
    model.zero_grad()
    model.load_state_dict(state)
    return Subject(
        model.eval(),
        graph,
        table,
        batch,
        importance.scores(),
        MagnitudeImportance(graph).scores(model),
        RandomImportance(graph, task.seed).scores(),
    )


def prune_to(share: float, method: str, of: Subject, group_size: str | int = "latency") -> ChannelPlan:
    """Return what a method keeps at a share of the whole latency, by the table of the subject.

    HALP takes :data:`STEPS` steps with fixed importances and may end below the budget, as published.  All others are filled up: the
    knapsacks by their capacity, ranks and widths channel by channel, each until the latency of the table just meets the budget.

    Args:
        share: of the whole latency, above 0 and at most 1.
        method: one of :data:`METHODS`.
        of: the subject.
        group_size: of the knapsacks whose cost is latency; that in MACs takes single channels.

    Raises:
        ValueError: there is no such method, ``share`` is not in range, or the latency cannot be reached.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1 of the latency, got {share!r}")
    target = share * of.dense
    if method == MACS:
        return _by_macs(of, target)
    if method in (HALP, REFILL, HEURISTIC):
        return _by_latency(of, target, method, group_size)
    scores = {RANK: of.taylor, UNIFORM: of.taylor, MAGNITUDE: of.magnitude, RANDOM: of.random}[method]
    place = _place_in_group(of.graph, scores) if method == UNIFORM else _place_of_all(of.graph, scores)
    return _filled(of, place, target)


def _by_latency(of: Subject, target: float, method: str, group_size: str | int) -> ChannelPlan:
    config = HALPConfig(refill=method != HALP, group_size=group_size, allow_ragged=True)
    options = {"solver": solve_knapsack_published} if method == HEURISTIC else {}
    pruner = HALPPruner(of.model, of.graph, of.table, of.batch, config, **options)
    if method != HALP:
        return pruner.solve(target, of.taylor)
    plan = pruner.plan
    for goal in exponential_schedule(of.dense, target, STEPS):
        plan = pruner.solve(float(goal), of.taylor, plan.keep)
    return plan


def _by_macs(of: Subject, target: float) -> ChannelPlan:
    """Bisect the budget in MACs until the latency by the table just meets the target."""
    costs = LatencyTable(measure=lambda spec: spec.macs / 1e9)
    pruner = HALPPruner(of.model, of.graph, costs, of.batch, HALPConfig(group_size=1))
    low, high, best = 0.0, pruner.initial_latency, None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        try:
            keep = pruner.solve(middle, of.taylor).keep
        except ValueError:
            low = middle
            continue
        plan = _plan(of, keep, target)
        if plan.latency <= target:
            low, best = middle, plan
        else:
            high = middle
    return _reached(best, target)


def _filled(of: Subject, place: NDArray[np.int64] | Scores, target: float) -> ChannelPlan:
    """Bisect how far down the places (units,) channels are kept; the best of each group always is."""
    first = np.zeros(of.graph.units, bool)
    for group in of.graph.groups:
        first[group.start + int(place[group.units].argmin())] = True
    levels = np.unique(place)
    low, high, best = -1, len(levels), None
    while high - low > 1:
        middle = (low + high) // 2
        plan = _plan(of, first | (place <= levels[middle]), target)
        if plan.latency <= target:
            low, best = middle, plan
        else:
            high = middle
    return _reached(best, target)


def _place_of_all(graph: ChannelGraph, scores: Scores) -> Scores:
    place = np.empty(graph.units)
    place[np.argsort(-scores, kind="stable")] = np.arange(graph.units)
    return place


def _place_in_group(graph: ChannelGraph, scores: Scores) -> Scores:
    """Return the place of each unit in its own group, as a share of the group."""
    place = np.empty(graph.units)
    for group in graph.groups:
        order = group.start + np.argsort(-scores[group.units], kind="stable")
        place[order] = np.arange(1, group.size + 1) / group.size
    return place


def _plan(of: Subject, keep: Keep, target: float) -> ChannelPlan:
    latency = of.graph.latency(of.table, of.batch, keep)
    return ChannelPlan(of.graph, keep, latency, target, float(of.taylor[of.graph.effective(keep)].sum()))


def _reached(plan: ChannelPlan | None, target: float) -> ChannelPlan:
    if plan is None:
        raise ValueError(f"a latency of {target:g} ms cannot be reached by this method")
    return plan
