"""Irreducible and reducible bias: closed forms beside draws, and people renamed to a group of their own on real data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.datasets import synthetic_groups
from workbench.encoders import OneHotEncoder, TargetEncoder, bias_terms, noise_attenuation, positive_probability
from workbench.experiments.fair_encoding_measure import FairEncodingConfig
from workbench.experiments.fair_encoding_tasks import ETHNIC, MARITAL, compas_task, model_named
from workbench.training import CancelToken, Progress, no_progress

Row = tuple[str, str, str, float | None, float, float | None, str]
"""claim, setting, quantity, paper, value, spread, unit."""

SPLIT_FROM, SPLIT_TO = "African-American", "African-American, renamed"
P_GROUP, P_REFERENCE, N_REFERENCE = 0.58, 0.43, 3000
"""Shares of a high score in the largest group of COMPAS and in all of it, and rows of the reference group."""

SIZES = (10, 50, 200, 1000)
SMOOTHED = 100.0


def relabel_schemes(seed: int) -> dict[tuple[str, float], OneHotEncoder | TargetEncoder]:
    """Return the encodings that the renaming is measured with, by scheme and strength."""
    columns = [ETHNIC, MARITAL]
    return {
        ("one-hot", np.nan): OneHotEncoder(columns),
        ("smoothing", 0.0): TargetEncoder(columns),
        ("smoothing", SMOOTHED): TargetEncoder(columns, smoothing=SMOOTHED),
        ("noise", 0.3): TargetEncoder(columns, noise=0.3, seed=seed),
    }


def measure_relabel(
    config: FairEncodingConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Rename ``k`` African-American training rows at random to a group of their own, and see whether the model treats it otherwise.

    They are the same people, so that the true gap is 0 and every gap is reducible bias. After training, all African-American test
    rows are scored twice, once under each name: what differs is the encoding alone.

    Returns:
        Columns ``scheme``, ``strength``, ``k``, ``seed`` (of the half and the draw) and ``equal_opportunity``, TPR under the new
        name minus TPR under the old one, with logistic regression.
    """
    task, rows = compas_task(), []
    for seed in range(config.relabel_repeats):
        progress(seed, config.relabel_repeats, "people renamed")
        train, test = task.halves(seed)
        test = test[(task.group[test] == SPLIT_FROM) & (task.label[test] == 1)]
        others = task.others()
        X, X_test = (
            others.fit_transform(task.frame.iloc[train], task.label[train]),
            others.transform(task.frame.iloc[test]),
        )
        candidates = np.flatnonzero(task.group[train] == SPLIT_FROM)
        for k in config.relabel_sizes:
            if cancel is not None:
                cancel.raise_if_cancelled()
            chosen = np.random.default_rng([seed, k]).choice(candidates, k, replace=False)
            names = X[ETHNIC].astype(object).to_numpy(copy=True)
            names[chosen] = SPLIT_TO
            for (scheme, strength), encoder in relabel_schemes(seed).items():
                model = model_named("logistic regression", seed)
                model.fit(encoder.fit_transform(X.assign(**{ETHNIC: names}), task.label[train]), task.label[train])
                rates = [
                    (model.predict_proba(encoder.transform(X_test.assign(**{ETHNIC: name})))[:, 1] > 0.5).mean()
                    for name in (SPLIT_FROM, SPLIT_TO)
                ]
                rows.append((scheme, strength, k, seed, rates[1] - rates[0]))
    progress(config.relabel_repeats, config.relabel_repeats, "done")
    return pd.DataFrame(rows, columns=["scheme", "strength", "k", "seed", "equal_opportunity"])


def relabel_rows(table: pd.DataFrame) -> Iterator[Row]:
    """C5 on real data: mean |EOF| of the same people under two names, by how many were renamed."""
    for (scheme, strength, k), part in table.groupby(["scheme", "strength", "k"], sort=False, dropna=False):
        size = part["equal_opportunity"].abs()
        name = scheme if np.isnan(strength) else f"{scheme} {strength:g}"
        yield "C5", f"{k} renamed, {name}", "mean |EOF|", None, size.mean(), size.std(), "TPR"


def theory_rows(config: FairEncodingConfig) -> Iterator[Row]:
    """C5 in theory: a group of ``n`` people with p = 0.58 beside 3 000 with p = 0.43, closed forms and draws end to end."""
    for n in SIZES:
        prior = (n * P_GROUP + N_REFERENCE * P_REFERENCE) / (n + N_REFERENCE)
        for m in (0.0, SMOOTHED):
            setting = f"p = {P_GROUP}, n = {n}, m = {m:g}"
            terms = bias_terms(P_GROUP, n, P_REFERENCE, N_REFERENCE, m, prior)
            yield (
                "C5",
                setting,
                "irreducible part of the squared gap",
                None,
                float(terms.irreducible),
                None,
                "probability^2",
            )
            yield (
                "C5",
                setting,
                "reducible part of the squared gap",
                None,
                float(terms.reducible),
                None,
                "probability^2",
            )
            exact = float(positive_probability(P_GROUP, n, m, prior))
            yield "C5", setting, "chance to be called positive, closed form", None, exact, None, "share"
            drawn = [_called_positive(n, m, draw) for draw in range(config.draws)]
            error = np.std(drawn) / np.sqrt(len(drawn))
            yield "C5", setting, "chance to be called positive, drawn", None, float(np.mean(drawn)), error, "share"


def _called_positive(n: int, m: float, seed: int) -> bool:
    """Draw people, encode them, and say whether the smaller group's encoding is above one half."""
    people = synthetic_groups([P_REFERENCE, P_GROUP], [N_REFERENCE, n], seed=seed)
    encoder = TargetEncoder("group", smoothing=m).fit(people.frame, people.label)
    return bool(encoder.transform(pd.DataFrame({"group": ["B"]})).iloc[0, 0] > 0.5)


def attenuation_rows(config: FairEncodingConfig) -> Iterator[Row]:
    """C3, why noise works on a linear model: the weight that is left, as noise in a regressor foretells it, and as fitted."""
    task = compas_task()
    for noise in config.noise:
        foretold, kept = [], []
        for seed in config.seeds:
            train, _ = task.halves(seed)
            X, y = task.frame.iloc[train][[ETHNIC]], task.label[train]
            encoder = TargetEncoder(ETHNIC).fit(X, y)
            foretold.append(float(noise_attenuation(encoder.tables_[0], noise)))
            weights = []
            for strength in (0.0, noise):
                encoded = TargetEncoder(ETHNIC, noise=strength, seed=seed).fit_transform(X, y)
                weights.append(model_named("logistic regression", seed).fit(encoded, y).coef_[0, 0])
            kept.append(weights[1] / weights[0])
        setting = f"ethnicity is the only feature, noise {noise:g}"
        yield "C3", setting, "weight kept, foretold", None, 100 * np.mean(foretold), 100 * np.std(foretold), "%"
        yield "C3", setting, "weight kept, logistic regression", None, 100 * np.mean(kept), 100 * np.std(kept), "%"
