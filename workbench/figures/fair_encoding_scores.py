"""Figures of paper 10 on scores: how they spread in each group, how far apart two groups are, and what a definition changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREY, ORANGE, PURPLE, ROLES, SKY, TEMPLATE, TEXT, VERMILLION

Array = NDArray[np.float64]

BINS = 60
HEIGHT = 0.42
"""Height of a ridge in rows."""

POSITIVE, NEGATIVE = SKY, ORANGE
RATES = ("TPR", "FPR")


@dataclass(frozen=True)
class Ridges:
    """Scores of some groups.

    Attributes:
        names: (g,) groups, the reference first.
        scores: (g,) arrays of scores.
        labels: (g,) arrays of their labels.
        rates: (g, 2) TPR and FPR of each group at the threshold; NaN where undefined.
        threshold: a score above it is selected.
        compared: place of the group whose scores are compared with those of the reference.
        distance: Wasserstein-1 distance of the two.
    """

    names: Sequence[str]
    scores: Sequence[Array]
    labels: Sequence[NDArray[np.int64]]
    rates: Array
    threshold: float
    compared: int
    distance: float


def ridges_figure(ridges: Ridges, title: str) -> go.Figure:
    """Draw the scores of each group, label 1 above its line and label 0 below; and below all, two distributions and their area.

    The first shape is the threshold, which can be dragged.
    """
    count = len(ridges.names)
    traces = [_ridge(ridges, 1), _ridge(ridges, 0), _rates(ridges), *_distributions(ridges)]
    split = 0.34
    rule = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": ridges.threshold,
        "x1": ridges.threshold,
        "y0": 0,
        "y1": 1,
    }
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 430 + 46 * count,
        "shapes": [{**rule, "line": {"color": ROLES["target"], "width": 3}}],
        "annotations": [
            {
                "x": ridges.threshold, "xref": "x", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False,
                "text": f"τ = {ridges.threshold:g}",
            }
        ],
        "margin": {"t": 78},
        "xaxis": {"range": [0, 1.28], "anchor": "y", "matches": "x2", "showticklabels": False, "tickvals": TICKS},
        "xaxis2": {"range": [0, 1.28], "anchor": "y2", "tickvals": TICKS, "title": {"text": "Score (probability)"}},
        "yaxis": {
            "domain": [split + 0.04, 1],
            "range": [count - 0.45, -0.6],
            "tickvals": list(range(count)),
            "ticktext": [_row_name(ridges, index) for index in range(count)],
            "showgrid": False,
        },
        "yaxis2": {"domain": [0, split - 0.04], "anchor": "x2", "range": [0, 102], "title": {"text": "Scores below (%)"}},
    }  # fmt: skip
    return go.Figure(traces, layout)


TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1]


def _row_name(ridges: Ridges, index: int) -> str:
    name = ridges.names[index]
    name = name if len(name) <= 26 else name[:25] + "…"
    return f"{name}<br>{'reference, ' if not index else ''}n = {len(ridges.scores[index]):,}"


def _ridge(ridges: Ridges, label: int) -> dict[str, Any]:
    """Return the ridges of one label as one trace, each as high as its own fullest bin allows."""
    edges = np.linspace(0, 1, BINS + 1)
    middle = 0.5 * (edges[1:] + edges[:-1])
    xs, ys = [], []
    for row, (scores, labels) in enumerate(zip(ridges.scores, ridges.labels, strict=True)):
        shares = np.histogram(scores[labels == label], edges)[0].astype(float)
        shares = np.convolve(shares, [0.25, 0.5, 0.25], mode="same")
        high = shares / max(shares.max(), 1e-9) * HEIGHT * (-1 if label else 1)
        xs += [[0.0], middle, [1.0], [np.nan]]
        ys += [[row], row + high, [row], [np.nan]]
    return {
        "type": "scatter",
        "x": np.concatenate(xs),
        "y": np.concatenate(ys),
        "mode": "lines",
        "fill": "toself",
        "line": {"width": 1.5, "color": POSITIVE if label else NEGATIVE, "dash": "solid" if label else "dot"},
        "name": "label 1, above the line: TPR is its part right of τ" if label else "label 0, below it: FPR",
        "hoverinfo": "skip",
    }


def _rates(ridges: Ridges) -> dict[str, Any]:
    """Return the two rates of each group, written right of its ridge."""
    texts = [
        " ".join(
            f"{name} {'–' if np.isnan(value) else f'{value:.2f}'}" for name, value in zip(RATES, pair, strict=True)
        )
        for pair in ridges.rates
    ]
    return {
        "type": "scatter",
        "x": np.full(len(texts), 1.02),
        "y": np.arange(len(texts)),
        "mode": "text",
        "text": texts,
        "textposition": "middle right",
        "textfont": {"color": TEXT, "size": 11},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _distributions(ridges: Ridges) -> list[dict[str, Any]]:
    """Return the distribution functions of the reference and of one group, and the area between them."""
    grid = np.linspace(0, 1, 201)
    curves = [
        100 * np.searchsorted(np.sort(ridges.scores[index]), grid, side="right") / len(ridges.scores[index])
        for index in (0, ridges.compared)
    ]
    lower = {"xaxis": "x2", "yaxis": "y2", "type": "scatter", "mode": "lines"}
    return [
        {
            **lower,
            "x": np.concatenate([grid, grid[::-1]]),
            "y": np.concatenate([curves[0], curves[1][::-1]]),
            "fill": "toself",
            "fillcolor": "rgba(164, 63, 142, 0.3)",
            "line": {"width": 0},
            "name": f"area between: W1 = {ridges.distance:.3f}",
            "hoverinfo": "skip",
        },
        {
            **lower,
            "x": grid,
            "y": curves[0],
            "line": {"color": ROLES["good"], "width": 2},
            "name": str(ridges.names[0]),
            "hovertemplate": f"%{{y:.0f}} % of {ridges.names[0]} score at most %{{x:.2f}}<extra></extra>",
        },
        {
            **lower,
            "x": grid,
            "y": curves[1],
            "line": {"color": PURPLE, "width": 2, "dash": "dash"},
            "name": str(ridges.names[ridges.compared]),
            "hovertemplate": f"%{{y:.0f}} % of {ridges.names[ridges.compared]} score at most %{{x:.2f}}<extra></extra>",
        },
    ]


CONVENTION_METRICS = {
    "equal_opportunity": "Equal opportunity",
    "average_absolute_odds": "Average absolute odds",
    "strong_parity": "Demographic parity",
}


def convention_figure(gaps: pd.DataFrame, groups: Sequence[str], title: str) -> go.Figure:
    """Draw each gap of each group by the paper's definitions and by those of the published code, joined by a line.

    Args:
        gaps: columns ``convention``, ``metric``, ``group``, ``value``.
        groups: in the order of the rows, at most a dozen.
        title: of the figure.
    """
    figure = make_subplots(
        rows=1, cols=3, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=list(CONVENTION_METRICS.values())
    )
    rows = np.arange(len(groups))
    looks = {
        "paper": {"color": BLUE, "symbol": "circle", "size": 11},
        "published": {"color": VERMILLION, "symbol": "square-open", "size": 11, "line": {"width": 2}},
    }
    for column, metric in enumerate(CONVENTION_METRICS, start=1):
        wide = gaps[gaps["metric"] == metric].pivot(index="group", columns="convention", values="value").reindex(groups)
        ends = [wide["paper"].to_numpy(float), wide["published"].to_numpy(float), np.full(len(rows), np.nan)]
        figure.add_scatter(
            x=np.stack(ends, 1).ravel(),
            y=np.repeat(rows, 3),
            mode="lines",
            line={"color": GREY, "width": 1},
            showlegend=False,
            hoverinfo="skip",
            row=1,
            col=column,
        )
        for name, marker in looks.items():
            figure.add_scatter(
                x=wide[name].to_numpy(float),
                y=rows,
                mode="markers",
                marker=marker,
                name={"paper": "the paper's definitions", "published": "those of the published code"}[name],
                legendgroup=name,
                showlegend=column == 1,
                hovertemplate=f"{name}: %{{x:.3f}}<extra></extra>",
                row=1,
                col=column,
            )
    names = [name if len(name) <= 26 else name[:25] + "…" for name in groups]
    figure.update_yaxes(tickvals=rows.tolist(), ticktext=names, range=[len(rows) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(zeroline=True, title_text="Gap (share)")
    figure.update_layout(template=TEMPLATE, title_text=title, height=260 + 30 * len(rows), margin_t=84)
    figure.update_annotations(font_size=13)
    return figure
