"""Prune in steps while the network is trained, by HALP's schedule, whichever method chooses: the same minibatches for all."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from workbench.experiments.latency_pruning_methods import (
    HALP,
    LAYERS,
    MAGNITUDE,
    RANK,
    REFILL,
    SCORED,
    STEPS,
    UNIFORM,
    Keep,
    Scores,
    filled,
    filled_up,
    place_in_group,
    place_of_all,
)
from workbench.experiments.latency_pruning_task import BATCH, PruningTask
from workbench.pruning import (
    ChannelGraph,
    ChannelPlan,
    HALPConfig,
    HALPPruner,
    LatencyTable,
    MagnitudeImportance,
    TaylorImportance,
    recalibrate_bn,
    shrink,
)
from workbench.training import CancelToken

IN_STEPS = (HALP, REFILL, LAYERS, RANK, UNIFORM, MAGNITUDE)
"""Methods that can choose in each step."""


class StepPruner(HALPPruner):
    """HALP's schedule (Algorithm 1) with the choice of a method of :data:`IN_STEPS` in each step.

    What a step removes stays removed.  All but ``HALP`` are filled up to the target of the step by the table.

    Args:
        method: that chooses.
        model, graph, table, batch, config: as in :class:`workbench.pruning.HALPPruner`.
    """

    def __init__(
        self,
        method: str,
        model: nn.Module,
        graph: ChannelGraph,
        table: LatencyTable,
        batch: int,
        config: HALPConfig,
    ) -> None:
        if method not in IN_STEPS:
            raise ValueError(f"method must be one of {', '.join(IN_STEPS)}, got {method!r}")
        kind = MagnitudeImportance if method == MAGNITUDE else TaylorImportance
        super().__init__(model, graph, table, batch, config, importance=kind(graph))
        self.method = method

    def solve(
        self, target: float, scores: Scores, keep: Keep | None = None, *, refill: bool | None = None
    ) -> ChannelPlan:
        """Return what the method keeps of ``keep`` (units,) at a target of ms by the table."""
        keep = self.plan.keep if keep is None else keep
        if self.method == HALP:
            return super().solve(target, scores, keep, refill=refill)

        latency = partial(self.graph.latency, self.table, self.batch)
        masked = np.where(keep, scores, -np.inf)
        if self.method in (REFILL, LAYERS):
            chosen = super().solve(target, scores, keep, refill=True).keep
            place = np.where(keep, place_of_all(self.graph, masked), np.inf)
            chosen = filled_up(self.graph, chosen, place, latency, target)
        else:
            order = place_in_group if self.method == UNIFORM else place_of_all
            chosen = filled(self.graph, order(self.graph, masked), latency, target, keep)
        importance = float(np.asarray(scores, float)[self.graph.effective(chosen)].sum())
        return ChannelPlan(self.graph, chosen, latency(chosen), target, importance)


def pruned_in_steps(
    task: PruningTask,
    table: LatencyTable,
    share: float,
    method: str,
    *,
    batch: int = 64,
    steps: int = STEPS,
    between: int = SCORED,
    rate: float = 0.02,
    cancel: CancelToken | None = None,
) -> tuple[nn.Module, ChannelPlan]:
    """Return a network pruned while it was trained, statistics renewed, and what was kept.

    In each of ``steps`` rounds the network is trained on ``between`` minibatches while importances are collected, and then pruned
    to the next target of the exponential schedule; after the last there is no more training.

    Args:
        task: a trained network, which is not changed.
        table: of the device.
        share: of the whole latency that remains.
        method: one of :data:`IN_STEPS`.
        batch: images at once on the device.
        steps: of pruning.
        between: minibatches of training before each.
        rate: of SGD with momentum 0.9, constant.
        cancel: looked at in each iteration.

    Raises:
        ValueError: there is no such method, or the latency cannot be reached.
        Cancelled: Stop was asked for.
    """

    def loss(model: nn.Module, chosen: Tensor) -> Tensor:
        return cross_entropy(model(task.images[chosen]), task.labels[chosen])

    schedule = HALPConfig(share=share, interval=between, steps=steps, allow_ragged=True, keep_one=method == LAYERS)
    drawn = minibatches(len(task.images), BATCH, task.seed)
    small, plan = prune_while_training(
        task.model, task.images[:1], loss, drawn, table, method, schedule, batch=batch, rate=rate, cancel=cancel
    )
    recalibrate_bn(small, task.images.split(BATCH)[:SCORED])
    return small, plan


def minibatches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Yield indices (size,) of samples, epoch after epoch in another order, without end."""
    rng = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=rng).split(size)


def prune_while_training(
    whole: nn.Module,
    example: Tensor,
    loss: Callable[[nn.Module, Tensor], Tensor],
    drawn: Iterator[Tensor],
    table: LatencyTable,
    method: str,
    schedule: HALPConfig,
    *,
    batch: int,
    rate: float,
    cancel: CancelToken | None = None,
) -> tuple[nn.Module, ChannelPlan]:
    """Return a network pruned while it was trained by SGD with momentum 0.9, in evaluation mode, and what was kept.

    Args:
        whole: a trained network, which is not changed.
        example: an image (1, C, H, W), of the size that it is to be fast on.
        loss: of the network on the samples of some indices.
        drawn: indices of minibatches.
        table: of the device.
        method: one of :data:`IN_STEPS`.
        schedule: share of the latency, steps and minibatches between them.
        batch: images at once on the device.
        rate: of learning, constant.
        cancel: looked at in each iteration.

    Raises:
        ValueError: there is no such method, or the latency cannot be reached.
        Cancelled: Stop was asked for.
    """
    model = copy.deepcopy(whole).train()
    graph = ChannelGraph.trace(whole.eval(), example)
    pruner = StepPruner(method, model, graph, table, batch, schedule)
    optimiser = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4)
    pruner.attach(optimiser)
    while not pruner.done:
        if cancel is not None:
            cancel.raise_if_cancelled()
        optimiser.zero_grad()
        loss(model, next(drawn)).backward()
        optimiser.step()
    return shrink(model.eval(), pruner.plan), pruner.plan
