"""Fair encoding: sweeps of smoothing, rates of groups and distances of scores, beside the libraries that give them one by one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from category_encoders import MEstimateEncoder
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LogisticRegression

from workbench.encoders import TrainingColumn, encodings, group_rates, sweep, wasserstein
from workbench.encoders.validation import Floats

from .side_by_side import BenchmarkConfig, Comparison, side_by_side

STRENGTHS = np.sort(np.concatenate([np.linspace(0, 1000, 30), np.linspace(30, 1000, 20) ** 2]))
"""The 50 values of ``m`` of the published code."""

RATES = {"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    few = replace(config, repeats=min(config.repeats, 2))
    yield smoothing_sweep(20_000, 8, config)
    yield smoothing_sweep(500_000, 5_000, few)
    yield encoded_rows(500_000, 5_000, few)
    yield rates_of_groups(500_000, 50, few)
    yield distance_of_scores(200_000, 100_000, config)
    yield sweep_with_models(10_000, few)


def smoothing_sweep(rows: int, categories: int, config: BenchmarkConfig) -> Comparison:
    """Learn the encoding of every category at 50 strengths: from one count of the rows, and by fitting an encoder 50 times."""
    column, target = _column(rows, categories, config.seed)
    frame, names = column.to_frame("category"), np.unique(column)

    def peer() -> list[MEstimateEncoder]:
        return [MEstimateEncoder(m=m).fit(frame, target) for m in STRENGTHS]

    with warnings.catch_warnings(action="ignore"):
        ours, fitted, timing = side_by_side(
            lambda: TrainingColumn.of(column, target).table.means(STRENGTHS), peer, config.repeats
        )
        theirs = np.array([encoder.transform(pd.DataFrame({"category": names}))["category"] for encoder in fitted])
    return Comparison(
        subject="encodings of every category at 50 strengths of smoothing",
        ours="TrainingColumn.of and CategoryTable.means",
        peer="category_encoders MEstimateEncoder.fit, 50 times",
        setting=f"{rows:,} rows, {categories:,} categories, CPU seconds",
        timing=timing,
        agreement=f"largest difference of an encoding {np.abs(ours - theirs).max():.1e}",
    )


def encoded_rows(rows: int, categories: int, config: BenchmarkConfig) -> Comparison:
    """Encode every row at 50 strengths."""
    column, target = _column(rows, categories, config.seed)
    frame = column.to_frame("category")

    def ours() -> float:
        training = TrainingColumn.of(column, target)
        return sum(training.mean(m).sum() for m in STRENGTHS)

    def peer() -> float:
        return sum(MEstimateEncoder(m=m).fit(frame, target).transform(frame)["category"].sum() for m in STRENGTHS)

    with warnings.catch_warnings(action="ignore"):
        mine, theirs, timing = side_by_side(ours, peer, config.repeats)
    return Comparison(
        subject="every row encoded at 50 strengths of smoothing",
        ours="TrainingColumn.mean",
        peer="category_encoders MEstimateEncoder.fit and transform, 50 times",
        setting=f"{rows:,} rows, {categories:,} categories, CPU seconds",
        timing=timing,
        agreement=f"relative difference of the sum of all encodings {abs(mine / theirs - 1):.1e}",
    )


def rates_of_groups(rows: int, groups: int, config: BenchmarkConfig) -> Comparison:
    """Take selection rate, TPR and FPR of every group; ours with their intervals."""
    group, y = _column(rows, groups, config.seed)
    score = np.random.default_rng(config.seed).random(rows)

    def peer() -> pd.DataFrame:
        return MetricFrame(metrics=RATES, y_true=y, y_pred=score > 0.5, sensitive_features=group).by_group

    ours, theirs, timing = side_by_side(lambda: group_rates(y, score, group), peer, config.repeats)
    difference = np.abs(ours.set_index("group")[list(RATES)] - theirs).to_numpy().max()
    return Comparison(
        subject="three rates of every group",
        ours="group_rates, with intervals",
        peer="fairlearn MetricFrame, without",
        setting=f"{rows:,} rows, {groups} groups, CPU seconds",
        timing=timing,
        agreement=f"largest difference of a rate {difference:.1e}",
    )


def distance_of_scores(first: int, second: int, config: BenchmarkConfig) -> Comparison:
    """Measure how far the scores of two groups lie apart."""
    rng = np.random.default_rng(config.seed)
    samples = rng.beta(2, 3, first), rng.beta(3, 3, second)
    ours, theirs, timing = side_by_side(
        lambda: wasserstein(*samples), lambda: wasserstein_distance(*samples), config.repeats
    )
    return Comparison(
        subject="Wasserstein-1 distance of the scores of two groups",
        ours="wasserstein",
        peer="scipy.stats.wasserstein_distance",
        setting=f"{first:,} and {second:,} scores, CPU seconds",
        timing=timing,
        agreement=f"difference {abs(ours - theirs):.1e} of a distance of {theirs:.3f}",
    )


def sweep_with_models(rows: int, config: BenchmarkConfig, strengths: Floats = STRENGTHS) -> Comparison:
    """Encode, fit a logistic regression and measure six groups, at each strength; most of our time is the fits."""
    (X, y), (test, y_test) = (_people(rows, config.seed + half) for half in range(2))
    points = encodings("race", smoothing=strengths)[2:]

    def ours() -> pd.DataFrame:
        models = {"logistic regression": LogisticRegression()}
        return sweep(models, points, X, y, test, y_test, test["race"], "a", distinct=True)

    def peer() -> list[pd.DataFrame]:
        measured = []
        for m in strengths:
            encoder = MEstimateEncoder(m=m, cols=["race"])
            model = LogisticRegression().fit(encoder.fit_transform(X, y), y)
            decision = model.predict_proba(encoder.transform(test))[:, 1] > 0.5
            frame = MetricFrame(metrics=RATES, y_true=y_test, y_pred=decision, sensitive_features=test["race"])
            measured.append(frame.by_group)
        return measured

    with warnings.catch_warnings(action="ignore"):
        table, theirs, timing = side_by_side(ours, peer, config.repeats)
    rates = table[table["metric"].isin(RATES)].pivot(index=["strength", "group"], columns="metric", values="value")
    difference = np.abs(rates[list(RATES)].to_numpy() - np.concatenate(theirs)).max()
    return Comparison(
        subject=f"{len(strengths)} strengths of smoothing with a logistic regression and the rates of six groups",
        ours="sweep(distinct=True): nine metrics, with intervals",
        peer="loop of MEstimateEncoder, LogisticRegression, MetricFrame: three",
        setting=f"{rows:,} training and test rows, CPU seconds",
        timing=timing,
        agreement=f"largest difference of a rate {difference:.1e}",
    )


def _column(rows: int, categories: int, seed: int) -> tuple[pd.Series, np.ndarray]:
    """Return a column of text and a target whose share differs by category."""
    rng = np.random.default_rng(seed)
    codes, share = rng.integers(categories, size=rows), rng.beta(2, 3, categories)
    names = np.array([f"category {code:04d}" for code in range(categories)], object)
    return pd.Series(names[codes]), (rng.random(rows) < share[codes]).astype(int)


def _people(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows of one protected and five other features, with few distinct values as a questionnaire has."""
    rng = np.random.default_rng(seed)
    race = rng.choice(list("abcdef"), rows, p=[0.45, 0.35, 0.14, 0.04, 0.015, 0.005])
    features = {f"feature {number}": rng.integers(3, size=rows) for number in range(5)}
    chance = 0.2 + 0.3 * (race == "b") + 0.1 * features["feature 0"] - 0.05 * features["feature 1"]
    return pd.DataFrame({"race": race, **features}), (rng.random(rows) < chance).astype(int)
