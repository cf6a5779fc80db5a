"""Every encoding of a protected attribute at every strength, over several halves of the data: fairness beside performance."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from category_encoders import CatBoostEncoder
from sklearn.exceptions import ConvergenceWarning

from workbench.encoders import Encoding, TargetEncoder, encodings, sweep
from workbench.encoders.fairness import GAPS
from workbench.experiments.fair_encoding_tasks import (
    COMPAS_PUBLISHED,
    MODELS,
    EncodingTask,
    adult_tasks,
    compas_alone_task,
    compas_task,
    intersection_tasks,
    model_named,
    two_years_task,
)
from workbench.training import CancelToken, Progress, no_progress

SUMS = ("sum", "mean", "max")
GROUP_METRICS = ("tpr", "fpr", "selection_rate", "group_auc", "strong_parity")
LEAST_POSITIVES = 10
"""A gap of a group with fewer positives in the test half says nothing, and is left out of sums and greatest values."""

OWN_SCHEMES = ("loo", "crossfit")
"""Target encodings that keep a training row's own label out of its encoding, with ``m = 1``."""

PUBLISHED_NOISE = "published noise"
"""What the paper's code runs: ordered statistics times N(1, sigma)."""


@dataclass(frozen=True)
class FairEncodingConfig:
    """What is measured.

    Attributes:
        seeds: of the halves, the noise and the models.
        models: of the paper's own experiment, less the MLP with ethnicity alone; the other tasks take logistic regression.
        noise: standard deviations ``lambda``.
        smoothing: ``m``; 0 is the plain target encoding.
        published_noise: ``sigma`` of the published code's noise.
        few_noise: ``lambda`` in the other tasks.
        few_smoothing: ``m`` in the other tasks.
        relabel_sizes: people who are renamed to a group of their own.
        relabel_repeats: draws of them.
        draws: of made-up groups, beside the closed forms.
        adult_rows: how many rows of the census data; None for all.
        others: measure the other tasks too (ethnicity alone, rearrest, intersections, census).
    """

    seeds: tuple[int, ...] = tuple(range(8))
    models: tuple[str, ...] = MODELS
    noise: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.0, 5.0)
    smoothing: tuple[float, ...] = (0.0, 1.0, 10.0, 1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)
    published_noise: tuple[float, ...] = (0.0, 0.3, 0.6, 1.0)
    few_noise: tuple[float, ...] = (0.1, 0.3, 1.0)
    few_smoothing: tuple[float, ...] = (0.0, 1e2, 1e4, 1e5)
    relabel_sizes: tuple[int, ...] = (5, 20, 50, 200, 1000)
    relabel_repeats: int = 40
    draws: int = 500
    adult_rows: int | None = None
    others: bool = True


@dataclass(frozen=True)
class _Part:
    """One task with what it is measured with.

    The published code measures fairness on the rows that it trained on, by definitions of its own.
    """

    task: EncodingTask
    models: tuple[str, ...]
    noise: tuple[float, ...] = ()
    smoothing: tuple[float, ...] = ()
    published_noise: tuple[float, ...] = ()
    as_published: bool = False

    def halves(self, seeds: Iterable[int], cancel: CancelToken | None) -> Iterator[pd.DataFrame]:
        for seed in seeds:
            columns = list(self.task.encoded)
            encoded = encodings(columns)
            if self.smoothing:
                encoded = grid(columns, self.noise, self.smoothing, seed)
            encoded += published(columns, self.published_noise, seed)
            yield measure_half(self.task, self.models, encoded, seed, as_published=self.as_published, cancel=cancel)


def measure(
    config: FairEncodingConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit and measure everything.

    Returns:
        The sweep, one row a fit (columns of :func:`summary`), and the rates of each group averaged over the halves (columns of
        :func:`group_table`).

    Raises:
        Cancelled: Stop was asked for.
    """
    plan, summaries, groups = list(_plan(config)), [], []
    for done, part in enumerate(plan):
        halves = []
        for table in part.halves(config.seeds, cancel):
            halves.append(table)
            at = done * len(config.seeds) + len(halves)
            progress(at, len(plan) * len(config.seeds), f"{part.task.name}, {part.task.attribute}")
        table = pd.concat(halves, ignore_index=True)
        summaries.append(summary(table))
        groups.append(group_table(table))
    return pd.concat(summaries, ignore_index=True), pd.concat(groups, ignore_index=True)


def _plan(config: FairEncodingConfig) -> Iterator[_Part]:
    task = compas_task()
    yield _Part(task, config.models, config.noise, config.smoothing, config.published_noise)
    yield _Part(replace(task, name=COMPAS_PUBLISHED), config.models, as_published=True)
    if config.others:
        few, linear = {"noise": config.few_noise, "smoothing": config.few_smoothing}, MODELS[:1]
        yield _Part(compas_alone_task(), tuple(name for name in config.models if name != "MLP"), **few)
        for task in (two_years_task(), *intersection_tasks(), *adult_tasks(config.adult_rows)):
            yield _Part(task, linear, **few)


def grid(columns: Iterable[str], noise: Iterable[float], smoothing: Iterable[float], seed: int) -> list[Encoding]:
    """Return no encoding, one-hot, each strength of smoothing (0: plain target encoding) and of noise, leave-one-out, cross-fit."""
    names = list(columns)
    own = [
        Encoding(scheme, np.nan, TargetEncoder(names, scheme=scheme, smoothing=1, seed=seed)) for scheme in OWN_SCHEMES
    ]
    return [*encodings(names, smoothing=list(smoothing), noise=list(noise), seed=seed), *own]


def published(columns: Iterable[str], strengths: Iterable[float], seed: int) -> list[Encoding]:
    """Return the encoder of the paper's code: CatBoost's ordered statistic, times Gaussian noise around 1, in training alone."""
    return [
        Encoding(PUBLISHED_NOISE, sigma, CatBoostEncoder(cols=list(columns), sigma=sigma, a=1, random_state=seed))
        for sigma in strengths
    ]


def measure_half(
    task: EncodingTask,
    models: Iterable[str],
    encoded: list[Encoding],
    seed: int,
    *,
    as_published: bool = False,
    cancel: CancelToken | None = None,
) -> pd.DataFrame:
    """Train on one half and measure on the other; ``as_published`` on the same one, by the definitions of the published code.

    Returns:
        What :func:`workbench.encoders.sweep` returns, with columns ``task``, ``attribute`` and ``seed``.
    """
    train, test = task.halves(seed)
    shown = train if as_published else test
    others = task.others()
    X = others.fit_transform(task.frame.iloc[train], task.label[train])
    X_test = others.transform(task.frame.iloc[shown])
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # 200 steps are scikit-learn's default for the network, and the paper's
        table = sweep(
            {name: model_named(name, seed) for name in models},
            encoded,
            X,
            task.label[train],
            X_test,
            task.label[shown],
            task.group[shown],
            task.reference,
            convention="published" if as_published else "paper",
            cancel=cancel,
        )
    return table.assign(task=task.name, attribute=task.attribute, seed=seed)


FIT = ["task", "attribute", "model", "scheme", "strength", "seed"]
"""Columns that name one fit."""


def summary(table: pd.DataFrame, least_positives: int = LEAST_POSITIVES) -> pd.DataFrame:
    """Return one row a fit: AUC, accuracy, and the sum, mean and greatest size of each gap over the groups.

    Args:
        table: of :func:`measure_half`, for one task or several.
        least_positives: groups with fewer positives in the test half are left out of the gaps, and counted in ``skipped``.
    """
    found = pd.DataFrame(
        {"auc": table[table["metric"] == "auc"].groupby(FIT, sort=False, dropna=False)["value"].first()}
    )
    found["accuracy"] = _accuracy(table)
    kept = table[(table["positives"] >= least_positives) & table["metric"].isin(GAPS)]
    sizes = kept.assign(value=kept["value"].abs()).groupby([*FIT, "metric"], sort=False, dropna=False)["value"]
    for name in SUMS:
        wide = sizes.agg(name).unstack("metric")
        for gap in GAPS:
            found[f"{gap}_{name}"] = wide[gap]
    of_all = table[table["metric"] == GAPS[0]].groupby(FIT, sort=False, dropna=False)
    found["groups"] = of_all.size()
    found["skipped"] = of_all["positives"].agg(lambda positives: int((positives < least_positives).sum()))
    return found.reset_index()


def _accuracy(table: pd.DataFrame) -> pd.Series:
    """Return the share of right decisions of each fit, from the rates of the groups."""
    rates = table[table["metric"].isin(["tpr", "fpr"])].copy()
    negatives = rates["n"] - rates["positives"]
    of_positives = rates["metric"] == "tpr"
    rates["right"] = np.where(of_positives, rates["value"] * rates["positives"], (1 - rates["value"]) * negatives)
    rates["rows"] = np.where(of_positives, rates["positives"], negatives)
    totals = rates.groupby(FIT, sort=False, dropna=False)[["right", "rows"]].sum()
    return totals["right"] / totals["rows"]


def group_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rates of each group, averaged over the halves.

    Returns:
        Columns ``task``, ``attribute``, ``model``, ``scheme``, ``strength``, ``group``, ``n`` and ``positives`` of a test half
        (mean), and mean and standard deviation (``<metric>_spread``) of each of :data:`GROUP_METRICS`.
    """
    keys = [*FIT[:-1], "group"]
    kept = table[table["metric"].isin(GROUP_METRICS)]
    counts = kept[kept["metric"] == "tpr"].groupby(keys, sort=False, dropna=False)[["n", "positives"]].mean()
    values = kept.groupby([*keys, "metric"], sort=False, dropna=False)["value"]
    mean, spread = values.mean().unstack("metric"), values.std().unstack("metric")
    for metric in GROUP_METRICS:
        counts[metric], counts[f"{metric}_spread"] = mean[metric], spread[metric]
    return counts.reset_index()
