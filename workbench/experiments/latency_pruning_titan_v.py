"""Claim C1 on real latencies: ResNet-101 by the published rows of a TITAN V, importances drawn and fixed, nothing trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn
from torchvision.models import resnet101

from workbench.experiments.latency_pruning_methods import MACS, RANK, REFILL, UNIFORM, Subject, prune_to
from workbench.pruning import ChannelGraph, titan_v_table
from workbench.training import Progress, no_progress

BATCH = 256
COMPARED = (REFILL, MACS, RANK, UNIFORM)
SPREAD_OF_GROUPS, SPREAD_OF_CHANNELS = 0.5, 1.0
"""Standard deviations of the logarithm of the drawn importances, between the groups and inside of them."""


def drawn_subject(seed: int, model: nn.Module | None = None) -> Subject:
    """Return ResNet-101 on the compact table of the TITAN V, with log-normal importances drawn from a seed.

    There are no trained weights here, so the importances say nothing of ImageNet: they are only the same for all methods.

    Args:
        seed: of the draw.
        model: ResNet-50 or ResNet-101, None for the latter.
    """
    model = model or resnet101()
    graph = ChannelGraph.trace(model.eval(), torch.zeros(1, 3, 224, 224))
    rng = np.random.default_rng(seed)
    scores = np.exp(SPREAD_OF_CHANNELS * rng.standard_normal(graph.units))
    for group in graph.groups:
        scores[group.units] *= np.exp(SPREAD_OF_GROUPS * rng.standard_normal())
    return Subject(model, graph, titan_v_table(), BATCH, scores, scores, scores)


def measure_titan_v(
    seeds: tuple[int, ...] = (0, 1, 2),
    shares: tuple[float, ...] = (0.8, 0.6, 0.4),
    model: nn.Module | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Prune to equal latency by cost in latency, cost in MACs, one rank, and equal shares.

    Returns:
        Columns ``seed``, ``method``, ``share`` (budget), ``reached`` (share of the latency), ``macs_share`` and ``importance``
        (share kept).
    """
    rows = []
    for seed in seeds:
        of = drawn_subject(seed, model)
        for share in shares:
            for method in COMPARED:
                progress(len(rows), len(seeds) * len(shares) * len(COMPARED), f"seed {seed}, {method} at {share:.0%}")
                plan = prune_to(share, method, of, singly=False)
                macs = sum(spec.macs for spec in of.graph.specs(of.batch, plan.keep)) / of.macs
                rows.append((seed, method, share, plan.latency / of.dense, macs, plan.importance / of.taylor.sum()))
    return pd.DataFrame(rows, columns=["seed", "method", "share", "reached", "macs_share", "importance"])
