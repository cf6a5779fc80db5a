"""Latency pruning: the exact knapsack beside integer programming, and the surgery of ResNet-50 beside Torch-Pruning."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn.functional import cross_entropy

from workbench.experiments.pruning_imagenet import RECIPES
from workbench.pruning import (
    ChannelGraph,
    ChannelPlan,
    HALPPruner,
    MagnitudeImportance,
    Plan,
    TaylorImportance,
    mask,
    recalibrate_bn,
    shrink,
    solve_knapsack,
    solve_knapsack_greedy,
    solve_knapsack_highs,
    solve_knapsack_published,
    titan_v_table,
)

from . import pruned_accuracy
from .side_by_side import BenchmarkConfig, Comparison, Timing, side_by_side

HOW_TO_INSTALL = "`make bench` installs it, or pip install --no-deps -r tests/benchmarks/peers.txt"
TITAN_V_FOLDER = "WORKBENCH_TITAN_V"
"""Environment variable: a folder with ``r101_titanv_instance.json``, which is not shipped."""
STEM = 1e4
"""What the authors let the first convolution be worth, so that it stays."""
Instance = tuple[list[np.ndarray], list[np.ndarray], float]


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    few = replace(config, repeats=min(config.repeats, 2))
    yield synthetic(range(20), few)
    for share in (0.8, 0.55, 0.3):
        yield from real_instance(share, few)
    try:
        import torch_pruning
    except ImportError as error:
        print(f"torch-pruning cannot be imported ({error}): {HOW_TO_INSTALL}")
    else:
        yield surgery(torch_pruning, 224, config)
        yield from pruned_accuracy.compare(torch_pruning)
    yield slider(config)
    yield gathering(4, 112, few)


def synthetic(seeds: range, config: BenchmarkConfig, items: int = 400) -> Comparison:
    """Solve staircase instances of 60 layers at half of their latency, one after the other."""
    instances: list[Instance] = []
    for seed in seeds:
        costs, values = staircases(seed, items)
        instances.append((costs, values, 0.5 * float(sum(map(np.sum, costs)))))
    return _knapsack(f"{len(seeds)} seeded instances of {items} items in 60 layers, budget 50 %", instances, config)


def staircases(
    seed: int, items: int, layers: int = 60, flat: float = 0.35
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return costs and falling importances of layers; a share ``flat`` of the items is free, or makes its layer faster."""
    rng = np.random.default_rng(seed)
    costs, values = [], []
    for count in np.diff(np.linspace(0, items, layers + 1).astype(int)):
        cost, free = rng.uniform(0.5, 3.0, count), rng.random(count) < flat
        free[0] = False
        cost[free] = -rng.choice([0.0, 0.3], free.sum()) * rng.uniform(0.2, 1.0, free.sum())
        costs.append(cost)
        values.append(np.sort(rng.lognormal(size=count))[::-1])
    return costs, values


def real_instance(share: float, config: BenchmarkConfig) -> Iterator[Comparison]:
    """Solve ResNet-101 on a TITAN V, with the authors' importances, exactly and by their heuristic."""
    path = Path(os.environ.get(TITAN_V_FOLDER, "")) / "r101_titanv_instance.json"
    if not os.environ.get(TITAN_V_FOLDER) or not path.is_file():
        print(f"{TITAN_V_FOLDER} names no folder with {path.name}: the rows of ResNet-101 on a TITAN V are left out")
        return
    table = json.loads(path.read_text())
    places = np.cumsum(table["split"])[:-1]
    costs, values = np.split(np.array(table["w"]) / 1e3, places), np.split(np.array(table["v"]) / 1e6, places)
    budget = share * float(sum(map(np.sum, costs)))
    setting = f"ResNet-101 on a TITAN V, {sum(map(len, costs))} items in {len(costs)} groups, budget {share:.0%}"
    yield _knapsack(setting, [(costs, values, budget)], config, STEM)
    exact, theirs, timing = side_by_side(
        lambda: solve_knapsack(costs, values, budget), lambda: solve_knapsack_published(costs, values, budget), 1
    )
    greedy = solve_knapsack_greedy(costs, values, budget)
    yield Comparison(
        subject="latency-saliency knapsack",
        ours="solve_knapsack",
        peer="the published heuristic, vectorised here",
        setting=f"{setting}, CPU seconds",
        timing=timing,
        agreement=(
            f"importance kept {exact.value:.6f}; the heuristic {exact.value - theirs.value:.2g} less, a greedy one "
            f"{exact.value - greedy.value:.2g} less"
        ),
    )


def _knapsack(setting: str, instances: list[Instance], config: BenchmarkConfig, aside: float = 0.0) -> Comparison:
    """Solve instances exactly, and by the HiGHS solver to a gap of zero; ``aside`` is importance that no gap counts."""

    def each(solve: Callable[..., Plan]) -> list[Plan]:
        return [solve(*instance) for instance in instances]

    ours, theirs, timing = side_by_side(
        lambda: each(solve_knapsack), lambda: each(solve_knapsack_highs), config.repeats
    )
    differences = [abs(a.value - b.value) / (b.value - aside) for a, b in zip(ours, theirs, strict=True)]
    gap = max((plan.bound - plan.value) / (plan.bound - aside) for plan in ours)
    return Comparison(
        subject="latency-saliency knapsack",
        ours="solve_knapsack",
        peer="scipy.optimize.milp (HiGHS), mip_rel_gap=0",
        setting=f"{setting}, CPU seconds",
        timing=timing,
        agreement=(
            f"relative difference of the importance kept at most {max(differences):.1g}; our certificate: gap at most "
            f"{gap:.3%}{' not counting the stem' if aside else ''}, {sum(plan.optimal for plan in ours)} of {len(ours)} proved "
            "optimal"
        ),
    )


def surgery(torch_pruning: ModuleType, side: int, config: BenchmarkConfig) -> Comparison:
    """Trace ResNet-50 and remove half of the channels of each group, those of smallest weights."""
    torch.manual_seed(0)
    model, images = torchvision.models.resnet50().eval(), torch.randn(1, 3, side, side)
    copies = [copy.deepcopy(model) for _ in range(config.repeats + 1)]  # it prunes in place; copying is not counted

    def theirs() -> nn.Module:
        network = copies.pop()
        pruner = torch_pruning.pruner.BasePruner(
            network,
            images,
            importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=0.5,
            ignored_layers=[network.fc],
        )
        pruner.step()
        return network

    (small, plan), pruned, timing = side_by_side(lambda: half(model, images), theirs, config.repeats)
    widths = [
        [module.weight.shape for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
        for network in (small, pruned)
    ]
    double, batch = copy.deepcopy(model).double(), torch.randn(4, 3, side, side, dtype=torch.double)
    recalibrate_bn(double, [batch])  # features of unit size in all layers
    with torch.no_grad():
        outputs = shrink(double, plan)(batch)
        difference = (outputs - mask(double, plan)(batch)).abs().max() / outputs.abs().max()
    return Comparison(
        subject="trace a network and remove half of its channels",
        ours="ChannelGraph.trace, MagnitudeImportance and shrink",
        peer="torch_pruning.pruner.BasePruner, GroupMagnitudeImportance",
        setting=f"ResNet-50 at {side} pixels, CPU seconds",
        timing=timing,
        agreement=(
            f"{'the same' if widths[0] == widths[1] else 'other'} shapes of all layers; outputs of ours differ from those of "
            f"the masked network by {difference:.0e} of the largest in double precision"
        ),
    )


def half(model: nn.Module, images: torch.Tensor) -> tuple[nn.Module, ChannelPlan]:
    """Return the network with the half of each group of greatest magnitude, and the plan."""
    graph = ChannelGraph.trace(model, images)
    scores, keep = MagnitudeImportance(graph).scores(model), graph.everything()
    for group in graph.groups:
        order = np.argsort(-scores[group.units], kind="stable")
        keep[group.start + order[group.size // 2 :]] = False
    plan = ChannelPlan(graph, keep)
    return shrink(model, plan), plan


def slider(config: BenchmarkConfig) -> Comparison:
    """Time a new plan of ResNet-50 for another budget, with the capacity refilled: what one move of a slider asks."""
    recipe = RECIPES["resnet50_halp55"]
    with torch.device("meta"):
        network = recipe.build()
    pruner = HALPPruner(network, recipe.trace(network), titan_v_table(), recipe.table_batch, recipe.halp)
    scores = np.random.default_rng(config.seed).lognormal(size=pruner.graph.units)
    seconds, shares, reached = [], np.linspace(0.9, 0.3, 1 + 4 * config.repeats), []
    for share in shares:
        began = time.perf_counter()
        plan = pruner.solve(share * pruner.initial_latency, scores, refill=True)
        seconds.append(time.perf_counter() - began)
        reached.append(plan.latency / plan.budget)
    return Comparison(
        subject="answer to one move of a budget slider",
        ours="HALPPruner.solve(refill=True)",
        peer="none",
        setting="ResNet-50, compact table of a TITAN V, random importances, wall seconds",
        timing=Timing(float(np.median(seconds[1:])), *[float("nan")] * 4),
        agreement=f"slowest of {len(seconds) - 1}: {max(seconds[1:]):.3f} s; plans reach {min(reached):.1%} of the budget or more",
    )


def gathering(batch: int, side: int, config: BenchmarkConfig) -> Comparison:
    """Time the importances of a batch beside a step of training ResNet-50."""
    torch.manual_seed(0)
    model, images = torchvision.models.resnet50(), torch.randn(batch, 3, side, side)
    importance = TaylorImportance(ChannelGraph.trace(model, images))
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)

    def step() -> float:
        optimiser.zero_grad()
        loss = cross_entropy(model(images), torch.arange(batch))
        loss.backward()
        optimiser.step()
        return loss.item()

    step()
    _, _, timing = side_by_side(lambda: importance.update(model), step, config.repeats)
    return Comparison(
        subject="importance of all channels, from the gradients of a batch",
        ours="TaylorImportance.update",
        peer="one training step without it",
        setting=f"ResNet-50, {batch} images of {side} pixels, CPU seconds",
        timing=timing,
        agreement=f"adds {timing.ratio:.2%} to the step",
    )
