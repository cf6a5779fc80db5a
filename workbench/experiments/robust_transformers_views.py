"""What the views of notebook 05 compute: errors under a normaliser, gates that wake up, points drawn together, a block's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from workbench.experiments.robust_transformers import three_groups
from workbench.experiments.robust_transformers_config import CLASSES, LINEAR, SIDE, count_parameters
from workbench.experiments.robust_transformers_measure import CLEAN
from workbench.experiments.robust_transformers_train import as_input
from workbench.metrics.robustness import ALEXNET_ERROR, mean_corruption_error
from workbench.models.fan import ChannelDesign, Fan
from workbench.models.fan.bottleneck import bottleneck_step, mean_shift_step
from workbench.models.fan.grouping import feature_spectrum
from workbench.ops.corruptions import CORRUPTIONS, SEVERITIES

NORMALISERS = ("own reference", "AlexNet", "none")
"""mCE by the linear classifier of pixels that was trained beside the others, by AlexNet's errors on ImageNet-C, or plain error."""
Array = np.ndarray


def reference_errors(errors: pd.DataFrame, normaliser: str) -> Mapping[str, float] | None:
    """Return the error of the reference by corruption, mean over severities and seeds; None for plain errors.

    Raises:
        ValueError: another normaliser.
    """
    if normaliser not in NORMALISERS:
        raise ValueError(f"normaliser must be one of {', '.join(NORMALISERS)}, got {normaliser!r}")
    if normaliser == "none":
        return None
    if normaliser == "AlexNet":
        return ALEXNET_ERROR
    linear = errors[(errors["network"] == LINEAR) & (errors["corruption"] != CLEAN)]
    return linear.groupby("corruption")["error"].mean().to_dict()


def error_grid(errors: pd.DataFrame, network: str) -> Array:
    """Return the error (15, 5) of a network by corruption and severity, mean over seeds."""
    own = errors[(errors["network"] == network) & (errors["corruption"] != CLEAN)]
    table = own.pivot_table(index="corruption", columns="severity", values="error", aggfunc="mean")
    return table.loc[list(CORRUPTIONS), list(SEVERITIES)].to_numpy()


def ranking(errors: pd.DataFrame, normaliser: str) -> pd.DataFrame:
    """Return ``network``, ``value`` (%, mCE or mean error) and ``spread`` over seeds, the best first."""
    reference = reference_errors(errors, normaliser)
    means = errors[errors["corruption"] != CLEAN].groupby(["network", "seed", "corruption"], sort=False)["error"].mean()
    found = {}
    for key, own in means.groupby(level=["network", "seed"], sort=False):
        values = own.droplevel(["network", "seed"]).to_dict()
        found[key] = (
            100 * np.mean(list(values.values())) if reference is None else mean_corruption_error(values, reference)
        )
    seeds = pd.Series(found).groupby(level=0, sort=False)
    table = (
        pd.DataFrame({"value": seeds.mean(), "spread": seeds.std().fillna(0.0)}).rename_axis("network").reset_index()
    )
    return table.sort_values("value", ignore_index=True)


def block_gates(network: Fan, pictures: Array) -> list[Array]:
    """Return the gates over their temperature of each block, flat, for grey uint8 pictures (N, 28, 28)."""
    with torch.inference_mode():
        return [gates.numpy().ravel() for gates in network.gates(as_input(pictures))]


def woken_gates(network: Fan, picture: Array, added: Array) -> Array:
    """Return the highest gate of the first block, (A,), when a constant is added to all channels of the middle token it sees.

    The softmax over tokens is sharp only where one token stands out: then query and key look at the same place.
    """
    block = network.blocks[0]
    with torch.inference_mode():
        tokens, _, _ = network.embed(as_input(picture[None]))
        tokens = tokens + block.gamma1 * block.attn(block.norm1(tokens))
        seen = block.norm2(tokens).repeat(len(added), 1, 1)
        seen[:, seen.shape[1] // 2] += torch.as_tensor(added, dtype=seen.dtype)[:, None]
        return _gate(block.mlp, seen).amax(1).numpy()


def _gate(processing: nn.Module, tokens: Tensor) -> Tensor:
    gate = processing.gate(tokens).unflatten(1, (processing.num_heads, -1))
    return (gate / processing.temperature[..., 0]).flatten(1)


@dataclass(frozen=True, eq=False)
class Run:
    """Points that were drawn together.

    Attributes:
        start, now: (n, d).
        groups: (n,) the truth.
        centres: (k, d), empty for attention.
        before, after: spectra.
    """

    start: Array
    now: Array
    groups: Array
    centres: Array
    before: Array
    after: Array


def draw_together(mode: str, beta: float, steps: int, spread: float, seed: int = 0, clusters: int = 6) -> Run:
    """Repeat attention without weights, or the information bottleneck, on 60 unit tokens in three noisy groups.

    Args:
        mode: ``"attention"``, softmax over keys, which moves the tokens; or ``"bottleneck"``, softmax over clusters, which moves
            the centres: each token is then taken to be where its clusters are.
        beta: inverse temperature.
        steps: how often.
        spread: noise of the tokens about their group's direction.
        seed: of the tokens and of the clusters at the start.
        clusters: of the bottleneck.

    Raises:
        ValueError: another mode, or ``steps`` is negative.
    """
    if mode not in ("attention", "bottleneck") or steps < 0:
        raise ValueError(f"expected mode attention or bottleneck and steps of at least 0, got {mode!r} and {steps}")
    start, groups = three_groups(seed, spread)
    now, centres = start, np.empty((0, start.shape[1]))
    if mode == "bottleneck":
        chosen = np.random.default_rng(seed).choice(len(start), clusters, replace=False)
        centres, masses = start[chosen], np.full(clusters, len(start) / clusters)
        for _ in range(steps):
            found = bottleneck_step(start, centres, masses, beta)
            centres, masses = found.centres, found.masses
            now = found.assignment @ centres
    else:
        for _ in range(steps):
            now = mean_shift_step(now, beta)
    return Run(start, now, groups, centres, feature_spectrum(start), feature_spectrum(now))


def built_block(design: ChannelDesign, embed_dim: int, heads: int, depth: int = 4) -> tuple[int, float]:
    """Return parameters and million multiply-adds a picture of a small network with such blocks and an MLP of four times its width.

    Raises:
        ValueError: the width is not divisible by the heads.
    """
    sizes = {"patch_size": 4, "num_classes": CLASSES, "in_chans": 1, "class_depth": 1}
    network = Fan(embed_dim, depth, heads, design=design, **sizes).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, SIDE, SIDE))
    return count_parameters(network), counter.get_total_flops() / 2e6
