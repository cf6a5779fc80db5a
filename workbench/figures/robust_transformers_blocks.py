"""Figures of paper 7 on the block: what its gates do, and what its parts are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import GREY, PURPLE, ROLES, TEMPLATE, series_style

Array = NDArray[np.float64]
BAND = 0.5, 1 / (1 + np.exp(-1.0))
"""Where a gate over its temperature can lie: the sigmoid of a number from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Gates:
    """The gates of one network.

    Attributes:
        blocks: (M,) gates over their temperature, of each block.
        even: what a gate is whose tokens all agree, sigmoid(1 / N).
        added: (A,) constants that are added to one token of the first block.
        woken: (A,) the highest gate then.
        constant: the one that is chosen.
        zoomed: whether the axis holds the gates alone, and not the whole band.
    """

    blocks: Sequence[Array]
    even: float
    added: Array
    woken: Array
    constant: float
    zoomed: bool


def gates_figure(gates: Gates, title: str) -> go.Figure:
    """Draw how the gates of each block spread, and how a token that stands out wakes one up."""
    values = np.concatenate(gates.blocks)
    low, high = (float(values.min()), float(values.max())) if gates.zoomed else BAND
    room = 0.08 * max(high - low, 1e-6)
    edges = np.linspace(low - room, high + room, 61)
    traces: list[dict[str, Any]] = []
    for index, block in enumerate(gates.blocks):
        share = 100 * np.histogram(block, edges)[0] / block.size
        traces.append(
            {
                "type": "scatter", "mode": "lines", "x": (edges[:-1] + edges[1:]) / 2, "y": share, "name": f"block {index + 1}",
                "line": {**series_style(index)["line"], "shape": "hvh"}, "hovertemplate": "%{y:.1f} % at %{x:.4f}<extra></extra>",
            }
        )  # fmt: skip
    at = float(np.interp(gates.constant, gates.added, gates.woken))
    traces += [
        {
            "type": "scatter", "mode": "lines", "x": gates.added, "y": gates.woken, "xaxis": "x2", "yaxis": "y2",
            "showlegend": False,
            "line": {"color": PURPLE, "width": 2}, "hovertemplate": "%{y:.4f} with %{x:g} added<extra></extra>",
        },
        {
            "type": "scatter", "mode": "markers", "x": [gates.constant], "y": [at], "xaxis": "x2", "yaxis": "y2",
            "showlegend": False,
            "marker": {"size": 12, "color": PURPLE}, "hovertemplate": "%{y:.4f}<extra></extra>",
        },
    ]  # fmt: skip
    rule = {"type": "line", "xref": "x", "yref": "y domain", "y0": 0, "y1": 1}
    shapes = [{**rule, "x0": at, "x1": at, "line": {"color": GREY, "dash": "dash", "width": 1.5}} for at in BAND]
    shapes.append({**rule, "x0": gates.even, "x1": gates.even, "line": {"color": ROLES["target"], "width": 1.5}})
    shapes += [
        {
            "type": "line", "xref": "x2 domain", "yref": "y2", "x0": 0, "x1": 1, "y0": at, "y1": at,
            "line": {"color": GREY, "dash": "dash", "width": 1.5},
        }
        for at in BAND
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 460,
        "shapes": shapes,
        "xaxis": {
            "domain": [0, 0.52],
            "range": [edges[0], edges[-1]],
            "title": {"text": "Gate over temperature (share)"},
        },
        "yaxis": {"title": {"text": "Gates (% a bin)"}, "rangemode": "tozero"},
        "xaxis2": {"domain": [0.66, 1], "anchor": "y2", "title": {"text": "Added to one token (1)"}},
        "yaxis2": {"anchor": "x2", "range": [0.48, 0.75], "title": {"text": "Highest gate (share)"}},
    }
    return go.Figure(traces, layout)


def parts_figure(table: pd.DataFrame, chosen: str, title: str) -> go.Figure:
    """Draw clean and corrupted accuracy of networks of equal size, one a row, with their spread over seeds.

    Args:
        table: columns ``network``, ``clean``, ``corrupted``, ``clean_spread`` and ``corrupted_spread`` (%), in the order of rows.
        chosen: the network whose row is marked, or an empty text.
        title: of the figure.
    """
    names = table["network"].tolist()
    rows = np.arange(len(names))
    between = np.stack([table["clean"], table["corrupted"], np.full(len(table), np.nan)], 1).ravel()
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "x": between, "y": np.repeat(rows, 3), "line": {"color": GREY, "width": 1},
            "showlegend": False, "hoverinfo": "skip",
        }
    ]  # fmt: skip
    for index, (quantity, words) in enumerate(
        (("clean", "clean pictures"), ("corrupted", "corrupted pictures, mean of 75 sets"))
    ):
        style = series_style(index)["marker"]
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": table[quantity].to_numpy(float), "y": rows, "name": words,
                "error_x": {"type": "data", "array": table[f"{quantity}_spread"].to_numpy(float), "thickness": 1.5, "width": 4},
                "marker": {**style, "size": 10}, "hovertemplate": f"{words}: %{{x:.1f}} %<extra></extra>",
            }
        )  # fmt: skip
    shapes = [
        {
            "type": "rect", "xref": "x domain", "yref": "y", "x0": 0, "x1": 1, "y0": row - 0.45, "y1": row + 0.45, "layer": "below",
            "fillcolor": PURPLE, "opacity": 0.18, "line": {"width": 0},
        }
        for row, name in enumerate(names)
        if name == chosen
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 200 + 28 * len(names),
        "shapes": shapes,
        "xaxis": {"title": {"text": "Accuracy (%)"}},
        "yaxis": {"tickvals": rows.tolist(), "ticktext": names, "range": [len(names) - 0.5, -0.5], "showgrid": False},
    }
    return go.Figure(traces, layout)
