"""Figure of the tree paradox of paper 10: smoothing squeezes the axis that a tree cuts, and the tree cuts it all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, ROLES, SEQUENTIAL, TEMPLATE, VERMILLION

Array = NDArray[np.float64]

LEARNER_LOOKS = {
    "tree": {"line": {"color": GREEN, "width": 3}, "marker": {"symbol": "square", "size": 8}},
    "logistic regression": {"line": {"color": BLUE, "width": 3}, "marker": {"symbol": "circle", "size": 8}},
    "the same without penalty": {"line": {"color": VERMILLION, "dash": "dash", "width": 2}, "marker": {"symbol": "x", "size": 8}},
    "the same after a scaler": {"line": {"color": ORANGE, "dash": "dot", "width": 3}, "marker": {"symbol": "diamond", "size": 6}},
}  # fmt: skip
ROWS = ("m = 0", "m as set", "m as set, stretched")


@dataclass(frozen=True)
class TreePicture:
    """One attribute before and after smoothing, and what four learners make of it.

    Attributes:
        names: (c,) categories.
        counts: (c,) rows.
        plain, smoothed: (c,) encodings.
        cuts: thresholds of the tree before and after.
        leaves: (c,) leaf of each category before and after, from the least encoding on.
        smoothing: ``m``.
        strengths: (s,) values of ``m`` of the curves below.
        spreads: learner -> (s,) highest minus lowest score of a category.
    """

    names: Sequence[str]
    counts: Array
    plain: Array
    smoothed: Array
    cuts: tuple[Array, Array]
    leaves: tuple[NDArray[np.intp], NDArray[np.intp]]
    smoothing: float
    strengths: Array
    spreads: Mapping[str, Array]


def tree_figure(picture: TreePicture, title: str) -> go.Figure:
    """Draw the categories and the tree's cuts on the encoding axis, and below how far apart learners keep the categories."""
    low, high = float(picture.plain.min()), float(picture.plain.max())
    stretch = _stretched(picture.smoothed, picture.smoothed, low, high)
    at = [picture.plain, picture.smoothed, stretch]
    cuts = [picture.cuts[0], picture.cuts[1], _stretched(picture.cuts[1], picture.smoothed, low, high)]
    room = 0.07 * (high - low) + 1e-3
    steps = np.arange(len(picture.strengths))
    here = float(np.interp(np.log10(picture.smoothing + 0.1), np.log10(picture.strengths + 0.1), steps))
    rule = {"type": "line", "xref": "x2", "yref": "y2", "x0": here, "x1": here, "y0": 0, "y1": 1}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 640,
        "shapes": [{**rule, "line": {"color": ROLES["target"], "width": 2}}],
        "annotations": [
            {"x": here, "y": 1, "xref": "x2", "yref": "y2", "text": " m as set ", "showarrow": False, "yanchor": "top",
             "xanchor": "right" if here > 0.7 * steps[-1] else "left"}
        ],
        "xaxis": {"range": [low - room, high + room], "anchor": "y", "title": {"text": "Encoding (probability)"}},
        "yaxis": {
            "domain": [0.56, 1], "range": [2.6, -0.6], "tickvals": [0, 1, 2],
            "ticktext": ["m = 0", f"m = {picture.smoothing:,.0f}", "the same,<br>stretched"], "showgrid": False,
        },
        "xaxis2": {
            "anchor": "y2", "tickvals": steps.tolist(), "ticktext": [_amount(m) for m in picture.strengths],
            "title": {"text": "Smoothing m (rows)"},
        },
        "yaxis2": {
            "domain": [0, 0.36], "anchor": "x2", "range": [0, 1.15 * max(float(v.max()) for v in picture.spreads.values())],
            "title": {"text": "Highest − lowest score<br>of a category (probability)"},
        },
    }  # fmt: skip
    traces = [_threads(at), *_dots(picture, at), _cuts(cuts), *_curves(picture, steps)]
    return go.Figure(traces, layout)


def _stretched(values: Array, of: Array, low: float, high: float) -> Array:
    """Return values moved as the range of ``of`` is stretched to that from ``low`` to ``high``."""
    span = float(np.ptp(of))
    return low + (values - of.min()) / span * (high - low) if span else np.full(len(values), 0.5 * (low + high))


def _amount(m: float) -> str:
    return f"{m:g}" if m < 1e3 else f"{m / 1e3:g} k" if m < 1e6 else f"{m / 1e6:g} M"


def _threads(at: Sequence[Array]) -> dict[str, Any]:
    """Return thin lines that join each category's places."""
    gap = np.full(len(at[0]), np.nan)
    return {
        "type": "scatter",
        "x": np.stack([*at, gap], 1).ravel(),
        "y": np.tile([0, 1, 2, np.nan], len(gap)),
        "mode": "lines",
        "line": {"color": GREY, "width": 1},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _dots(picture: TreePicture, at: Sequence[Array]) -> list[dict[str, Any]]:
    """Return the categories in each row, coloured by the leaf that the tree of that row puts them in."""
    sizes = 8 + 16 * np.sqrt(picture.counts / picture.counts.max())
    leaves = [picture.leaves[0], picture.leaves[1], picture.leaves[1]]
    return [
        {
            "type": "scatter",
            "x": values,
            "y": np.full(len(values), row),
            "mode": "markers",
            "marker": {
                "size": sizes,
                "color": colours.astype(float),
                "cmin": 0,
                "cmax": 2,
                "colorscale": SEQUENTIAL,
                "line": {"width": 1.5, "color": GREY},
            },
            "name": "a category (colour: leaf of the tree)",
            "showlegend": row == 0,
            "customdata": [f"{name}, leaf {leaf + 1}" for name, leaf in zip(picture.names, colours, strict=True)],
            "hovertemplate": "%{customdata}" + (": %{x:.4f}" if row < 2 else "") + "<extra></extra>",
        }
        for row, (values, colours) in enumerate(zip(at, leaves, strict=True))
    ]


def _cuts(cuts: Sequence[Array]) -> dict[str, Any]:
    """Return the thresholds of the trees as short vertical lines."""
    xs = np.concatenate([np.stack([row, row, np.full(len(row), np.nan)], 1).ravel() for row in cuts])
    ys = np.concatenate([np.tile([row - 0.38, row + 0.38, np.nan], len(part)) for row, part in enumerate(cuts)])
    return {
        "type": "scatter",
        "x": xs,
        "y": ys,
        "mode": "lines",
        "line": {"color": VERMILLION, "width": 3},
        "name": "cut of the tree",
        "hovertemplate": "cut at %{x:.5f}<extra></extra>",
    }


def _curves(picture: TreePicture, steps: NDArray[np.intp]) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter",
            "x": steps,
            "y": values,
            "mode": "lines+markers",
            "name": name,
            "line": LEARNER_LOOKS[name]["line"],
            "marker": {**LEARNER_LOOKS[name]["marker"], "color": LEARNER_LOOKS[name]["line"]["color"]},
            "xaxis": "x2",
            "yaxis": "y2",
            "hovertemplate": f"{name}: %{{y:.3f}} <extra></extra>",
        }
        for name, values in picture.spreads.items()
    ]
