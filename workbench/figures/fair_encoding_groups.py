"""Figures of paper 10 on groups: a map of intersections, a group split at random, and the groups of a person's own table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, DIVERGING, GREEN, GREY, ROLES, TEMPLATE

Array = NDArray[np.float64]

PALEST = 0.3
_BINS = np.arange(0, 1.0001, 0.05)


@dataclass(frozen=True)
class GroupMap:
    """Gaps of intersections of two attributes.

    Attributes:
        rows, columns: names of the values of the first and of the second attribute.
        gaps: (r, c) gap of each intersection; NaN where it is not defined or nobody is there.
        counts: (r, c) rows it was measured on.
        positives: (r, c) those with label 1.
        reference: row and column of the reference.
        least: positives below which a gap does not count.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    gaps: Array
    counts: Array
    positives: Array
    reference: tuple[int, int]
    least: int


def map_figure(shown: GroupMap, title: str, axes: tuple[str, str]) -> go.Figure:
    """Draw one cell an intersection: colour is the gap, paleness says that it is small, hatching that there is no gap.

    Args:
        shown: the intersections.
        title: of the figure.
        axes: what the columns and the rows are.
    """
    row, column = np.indices(shown.gaps.shape)
    people = shown.counts > 0
    reference = np.zeros_like(people)
    reference[shown.reference] = True
    known = people & np.isfinite(shown.gaps) & ~reference
    counts = known & (shown.positives >= shown.least)
    opacity = np.where(counts, 1.0, PALEST)
    hover = np.array(
        [
            f"{shown.rows[i]}, {shown.columns[j]}<br>{shown.counts[i, j]:,.0f} people, {shown.positives[i, j]:,.0f} with label 1"
            for i, j in zip(row.ravel(), column.ravel(), strict=True)
        ]
    ).reshape(row.shape)
    size = max(0.1, float(np.nanmax(np.abs(shown.gaps[counts]), initial=0.1)))
    cells = [
        _cells(
            column[known], row[known], hover[known], f"gap (pale: fewer than {shown.least} with label 1)",
            {
                "color": shown.gaps[known], "opacity": opacity[known], "colorscale": DIVERGING, "cmin": -size, "cmax": size,
                "colorbar": {"title": {"text": "TPR − TPR of the reference", "side": "right"}, "thickness": 12, "outlinewidth": 0},
            },
            "%{marker.color:+.2f}",
        ),
        _cells(
            column[people & ~known & ~reference], row[people & ~known & ~reference], hover[people & ~known & ~reference],
            "nobody with label 1: no gap",
            {"color": GREY, "opacity": 0.5, "pattern": {"shape": "/", "solidity": 0.4, "fillmode": "overlay"}}, "no gap",
        ),
        _cells(
            column[reference], row[reference], hover[reference], "reference",
            {"color": GREEN, "pattern": {"shape": "x", "solidity": 0.2, "fillmode": "overlay"}}, "the reference",
        ),
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 260 + 21 * len(shown.rows),
        "barmode": "overlay",
        "bargap": 0,
        "margin": {"r": 10},
        "xaxis": {
            "tickvals": list(range(len(shown.columns))), "ticktext": [_short(name, 18) for name in shown.columns],
            "range": [-0.5, len(shown.columns) - 0.5], "showgrid": False, "zeroline": False, "title": {"text": f"{axes[1]} (name)"},
        },
        "yaxis": {
            "tickvals": list(range(len(shown.rows))), "ticktext": [_short(name, 24) for name in shown.rows],
            "range": [len(shown.rows) - 0.5, -0.5], "showgrid": False, "zeroline": False, "title": {"text": f"{axes[0]} (name)"},
        },
    }  # fmt: skip
    return go.Figure(cells, layout)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _cells(x: Array, y: Array, hover: Array, name: str, marker: dict[str, Any], value: str) -> dict[str, Any]:
    """Return cells as bars, which may each have an opacity and a pattern of their own, as a heat map's cannot."""
    return {
        "type": "bar",
        "x": x,
        "y": np.full(len(x), 0.94),
        "base": y - 0.47,
        "width": 0.96,
        "name": name,
        "marker": {**marker, "line": {"width": 0}},
        "customdata": hover,
        "hovertemplate": f"%{{customdata}}<br>{value}<extra></extra>",
    }


def relabel_figure(
    stored: Mapping[str, Array], yours: Mapping[str, Array], title: str, words: Mapping[str, str]
) -> go.Figure:
    """Draw, for each encoding, how large the gap between two random halves of one group came out.

    Args:
        stored: encoding -> gaps of the stored repeats, of any number.
        yours: encoding -> gaps of the draws made now.
        title: of the figure.
        words: encoding -> what it is called.
    """
    count = len(words)
    figure = make_subplots(
        rows=count, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=list(words.values())
    )
    looks = (
        (stored, "stored repeats", {"color": GREY, "opacity": 0.55}),
        (yours, "your draws", {"color": BLUE, "pattern": {"shape": "/", "solidity": 0.3, "fillmode": "overlay"}}),
    )
    for row, name in enumerate(words, start=1):
        for place, (table, source, marker) in enumerate(looks):
            sizes = np.abs(table.get(name, np.empty(0)))
            shares = 100 * np.histogram(sizes, _BINS)[0] / max(len(sizes), 1)
            figure.add_bar(
                x=_BINS[:-1] + 0.025 + (place - 0.5) * 0.021,
                y=shares,
                width=0.019,
                marker=marker,
                name=source,
                legendgroup=source,
                showlegend=row == 1,
                hovertemplate=f"%{{y:.0f}} % of the {source}<extra></extra>",
                row=row,
                col=1,
            )
        means = [np.abs(table.get(name, np.empty(0))) for table, *_ in looks]
        said = ", ".join(
            f"{source}: mean {sizes.mean():.2f} of {len(sizes)}"
            for sizes, (_, source, _) in zip(means, looks, strict=True)
            if len(sizes)
        )
        figure.layout.annotations[row - 1].update(
            text=f"{words[name]} — {said}" if said else words[name], font_size=13, x=0, xanchor="left"
        )
    figure.update_yaxes(range=[0, 105], tickvals=[0, 50, 100], title_text="Draws (%)")
    figure.update_xaxes(range=[-0.01, 1.01])
    figure.update_xaxes(title_text="|TPR under the new name − TPR under the old one| (share)", row=count, col=1)
    figure.update_layout(
        template=TEMPLATE, title_text=title, height=150 + 118 * count, bargap=0, barmode="overlay", margin_t=84
    )
    return figure


def own_figure(groups: pd.DataFrame, title: str, label: str) -> go.Figure:
    """Draw the share of label 1 in each group of a table, with its interval, and how many people that are.

    Args:
        groups: columns ``group``, ``n``, ``rate``, ``low``, ``high``, ``reference`` (bool), the largest first.
        title: of the figure.
        label: what label 1 means.
    """
    rows = np.arange(len(groups))
    reference = groups["reference"].to_numpy(bool)
    rate, low, high = (groups[name].to_numpy(float) for name in ("rate", "low", "high"))
    names = [_short(f"{row.group} ({row.n:,})", 30) for row in groups.itertuples()]
    looks = (
        (~reference, "a group, with its 95 % interval", {"color": BLUE, "symbol": "circle", "size": 10}),
        (reference, "the reference", {"color": ROLES["good"], "symbol": "star", "size": 15}),
    )
    traces = [
        {
            "type": "scatter",
            "x": rate[part],
            "y": rows[part],
            "mode": "markers",
            "marker": marker,
            "error_x": {
                "type": "data", "symmetric": False, "array": (high - rate)[part], "arrayminus": (rate - low)[part],
                "thickness": 2, "color": marker["color"],
            },
            "name": name,
            "hovertemplate": "%{x:.3f}<extra></extra>",
        }
        for part, name, marker in looks
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 220 + 26 * len(rows),
        "xaxis": {"range": [-0.02, 1.02], "title": {"text": f"Share with {_short(label, 40)} (share)"}},
        "yaxis": {"tickvals": rows.tolist(), "ticktext": names, "range": [len(rows) - 0.4, -0.6], "showgrid": False},
    }
    return go.Figure(traces, layout)
