"""What a network pruned by HALP and one pruned by Torch-Pruning are worth at equal measured latency: digits, a residual network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from workbench.experiments.latency_pruning_task import BATCH, SIDE, TaskConfig, pruning_task, train
from workbench.pruning import (
    ChannelGraph,
    HALPConfig,
    HALPPruner,
    LatencyTable,
    TaylorImportance,
    TorchTimer,
    measure_latency,
    recalibrate_bn,
    shrink,
)

from .side_by_side import Comparison, Timing

LATENCY_BATCH = 64
ROUND_TO = 8
"""Channels that are kept or removed at once, by both."""
SHARES = np.linspace(0.9, 0.1, 41)
SLACK = 1.01
"""How much slower than the peer's network, as measured, one of ours may be: measurements repeat to a percent."""


@dataclass(frozen=True)
class Size:
    """How much is trained: the whole network, epochs of the pruned ones, seeds, batches that are scored."""

    task: TaskConfig = field(default_factory=TaskConfig)
    tuning: int = 1
    seeds: tuple[int, ...] = (0, 1, 2)
    scored: int = 8


def compare(
    torch_pruning: ModuleType, size: Size | None = None, ratios: tuple[float, ...] = (0.3, 0.5)
) -> Iterator[Comparison]:
    """Yield a row for each pruning ratio of the peer: accuracies over seeds, and the measured latencies of both."""
    size = size or Size()
    table = LatencyTable(measure=TorchTimer(repetitions=9, unit="conv+bn+relu"))
    outcomes: dict[float, list[tuple[float, ...]]] = {ratio: [] for ratio in ratios}
    for seed in size.seeds:
        task = pruning_task(seed, size.task)
        model, images, labels = task.model, task.images, task.labels
        dense = task.accuracy(model)
        for ratio in ratios:
            theirs = peer_pruned(torch_pruning, model, images, labels, ratio, size)
            ours = as_fast(model, images, labels, table, measure(theirs), size)
            latencies = measure(ours), measure(theirs)
            found = []
            for network in (ours, theirs):
                recalibrate_bn(network, images.split(BATCH)[: size.scored])
                before = task.accuracy(network)
                train(network, images, labels, size.tuning, 0.02, seed)
                found += [before, task.accuracy(network)]
            outcomes[ratio].append((dense, measure(model), *latencies, *found))
    for ratio, rows in outcomes.items():
        yield _row(ratio, np.array(rows), size)


def _row(ratio: float, rows: np.ndarray, size: Size) -> Comparison:
    dense, whole, ours, theirs, before, after, their_before, their_after = rows.T

    def spread(values: np.ndarray) -> str:
        return f"{values.mean():.1f} ({values.min():.1f} to {values.max():.1f})"

    return Comparison(
        subject="accuracy of a pruned network at equal measured latency",
        ours="HALPPruner.solve(refill=True) on a table measured here",
        peer="torch_pruning, global GroupTaylorImportance, round_to=8",
        setting=(
            f"digits, residual network of widths {size.task.widths}, peer's ratio {ratio:g}, {len(size.seeds)} seeds; "
            f"seconds of a batch of {LATENCY_BATCH}, CPU"
        ),
        timing=Timing(
            float(np.median(ours)) / 1e3,
            float(np.median(theirs)) / 1e3,
            *(float(f(ours / theirs)) for f in (np.median, np.min, np.max)),
        ),
        agreement=(
            f"accuracy in %, mean (least to most): whole {spread(dense)}; statistics renewed, ours {spread(before)}, the peer's "
            f"{spread(their_before)}; after {size.tuning} epoch of tuning, ours {spread(after)}, the peer's {spread(their_after)}; "
            f"latency {np.mean(ours / whole):.0%} of the whole network's"
        ),
    )


def measure(model: nn.Module) -> float:
    """Return measured ms of a batch."""
    return measure_latency(model, torch.zeros(LATENCY_BATCH, 1, SIDE, SIDE), repetitions=15)


def gather(model: nn.Module, images: Tensor, labels: Tensor, batches: int, seen: Callable[[], object]) -> None:
    """Run batches backwards, one after the other, and call ``seen`` after each."""
    for part, answer in list(zip(images.split(BATCH), labels.split(BATCH), strict=True))[:batches]:
        model.zero_grad()
        cross_entropy(model(part), answer).backward()
        seen()


def as_fast(
    model: nn.Module, images: Tensor, labels: Tensor, table: LatencyTable, most: float, size: Size
) -> nn.Module:
    """Return the widest network of HALP, by shares of the table's latency, that is measured as fast as ``most`` ms."""
    model = copy.deepcopy(model)
    graph = ChannelGraph.trace(model, images[:1])
    pruner = HALPPruner(model, graph, table, LATENCY_BATCH, HALPConfig(refill=True, group_size=ROUND_TO))
    importance = TaylorImportance(graph)
    gather(model, images, labels, size.scored, lambda: importance.update(model))
    for share in SHARES:
        small = shrink(model, pruner.solve(share * pruner.initial_latency, importance.scores()))
        if measure(small) <= SLACK * most:
            return small
    raise ValueError(f"no network of {SHARES[-1]:.0%} of the table's latency or more is as fast as {most:g} ms")


def peer_pruned(
    torch_pruning: ModuleType, model: nn.Module, images: Tensor, labels: Tensor, ratio: float, size: Size
) -> nn.Module:
    """Return the network that Torch-Pruning makes: first-order Taylor importance, one ranking for all layers."""
    model = copy.deepcopy(model)
    pruner = torch_pruning.pruner.BasePruner(
        model,
        images[:1],
        importance=torch_pruning.importance.GroupTaylorImportance(),
        global_pruning=True,
        pruning_ratio=ratio,
        round_to=ROUND_TO,
        ignored_layers=[model[-1]],
    )
    model.zero_grad()
    for part, answer in list(zip(images.split(BATCH), labels.split(BATCH), strict=True))[: size.scored]:
        cross_entropy(model(part), answer).backward()  # it reads gradients that were added up
    pruner.step()
    return model
