"""Encode protected attributes: performance beside fairness for each encoding, every claim of the paper re-measured.

Mougan, Alvarez, Ruggieri, Staab, "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023.  Train on one
half of COMPAS, measure on the other one, by the paper's definitions (rates of the positive class, Wasserstein distance of the
scores), and repeat over several halves: ``value`` is the mean and ``spread`` the standard deviation over them.  Sums are over the
groups but the reference one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from workbench.encoders import encodings, gaps, group_rates
from workbench.experiments import fair_encoding_tasks as tasks
from workbench.experiments.fair_encoding_bias import (
    Row,
    attenuation_rows,
    measure_relabel,
    relabel_rows,
    theory_rows,
)
from workbench.experiments.fair_encoding_measure import FIT, PUBLISHED_NOISE, FairEncodingConfig, measure
from workbench.experiments.fair_encoding_paper import PAPER_FIGURE_1, PAPER_FIGURE_3
from workbench.experiments.results import COLUMNS
from workbench.training import CancelToken, Progress, no_progress

FULL = FairEncodingConfig()
"""Everything that `make results` measures."""

SUMMED = {
    "equal_opportunity": "EOF",
    "average_absolute_odds": "AAO",
    "strong_parity": "DP of scores",
    "selection_gap": "DP of decisions",
}
"""Short names of the gaps."""

HIDDEN_BY_NOISE = 0.5
"""A noise at which nearly everyone's score is below one half."""

NAMES = {"drop": "none"}
FIGURE_3 = {("drop", None): "none", ("one-hot", None): "one-hot", ("smoothing", 0.0): "target", ("noise", 1.0): "noise"}
FIGURE_3[("smoothing", 1e5)] = "smoothing"
"""Which encodings stand beside those of Figure 3, whose noise is 0.99 of the published kind."""


def encoding_name(scheme: str, strength: float) -> str:
    """Return what an encoding is called in ``setting``.

    >>> encoding_name("drop", np.nan), encoding_name("smoothing", 0.0), encoding_name("noise", 0.3)
    ('none', 'target', 'noise 0.3')
    """
    if scheme == "smoothing" and strength == 0:
        return "target"
    return NAMES.get(scheme, scheme) if np.isnan(strength) else f"{scheme} {strength:g}"


def run(
    config: FairEncodingConfig = FULL,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    sweep: pd.DataFrame | None = None,
    relabelled: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Re-measure every claim; return the tidy table of :data:`workbench.experiments.results.COLUMNS`.

    Args:
        config: what to measure.
        progress: called after each part.
        cancel: looked at between fits.
        sweep: the first table of :func:`workbench.experiments.fair_encoding_measure.measure`, where it was measured already.
        relabelled: the table of :func:`workbench.experiments.fair_encoding_bias.measure_relabel`, likewise.

    Raises:
        Cancelled: Stop was asked for.
    """
    started = time.perf_counter()
    if sweep is None:
        sweep, _ = measure(config, progress, cancel)
    if relabelled is None:
        relabelled = measure_relabel(config, progress, cancel)
    parts = [
        ("performance and fairness", lambda: fit_rows(sweep)),
        ("published definitions", lambda: published_rows(sweep)),
        ("intersections", lambda: crossed_rows(sweep)),
        ("what noise leaves", lambda: attenuation_rows(config)),
        ("another threshold", lambda: threshold_rows(config)),
        ("theory", lambda: theory_rows(config)),
        ("people renamed", lambda: relabel_rows(relabelled)),
    ]
    found = []
    for done, (label, part) in enumerate(parts):
        progress(done, len(parts), label)
        if cancel is not None:
            cancel.raise_if_cancelled()
        table = pd.DataFrame(list(part()), columns=["claim", "setting", "quantity", "paper", "value", "spread", "unit"])
        seconds, started = time.perf_counter() - started, time.perf_counter()
        found.append(table.assign(seed=config.seeds[0], seconds=seconds))
    progress(len(parts), len(parts), "done")
    return pd.concat(found, ignore_index=True)[list(COLUMNS)]


def fits(sweep: pd.DataFrame, task: str) -> Iterator[tuple[str, str, str, float, pd.DataFrame]]:
    """Yield attribute, model, scheme, strength and the halves of each encoding of one task."""
    rows = sweep[sweep["task"] == task]
    for (attribute, model, scheme, strength), part in rows.groupby(FIT[1:-1], sort=False, dropna=False):
        yield attribute, model, scheme, strength, part


def fit_rows(sweep: pd.DataFrame) -> Iterator[Row]:
    """C1 to C4 and beyond: AUC, accuracy and the sums of the gaps, for each model and encoding of an attribute by itself."""
    for task in (tasks.COMPAS, tasks.COMPAS_ALONE, tasks.TWO_YEARS):
        for _, model, scheme, strength, part in fits(sweep, task):
            name = encoding_name(scheme, strength)
            paper = PAPER_FIGURE_1.get((model, name), {}) if task == tasks.COMPAS else {}
            claim = _claim(task, scheme, strength)
            setting = f"{task}, {model}, {name}"
            yield _mean(claim, setting, "AUC", part["auc"], "area", paper.get("auc"))
            yield _mean(claim, setting, "accuracy", 100 * part["accuracy"], "%")
            for gap, short in SUMMED.items():
                yield _mean(claim, setting, f"{short}, sum", part[f"{gap}_sum"], "TPR" if short == "EOF" else "share")
            yield _mean(claim, setting, "EOF, greatest", part["equal_opportunity_max"], "TPR")


def _claim(task: str, scheme: str, strength: float) -> str:
    if task == tasks.TWO_YEARS:
        return "outcome"
    if scheme in ("drop", "one-hot"):
        return "C1, C2"
    return "published code" if scheme == PUBLISHED_NOISE else "C3, C4"


def published_rows(sweep: pd.DataFrame) -> Iterator[Row]:
    """C2 by the definitions of the published code, on its training rows, beside the sums of Figure 1."""
    for _, model, scheme, strength, part in fits(sweep, tasks.COMPAS_PUBLISHED):
        name = encoding_name(scheme, strength)
        paper = PAPER_FIGURE_1.get((model, name), {})
        for gap in ("equal_opportunity", "average_absolute_odds"):
            setting = f"{tasks.COMPAS_PUBLISHED}, {model}, {name}"
            yield _mean("C2", setting, f"{SUMMED[gap]}, sum", part[f"{gap}_sum"], "share", paper.get(gap))


def crossed_rows(sweep: pd.DataFrame) -> Iterator[Row]:
    """C6 to C8: one attribute, the other one, and both in one column, by the greatest and the mean gap."""
    for task in (tasks.COMPAS_CROSSED, tasks.ADULT):
        for attribute, model, scheme, strength, part in fits(sweep, task):
            name = encoding_name(scheme, strength)
            figure = FIGURE_3.get((scheme, None if np.isnan(strength) else strength))
            paper = PAPER_FIGURE_3.get((figure, attribute)) if task == tasks.COMPAS_CROSSED else None
            claim = "C8" if task == tasks.ADULT else "C6, C7"
            setting = f"{task}, {attribute}, {model}, {name}"
            yield _mean(claim, setting, "AUC", part["auc"], "area")
            yield _mean(claim, setting, "EOF, greatest", part["equal_opportunity_max"], "TPR", paper)
            yield _mean(claim, setting, "EOF, mean", part["equal_opportunity_mean"], "TPR")
            yield _mean(claim, setting, "DP of scores, mean", part["strong_parity_mean"], "share")
            yield _mean(claim, setting, "groups that count", part["groups"] - part["skipped"], "groups")


def threshold_rows(config: FairEncodingConfig) -> Iterator[Row]:
    """C3: where as many people are selected as have the label, the gap that a strong noise hides at 0.5 is back."""
    task, found = tasks.compas_task(), {}
    for seed in config.seeds:
        train, test = task.halves(seed)
        others, y, group = task.others(), task.label[test], task.group[test]
        X, X_test = (
            others.fit_transform(task.frame.iloc[train], task.label[train]),
            others.transform(task.frame.iloc[test]),
        )
        for point in encodings(list(task.encoded), noise=[HIDDEN_BY_NOISE], seed=seed):
            model = tasks.model_named(tasks.MODELS[0], seed)
            model.fit(point.encoder.fit_transform(X, task.label[train]), task.label[train])
            score = model.predict_proba(point.encoder.transform(X_test))[:, 1]
            threshold = float(np.quantile(score, 1 - y.mean()))
            table = gaps(group_rates(y, score, group, threshold), task.reference)
            greatest = table.loc[table["metric"] == "equal_opportunity", "value"].abs().max()
            name = encoding_name(point.scheme, point.strength)
            found.setdefault(name, []).append((greatest, 100 * ((score > threshold) == y).mean()))
    for name, halves in found.items():
        greatest, right = zip(*halves, strict=True)
        setting = f"{task.name}, {tasks.MODELS[0]}, {name}, as many selected as have the label"
        yield _mean("C3", setting, "EOF, greatest", greatest, "TPR")
        yield _mean("C3", setting, "accuracy", right, "%")


def _mean(
    claim: str, setting: str, quantity: str, values: Iterable[float], unit: str, paper: float | None = None
) -> Row:
    numbers = np.asarray(values, float)
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return claim, setting, quantity, paper, float(numbers.mean()), spread, unit
