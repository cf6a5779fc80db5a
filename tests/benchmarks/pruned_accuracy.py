"""What a network pruned by HALP and one pruned by Torch-Pruning are worth at equal measured latency: digits, a residual network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample
from torchvision.models.resnet import BasicBlock

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

BATCH, LATENCY_BATCH, SIDE, WIDTHS = 100, 64, 16, (32, 64, 128)
ROUND_TO = 8
"""Channels that are kept or removed at once, by both."""
SHARES = np.linspace(0.9, 0.1, 41)
SLACK = 1.01
"""How much slower than the peer's network, as measured, one of ours may be: measurements repeat to a percent."""


@dataclass(frozen=True)
class Size:
    """How much is trained: images, epochs of the whole network and of the pruned ones, seeds, batches that are scored."""

    train: int = 4000
    test: int = 2000
    epochs: int = 8
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
        images, labels, test = *digits(size.train, seed), digits(size.test, 1000 + seed, held_out=True)
        torch.manual_seed(seed)
        model = residual()
        train(model, images, labels, size.epochs, 0.1, seed)
        dense = accuracy(model, *test)
        for ratio in ratios:
            theirs = peer_pruned(torch_pruning, model, images, labels, ratio, size)
            ours = as_fast(model, images, labels, table, measure(theirs), size)
            latencies = measure(ours), measure(theirs)
            found = []
            for network in (ours, theirs):
                recalibrate_bn(network, images.split(BATCH)[: size.scored])
                before = accuracy(network, *test)
                train(network, images, labels, size.tuning, 0.02, seed)
                found += [before, accuracy(network, *test)]
            outcomes[ratio].append((dense, measure(model), *latencies, *found))
    for ratio, rows in outcomes.items():
        yield _row(ratio, np.array(rows), size)


def _row(ratio: float, rows: np.ndarray, size: Size) -> Comparison:
    dense, whole, ours, theirs, before, after, their_before, their_after = rows.T

    def spread(values: np.ndarray) -> str:
        return f"{100 * values.mean():.1f} ({100 * values.min():.1f} to {100 * values.max():.1f})"

    return Comparison(
        subject="accuracy of a pruned network at equal measured latency",
        ours="HALPPruner.solve(refill=True) on a table measured here",
        peer="torch_pruning, global GroupTaylorImportance, round_to=8",
        setting=(
            f"digits, residual network of widths {WIDTHS}, peer's ratio {ratio:g}, {len(size.seeds)} seeds; seconds of a batch of "
            f"{LATENCY_BATCH}, CPU"
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


def digits(count: int, seed: int, *, held_out: bool = False) -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits, 16 x 16, turned, scaled, moved and with noise: images (N, 1, 16, 16) and labels."""
    source = load_digits()
    part = slice(1200, None) if held_out else slice(0, 1200)
    pixels, labels = torch.tensor(source.images[part], dtype=torch.float32) / 16, torch.tensor(source.target[part])
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(pixels), (count,), generator=rng)
    angle, scale = (torch.rand(2, count, generator=rng) - 0.5) * torch.tensor([[0.9], [0.35]])
    scale = 1 / (0.825 + scale)
    shift = (torch.rand(count, 2, 1, generator=rng) - 0.5) * 0.5
    rotation = (
        torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(-1, 2, 2) * scale[:, None, None]
    )
    grid = affine_grid(torch.cat([rotation, shift], 2), [count, 1, SIDE, SIDE], align_corners=False)
    images = grid_sample(pixels[chosen][:, None], grid, align_corners=False)
    return images + 0.2 * torch.randn(images.shape, generator=rng), labels[chosen]


def residual() -> nn.Module:
    """Return a residual network of three stages, each of one basic block."""
    layers: list[nn.Module] = [nn.Conv2d(1, WIDTHS[0], 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU()]
    inputs = WIDTHS[0]
    for place, width in enumerate(WIDTHS):
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, 2, bias=False), nn.BatchNorm2d(width)) if place else None
        layers.append(BasicBlock(inputs, width, 2 if place else 1, shortcut))
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, rate: float, seed: int) -> None:
    """Train by SGD with momentum and a cosine down to zero; the model ends in evaluation mode."""
    steps, rng = epochs * len(images) // BATCH, torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(images), generator=rng).split(BATCH):
            optimiser.zero_grad()
            cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimiser.step()
            falling.step()
    model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that a model in evaluation mode gets right."""
    return float((model.eval()(images).argmax(1) == labels).float().mean())


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
