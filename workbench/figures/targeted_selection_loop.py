"""Figures of the closed loop: how good a detector is after each purchase of labels, and how many of the labels show the object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.figures.theme import PURPLE, TEMPLATE, series_style

METHODS = ("random", "GeM", "DTM", "DTM + diversity", "oracle", "DTM, one a sequence")
"""A method keeps its colour, dash and marker in every state of the figure."""

YOURS = "your campaign"

COUNTS = {"positives": "Labels with the<br>object (count)", "sequences": "Sequences with the<br>object (count)"}
"""What is counted of the labels that were bought, and the title of its axis."""


def loop_figure(
    table: pd.DataFrame, methods: Sequence[str], yours: pd.DataFrame | None, title: str, counted: str = "positives"
) -> go.Figure:
    """Draw the detector's average precision above, and a count of the labels below, over the labels bought.

    Args:
        table: campaigns: method, category, seed, round, bought (labels so far), positives (among them) or sequences (with one
            among them), ap; their mean is drawn, with the standard error of it.
        methods: that are shown.
        yours: the campaign that is played now: bought, positives, ap; None before it has begun.
        title: title of the figure.
        counted: column of the count, one of :data:`COUNTS`.
    """
    traces = []
    for method in METHODS:
        traces += _method(table[table["method"] == method], method, method in methods, counted)
    traces += _yours(yours, counted)
    most = max([float(table["bought"].max()), *([] if yours is None else yours["bought"])])
    window = [-0.03 * most, 1.05 * most]
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 620,
        "xaxis": {"range": window, "matches": "x2", "anchor": "y", "showticklabels": False},
        "xaxis2": {"range": window, "anchor": "y2", "title": {"text": "Labels bought (count)"}},
        "yaxis": {"domain": [0.44, 1], "title": {"text": "Average precision of the detector (ratio)"}},
        "yaxis2": {
            "domain": [0, 0.38],
            "anchor": "x2",
            "rangemode": "tozero",
            "title": {"text": COUNTS[counted]},
        },
    }
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def over_campaigns(table: pd.DataFrame, counted: str = "positives") -> pd.DataFrame:
    """Return mean and standard error of ap and of a count at each number of labels bought, over classes and seeds.

    >>> table = pd.DataFrame({"bought": [20, 20], "positives": [4, 6], "ap": [0.4, 0.5]})
    >>> over_campaigns(table).round(3).to_dict("records")
    [{'bought': 20, 'ap': 0.45, 'ap_error': 0.05, 'count': 5.0, 'count_error': 1.0, 'campaigns': 2}]
    """
    groups = table.groupby("bought")
    root = np.sqrt(groups.size())
    return pd.DataFrame(
        {
            "ap": groups["ap"].mean(),
            "ap_error": groups["ap"].std().fillna(0.0) / root,
            "count": groups[counted].mean(),
            "count_error": groups[counted].std().fillna(0.0) / root,
            "campaigns": groups.size(),
        }
    ).reset_index()


def _method(table: pd.DataFrame, method: str, shown: bool, counted: str) -> list[dict[str, Any]]:
    looks, mean = series_style(METHODS.index(method)), over_campaigns(table, counted)
    shared = {
        "x": mean["bought"],
        "mode": "lines+markers",
        "line": looks["line"],
        "marker": looks["marker"],
        "name": method,
        "legendgroup": method,
        "visible": shown and len(mean) > 0,
        "customdata": np.column_stack([mean["ap_error"], mean["count_error"], mean["campaigns"]]),
    }
    tail = "<br>mean ± standard error of %{customdata[2]} campaigns<extra>" + method + "</extra>"
    error = {"type": "data", "thickness": 1, "width": 3}
    return [
        {
            **shared,
            "y": mean["ap"],
            "error_y": {**error, "array": mean["ap_error"]},
            "hovertemplate": "%{x} labels: AP %{y:.3f} ± %{customdata[0]:.3f}" + tail,
        },
        {
            **shared,
            "y": mean["count"],
            "error_y": {**error, "array": mean["count_error"]},
            "xaxis": "x2",
            "yaxis": "y2",
            "showlegend": False,
            "hovertemplate": "%{x} labels, %{y:.1f} ± %{customdata[1]:.1f} " + counted + tail,
        },
    ]


def _yours(yours: pd.DataFrame | None, counted: str) -> list[dict[str, Any]]:
    shown = yours is not None and len(yours) > 0
    table = yours if shown else pd.DataFrame({"bought": [], counted: [], "ap": []})
    shared = {
        "x": table["bought"],
        "mode": "lines+markers",
        "line": {"color": PURPLE, "width": 4},
        "marker": {"color": PURPLE, "symbol": "star", "size": 14},
        "name": YOURS,
        "legendgroup": YOURS,
        "visible": shown,
    }
    return [
        {**shared, "y": table["ap"], "hovertemplate": "%{x} labels: AP %{y:.3f}<extra>" + YOURS + "</extra>"},
        {
            **shared,
            "y": table[counted],
            "xaxis": "x2",
            "yaxis": "y2",
            "showlegend": False,
            "hovertemplate": "%{x} labels, %{y} " + counted + "<extra>" + YOURS + "</extra>",
        },
    ]
