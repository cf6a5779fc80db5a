"""Which backbone survives bad weather, and why: every claim about fully attentional networks, measured on small ones.

Zhou et al., "Understanding The Robustness in Vision Transformers", ICML 2022. Networks of equal size learn Fashion-MNIST in minutes
and meet the 15 corruptions of CIFAR-10-C's constants; mCE is normalised by a linear classifier of pixels, not by AlexNet.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from workbench.experiments.results import COLUMNS
from workbench.experiments.robust_transformers_config import FAN, LINEAR, VIT, Recipe, RobustConfig
from workbench.experiments.robust_transformers_measure import CLEAN, measure
from workbench.experiments.robust_transformers_paper import MILLION_PARAMETERS, RETENTION
from workbench.metrics.robustness import mean_corruption_error, retention
from workbench.models.fan import VARIANTS
from workbench.models.fan.bottleneck import bottleneck_step, mean_shift_step
from workbench.models.fan.grouping import effective_rank, feature_spectrum, significant_count
from workbench.training import CancelToken, Progress, no_progress

FULL = RobustConfig()
"""Everything that `make results` measures: some 35 minutes on one core."""
PLAIN_RECIPE = RobustConfig(Recipe(jitter=0.0), (VIT, FAN, "DW + LN_v"))
"""The same without random contrast and brightness: what the recipe is worth beside the block."""
QUICK = RobustConfig(Recipe(train=4000, epochs=2), (VIT, FAN, "DW + LN_v", LINEAR), (0,), 200, 20)
"""What a person waits for: a minute on one core. Networks that have seen so few images tell little."""

Row = tuple[str, str, str, float | None, float, float | None, str]
KINDS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
BETAS, STEPS = (1.0, 8.0, 32.0), 5
"""Inverse temperatures of attention without weights, and how often it is repeated."""


def run(
    config: RobustConfig = FULL,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    measured: dict[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Re-measure every claim; return the tidy table of :data:`workbench.experiments.results.COLUMNS`.

    Args:
        config: what to measure.
        progress: called as networks train.
        cancel: looked at in every training step; networks that are trained are kept.
        measured: what :func:`workbench.experiments.robust_transformers_measure.measure` has measured already.

    Raises:
        Cancelled: Stop was asked for.
    """
    started = time.perf_counter()
    if measured is None:
        measured = measure(config, progress, cancel)
    rows: list[Row] = [
        *summary_rows(measured["errors"]),
        *difference_rows(measured["errors"]),
        *grouping_rows(measured["grouping"]),
        *gate_rows(measured["gates"]),
        *bottleneck_rows(config.seeds),
        *variant_rows(),
    ]
    table = pd.DataFrame(rows, columns=["claim", "setting", "quantity", "paper", "value", "spread", "unit"])
    table = table.astype({"paper": float, "spread": float})  # one seed has no spread
    table = table.assign(seed=config.seeds[0], seconds=time.perf_counter() - started)
    progress(1, 1, "done")
    return table[list(COLUMNS)]


def robustness(errors: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy, retention and mCE of each network and seed.

    Args:
        errors: the table of that name of :func:`workbench.experiments.robust_transformers_measure.measure`.

    Returns:
        Indexed by network and seed: ``clean``, ``corrupted`` (mean over the 75 sets), ``retention``, ``mCE`` in percent, normalised
        by the linear classifier's mean error over seeds (NaN where that was not measured).
    """
    means = errors.groupby(["network", "seed", "corruption"], sort=False)["error"].mean()
    linear = errors[errors["network"] == LINEAR]
    reference = linear.groupby("corruption")["error"].mean().drop(CLEAN).to_dict() if len(linear) else None
    rows = {}
    for key, own in means.groupby(level=["network", "seed"], sort=False):
        values = own.droplevel(["network", "seed"])
        clean, corrupted = 1 - values[CLEAN], values.drop(CLEAN)
        rows[key] = {
            "clean": clean,
            "corrupted": 1 - corrupted.mean(),
            "retention": retention(clean, 1 - corrupted),
            "mCE": mean_corruption_error(corrupted.to_dict(), reference) if reference else np.nan,
        }
        rows[key] |= {kind: 1 - corrupted[list(names)].mean() for kind, names in KINDS.items()}
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["network", "seed"])
    return table


def summary_rows(errors: pd.DataFrame) -> Iterator[Row]:
    """C3: what each network scores, mean and spread over seeds."""
    names = {"clean": "clean accuracy", "corrupted": "corrupted accuracy", "mCE": "mCE, linear reference"}
    for network, seeds in robustness(errors).groupby(level="network", sort=False):
        for quantity, values in seeds.items():
            unit = "%" if quantity == "mCE" else "share"
            paper = RETENTION.get(network) if quantity == "retention" else None
            name = names.get(quantity, f"accuracy, {quantity}" if quantity in KINDS else quantity)
            if values.notna().all():
                yield _mean("C3", network, name, values, unit, paper)
    for network, sizes in errors.groupby("network", sort=False)["parameters"]:
        yield "C3", network, "parameters", None, float(sizes.iloc[0]), None, "count"


def difference_rows(errors: pd.DataFrame) -> Iterator[Row]:
    """C3: FAN less each other network, seed by seed."""
    table = robustness(errors)
    networks = table.index.get_level_values("network").unique()
    if FAN not in networks:
        return
    for network in networks.drop([FAN, LINEAR], errors="ignore"):
        for quantity in ("clean", "corrupted", "retention"):
            values = table.loc[FAN, quantity] - table.loc[network, quantity]
            yield _mean("C3", f"{FAN} less {network}", quantity, values, "share")


def grouping_rows(grouping: pd.DataFrame) -> Iterator[Row]:
    """C1: spectrum, groups and noise behind the stem and behind the last block, trained and not."""
    for (network, trained), part in grouping.groupby(["network", "trained"], sort=False):
        setting = f"{network}, {'trained' if trained else 'untrained'}"
        for quantity in ("effective_rank", "significant", "groups", "noise_ratio"):
            depths = part.pivot(index="seed", columns="depth", values=quantity)
            first, last = depths[0], depths[depths.columns.max()]
            unit = "share" if quantity == "noise_ratio" else "count"
            name = quantity.replace("_", " ")
            yield _mean("C1", setting, f"{name}, stem", first, unit)
            yield _mean("C1", setting, f"{name}, last block", last, unit)
            yield _mean("C1", setting, f"{name}, change", last / first - 1, "share")


def gate_rows(gates: pd.DataFrame) -> Iterator[Row]:
    """C3: how far the gates move, and what is lost when they do not."""
    if not len(gates):
        return
    for (network, trained), part in gates.groupby(["network", "trained"], sort=False):
        setting = f"{network}, {'trained' if trained else 'untrained'}"
        seeds = part.groupby("seed")
        yield _mean("C3", setting, "lowest gate", seeds["low"].min(), "share")
        yield _mean("C3", setting, "highest gate", seeds["high"].max(), "share")
        if trained and part["changed"].notna().all():
            yield _mean("C3", setting, "predictions changed by frozen gates", seeds["changed"].max(), "share")
            yield _mean(
                "C3", setting, "largest change of a logit by frozen gates", seeds["logit_change"].max(), "logit"
            )


def bottleneck_rows(seeds: tuple[int, ...]) -> Iterator[Row]:
    """C2: attention without weights and the information bottleneck on 60 unit tokens in 3 noisy groups."""
    for beta in BETAS:
        spectra = []
        for seed in seeds:
            tokens, _ = three_groups(seed)
            for _ in range(STEPS):
                tokens = mean_shift_step(tokens, beta)
            spectra.append(feature_spectrum(tokens))
        setting = f"attention repeated {STEPS} times, beta {beta:g}"
        yield _mean("C2", setting, "significant values", [significant_count(one) for one in spectra], "count")
        yield _mean("C2", setting, "effective rank", [effective_rank(one) for one in spectra], "count")
    start = [feature_spectrum(three_groups(seed)[0]) for seed in seeds]
    yield _mean("C2", "tokens before", "significant values", [significant_count(one) for one in start], "count")
    yield _mean(
        "C2", "information bottleneck, beta 8", "pairs kept right", [_bottleneck(seed) for seed in seeds], "share"
    )


def three_groups(seed: int = 0, spread: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Return 60 unit tokens (60, 8) about 3 orthogonal directions, and the group of each, (60,).

    >>> three_groups()[0].shape
    (60, 8)
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), 20)
    tokens = np.eye(8)[labels] + spread * rng.standard_normal((60, 8))
    return tokens / np.linalg.norm(tokens, axis=1, keepdims=True), labels


def _bottleneck(seed: int, clusters: int = 6, steps: int = 30) -> float:
    """Return the share of pairs of tokens that the bottleneck puts together, or apart, as their groups are."""
    tokens, labels = three_groups(seed)
    chosen = np.random.default_rng(seed).choice(len(tokens), clusters, replace=False)
    centres, masses = tokens[chosen], np.full(clusters, len(tokens) / clusters)
    for _ in range(steps):
        found = bottleneck_step(tokens, centres, masses, beta=8.0)
        centres, masses = found.centres, found.masses
    closest = found.assignment.argmax(1)
    # Several clusters may have come to lie on one another: those are one group.
    near = np.linalg.norm(centres[closest][:, None] - centres[closest], axis=2) < 0.1
    return float((near == (labels[:, None] == labels)).mean())


def variant_rows() -> Iterator[Row]:
    """C4: the size of every published network."""
    for name, make in VARIANTS.items():
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in make().parameters()) / 1e6
        yield "C4", name, "parameters", MILLION_PARAMETERS.get(name), size, None, "million"


def _mean(claim: str, setting: str, quantity: str, values: object, unit: str, paper: float | None = None) -> Row:
    numbers = np.asarray(values, float)
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return claim, setting, quantity, paper, float(numbers.mean()), spread, unit
