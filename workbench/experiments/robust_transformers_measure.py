"""What is measured of a small network: its errors on every corruption, the grouping of its tokens by depth, its gates."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from workbench.datasets import atomic_write, cache_dir
from workbench.experiments.robust_transformers_config import LINEAR, RobustConfig, build_network, count_parameters
from workbench.experiments.robust_transformers_train import (
    STD,
    as_input,
    corrupted_images,
    held_out_images,
    recipe_key,
    slug,
    trained_network,
)
from workbench.models.fan import Fan
from workbench.models.fan.grouping import (
    Stages,
    effective_rank,
    feature_spectrum,
    group_count,
    map_list,
    noise_decay,
    significant_count,
    token_list,
)
from workbench.ops.corruptions import CORRUPTIONS, SEVERITIES
from workbench.training import CancelToken, Progress, no_progress

CLEAN = "none"
"""What the corruption is called where there is none; its severity is 0."""
BATCH = 125

Measured = dict[str, list[dict[str, object]]]
"""Rows by table: ``errors``, ``grouping``, ``gates``."""


def measure(
    config: RobustConfig,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    cache: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """Train and measure every network and seed; what is done is kept, so that a run that was stopped goes on where it was.

    Args:
        config: what to measure.
        progress: called as networks train.
        cancel: looked at in every training step.
        cache: folder of networks and rows, default in the person's cache directory.

    Returns:
        ``errors``: ``network``, ``seed``, ``parameters``, ``seconds`` of training, ``corruption``, ``severity``, ``error`` in
        [0, 1]. ``grouping``: ``network``, ``seed``, ``trained``, ``depth``, ``effective_rank``, ``significant`` values, ``groups``,
        ``noise_ratio``; means over images. ``gates``: ``network``, ``seed``, ``trained``, ``block``, ``low``, ``mean``, ``high``,
        ``changed`` predictions and ``logit_change`` when all gates are frozen.

    Raises:
        Cancelled: Stop was asked for.
    """
    cache, pairs = cache or cache_dir("robust-transformers"), [(n, s) for s in config.seeds for n in config.networks]
    found: Measured = {"errors": [], "grouping": [], "gates": []}
    for done, (name, seed) in enumerate(pairs):
        if cancel is not None:
            cancel.raise_if_cancelled()

        def within(
            step: int, steps: int, message: str = "", done: int = done, label: str = f"{name}, seed {seed}"
        ) -> None:
            progress(1000 * done + 900 * step // max(steps, 1), 1000 * len(pairs), f"{label}: {message}")

        facts = f"{config.test}-{config.grouped}-{config.sigma:g}"
        path = cache / recipe_key(config.recipe) / f"{slug(name)}-{seed}-{facts}.json"
        if not path.is_file():
            rows = measure_network(config, name, seed, within, cancel, cache)
            with atomic_write(path) as temporary:
                temporary.write_text(json.dumps(rows))
        for table, rows in json.loads(path.read_text()).items():
            found[table] += rows
    progress(1, 1, "done")
    return {table: pd.DataFrame(rows) for table, rows in found.items()}


def measure_network(
    config: RobustConfig,
    name: str,
    seed: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    cache: Path | None = None,
) -> Measured:
    """Train one network, or take it from the cache, and return its rows."""
    started = time.perf_counter()
    network = trained_network(name, config.recipe, seed, progress, cancel, cache)
    facts = {"network": name, "seed": seed, "parameters": count_parameters(network)}
    facts["seconds"] = time.perf_counter() - started
    progress(1, 1, "measured on every corruption")
    rows: Measured = {"errors": [facts | row for row in error_rows(network, config.test)], "grouping": [], "gates": []}
    if name == LINEAR:
        return rows
    for trained, one in ((True, network), (False, build_network(name, config.recipe, seed).eval())):
        state = {"network": name, "seed": seed, "trained": trained}
        rows["grouping"] += [state | row for row in grouping_rows(one, config)]
        if isinstance(one, Fan) and one.blocks[0].mlp.form in ("eca", "se"):
            rows["gates"] += [state | row for row in gate_rows(one, config.test)]
    return rows


def error_rows(network: nn.Module, count: int) -> Iterator[dict[str, object]]:
    """Yield the top-1 error on clean test images and on each of the 75 corrupted sets."""
    labels = held_out_images(count).labels
    yield {"corruption": CLEAN, "severity": 0, "error": _error(network, held_out_images(count).images, labels)}
    for corruption in CORRUPTIONS:
        for severity in SEVERITIES:
            images = corrupted_images(corruption, severity, count)
            yield {"corruption": corruption, "severity": severity, "error": _error(network, images, labels)}


def predict(network: nn.Module, images: np.ndarray) -> Tensor:
    """Return logits (N, 10) of grey uint8 images (N, 28, 28)."""
    with torch.inference_mode():
        return torch.cat([network(part) for part in as_input(images).split(BATCH)])


def stages_of(network: nn.Module) -> Stages:
    """Return what gives a network's tokens (B, N, C) after its stem and behind each block."""
    return token_list(network) if isinstance(network, Fan) else map_list([network.patch_embed, *network.blocks])


def grouping_rows(network: nn.Module, config: RobustConfig) -> Iterator[dict[str, float]]:
    """Yield the mean spectrum, groups and noise at each depth, over some clean test images."""
    images = as_input(held_out_images(config.grouped).images)
    with torch.inference_mode():
        depths = stages_of(network)(images)
    decay = noise_decay(stages_of(network), images, config.sigma / STD)
    for depth, tokens in enumerate(depths):
        spectra = [feature_spectrum(one) for one in tokens]
        yield {
            "depth": depth,
            "effective_rank": float(np.mean([effective_rank(one) for one in spectra])),
            "significant": float(np.mean([significant_count(one) for one in spectra])),
            "groups": float(np.mean([group_count(one) for one in tokens])),
            "noise_ratio": float(decay[depth]),
        }


def gate_rows(network: Fan, count: int) -> Iterator[dict[str, float]]:
    """Yield the range of each block's gates over clean test images, and what freezing all of them changes."""
    images = held_out_images(count).images
    with torch.inference_mode():
        parts = [network.gates(part) for part in as_input(images).split(BATCH)]
    frozen: dict[str, float] = {}
    if network.blocks[0].mlp.form == "eca":
        before, after = predict(network, images), predict(freeze_gates(network), images)
        frozen["changed"] = float((before.argmax(1) != after.argmax(1)).float().mean())
        frozen["logit_change"] = float((before - after).abs().max())
    for block, gates in enumerate(torch.cat(one) for one in zip(*parts, strict=True)):
        low, mean, high = (float(value) for value in (gates.min(), gates.mean(), gates.max()))
        yield {"block": block, "low": low, "mean": mean, "high": high, **frozen}


def freeze_gates(network: Fan) -> Fan:
    """Return a copy whose gates are ``temperature * sigmoid(1 / N)`` whatever the image: the gate's query no longer looks at it.

    A query of zeros weighs all N tokens alike, and the key's weights add up to 1, so the score is 1 / N exactly.

    Raises:
        ValueError: the blocks have no gate of efficient channel attention.
    """
    if network.blocks[0].mlp.form != "eca":
        raise ValueError(f"the channel half is {network.blocks[0].mlp.form!r}; only 'eca' has such a gate")
    network = copy.deepcopy(network)
    for block in network.blocks:
        nn.init.zeros_(block.mlp.q.weight)
        nn.init.zeros_(block.mlp.q.bias)
    return network


def _error(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(predict(network, images).argmax(1).numpy() != labels))
