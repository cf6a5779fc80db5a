"""Figures of "Fairness Implications of Encoding Protected Categorical Attributes": the encodings, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    ROLES,
    SEQUENTIAL,
    SKY,
    TEMPLATE,
    TEXT,
    VERMILLION,
)

Array = NDArray[np.float64]

CLOUD = 40
"""Training rows that are drawn of each category."""

METRIC_WORDS = {
    "equal_opportunity": "equal opportunity, |EOF|",
    "average_absolute_odds": "average absolute odds, AAO",
    "strong_parity": "distance of the scores, DP",
    "selection_gap": "gap of the decisions, DP of decisions",
}
SCHEME_LOOKS = {
    "smoothing": {"symbol": "circle", "line": {"color": BLUE, "dash": "solid"}, "name": "smoothing, by m"},
    "noise": {"symbol": "diamond", "line": {"color": VERMILLION, "dash": "dash"}, "name": "Gaussian noise, by λ"},
    "published noise": {
        "symbol": "triangle-up",
        "line": {"color": GREY, "dash": "dot"},
        "name": "the code's noise, by σ",
    },
}
POINT_LOOKS = {
    "drop": {"symbol": "star", "color": PURPLE, "size": 17, "name": "not encoded (blind)"},
    "one-hot": {"symbol": "x", "color": GREEN, "size": 13, "name": "one-hot"},
    "loo": {"symbol": "square-open", "color": SKY, "size": 10, "name": "leave-one-out"},
    "crossfit": {"symbol": "pentagon-open", "color": ORANGE, "size": 11, "name": "cross-fit"},
}


@dataclass(frozen=True)
class Ladder:
    """The categories of one attribute and what they are encoded to.

    Attributes:
        names: (c,) categories, the largest first.
        counts: (c,) rows.
        shares: (c,) share of positives among them.
        low, high: (c,) bounds of the share's interval.
        encoded: (c,) what they are encoded to.
        prior: share of positives among all rows.
        noise: standard deviation on training rows.
        hidden: how many smaller categories are not drawn.
    """

    names: Sequence[str]
    counts: Array
    shares: Array
    low: Array
    high: Array
    encoded: Array
    prior: float
    noise: float
    hidden: int = 0


def ladder_figure(ladder: Ladder, title: str) -> go.Figure:
    """Draw one row a category: its share with an interval, and a dot, as large as the group, where it is encoded to."""
    rows = np.arange(len(ladder.names))
    sizes = 9 + 25 * np.sqrt(ladder.counts / ladder.counts.max())
    hover = [f"{name}, {count:,.0f} training rows" for name, count in zip(ladder.names, ladder.counts, strict=True)]
    gap = np.full(len(rows), np.nan)
    return go.Figure(
        [
            _cloud(ladder, rows),
            {
                "type": "scatter",
                "x": np.stack([ladder.low, ladder.high, gap], 1).ravel(),
                "y": np.repeat(rows, 3),
                "mode": "lines",
                "line": {"color": GREY, "width": 2},
                "name": "95 % interval of the share",
                "hoverinfo": "skip",
            },
            {
                "type": "scatter",
                "x": ladder.shares,
                "y": rows,
                "mode": "markers",
                "marker": {"symbol": "line-ns", "size": 14, "line": {"width": 2, "color": GREY}, "color": GREY},
                "name": "share of label 1",
                "customdata": hover,
                "hovertemplate": "%{customdata}: share %{x:.3f}<extra></extra>",
            },
            {
                "type": "scatter",
                "x": ladder.encoded,
                "y": rows,
                "mode": "markers",
                "marker": {"size": sizes, "color": BLUE, "opacity": 0.85, "line": {"width": 0}},
                "name": "encoded (area: rows)",
                "customdata": hover,
                "hovertemplate": "%{customdata}: encoded to %{x:.3f}<extra></extra>",
            },
        ],
        _ladder_layout(ladder, rows, title),
    )


def _cloud(ladder: Ladder, rows: NDArray[np.intp]) -> dict[str, Any]:
    """Return some training rows of each category, whose encodings carry noise; the same draws at every strength."""
    draws = np.random.default_rng(0).standard_normal((len(rows), CLOUD))
    lift = np.random.default_rng(1).uniform(-0.32, 0.32, (len(rows), CLOUD))
    return {
        "type": "scatter",
        "x": (ladder.encoded[:, None] + ladder.noise * draws).ravel() if ladder.noise else [],
        "y": (rows[:, None] + lift).ravel() if ladder.noise else [],
        "mode": "markers",
        "marker": {"size": 4, "color": ORANGE, "opacity": 0.55},
        "name": "training rows, with noise",
        "visible": bool(ladder.noise),
        "hoverinfo": "skip",
    }


def _ladder_layout(ladder: Ladder, rows: NDArray[np.intp], title: str) -> dict[str, Any]:
    def rule(at: float, colour: str, dash: str) -> dict[str, Any]:
        line = {"color": colour, "width": 2, "dash": dash}
        return {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}

    words = {"xref": "x", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    more = f" ({ladder.hidden} smaller ones are not drawn)" if ladder.hidden else ""
    side = "right" if 0.38 < ladder.prior < 0.5 else "left"
    return {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 210 + 30 * len(rows),
        "margin": {"t": 84},
        "shapes": [rule(ladder.prior, GREY, "dash"), rule(0.5, ROLES["target"], "dot")],
        "annotations": [
            {"x": ladder.prior, "text": f"prior {ladder.prior:.2f}", "xanchor": side, **words},
            {"x": 0.5, "text": "0.5", "xanchor": "left" if ladder.prior < 0.5 else "right", **words},
        ],
        "xaxis": {"range": [-0.03, 1.03], "title": {"text": f"Encoding{more} (probability)"}},
        "yaxis": {
            "range": [len(rows) - 0.4, -0.6],
            "tickvals": rows.tolist(),
            "ticktext": [_short(f"{name} ({count:,.0f})") for name, count in zip(ladder.names, ladder.counts, strict=True)],
            "showgrid": False,
        },
    }  # fmt: skip


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def frontier_figure(
    points: pd.DataFrame,
    operating: tuple[str, float],
    hover: Mapping[tuple[str, float], str],
    title: str,
    x_title: str,
) -> go.Figure:
    """Draw AUC against the size of a gap, one point an encoding; strengths of one regulariser are joined, and coloured in order.

    Args:
        points: columns ``scheme``, ``strength``, ``auc``, ``auc_spread``, ``gap``, ``gap_spread``, ``halves``.
        operating: scheme and strength (-1 where it has none) of the encoding that is marked.
        hover: (scheme, strength or -1) -> rates of the groups, a line each.
        title, x_title: of the figure, and of the horizontal axis, with its unit.
    """
    keyed = points.assign(key=[(row.scheme, _key(row.strength)) for row in points.itertuples()])
    traces = [_path(keyed[keyed["scheme"] == name], hover, looks) for name, looks in SCHEME_LOOKS.items()]
    traces += [_point(keyed[keyed["scheme"] == name], hover, looks) for name, looks in POINT_LOOKS.items()]
    traces.append(_mark(keyed[keyed["key"] == operating]))
    low, high = float(points["auc"].min()), float(points["auc"].max())
    room = 0.08 * (high - low) + 1e-3
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 540,
        "margin": {"t": 72},
        "xaxis": {"title": {"text": x_title}, "rangemode": "tozero"},
        "yaxis": {"title": {"text": "AUC, test half (area)"}, "range": [low - room, high + room]},
        "hoverlabel": {"align": "left"},
    }
    return go.Figure(traces, layout)


def _key(strength: float) -> float:
    return -1.0 if np.isnan(strength) else float(strength)


def _texts(part: pd.DataFrame, hover: Mapping[tuple[str, float], str]) -> list[str]:
    """Return what the hover says of each point."""
    texts = []
    for row in part.itertuples():
        strength = "" if np.isnan(row.strength) else f" {row.strength:g}"
        more = f" ± {row.auc_spread:.3f}, gap ± {row.gap_spread:.2f} over {row.halves} halves" if row.halves > 1 else ""
        texts.append(f"<b>{row.scheme}{strength}</b>{more}<br>{hover.get(row.key, '')}")
    return texts


def _path(part: pd.DataFrame, hover: Mapping[tuple[str, float], str], looks: Mapping[str, Any]) -> dict[str, Any]:
    """Return the points of one regulariser, joined from weak to strong."""
    part = part.sort_values("strength")
    return {
        "type": "scatter",
        "x": part["gap"].to_numpy(),
        "y": part["auc"].to_numpy(),
        "mode": "lines+markers",
        "line": {**looks["line"], "width": 2},
        "marker": {
            "symbol": looks["symbol"],
            "size": 10,
            "color": np.linspace(0, 1, len(part)),
            "colorscale": SEQUENTIAL,
            "cmin": 0,
            "cmax": 1,
            "line": {"width": 1.5, "color": looks["line"]["color"]},
        },
        "name": f"{looks['name']} (dark: weak)",
        "customdata": _texts(part, hover),
        "hovertemplate": "%{customdata}<br>AUC %{y:.3f}, gap %{x:.3f}<extra></extra>",
        "visible": len(part) > 0,
    }


def _point(part: pd.DataFrame, hover: Mapping[tuple[str, float], str], looks: Mapping[str, Any]) -> dict[str, Any]:
    """Return an encoding without a strength, with its spread over the halves."""
    return {
        "type": "scatter",
        "x": part["gap"].to_numpy(),
        "y": part["auc"].to_numpy(),
        "mode": "markers",
        "marker": {"symbol": looks["symbol"], "size": looks["size"], "color": looks["color"]},
        "error_x": {"type": "data", "array": part["gap_spread"].fillna(0).to_numpy(), "color": looks["color"], "thickness": 1},
        "error_y": {"type": "data", "array": part["auc_spread"].fillna(0).to_numpy(), "color": looks["color"], "thickness": 1},
        "name": looks["name"],
        "customdata": _texts(part, hover),
        "hovertemplate": "%{customdata}<br>AUC %{y:.3f}, gap %{x:.3f}<extra></extra>",
        "visible": len(part) > 0,
    }  # fmt: skip


def _mark(part: pd.DataFrame) -> dict[str, Any]:
    """Return the ring around the chosen encoding."""
    return {
        "type": "scatter",
        "x": part["gap"].to_numpy(),
        "y": part["auc"].to_numpy(),
        "mode": "markers",
        "marker": {"symbol": "circle-open", "size": 24, "color": TEXT, "line": {"width": 3}},
        "name": "your setting",
        "hoverinfo": "skip",
    }
