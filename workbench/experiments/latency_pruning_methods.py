"""Ways to choose the channels of a network for a latency, all filled up to just under it: HALP, its variants, and what it beats."""

from __future__ import annotations

from collections.abc import Callable
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
from workbench.pruning.pruner import UnreachableError

Keep = NDArray[np.bool_]
Scores = NDArray[np.float64]
Latency = Callable[[Keep], float]

HALP, REFILL, HEURISTIC, MACS = "HALP", "HALP, refilled", "HALP, published solver", "HALP, cost in MACs"
LAYERS = "HALP, refilled, layers kept"
RANK, UNIFORM, MAGNITUDE, RANDOM = "Taylor rank", "uniform", "magnitude", "random"
METHODS = (HALP, REFILL, LAYERS, HEURISTIC, MACS, RANK, UNIFORM, MAGNITUDE, RANDOM)
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

    def latency(self, keep: Keep) -> float:
        """Return ms by the table of what is kept (units,)."""
        return self.graph.latency(self.table, self.batch, keep)

    def plan(self, keep: Keep, target: float) -> ChannelPlan:
        """Return the plan that keeps some units (units,), with its latency and importance."""
        importance = float(self.taylor[self.graph.effective(keep)].sum())
        return ChannelPlan(self.graph, keep, self.latency(keep), target, importance)


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


def prune_to(
    share: float, method: str, of: Subject, group_size: str | int = "latency", *, singly: bool = True
) -> ChannelPlan:
    """Return what a method keeps at a share of the whole latency, by the table of the subject.

    HALP takes :data:`STEPS` steps with fixed importances and may end below the budget, as published.  All others are filled up: the
    knapsacks by their capacity, ranks and widths by how far down channels are kept, and then each by single channels, the next in
    its own order first, as long as the latency of the table meets the budget (:func:`filled_up`).  Only the knapsacks may empty a
    layer, but for ``LAYERS``.

    Args:
        share: of the whole latency, above 0 and at most 1.
        method: one of :data:`METHODS`.
        of: the subject.
        group_size: of the knapsacks whose cost is latency; that in MACs takes single channels.
        singly: whether single channels fill up the rest; of thousands that takes minutes.

    Raises:
        ValueError: there is no such method, ``share`` is not in range, or the latency cannot be reached.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1 of the latency, got {share!r}")
    target = share * of.dense
    if method == MACS:
        keep = _by_macs(of, target)
    elif method in (HALP, REFILL, LAYERS, HEURISTIC):
        plan = _by_latency(of, target, method, group_size)
        if method == HALP:
            return plan
        keep = plan.keep
    else:
        scores = {RANK: of.taylor, UNIFORM: of.taylor, MAGNITUDE: of.magnitude, RANDOM: of.random}[method]
        place = place_in_group(of.graph, scores) if method == UNIFORM else place_of_all(of.graph, scores)
        return of.plan(filled(of.graph, place, of.latency, target, singly=singly), target)
    if not singly:
        return of.plan(keep, target)
    return of.plan(filled_up(of.graph, keep, place_of_all(of.graph, of.taylor), of.latency, target), target)


def _by_latency(of: Subject, target: float, method: str, group_size: str | int) -> ChannelPlan:
    config = HALPConfig(refill=method != HALP, group_size=group_size, allow_ragged=True, keep_one=method == LAYERS)
    options = {"solver": solve_knapsack_published} if method == HEURISTIC else {}
    pruner = HALPPruner(of.model, of.graph, of.table, of.batch, config, **options)
    if method != HALP:
        return pruner.solve(target, of.taylor)
    plan = pruner.plan
    for goal in exponential_schedule(of.dense, target, STEPS):
        plan = pruner.solve(float(goal), of.taylor, plan.keep)
    return plan


def _by_macs(of: Subject, target: float) -> Keep:
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
        if of.latency(keep) <= target:
            low, best = middle, keep
        else:
            high = middle
    return _reached(best, target)


def filled(
    graph: ChannelGraph,
    place: Scores,
    latency: Latency,
    target: float,
    allowed: Keep | None = None,
    *,
    singly: bool = True,
) -> Keep:
    """Return what is kept (units,) where channels go in an order, until the latency just meets a target.

    Args:
        graph: of the network.
        place: (units,) the smallest is kept first, and the first of each group always.
        latency: ms of flags (units,).
        target: ms.
        allowed: (units,) what may be kept, at least one channel of each group; None for all.
        singly: whether single channels further down fill up the rest.

    Raises:
        ValueError: the first of each group alone are too slow.
    """
    allowed = graph.everything() if allowed is None else allowed
    place = np.where(allowed, place, np.inf)
    first = np.zeros(graph.units, bool)
    for group in graph.groups:
        first[group.start + int(place[group.units].argmin())] = True
    levels = np.unique(place[allowed])
    low, high, best = -1, len(levels), None
    while high - low > 1:
        middle = (low + high) // 2
        keep = first | (place <= levels[middle])
        if latency(keep) <= target:
            low, best = middle, keep
        else:
            high = middle
    best = _reached(best, target)
    return filled_up(graph, best, place, latency, target) if singly else best


def filled_up(graph: ChannelGraph, keep: Keep, place: Scores, latency: Latency, target: float) -> Keep:
    """Return ``keep`` (units,) and each further channel, in the order of ``place``, with which the latency still meets a target.

    Groups that were emptied stay empty, and channels whose place is not finite are left out.
    """
    keep = keep.copy()
    open_ = np.isfinite(place) & ~keep
    for group in graph.groups:
        open_[group.units] &= keep[group.units].any()
    for unit in sorted(np.flatnonzero(open_), key=lambda unit: place[unit]):
        keep[unit] = True
        keep[unit] = latency(keep) <= target
    return keep


def place_of_all(graph: ChannelGraph, scores: Scores) -> Scores:
    """Return the place of each unit (units,) among all, the most important first."""
    place = np.empty(graph.units)
    place[np.argsort(-scores, kind="stable")] = np.arange(graph.units)
    return place


def place_in_group(graph: ChannelGraph, scores: Scores) -> Scores:
    """Return the place of each unit in its own group, as a share of the group."""
    place = np.empty(graph.units)
    for group in graph.groups:
        order = group.start + np.argsort(-scores[group.units], kind="stable")
        place[order] = np.arange(1, group.size + 1) / group.size
    return place


def _reached(keep: Keep | None, target: float) -> Keep:
    if keep is None:
        raise UnreachableError(f"a latency of {target:g} ms cannot be reached by this method")
    return keep
