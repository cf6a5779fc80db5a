"""Claims of paper 1 that rest on measured latency, on a detector, and on the parts of the method one by one."""

from __future__ import annotations

import pandas as pd

from workbench.experiments.latency_pruning import HERE
from workbench.experiments.latency_pruning_ablations import (
    EXACT,
    GREEDY,
    IMPORTANCES,
    PUBLISHED,
    SIZES,
    SIZES_PUBLISHED,
    SOLVERS,
    STEP,
    STEPS,
    TAYLOR,
)
from workbench.experiments.latency_pruning_detector import WHOLE, WHOLE_TUNED
from workbench.experiments.latency_pruning_methods import HALP, LAYERS, UNIFORM

POINT = 1.0
"""Of accuracy in percent, within which one method counts as no worse than another."""
EQUAL = 0.05
"""Of a measured latency, within which another counts as no slower: as much as the same network measured twice may differ."""
LEAST_GAIN = 0.7
"""Share of the foretold speed-up that must be measured."""
Row = tuple[str, str, str, str, str]


def verdict(wins: list[bool]) -> str:
    """Return yes where all are true, no where none is, else partly.

    >>> verdict([True, False])
    'partly'
    """
    return "yes" if all(wins) else "partly" if any(wins) else "no"


def measured_claims(measured: pd.DataFrame) -> list[Row]:
    """Return the claims on networks that were made small and measured, budgets by a table of the same machine."""
    measured = measured.assign(
        taken=measured["measured_ms"] / measured["whole_ms"],
        gain=measured["reached"] * measured["whole_ms"] / measured["measured_ms"],
    )
    by_budget = measured.groupby(["share", "method"], sort=False)
    taken, accuracy = by_budget["taken"].mean().unstack(), by_budget["after"].mean().unstack()
    return [
        _speed_up(measured, taken),
        _tuned(measured, accuracy, by_budget["after"].std().unstack()),
        _pareto(measured, accuracy, taken),
    ]


def _from_the_largest(frame: pd.DataFrame) -> list[float]:
    return sorted(frame.index, reverse=True)


def _speed_up(measured: pd.DataFrame, taken: pd.DataFrame) -> Row:
    gain, budgets = measured["gain"], _from_the_largest(taken)
    return (
        "C4 measured",
        f"Channels removed, a network is at least {LEAST_GAIN:g} times as much faster as the table foretells",
        "Real speed-ups on the device: 1.60x for ResNet-50, 1.90x for ResNet-101",
        f"{len(gain)} networks at {budgets[0]:.0%} to {budgets[-1]:.0%} of a table measured on the same CPU: measured over "
        f"foretold speed-up {gain.min():.2f} to {gain.max():.2f}, mean {gain.mean():.2f}; {LAYERS}, "
        + ", ".join(f"{1 / taken.loc[share, LAYERS]:.2f}x at {share:.0%}" for share in budgets),
        verdict([bool((gain >= LEAST_GAIN).all())]),
    )


def _tuned(measured: pd.DataFrame, accuracy: pd.DataFrame, spread: pd.DataFrame) -> Row:
    budgets, parts = _from_the_largest(accuracy), []
    for share in budgets:
        row, around = accuracy.loc[share], spread.loc[share]
        parts.append(f"{share:.0%}: " + ", ".join(f"{name} {row[name]:.1f} ± {around[name]:.1f}" for name in row.index))
    return (
        "C4 tuned",
        f"Tuned, HALP that keeps every layer is within {POINT:g} point of uniform widths at every budget, or above",
        "-",
        f"Accuracy in % after one epoch, whole network {measured['dense'].mean():.1f}, table of this CPU: {'; '.join(parts)}",
        verdict([accuracy.loc[share, LAYERS] + POINT >= accuracy.loc[share, UNIFORM] for share in budgets]),
    )


def _pareto(measured: pd.DataFrame, accuracy: pd.DataFrame, taken: pd.DataFrame) -> Row:
    parts, unbeaten = [], []
    for share in _from_the_largest(accuracy):
        right, took = accuracy.loc[share], taken.loc[share]
        fast = took <= took[LAYERS] * (1 + EQUAL)
        better = [name for name in right.index if name != HALP and fast[name] and right[name] > right[LAYERS]]
        beaten = ", ".join(f"beaten by {name}, {right[name]:.1f} % at {took[name]:.0%}" for name in better)
        own = f"{share:.0%}: HALP {right[LAYERS]:.1f} % at {took[LAYERS]:.0%} of the measured latency"
        parts.append(f"{own}, {beaten or 'not beaten'}")
        unbeaten.append(not better)
    return (
        "C4 Pareto",
        f"No other method is as fast, as measured (within {EQUAL:.0%}), and more accurate than HALP that keeps every layer",
        "Pareto front of accuracy and speed, Figure 1",
        f"Means of {measured['seed'].nunique()} networks: {'; '.join(parts)}",
        verdict(unbeaten),
    )


def detector_claim(table: pd.DataFrame) -> Row:
    """Return the claim on the detector, pruned to half its latency."""
    table = table.assign(gain=table["whole_ms"] / table["ms"], foretold=1 / table["reached"])
    mean, spread = (getattr(table.groupby("method", sort=False), name)(numeric_only=True) for name in ("mean", "std"))
    listed = "; ".join(
        f"{name} {row.precision:.1f} ± {spread.loc[name, 'precision']:.1f}"
        + ("" if name in (WHOLE, WHOLE_TUNED) else f" at {row.gain:.2f}x (foretold {row.foretold:.2f}x)")
        for name, row in mean.iterrows()
    )
    best, whole = mean.loc[LAYERS], max(mean.loc[WHOLE, "precision"], mean.loc[WHOLE_TUNED, "precision"])
    return (
        "C5",
        "A detector of half the latency loses little: at least 1.5 times as fast, at most 3 points of mean average precision",
        "SSD512 on VOC: 1.94x, 77.98 to 77.42 (Table 8)",
        f"Small SSD, street scenes of 64 x 64 pixels, 3 classes, {table['seed'].nunique()} networks: mean average precision in % "
        f"and speed-up, both measured: {listed}",
        verdict([best["gain"] >= 1.5, best["precision"] >= whole - 3]),
    )


def ablation_claims(table: pd.DataFrame) -> list[Row]:
    """Return what each part of the method is worth, at equal latency by the table."""
    simulated, here = table[table["platform"] != HERE], table[table["platform"] == HERE]
    return [
        (
            "A groups",
            f"At equal latency, groups of one latency step are within {POINT:g} point of any fixed size, or above",
            "Figures 4 and 6: they beat every fixed size",
            f"{_listed(simulated, SIZES)}; table of this CPU, {_listed(here, SIZES)}; published solver there, "
            f"{_listed(here, SIZES_PUBLISHED)}; sizes that are missing cannot reach the latency",
            verdict(
                _no_worse(simulated, SIZES, STEP)
                + _no_worse(here, SIZES, STEP)
                + _no_worse(here, SIZES_PUBLISHED, STEP)
            ),
        ),
        _steps(simulated),
        (
            "A importance",
            "Taylor importance is more accurate than magnitude and random",
            "Table 12: more so where much is removed",
            _listed(simulated, IMPORTANCES),
            verdict(_no_worse(simulated, IMPORTANCES, TAYLOR, 0.0)),
        ),
        (
            "A solver",
            "The exact solver keeps no less importance than the published one, and that no less than the greedy one",
            "Table 16: greedy and exact end equal",
            f"{_listed(simulated, SOLVERS)}; table of this CPU, {_listed(here, SOLVERS)}; importance kept there "
            + "; ".join(
                f"{share:.0%}: "
                + ", ".join(f"{name} {value:.3f}" for name, value in _mean(here, SOLVERS, share, "importance").items())
                for share in _shares(here)
            ),
            verdict(
                [
                    kept[EXACT] + 1e-9 >= kept[PUBLISHED] and kept[PUBLISHED] + 1e-9 >= kept[GREEDY]
                    for part in (simulated, here)
                    for kept in (_mean(part, SOLVERS, share, "importance") for share in _shares(part))
                ]
            ),
        ),
    ]


def _steps(table: pd.DataFrame) -> Row:
    parts, wins = [], []
    for share in _shares(table):
        reached, after = (_mean(table, STEPS, share, column) for column in ("reached", "after"))
        for method in (HALP, LAYERS):
            counts = [name.removeprefix(f"{method}, ") for name in after.index]
            counts = [
                count
                for count, name in zip(counts, after.index, strict=True)
                if count.isdigit() and name == f"{method}, {count}"
            ]
            shown = ", ".join(
                f"{count}: {after[f'{method}, {count}']:.1f} ({reached[f'{method}, {count}']:.0%})" for count in counts
            )
            parts.append(f"{share:.0%}, {method}, {shown}")
            if method == HALP:
                wins.append(reached[f"{method}, {counts[-1]}"] > reached[f"{method}, {counts[0]}"])
    return (
        "A steps",
        "In more steps HALP ends nearer to its target, while in one it removes too much",
        "Figure 7",
        f"40 minibatches of training in all, accuracy in % after tuning by number of steps (latency reached): {'; '.join(parts)}",
        verdict(wins),
    )


def _shares(table: pd.DataFrame) -> list[float]:
    return sorted(table["share"].unique(), reverse=True)


def _mean(table: pd.DataFrame, kind: str, share: float, column: str) -> pd.Series:
    part = table[(table["kind"] == kind) & (table["share"] == share)]
    return part.groupby("setting", sort=False)[column].mean().dropna()


def _listed(table: pd.DataFrame, kind: str) -> str:
    """Return accuracies after tuning of each setting at each share."""
    parts = []
    for share in _shares(table):
        spread = table[(table["kind"] == kind) & (table["share"] == share)].groupby("setting")["after"].std()
        mean = _mean(table, kind, share, "after")
        parts.append(
            f"{share:.0%}: " + ", ".join(f"{name} {value:.1f} ± {spread[name]:.1f}" for name, value in mean.items())
        )
    return f"{kind}, " + "; ".join(parts)


def _no_worse(table: pd.DataFrame, kind: str, setting: str, slack: float = POINT) -> list[bool]:
    """Return for each share whether a setting is at most ``slack`` points behind the best."""
    means = [_mean(table, kind, share, "after") for share in _shares(table)]
    return [mean[setting] + slack >= mean.max() for mean in means]
