"""Figures of the staircase: latency over the width of a layer, and over both of its widths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import BLUE, GREY, ROLES, TEMPLATE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stairs:
    """The latency of one layer at each number of output channels.

    Attributes:
        widths: (n,) output channels, rising.
        ms: (n,) latency, NaN where the table does not know it.
        macs: (n,) multiplications.
        measured: (n,) whether a row of the table says so, rather than a rule.
        step: width of a step, in channels.
        kept: output channels that the plan keeps, None where the layer is not pruned.
    """

    widths: NDArray[np.int64]
    ms: Array
    macs: Array
    measured: NDArray[np.bool_]
    step: int
    kept: int | None


def faster(stairs: Stairs) -> NDArray[np.bool_]:
    """Return (n,) whether a width runs faster than a narrower one that is known; of the measured widths, where there are any."""
    ms = np.where(np.isfinite(stairs.ms), stairs.ms, -np.inf)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(ms)[:-1]])
    said = stairs.measured if stairs.measured.any() else np.isfinite(stairs.ms)
    return said & np.isfinite(stairs.ms) & (stairs.ms < before - 1e-12)


def stairs_figure(stairs: Stairs, title: str) -> go.Figure:
    """Draw latency over width, the line that multiplications would foretell, and where more channels run faster."""
    known = np.isfinite(stairs.ms)
    widths, ms = stairs.widths[known], stairs.ms[known]
    quick, rows = faster(stairs)[known], stairs.measured[known]
    foretold = stairs.macs / stairs.macs[-1] * (ms[-1] if len(ms) else np.nan)
    at = [] if stairs.kept is None else np.flatnonzero(widths == stairs.kept)
    hover = "%{x} channels: %{y:.3f} ms<extra></extra>"
    traces = [
        {
            "type": "scatter", "x": widths, "y": ms, "mode": "lines", "name": "latency by the table",
            "line": {"color": BLUE, "width": 2}, "hovertemplate": hover,
        },
        {
            "type": "scatter", "x": stairs.widths, "y": foretold, "mode": "lines", "name": "what MACs foretell",
            "line": {"color": GREY, "width": 2, "dash": "dash"}, "hovertemplate": hover,
        },
        {
            "type": "scatter", "x": widths[rows], "y": ms[rows], "mode": "markers", "name": "measured",
            "marker": {"color": BLUE, "size": 7}, "hovertemplate": hover, "showlegend": bool(rows.any()),
        },
        {
            "type": "scatter", "x": widths[quick], "y": ms[quick], "mode": "markers", "name": "faster than with fewer channels",
            "marker": {"color": ROLES["bad"], "size": 9, "symbol": "square"}, "hovertemplate": hover,
        },
        {
            "type": "scatter", "x": widths[at], "y": ms[at], "mode": "markers", "name": "kept by the plan",
            "marker": {"color": ROLES["target"], "size": 15, "symbol": "diamond"}, "hovertemplate": hover,
        },
    ]  # fmt: skip
    edges = np.arange(0, stairs.widths[-1], stairs.step)[1::2]
    bands = [
        {
            "type": "rect", "xref": "x", "yref": "paper", "x0": int(edge) + 0.5, "x1": int(edge) + stairs.step + 0.5,
            "y0": 0, "y1": 1, "fillcolor": GREY, "opacity": 0.1, "line": {"width": 0}, "layer": "below",
        }
        for edge in edges
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 440, "shapes": bands,
        "xaxis": {"title": {"text": "Output channels (count)"}, "range": [0, 1.03 * int(stairs.widths[-1])]},
        "yaxis": {"title": {"text": "Latency of the batch (ms)"}, "rangemode": "tozero"},
    }  # fmt: skip
    return go.Figure(traces, layout)


def surface_figure(
    inputs: NDArray[np.int64],
    outputs: NDArray[np.int64],
    ms: Array,
    points: dict[str, tuple[int, int, float]],
    title: str,
) -> go.Figure:
    """Draw latency over both widths of a layer as a map, with the whole layer and the pruned one on it.

    Args:
        inputs, outputs: (n,) and (m,) channels.
        ms: (n, m) latency, NaN where it is not known.
        points: name -> input channels, output channels and ms.
        title: of the figure.
    """
    looks = {0: ("circle", "whole layer"), 1: ("diamond", "kept by the plan")}
    traces = [
        {
            "type": "heatmap", "x": outputs, "y": inputs, "z": np.where(np.isfinite(ms), ms, None),
            "colorscale": "Viridis", "zsmooth": False,
            "colorbar": {"title": {"text": "ms", "side": "top"}, "thickness": 12},
            "hovertemplate": "%{y} in, %{x} out: %{z:.3f} ms<extra></extra>",
        }
    ]  # fmt: skip
    for symbol, name in looks.values():
        found = [points[name]] if name in points else []
        traces.append(
            {
                "type": "scatter", "x": [point[1] for point in found], "y": [point[0] for point in found], "mode": "markers",
                "name": name, "text": [f"{point[2]:.2f} ms" for point in found],
                "marker": {"symbol": symbol, "size": 15, "color": ROLES["target" if symbol == "diamond" else "bad"],
                           "line": {"color": "white", "width": 2}},
                "hovertemplate": f"{name}: %{{y}} in, %{{x}} out, %{{text}}<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 440,
        "xaxis": {"title": {"text": "Output channels (count)"}}, "yaxis": {"title": {"text": "Input channels (count)"}},
    }  # fmt: skip
    return go.Figure(traces, layout)
