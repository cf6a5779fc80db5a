"""Figures of what a template takes in: AP against stride, padding and coverage threshold, stored and of one's own query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import GREY, ROLES, TEMPLATE, series_style

Array = NDArray[np.float64]

MEASURED, LIVE = series_style(0), series_style(3)
SWEPT = {"stride": "Stride (pixels)", "padding": "Padding (pixels)", "threshold": "Coverage threshold (ratio)"}
"""What is swept in the three plots, from left to right, and the titles of their axes."""

STRIDE_ORDER = ("8", "16", "8+16", "32")
BAND = "rgba(0, 81, 239, 0.18)"


def context_figure(
    measured: Mapping[str, pd.DataFrame],
    live: Mapping[str, tuple[Array, Array]],
    now: Mapping[str, Any],
    chance: float,
    title: str,
) -> go.Figure:
    """Draw three plots beside each other, over the same range of AP.

    Args:
        measured: of each of :data:`SWEPT`, columns x, ap, low, high: the stored sweep.
        live: of each, values and APs of the person's query that were looked at.
        now: of each, the value that is set.
        chance: share of positives in the person's pool.
        title: of the figure.
    """
    traces: list[dict[str, Any]] = []
    for index, name in enumerate(SWEPT):
        traces += _plot(index, name, measured[name], live[name], now[name], chance)
    layout: dict[str, Any] = {"template": TEMPLATE, "title": {"text": title}, "height": 400}
    for index, (name, words) in enumerate(SWEPT.items()):
        number = "" if index == 0 else index + 1
        start = (0.0, 0.36, 0.72)[index]
        layout[f"xaxis{number}"] = {
            "title": {"text": words},
            "domain": [start, start + 0.28],
            "anchor": f"y{number}",
            **({"type": "category", "categoryarray": list(STRIDE_ORDER)} if name == "stride" else {}),
        }
        layout[f"yaxis{number}"] = {
            "title": {"text": "AP (ratio)" if index == 0 else ""},
            "range": [0, 1.02],
            "anchor": f"x{number}",
        }
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def _plot(
    index: int, name: str, measured: pd.DataFrame, live: tuple[Array, Array], now: Any, chance: float
) -> list[dict[str, Any]]:
    """Return the traces of one plot: the stored sweep with its band, the query's own points, the setting, and chance."""
    number = "" if index == 0 else index + 1
    axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
    x, first = measured["x"].to_numpy(), index == 0
    values, aps = live
    at = np.flatnonzero(values == now)
    here = aps[at[:1]] if len(at) else np.array([np.nan])
    spread = {"high": measured["high"] - measured["ap"], "low": measured["ap"] - measured["low"]}
    looks = {"mode": "markers" if name == "stride" else "lines+markers"}
    return [
        {
            **axes, **looks, "x": x, "y": measured["ap"].to_numpy(), "line": MEASURED["line"], "marker": MEASURED["marker"],
            "error_y": {"type": "data", "array": spread["high"].to_numpy(), "arrayminus": spread["low"].to_numpy(),
                        "color": MEASURED["marker"]["color"], "thickness": 1.2, "width": 4},
            "name": "measured: mean query, from pool to pool", "legendgroup": "measured", "showlegend": first,
            "hovertemplate": f"{name} %{{x}}: %{{y:.2f}} measured<extra></extra>",
        },
        {
            **axes, **looks, "x": values, "y": aps, "line": {**LIVE["line"], "width": 1.5}, "marker": LIVE["marker"],
            "name": "your query in this pool", "legendgroup": "live", "showlegend": first,
            "hovertemplate": f"{name} %{{x}}: %{{y:.2f}}, your query<extra></extra>",
        },
        {
            **axes, "x": [now], "y": here, "mode": "markers", "marker": {"symbol": "star", "size": 15, "color": ROLES["target"]},
            "name": "as it is set", "legendgroup": "now", "showlegend": first,
            "hovertemplate": "as it is set: %{y:.2f}<extra></extra>",
        },
        {
            **axes, "x": x[[0, -1]], "y": np.repeat(chance, 2), "mode": "lines",
            "line": {"color": GREY, "dash": "dot", "width": 1.5}, "name": "chance", "legendgroup": "chance",
            "showlegend": first, "hoverinfo": "skip",
        },
    ]  # fmt: skip
