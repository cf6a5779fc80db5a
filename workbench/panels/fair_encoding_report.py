"""What notebook 04 says in words and tables: the answer above the views, the claims, the runs, the report on a person's table."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.datasets import DataCard
from workbench.experiments.fair_encoding import FULL, run
from workbench.experiments.fair_encoding_bias import measure_relabel
from workbench.experiments.fair_encoding_claims import claims
from workbench.experiments.fair_encoding_frontier import GapSize, best_within, frontier
from workbench.experiments.fair_encoding_measure import FairEncodingConfig, measure
from workbench.experiments.fair_encoding_own import OWN_SEEDS, OwnPeople
from workbench.experiments.fair_encoding_scores import LINEAR
from workbench.experiments.fair_encoding_tasks import MODELS
from workbench.figures.fair_encoding import METRIC_WORDS
from workbench.panels.claims import MeasuredClaims
from workbench.panels.exports import html_page
from workbench.panels.run import RunPanel, table_html
from workbench.training import CancelToken, Progress

P = "<p style='margin:2px 0;line-height:1.5'>"


def answer_html(
    words: str, rows: Mapping[str, tuple[float, float, GapSize]], metric: str, how: str, tail: str, card: DataCard
) -> str:
    """Return what stands above the views: performance and gap of the chosen encoding beside those of none and one-hot.

    Args:
        words: model and encoding.
        rows: encoding -> AUC, accuracy (share) and size of the gap; the chosen one first.
        metric, how: the gap, and how it is taken over the groups.
        tail: threshold, convention and half, in words.
        card: what the label is and is not.
    """
    lines = []
    for index, (name, (auc, accuracy, size)) in enumerate(rows.items()):
        gap = getattr(size, {"greatest": "max"}.get(how, how))
        said = f"AUC {auc:.3f}, accuracy {100 * accuracy:.1f} %, gap {gap:.2f}"
        lines.append(f"<b>{html.escape(words)}: {said}</b>" if not index else f"{name}: {said}")
    first = next(iter(rows.values()))[2]
    skipped = (
        f", {first.skipped} of {first.groups} groups skipped, with fewer than ten people of label 1"
        if first.skipped
        else ""
    )
    what = f"Gap: {METRIC_WORDS[metric]}, {how} of {first.groups} groups{skipped}. {html.escape(tail)}"
    label = f"<i>Label 1: {html.escape(card.label)} It is not: {html.escape(card.label_is_not)}</i>"
    return f"<div style='line-height:1.6;max-width:85em'>{'; '.join(lines)}.<br>{what}<br>{label}</div>"


class ClaimsTable(MeasuredClaims):
    """The claims of paper 10 beside the numbers measured here, from the stored results until newer ones are shown.

    >>> "C8" in ClaimsTable().value
    True
    """

    results = "fair_encoding"
    judge = staticmethod(claims)


RUN_HALF = "Measure one half of COMPAS again (about 15 s)"
RUN_CLAIMS = "Re-measure every claim (about 12 min)"

HALF = FairEncodingConfig(
    seeds=(0,),
    models=(MODELS[0], MODELS[2]),
    noise=(0.1, 0.2, 0.3, 0.5, 1.0),
    smoothing=(0.0, 1e2, 1e3, 1e4, 1e5, 1e6),
    published_noise=(),
    others=False,
)
"""What the first button measures."""


def run_panel(table: ClaimsTable, show_sweep: Callable[[pd.DataFrame, pd.DataFrame], None]) -> RunPanel:
    """Return the panel of section "Run it for real": what it measures replaces the stored numbers.

    Args:
        table: shows the claims that were measured anew.
        show_sweep: takes the fits and the rates of the groups, such as ``FairEncodingPanel.show_sweep``.
    """
    measured: list[tuple[pd.DataFrame, pd.DataFrame]] = []

    def half(progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        measured[:] = [measure(HALF, progress, cancel)]
        return measured[0][0]

    def everything(config: FairEncodingConfig, progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        measured[:] = [measure(config, progress, cancel)]
        relabelled = measure_relabel(config, progress, cancel)
        return run(config, progress, cancel, sweep=measured[0][0], relabelled=relabelled)

    def done(label: str, result: pd.DataFrame) -> None:
        if label == RUN_CLAIMS:
            table.show_results(result)
        show_sweep(*measured[0])

    return RunPanel({RUN_HALF: half, RUN_CLAIMS: partial(everything, FULL)}, done, key="run fair encoding")


def own_html(own: OwnPeople, name: str, sweeps: Mapping[str, pd.DataFrame]) -> str:
    """Return the report on a person's table: who is in it, what was done to it, and what each encoding costs.

    Args:
        own: the table as tasks.
        name: of the file.
        sweeps: by attribute, what was measured; empty before.
    """
    data = own.data
    rate = 100 * float(data.label.mean())
    lines = [
        f"<b>{html.escape(name)}</b>: {len(data):,} people, of whom {rate:.1f} % have label 1, "
        f"<i>{html.escape(str(data.label.name))}</i>. Before you read on: who recorded that label, and would they have "
        "recorded it for everyone?"
    ]
    lines += [f"Note: {html.escape(note)}." for note in own.notes]
    parts = ["".join(f"{P}{line}</p>" for line in lines)]
    for attribute, sweep in sweeps.items():
        task = own.tasks[attribute]
        points = frontier(sweep, task.name, attribute, LINEAR, "equal_opportunity", "max")
        few = sweep[["groups", "skipped"]].iloc[0]
        parts.append(f"<h4>{html.escape(attribute)}, reference {html.escape(task.reference)}</h4>")
        if points["gap"].isna().all():
            parts.append(
                f"{P}All {few['groups']} groups have fewer than ten people with label 1 in a half: no gap says anything.</p>"
            )
            continue
        parts.append(P + _advice(points) + "</p>" + table_html(_readable(points)))
        skipped = f" {few['skipped']:.0f} of {few['groups']:.0f} groups are skipped: fewer than ten people with label 1 in a half."
        parts.append(
            f"{P}Logistic regression on {len(OWN_SEEDS)} halves, mean and standard deviation; gap: greatest |EOF| of the groups."
            + skipped * bool(few["skipped"])
            + "</p>"
        )
    return "".join(parts)


def _advice(points: pd.DataFrame) -> str:
    by_scheme = points.set_index("scheme")
    blind, one_hot, near = by_scheme.loc["drop"], by_scheme.loc["one-hot"], best_within(points)
    gain = one_hot["auc"] - blind["auc"]
    noise = 2 * float(np.hypot(one_hot["auc_spread"], blind["auc_spread"]))
    worth = (
        f"The protected columns are worth {gain:+.3f} of AUC (one-hot against none)"
        if abs(gain) > noise
        else f"The protected columns are worth nothing that shows: {gain:+.3f} of AUC, within two standard deviations"
    )
    name = near["scheme"] if np.isnan(near["strength"]) else f"{near['scheme']} {near['strength']:g}"
    return (
        f"{worth}, and move the greatest gap from {blind['gap']:.2f} to {one_hot['gap']:.2f}. Within 0.01 of the best "
        f"AUC the least gap has <b>{name}</b>: AUC {near['auc']:.3f}, gap {near['gap']:.2f}."
    )


def _readable(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points as text with units in the heading."""
    names = [row.scheme if np.isnan(row.strength) else f"{row.scheme} {row.strength:g}" for row in points.itertuples()]
    return pd.DataFrame(
        {
            "encoding": names,
            "AUC (area)": [f"{row.auc:.3f} ± {row.auc_spread:.3f}" for row in points.itertuples()],
            "greatest |EOF| (share)": [f"{row.gap:.2f} ± {row.gap_spread:.2f}" for row in points.itertuples()],
        }
    )


def report_page(report: str, figures: Sequence[go.Figure], title: str) -> str:
    """Return the report and its figures as one page that needs neither a server nor a network."""
    return html_page(figures, title).replace("<body>", f"<body>\n<h2>{html.escape(title)}</h2>\n{report}", 1)
