"""Figures of paper 7 on grouping: the tokens of one picture by depth, and the machine that draws points together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.robust_transformers import BARE, PICTURE
from workbench.figures.theme import GREY, ORANGE, PURPLE, SERIES, SKY, TEMPLATE, series_style

Array = NDArray[np.float64]
MOST_GROUPS = 8
COLOURS = (*SERIES, PURPLE, GREY, "#5B5BD6")
CURVES = {"effective_rank": "Effective rank (count)", "noise_ratio": "Noise over signal (ratio)"}


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one picture at one depth, and how a network's tokens change with depth.

    Attributes:
        picture: uint8 (H, W).
        painted: (H, W) group of each pixel, from 0.
        spectrum: (K,) values, largest first.
        tau: values above this share of the largest count.
        curves: columns ``depth``, ``trained`` and those of :data:`CURVES`, means over pictures and seeds.
        depth: where the picture's tokens are from.
        blocks: words for depth 0, 1, ...
    """

    picture: NDArray[np.uint8]
    painted: NDArray[np.int_]
    spectrum: Array
    tau: float
    curves: pd.DataFrame
    depth: int
    blocks: Sequence[str]


def tokens_figure(tokens: Tokens, title: str) -> go.Figure:
    """Draw the picture, its groups over it, the spectrum, and two curves by depth."""
    scale = [
        [(place + end) / MOST_GROUPS, COLOURS[place]] for place in range(MOST_GROUPS) for end in (0, 1)
    ]  # one colour a group
    groups = {
        **PICTURE, "z": tokens.painted, "colorscale": scale, "zmin": -0.5, "zmax": MOST_GROUPS - 0.5, "opacity": 0.55,
        "hovertemplate": "group %{z}<extra></extra>",
    }  # fmt: skip
    share = np.maximum(tokens.spectrum / max(float(tokens.spectrum.max()), 1e-12), 1e-6)
    above = share > tokens.tau
    traces: list[dict[str, Any]] = [
        {**PICTURE, "z": tokens.picture},
        {**PICTURE, "z": tokens.picture, "xaxis": "x2", "yaxis": "y2"},
        {**groups, "xaxis": "x2", "yaxis": "y2"},
        {
            "type": "bar", "x": np.arange(1, len(share) + 1), "y": share, "xaxis": "x3", "yaxis": "y3", "showlegend": False,
            "marker": {"color": [SKY if one else GREY for one in above]}, "hovertemplate": "value %{x}: %{y:.3g}<extra></extra>",
        },
    ]  # fmt: skip
    for quantity, axis in zip(CURVES, ("4", "5"), strict=True):
        for index, (trained, words) in enumerate(((True, "trained"), (False, "untrained"))):
            part = tokens.curves[tokens.curves["trained"] == trained].sort_values("depth")
            style = series_style(index)
            traces.append(
                {
                    "type": "scatter", "x": part["depth"].to_numpy(), "y": part[quantity].to_numpy(float), "xaxis": f"x{axis}",
                    "yaxis": f"y{axis}", "name": words, "legendgroup": words, "showlegend": axis == "4", "line": style["line"],
                    "marker": style["marker"], "mode": "lines+markers", "hovertemplate": f"{words}: %{{y:.2f}}<extra></extra>",
                }
            )  # fmt: skip
    rule = {"type": "line", "line": {"color": ORANGE, "dash": "dash", "width": 2}}
    here = {
        "type": "line",
        "y0": 0,
        "y1": 1,
        "line": {"color": PURPLE, "width": 2},
        "x0": tokens.depth,
        "x1": tokens.depth,
    }
    shapes = [
        {**rule, "xref": "x3 domain", "yref": "y3", "x0": 0, "x1": 1, "y0": tokens.tau, "y1": tokens.tau},
        {**here, "xref": "x4", "yref": "y4 domain"},
        {**here, "xref": "x5", "yref": "y5 domain"},
    ]
    depth = {"tickvals": list(range(len(tokens.blocks))), "ticktext": list(tokens.blocks)}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 720,
        "margin": {"t": 60},
        "shapes": shapes,
        "xaxis": {**BARE, "domain": [0, 0.24], "anchor": "y"},
        "yaxis": {**BARE, "domain": [0.56, 1], "scaleanchor": "x", "autorange": "reversed"},
        "xaxis2": {**BARE, "domain": [0.26, 0.5], "anchor": "y2"},
        "yaxis2": {**BARE, "domain": [0.56, 1], "scaleanchor": "x2", "autorange": "reversed"},
        "xaxis3": {"domain": [0.7, 1], "anchor": "y3", "title": {"text": "Value (place)"}, "range": [0.4, 25.6]},
        "yaxis3": {
            "domain": [0.56, 1], "anchor": "x3", "type": "log", "range": [-4, 0.1],
            "title": {"text": "Share of the largest (ratio)"},
            "dtick": 1, "exponentformat": "power",
        },
        "xaxis4": {**depth, "domain": [0, 0.42], "anchor": "y4", "title": {"text": "Depth (block)"}},
        "yaxis4": {"domain": [0, 0.4], "anchor": "x4", "title": {"text": CURVES["effective_rank"]}, "rangemode": "tozero"},
        "xaxis5": {**depth, "domain": [0.58, 1], "anchor": "y5", "title": {"text": "Depth (block)"}},
        "yaxis5": {"domain": [0, 0.4], "anchor": "x5", "title": {"text": CURVES["noise_ratio"]}, "rangemode": "tozero"},
    }  # fmt: skip
    return go.Figure(traces, layout)


@dataclass(frozen=True, eq=False)
class Machine:
    """Points before and after some steps, in the plane, and their spectra.

    Attributes:
        start, now: (n, 2).
        groups: (n,) the truth, from 0.
        centres: (k, 2) of clusters, empty where there are none.
        before, after: spectra, largest first, of equal length.
    """

    start: Array
    now: Array
    groups: NDArray[np.int_]
    centres: Array
    before: Array
    after: Array


def machine_figure(machine: Machine, title: str) -> go.Figure:
    """Draw the points beside the spectrum."""
    colours = [COLOURS[group % len(COLOURS)] for group in machine.groups]
    cloud = {"type": "scatter", "mode": "markers", "hoverinfo": "skip"}
    traces: list[dict[str, Any]] = [
        {
            **cloud, "x": machine.start[:, 0], "y": machine.start[:, 1], "name": "at the start",
            "marker": {"color": GREY, "size": 6, "opacity": 0.45, "symbol": "circle-open"},
        },
        {
            **cloud, "x": machine.now[:, 0], "y": machine.now[:, 1], "name": "now (colour: true group)",
            "marker": {"color": colours, "size": 9},
        },
        {
            **cloud, "x": machine.centres[:, 0], "y": machine.centres[:, 1], "name": "centres of clusters",
            "marker": {"color": GREY, "size": 16, "symbol": "x-thin-open", "line": {"width": 3}},
        },
    ]  # fmt: skip
    for name, values, colour, shift in (("before", machine.before, GREY, -0.2), ("after", machine.after, SKY, 0.2)):
        traces.append(
            {
                "type": "bar", "x": np.arange(1, len(values) + 1) + shift, "width": 0.38, "y": np.maximum(values, 1e-6),
                "xaxis": "x2",
                "yaxis": "y2", "name": f"spectrum {name}", "marker": {"color": colour},
                "hovertemplate": "%{y:.3g}<extra></extra>",
            }
        )  # fmt: skip
    square = {"range": [-1.6, 1.6], "zeroline": False}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 500,
        "barmode": "overlay",
        "xaxis": {**square, "domain": [0, 0.52], "title": {"text": "First direction (unit length)"}, "constrain": "domain"},
        "yaxis": {**square, "title": {"text": "Second direction (unit length)"}, "scaleanchor": "x"},
        "xaxis2": {"domain": [0.68, 1], "anchor": "y2", "title": {"text": "Value (place)"}, "dtick": 1},
        "yaxis2": {
            "anchor": "x2", "type": "log", "range": [-4, 2.2], "title": {"text": "Squared singular value (1)"}, "dtick": 1,
            "exponentformat": "power",
        },
    }  # fmt: skip
    return go.Figure(traces, layout)
