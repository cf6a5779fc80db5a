"""Figures of paper 7 on errors: one picture under a corruption, all errors of two networks, and what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import GREY, PURPLE, ROLES, SEQUENTIAL, TEMPLATE, series_style

Array = NDArray[np.float64]
BINS = np.arange(0, 257, 8)
PICTURE = {
    "type": "heatmap",
    "colorscale": "Greys_r",
    "zmin": 0,
    "zmax": 255,
    "showscale": False,
    "hovertemplate": "%{z}<extra></extra>",
}
"""How a grey picture is drawn."""
BARE = {"visible": False, "constrain": "domain"}


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture, clean and as it was shown, and what networks make of the latter.

    Attributes:
        clean, shown: uint8 (H, W).
        words: what stands above each.
        classes: names of the K classes.
        truth: index of the right one, or None where nobody knows.
        confidence: probabilities (K,) by network.
    """

    clean: NDArray[np.uint8]
    shown: NDArray[np.uint8]
    words: tuple[str, str]
    classes: Sequence[str]
    truth: int | None
    confidence: Mapping[str, Array]


def corruption_figure(shown: Shown, title: str) -> go.Figure:
    """Draw both pictures above, how bright their pixels are and what each network says below."""
    names = [f"<b>{name} ✓</b>" if place == shown.truth else name for place, name in enumerate(shown.classes)]
    traces: list[dict[str, Any]] = [
        {**PICTURE, "z": shown.clean},
        {**PICTURE, "z": shown.shown, "xaxis": "x2", "yaxis": "y2"},
    ]
    looks = (("clean", shown.clean, GREY, "dash"), ("as shown", shown.shown, PURPLE, "solid"))
    for name, picture, colour, dash in looks:
        share = 100 * np.histogram(picture, BINS)[0] / picture.size
        traces.append(
            {
                "type": "scatter", "mode": "lines", "x": BINS[:-1], "y": share, "xaxis": "x3", "yaxis": "y3", "name": name,
                "line": {"color": colour, "dash": dash, "width": 2, "shape": "hv"},
                "hovertemplate": "%{y:.1f} % of the pixels from %{x}<extra></extra>",
            }
        )  # fmt: skip
    for index, (network, confidence) in enumerate(shown.confidence.items()):
        pattern = {"shape": ("", "/")[index % 2], "fillmode": "replace", "solidity": 0.6}
        traces.append(
            {
                "type": "bar", "orientation": "h", "x": 100 * confidence, "y": names, "xaxis": "x4", "yaxis": "y4",
                "name": network,
                "marker": {"color": series_style(index)["marker"]["color"], "pattern": pattern},
                "hovertemplate": f"{network}: %{{x:.1f}} % for %{{y}}<extra></extra>",
            }
        )  # fmt: skip
    heads = [
        {"text": words, "x": at, "y": 1.01, "xref": "paper", "yref": "paper", "yanchor": "bottom", "showarrow": False}
        for words, at in zip(shown.words, (0.2, 0.8), strict=True)
    ]
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 700,
        "margin": {"t": 84},
        "annotations": heads,
        "barmode": "group",
        "bargap": 0.25,
        "xaxis": {**BARE, "domain": [0, 0.4], "anchor": "y"},
        "yaxis": {**BARE, "domain": [0.52, 1], "scaleanchor": "x", "autorange": "reversed"},
        "xaxis2": {**BARE, "domain": [0.6, 1], "anchor": "y2"},
        "yaxis2": {**BARE, "domain": [0.52, 1], "scaleanchor": "x2", "autorange": "reversed"},
        "xaxis3": {"domain": [0, 0.4], "anchor": "y3", "title": {"text": "Brightness (0 to 255)"}},
        "yaxis3": {"domain": [0, 0.4], "anchor": "x3", "title": {"text": "Pixels (%)"}, "rangemode": "tozero"},
        "xaxis4": {"domain": [0.6, 1], "anchor": "y4", "range": [0, 100], "title": {"text": "Confidence (%)"}},
        "yaxis4": {"domain": [0, 0.4], "anchor": "x4", "autorange": "reversed", "showgrid": False, "dtick": 1},
    }
    return go.Figure(traces, layout)


@dataclass(frozen=True, eq=False)
class ErrorMaps:
    """Errors of two networks by corruption and severity, and of all networks together.

    Attributes:
        networks: the two.
        corruptions: names of the rows, 15.
        values: (15, 5) for each of the two, in percent.
        hover: words for each cell, in the same shape.
        radar: accuracy (%) of each corruption, (15,), for each of the two.
        ranking: columns ``network``, ``value``, ``spread``, the best first.
        unit: what the values are, with their unit in brackets.
    """

    networks: tuple[str, str]
    corruptions: Sequence[str]
    values: tuple[Array, Array]
    hover: tuple[NDArray[np.object_], NDArray[np.object_]]
    radar: tuple[Array, Array]
    ranking: pd.DataFrame
    unit: str


def error_maps_figure(maps: ErrorMaps, title: str) -> go.Figure:
    """Draw a heat map for each of the two networks above; a radar of both and the ranking of all below."""
    names = [name.replace("_", " ") for name in maps.corruptions]
    most = max(float(values.max()) for values in maps.values)
    traces: list[dict[str, Any]] = []
    for index, (values, hover) in enumerate(zip(maps.values, maps.hover, strict=True)):
        axis = "" if not index else str(index + 1)
        traces.append(
            {
                "type": "heatmap", "z": values, "x": ["1", "2", "3", "4", "5"], "y": names, "text": hover,
                "xaxis": f"x{axis}", "yaxis": f"y{axis}", "zmin": 0, "zmax": most, "colorscale": SEQUENTIAL,
                "showscale": index == 1,
                "colorbar": {"title": {"text": maps.unit, "side": "right"}, "thickness": 12, "len": 0.46, "y": 0.78},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )  # fmt: skip
    for index, (network, accuracy) in enumerate(zip(maps.networks, maps.radar, strict=True)):
        style = series_style(index)
        traces.append(
            {
                "type": "scatterpolar", "r": np.append(accuracy, accuracy[0]), "theta": [*names, names[0]], "name": network,
                "line": style["line"], "hovertemplate": f"{network}: %{{r:.1f}} % right under %{{theta}}<extra></extra>",
            }
        )  # fmt: skip
    ranking = maps.ranking
    colours = [ROLES["target"] if name in maps.networks else GREY for name in ranking["network"]]
    traces.append(
        {
            "type": "bar", "orientation": "h", "x": ranking["value"].to_numpy(float), "y": ranking["network"].tolist(),
            "error_x": {"type": "data", "array": ranking["spread"].to_numpy(float), "color": GREY}, "marker": {"color": colours},
            "xaxis": "x3", "yaxis": "y3", "showlegend": False, "hovertemplate": "%{y}: %{x:.1f}<extra></extra>",
        }
    )  # fmt: skip
    heads = [
        {"text": f"<b>{name}</b>", "x": at, "y": 1.01, "xref": "paper", "yref": "paper", "yanchor": "bottom", "showarrow": False}
        for name, at in zip(maps.networks, (0.21, 0.72), strict=True)
    ]  # fmt: skip
    severity = {"title": {"text": "Severity (1 to 5)"}, "showgrid": False}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 860,
        "margin": {"t": 84},
        "annotations": heads,
        "xaxis": {**severity, "domain": [0, 0.42], "anchor": "y"},
        "yaxis": {"domain": [0.56, 1], "anchor": "x", "autorange": "reversed", "showgrid": False, "dtick": 1},
        "xaxis2": {**severity, "domain": [0.5, 0.92], "anchor": "y2"},
        "yaxis2": {
            "domain": [0.56, 1], "anchor": "x2", "autorange": "reversed", "showgrid": False, "showticklabels": False,
        },
        "polar": {
            "domain": {"x": [0.02, 0.42], "y": [0.02, 0.38]}, "bgcolor": "rgba(0,0,0,0)",
            "radialaxis": {"range": [0, 100], "angle": 90, "tickangle": 90, "tickfont": {"size": 9}, "nticks": 4},
            "angularaxis": {"tickfont": {"size": 10}, "rotation": 90, "direction": "clockwise"},
        },
        "xaxis3": {"domain": [0.66, 1], "anchor": "y3", "title": {"text": maps.unit}, "rangemode": "tozero"},
        "yaxis3": {"domain": [0, 0.4], "anchor": "x3", "autorange": "reversed", "showgrid": False, "dtick": 1},
    }  # fmt: skip
    return go.Figure(traces, layout)


def published_figure(rows: pd.DataFrame, chosen: str, title: str) -> go.Figure:
    """Draw size against mCE, and clean against corrupted accuracy, of networks as published.

    Args:
        rows: columns ``network``, ``family``, ``parameters`` (million), ``clean``, ``corrupted`` and ``mce`` (%, NaN where none was
            published).
        chosen: the network with a ring.
        title: of the figure.
    """
    traces: list[dict[str, Any]] = []
    ring = rows[rows["network"] == chosen].iloc[0]
    for axis, (x, y) in (("", ("parameters", "mce")), ("2", ("clean", "corrupted"))):
        for index, (family, part) in enumerate(rows.groupby("family", sort=False)):
            marker = {**series_style(index)["marker"], "size": 10}
            traces.append(
                {
                    "type": "scatter", "mode": "markers", "x": part[x].to_numpy(float), "y": part[y].to_numpy(float),
                    "xaxis": f"x{axis}", "yaxis": f"y{axis}", "name": family, "legendgroup": family, "showlegend": not axis,
                    "marker": marker, "text": part["network"].tolist(), "hovertemplate": "%{text}: %{x:g}, %{y:g}<extra></extra>",
                }
            )  # fmt: skip
        traces.append(
            {
                "type": "scatter", "mode": "markers", "x": [float(ring[x])], "y": [float(ring[y])], "xaxis": f"x{axis}",
                "yaxis": f"y{axis}", "name": "chosen", "legendgroup": "chosen", "showlegend": not axis, "hoverinfo": "skip",
                "marker": {"size": 20, "color": "rgba(0,0,0,0)", "line": {"color": GREY, "width": 3}},
            }
        )  # fmt: skip
    equal = {"type": "line", "xref": "x2", "yref": "y2", "x0": 76, "x1": 88, "line": {"color": GREY, "dash": "dot"}}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 460,
        "shapes": [{**equal, "y0": 0.78 * 76, "y1": 0.78 * 88}],
        "annotations": [
            {"text": "78 % kept", "x": 87.5, "y": 0.78 * 87.5, "xref": "x2", "yref": "y2", "showarrow": False, "yanchor": "top"}
        ],
        "xaxis": {"domain": [0, 0.42], "title": {"text": "Parameters (million)"}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "mCE, by AlexNet (%)"}},
        "xaxis2": {"domain": [0.58, 1], "anchor": "y2", "title": {"text": "Clean accuracy (%)"}},
        "yaxis2": {"anchor": "x2", "title": {"text": "Accuracy on ImageNet-C (%)"}},
    }  # fmt: skip
    return go.Figure(traces, layout)
