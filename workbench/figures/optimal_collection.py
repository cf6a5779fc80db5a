"""Figures of "Optimizing Data Collection for Machine Learning": what one order costs, over the law of the requirement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.collection_marks import (
    BEST,
    CHANCE,
    DEEPEST,
    DIALLED,
    LAW,
    MEAN,
    REGRESSION,
    amount_axis,
    line,
    mark,
    right_axis,
    share,
)
from workbench.figures.how_much_data import short
from workbench.figures.theme import GREY, ROLES, TEMPLATE

Array = NDArray[np.float64]

BINS = 60
STAR = {"marker": {"color": BEST, "symbol": "star", "size": 14}}


@dataclass(frozen=True)
class Landscape:
    """What one order costs, and the law of the requirement behind it.

    Attributes:
        present: samples owned.
        answers: (B,) requirements of the resampled fits, ``inf`` where one never reaches the target.
        q_max: most samples that may be owned.
        sizes: (g,) samples owned after the order, from the present on.
        density: (g,) of the requirement, per sample.
        risks: (g,) probability that a size does not suffice.
        costs: (g,) expected cost ``L``.
        minima: sizes and costs of its local minima.
        best: size, cost and risk of the best order; the present size means to give up.
        penalty: the cost of ordering nothing.
        regression, mean: size and expected cost of the order of one fitted curve, and of the mean of the resampled fits.
        truth: the size really needed, ``None`` while it is hidden.
    """

    present: float
    answers: Array
    q_max: float
    sizes: Array
    density: Array
    risks: Array
    costs: Array
    minima: tuple[Array, Array]
    best: tuple[float, float, float]
    penalty: float
    regression: tuple[float, float]
    mean: tuple[float, float]
    truth: float | None = None


def landscape_figure(landscape: Landscape, title: str) -> go.Figure:
    """Draw the law of the requirement above, and below it the expected cost of one order, over the same sizes."""
    right = float(landscape.sizes[-1])
    edges = np.linspace(landscape.present, right, BINS + 1)
    above, below = _histogram(landscape, edges)
    shape = 100 * (edges[1] - edges[0]) * landscape.density
    top = 1.15 * max(float(above.max(initial=0.0)), float(shape.max(initial=0.0))) or 10.0
    traces = [
        *_bars(landscape, edges, above, below),
        *_curves(landscape, shape),
        *_ends(landscape),
        *_answer(landscape.regression, "one fitted curve", REGRESSION, top, right),
        *_answer(landscape.mean, "mean of the fits", MEAN, top, right),
        *_answer(landscape.best[:2], "best order", STAR, top, right, none=landscape.best[0] <= landscape.present),
        _truth(landscape.truth, top),
    ]
    return go.Figure([{"type": "scatter", **trace} for trace in traces], _layout(landscape, title, top))


def _layout(landscape: Landscape, title: str, top: float) -> dict[str, Any]:
    right = float(landscape.sizes[-1])
    window = [landscape.present - 0.03 * (right - landscape.present), right]
    lowest = float(landscape.costs[landscape.costs > 0].min(initial=np.inf))
    lowest = lowest if np.isfinite(lowest) else landscape.penalty / 10
    highest = max(landscape.penalty, landscape.regression[1], landscape.mean[1], lowest)
    risks = {"tickvals": [1e-9, 1e-6, 1e-3, 1], "ticktext": ["10⁻⁹", "10⁻⁶", "0.001", "1"]}
    return {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 600,
        "barmode": "overlay",
        "bargap": 0,
        "margin": {"r": 64},
        "xaxis": {"range": window, "matches": "x2", "anchor": "y", "showticklabels": False},
        "xaxis2": {"range": window, "anchor": "y3", "title": {"text": "Samples owned after the order (count)"}},
        "yaxis": {"domain": [0.56, 1], "range": [0, top], "title": {"text": "Fits (% a bar)"}},
        "yaxis2": right_axis("y", "Suffices (%)", range=[0, 104], tickvals=[0, 25, 50, 75, 100]),
        "yaxis3": amount_axis("Expected cost (cost units)", 0.7 * lowest, 1.5 * highest, domain=[0, 0.5], anchor="x2"),
        "yaxis4": right_axis(
            "y3", "Risk (probability)", anchor="x2", type="log", range=[float(np.log10(DEEPEST)), 0.2], **risks
        ),
    }


def _curves(landscape: Landscape, shape: Array) -> list[dict[str, Any]]:
    """Return density and distribution of the requirement above, cost and risk of one order below."""
    sizes, risks = landscape.sizes, landscape.risks
    drawn = np.where(risks > DEEPEST, risks, np.nan)
    cost, risk = {"x": "x2", "y": "y3"}, {"x": "x2", "y": "y4"}
    return [
        line(sizes, shape, "density f", LAW, hover="%{y:.2f} % a bar at %{x:,.0f}"),
        line(sizes, 100 * (1 - risks), "F: chance that it suffices", CHANCE, y="y2", hover="%{y:.2f} %"),
        line(sizes, landscape.costs, "expected cost L of one order", LAW, **cost, hover="up to %{x:,.0f}: %{y:,.0f}"),
        line(sizes, drawn, "risk 1 - F", CHANCE, **risk, hover="risk %{y:.2g} at %{x:,.0f}", legend=False),
    ]


def _ends(landscape: Landscape) -> list[dict[str, Any]]:
    """Return the local minima of the cost, and the cost of ordering nothing."""
    axes = {"x": "x2", "y": "y3"}
    open_circle = {"symbol": "circle-open", "size": 11, "color": LAW["line"]["color"]}
    cross = {"symbol": "x", "size": 10, "color": DIALLED}
    give_up = f"give up: pay P = {short(landscape.penalty)}"
    return [
        mark(*landscape.minima, "local minima", open_circle, axes),
        mark([landscape.present], [landscape.penalty], give_up, cross, axes),
    ]


def _histogram(landscape: Landscape, edges: Array) -> tuple[Array, Array]:
    """Return the shares (%) of fits in each bar above the present size, of those above it, and below it, on the same scale."""
    finite = landscape.answers[landscape.answers <= landscape.q_max]
    above = np.histogram(finite, edges)[0]
    open_fits = max(int((landscape.answers > landscape.present).sum()), 1)
    width = edges[1] - edges[0]
    start = edges[0] - width * np.ceil((edges[0] - finite.min(initial=edges[0])) / width)
    before = np.arange(start, edges[0] + 0.5 * width, width)
    below = np.histogram(finite[finite < edges[0]], before)[0] if len(before) > 1 else np.empty(0)
    return 100 * above / open_fits, 100 * below / open_fits


def _bars(landscape: Landscape, edges: Array, above: Array, below: Array) -> list[dict[str, Any]]:
    width = edges[1] - edges[0]
    never = float(np.mean(landscape.answers > landscape.q_max))
    contradicted = float(np.mean(landscape.answers <= landscape.present))
    colour = LAW["line"]["color"]
    common = {"type": "bar", "width": width, "hovertemplate": "%{y:.1f} % of the fits near %{x:,.0f}<extra></extra>"}
    beyond = f", {share(never)} never" if never else ""
    return [
        {
            "x": 0.5 * (edges[1:] + edges[:-1]),
            "y": above,
            "name": f"resampled fits ask for{beyond}",
            "marker": {"color": colour, "opacity": 0.3},
            **common,
        },
        {
            "x": edges[0] - width * (np.arange(len(below))[::-1] + 0.5),
            "y": below,
            "name": f"contradicted by the last score: {share(contradicted)}",
            "marker": {"color": GREY, "opacity": 0.3},
            "showlegend": contradicted > 0,
            **common,
        },
    ]


def _answer(
    at: tuple[float, float], name: str, style: dict, top: float, right: float, none: bool = False
) -> list[dict[str, Any]]:
    """Return the marker on the cost and the line through the law of one order; beyond the right edge they stand at it."""
    size, cost = at
    shown = min(size, right)
    colour = style["marker"]["color"]
    group = {"legendgroup": name}
    return [
        {
            "x": [shown],
            "y": [cost],
            "xaxis": "x2",
            "yaxis": "y3",
            "mode": "markers",
            "name": f"{name}: {'none' if none else short(size)}",
            "marker": {"size": 11, **{k: v for k, v in style["marker"].items() if k != "size" or v > 11}},
            "hovertemplate": f"{name}: {size:,.0f} samples, expected cost %{{y:,.0f}}<extra></extra>",
            **group,
        },
        {
            "x": [shown, shown],
            "y": [0, top],
            "mode": "lines",
            "line": {"color": colour, "width": 1.5, "dash": "dot"},
            "showlegend": False,
            "hoverinfo": "skip",
            **group,
        },
    ]


def _truth(truth: float | None, top: float) -> dict[str, Any]:
    size = truth if truth is not None and np.isfinite(truth) else None
    return {
        "x": [size, size],
        "y": [0, top],
        "mode": "lines",
        "line": {"color": ROLES["truth"], "width": 3},
        "name": f"really needed: {short(truth if truth is not None else np.inf)}",
        "visible": truth is not None,
    }
