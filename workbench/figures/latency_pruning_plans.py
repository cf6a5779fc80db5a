"""Figures of plans: how latency falls step by step, on which device a plan is fast, and what is left of each layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import BLUE, GREY, ROLES, TEMPLATE

Array = NDArray[np.float64]


def film_figure(targets: Array, reached: Array, kept: Array, title: str) -> go.Figure:
    """Draw the target and the latency that is reached after each step, and the importance that is left.

    Args:
        targets: (k,) ms.
        reached: (k,) ms by the table, of the network as it is then.
        kept: (k,) importance (%).
        title: of the figure.
    """
    steps = np.arange(1, len(targets) + 1)
    step = "step %{x}: %{y:.1f}"
    traces = [
        {
            "type": "scatter", "x": steps, "y": targets, "mode": "lines+markers", "name": "target",
            "line": {"color": ROLES["target"], "dash": "dash", "width": 2}, "marker": {"symbol": "diamond", "size": 7},
            "hovertemplate": f"{step} ms<extra>target</extra>",
        },
        {
            "type": "scatter", "x": steps, "y": reached, "mode": "lines+markers", "name": "latency that is reached",
            "line": {"color": BLUE, "width": 2}, "marker": {"size": 8}, "hovertemplate": f"{step} ms<extra>reached</extra>",
        },
        {
            "type": "scatter", "x": steps, "y": kept, "mode": "lines+markers", "name": "importance kept (right axis)",
            "yaxis": "y2",
            "line": {"color": ROLES["good"], "dash": "dot", "width": 2}, "marker": {"symbol": "square", "size": 7},
            "hovertemplate": f"{step} %<extra>importance</extra>",
        },
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 440,
        "xaxis": {"title": {"text": "Pruning step (count)"}, "dtick": max(1, len(steps) // 10), "range": [0.5, len(steps) + 0.5]},
        "yaxis": {"title": {"text": "Latency by the table (ms)"}, "range": [0, 1.08 * float(max(targets.max(), reached.max()))]},
        "yaxis2": {
            "title": {"text": "Importance kept (%)"}, "overlaying": "y", "side": "right", "range": [0, 108], "showgrid": False,
            "tickmode": "linear", "dtick": 20,
        },
    }  # fmt: skip
    return go.Figure(traces, layout)


def matrix_figure(names: Sequence[str], relative: Array | None, title: str) -> go.Figure:
    """Draw the latency of each device's plan on each device.

    Args:
        names: (d,) devices.
        relative: (d, d) latency of plan i on device j, in % of the whole network there, NaN where it is not known; None for no
            plan at all.
        title: of the figure.
    """
    short = [name.replace(", simulated", "<br>simulated").replace(", measured", "<br>measured") for name in names]
    if relative is None:
        relative = np.full((len(names), len(names)), np.nan)
    best = relative == relative.min(axis=0, keepdims=True)
    known = relative[np.isfinite(relative)]
    lit = relative > (known.min() + known.max()) / 2 if len(known) else relative > 0
    notes = [
        {
            "x": column, "y": row, "xref": "x", "yref": "y", "showarrow": False,
            "text": f"<b>{relative[row, column]:.1f}</b> ★" if best[row, column] else f"{relative[row, column]:.1f}",
            "font": {"color": "#111111" if lit[row, column] else "#FFFFFF", "size": 14},
        }
        for row in range(len(names))
        for column in range(len(names))
        if np.isfinite(relative[row, column])
    ]  # fmt: skip
    cells = np.where(np.isfinite(relative), relative, None)
    traces = [
        {
            "type": "heatmap", "x": list(range(len(names))), "y": list(range(len(names))), "z": cells, "colorscale": "Viridis",
            "xgap": 2, "ygap": 2, "colorbar": {"title": {"text": "%", "side": "top"}, "thickness": 12},
            "hovertemplate": "%{z:.2f} % of the whole network's latency<extra></extra>",
        }
    ]  # fmt: skip
    axis = {"tickvals": list(range(len(names))), "ticktext": short, "showgrid": False, "zeroline": False}
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 440, "annotations": notes,
        "xaxis": {**axis, "title": {"text": "Runs on (name)"}},
        "yaxis": {**axis, "autorange": "reversed", "title": {"text": "Plan made for (name)"}},
    }  # fmt: skip
    return go.Figure(traces, layout)


def widths_figure(names: Sequence[str], before: Array, after: Array, title: str, dead: Sequence[str] = ()) -> go.Figure:
    """Draw the output channels of each layer, of the whole network and of what a plan leaves.

    Args:
        names: (L,) layers.
        before: (L,) channels of the whole network.
        after: (L,) channels that are left.
        title: of the figure.
        dead: layers that are not computed any more.
    """
    x = np.arange(len(names))
    traces = [
        {
            "type": "bar", "x": x, "y": before, "name": "whole network", "width": 0.86,
            "marker": {"color": "rgba(128,128,128,0.22)", "line": {"color": GREY, "width": 1}},
            "customdata": list(names), "hovertemplate": "%{customdata}: %{y} channels<extra>whole</extra>",
        },
        {
            "type": "bar", "x": x, "y": after, "name": "kept by the plan", "width": 0.6, "marker": {"color": BLUE},
            "customdata": list(names), "hovertemplate": "%{customdata}: %{y} channels<extra>kept</extra>",
        },
    ]  # fmt: skip
    gone = [place for place, name in enumerate(names) if name in set(dead)]
    traces.append(
        {
            "type": "scatter", "x": gone, "y": [0] * len(gone), "mode": "markers", "name": "not computed any more",
            "marker": {"color": ROLES["bad"], "symbol": "x", "size": 11}, "customdata": [names[place] for place in gone],
            "hovertemplate": "%{customdata} is gone<extra></extra>",
        }
    )  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 480, "barmode": "overlay",
        "xaxis": {
            "tickvals": x.tolist(), "ticktext": list(names), "tickangle": -60, "tickfont": {"size": 9}, "showgrid": False,
            "range": [-0.6, len(names) - 0.4], "title": {"text": "Convolution (name)"},
        },
        "yaxis": {"title": {"text": "Output channels (count)"}},
    }  # fmt: skip
    return go.Figure(traces, layout)
