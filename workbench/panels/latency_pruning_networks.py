"""The networks of notebook 10: a published one with the table of a real device, and small ones that are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import resnet50

from workbench.experiments.latency_pruning import FULL
from workbench.experiments.latency_pruning_methods import SCORED, subject
from workbench.experiments.latency_pruning_task import BATCH, PruningTask, pruning_task
from workbench.pruning import ChannelGraph, simulate_latency_table

TITAN_NETWORK = "ResNet-50"
SPREAD = 0.8


@dataclass(frozen=True)
class Subject:
    """A network to prune.

    Attributes:
        model: in evaluation mode.
        graph: of its channels.
        example: one input.
        batch: images at once on the device.
        scores: (units,) importances.
        origin: what these importances are.
        granularity: spacing of the widths at which steps are looked for.
        task: what it was trained on; None where nothing can be said about accuracy.
        dense: accuracy of the whole network on that (%).
    """

    model: nn.Module
    graph: ChannelGraph
    example: Tensor
    batch: int
    scores: NDArray[np.float64]
    origin: str
    granularity: int = 8
    task: PruningTask | None = None
    dense: float = np.nan


def illustrative_scores(graph: ChannelGraph, seed: int = 0) -> NDArray[np.float64]:
    """Return importances (units,) drawn by chance: log-normal, with a level of its own for each group.

    They stand for those of a trained network, which would not fit into the repository, and show mechanisms alone.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3))
    >>> illustrative_scores(ChannelGraph.trace(net, torch.zeros(1, 3, 16, 16))).shape
    (8,)
    """
    rng = np.random.default_rng(seed)
    scores = rng.lognormal(0.0, SPREAD, graph.units)
    for group in graph.groups:
        scores[group.units] *= rng.lognormal(0.0, SPREAD)
    return scores


def _resnet50() -> Subject:
    torch.manual_seed(0)
    model, example = resnet50().eval(), torch.zeros(1, 3, 224, 224)
    graph = ChannelGraph.trace(model, example, protect=("conv1",))
    origin = "illustrative importances, drawn by chance: this network is not trained"
    return Subject(model, graph, example, 256, illustrative_scores(graph), origin, 32)


def _digits(seed: int) -> Subject:
    """Return the shipped network of a seed with the importances that the stored results were measured with."""
    task = pruning_task(seed)
    found = subject(task, simulate_latency_table(FULL.platform), FULL.batch)
    origin = f"first order (equation 3), mean of {SCORED} batches of {BATCH} training images"
    dense = task.accuracy(found.model)
    return Subject(found.model, found.graph, task.images[:1], found.batch, found.taylor, origin, task=task, dense=dense)


DIGITS = {f"digits, trained, seed {seed}": seed for seed in FULL.seeds}
"""Name -> seed of the small residual networks that ship."""

NETWORKS: dict[str, Callable[[], Subject]] = {
    TITAN_NETWORK: _resnet50,
    **{name: partial(_digits, seed) for name, seed in DIGITS.items()},
}
