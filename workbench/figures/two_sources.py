"""Figures of two data sources: the map of measured scores with prices and requirements on it, and the switch between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.campaigns import player_style
from workbench.figures.how_much_data import short
from workbench.figures.theme import BLUE, GREEN, GREY, ROLES, SKY, TEMPLATE, TEXT, new_figure, series_style

Array = NDArray[np.float64]

BILLS = (0.5, 2.0, 3.0)
"""Iso-cost lines beside the one through the cheapest mix, as multiples of its bill."""

_CIRCLE = np.linspace(0, 2 * np.pi, 41)


@dataclass(frozen=True)
class SourceMap:
    """What the map of two sources shows.

    Attributes:
        sizes: (S,) and (T,) sizes at which the score was measured.
        scores: (S, T) measured scores.
        start: (m, 2) mixes known before the first order, the present one last.
        target: the score asked for.
        price: of a sample of the second source, where one of the first costs 1.
        optimum: (2,) the truly cheapest mix, ``inf`` where the target is out of reach.
        answer: (2,) what the regression asks for.
        draws: (B, 2) cheapest mixes of the bootstrap curves.
        chance_at: (g,) and (h,) sizes at which the probability of success is given.
        chance: (g, h) probability that a mix reaches the target, by LOC's law.
        window: (2,) sizes at which the axes end; they are moved out where LOC's path needs it.
        means, spreads: (C, 2) centres and standard deviations of the mixture; no rows where the law is another.
        path: (r, 2) what LOC owned after each round, the start first; no rows before it has played.
    """

    sizes: tuple[Array, Array]
    scores: Array
    start: Array
    target: float
    price: float
    optimum: Array
    answer: Array
    draws: Array
    chance_at: tuple[Array, Array]
    chance: Array
    window: Array
    means: Array = field(default_factory=lambda: np.empty((0, 2)))
    spreads: Array = field(default_factory=lambda: np.empty((0, 2)))
    path: Array = field(default_factory=lambda: np.empty((0, 2)))


def map_figure(shown: SourceMap, title: str, names: Sequence[str]) -> go.Figure:
    """Draw the measured score over both sources, the level of the target, iso-cost lines, requirements, and LOC's path.

    Args:
        shown: what to draw.
        title: title of the figure.
        names: of the two sources, for the axes.
    """
    ends = np.maximum(shown.window, 1.05 * shown.path.max(0, initial=0.0))
    traces = [
        *_levels(shown),
        *_prices(shown, ends),
        *_beliefs(shown),
        _points(shown.start, "known at the start", {"size": 7, "color": TEXT, "line": {"width": 1, "color": "white"}}),
        _points(shown.answer[None], "regression asks for", {**player_style("regression")["marker"], "size": 11}),
        _points(shown.optimum[None], "cheapest mix (truth)", {"symbol": "star", "size": 16, "color": ROLES["truth"]}),
        {**_points(shown.path, "LOC's orders", {**player_style("LOC")["marker"], "size": 9}), "mode": "lines+markers"},
    ]
    traces[-1]["line"] = {"color": player_style("LOC")["line"]["color"], "width": 3}
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 600,
        "annotations": _arrows(shown.path),
        "xaxis": {"title": {"text": f"{names[0].capitalize()} (samples)"}, "range": [0, ends[0]]},
        "yaxis": {"title": {"text": f"{names[1].capitalize()} (samples)"}, "range": [0, ends[1]]},
    }
    return go.Figure(traces, layout)


def _levels(shown: SourceMap) -> list[dict[str, Any]]:
    """Return contours of the measured score, the level of the target, and where success is as likely as not, or likely."""
    grid = {"type": "contour", "x": shown.sizes[0], "y": shown.sizes[1], "z": shown.scores.T, "showscale": False}
    lowest, highest = float(shown.scores.min()), float(shown.scores.max())
    step = next(step for step in (0.5, 1, 2, 5, 10) if (highest - lowest) / step <= 9)
    labels = {"showlabels": True, "labelfont": {"color": TEXT, "size": 10}, "coloring": "none"}
    chances = {
        "type": "contour",
        "x": shown.chance_at[0],
        "y": shown.chance_at[1],
        "z": 100 * shown.chance.T,
        "showscale": False,
        "line": {"color": GREEN, "width": 2, "dash": "dashdot"},
        "contours": {"start": 50, "end": 90, "size": 40, **labels, "labelfont": {"color": GREEN, "size": 11}},
        "name": "success 50 %, 90 % (LOC's law)",
        "showlegend": True,
        "hoverinfo": "skip",
    }
    return [
        {
            **grid,
            "line": {"color": GREY, "width": 1, "smoothing": 0},
            "contours": {"start": np.ceil(lowest / step) * step, "end": highest, "size": step, **labels},
            "name": "measured score (%)",
            "showlegend": True,
            "hovertemplate": "%{x:,} and %{y:,} samples: %{z:.2f} %<extra></extra>",
        },
        {
            **grid,
            "line": {"color": ROLES["target"], "width": 4, "smoothing": 0},
            "contours": {"start": shown.target, "end": shown.target, "size": 1, "coloring": "none"},
            "name": f"target {shown.target:g} %",
            "showlegend": True,
            "hoverinfo": "skip",
        },
        chances,
    ]


def _prices(shown: SourceMap, ends: Array) -> list[dict[str, Any]]:
    """Return the iso-cost line through the cheapest mix (or the regression's, where no mix is enough), and others beside it."""
    prices, present = np.array([1.0, shown.price]), shown.start[-1]
    through = next((mix for mix in (shown.optimum, shown.answer) if np.isfinite(mix).all()), present)
    bill, spent = float(prices @ (through - present)), float(prices @ present)
    lines = [_iso_cost(spent + bill * share, shown.price, ends) for share in (1.0, *BILLS)]
    rest = np.concatenate([np.vstack([line, [[np.nan, np.nan]]]) for line in lines[1:]])
    looks = {"mode": "lines", "hoverinfo": "skip"}
    return [
        {
            "x": lines[0][:, 0],
            "y": lines[0][:, 1],
            **looks,
            "line": {"color": BLUE, "width": 3, "dash": "dash"},
            "name": f"mixes that cost {short(bill)} more",
        },
        {
            "x": rest[:, 0],
            "y": rest[:, 1],
            **looks,
            "line": {"color": BLUE, "width": 1, "dash": "dash"},
            "name": ", ".join(f"{share:g}" for share in BILLS) + " times that",
        },
    ]


def _iso_cost(budget: float, price: float, ends: Array) -> Array:
    """Return the ends (2, 2) of the line ``q_1 + price q_2 = budget`` in the plot, which it may miss."""
    low = max(0.0, budget - price * ends[1])
    first = np.array([low, min(budget, ends[0])])
    if low > ends[0]:
        return np.full((2, 2), np.nan)
    return np.column_stack([first, (budget - first) / price])


def _beliefs(shown: SourceMap) -> list[dict[str, Any]]:
    """Return the bootstrap requirements, and the ellipses of the mixture at one and two standard deviations."""
    finite = shown.draws[np.isfinite(shown.draws).all(1)]
    cloud = _points(finite, f"needed, by {len(shown.draws)} resamples", {"size": 5, "color": SKY, "opacity": 0.6})
    rings = []
    for sigmas, width in ((1, 2), (2, 1)):
        ring = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], -1)
        loops = shown.means[:, None] + sigmas * shown.spreads[:, None] * ring
        gaps = np.full((len(loops), 1, 2), np.nan)
        line = np.concatenate([loops, gaps], 1).reshape(-1, 2)
        rings.append(
            {
                "x": line[:, 0],
                "y": line[:, 1],
                "mode": "lines",
                "line": {"color": SKY, "width": width},
                "name": f"mixture, {sigmas} σ",
                "hoverinfo": "skip",
                "visible": bool(len(shown.means)),
            }
        )
    return [cloud, *rings]


def _points(points: Array, name: str, marker: dict[str, Any]) -> dict[str, Any]:
    kept = points[np.isfinite(points).all(1)]
    return {
        "x": kept[:, 0],
        "y": kept[:, 1],
        "mode": "markers",
        "marker": marker,
        "name": name,
        "visible": bool(len(kept)),
        "hovertemplate": "%{x:,.0f} and %{y:,.0f} samples<extra>" + name + "</extra>",
    }


def _arrows(path: Array) -> list[dict[str, Any]]:
    """Return one arrow an order, from what was owned to what is owned then."""
    colour = player_style("LOC")["line"]["color"]
    return [
        {
            "x": end[0],
            "y": end[1],
            "ax": start[0],
            "ay": start[1],
            **dict.fromkeys(("xref", "axref"), "x"),
            **dict.fromkeys(("yref", "ayref"), "y"),
            "text": "",
            "arrowhead": 2,
            "arrowsize": 1.3,
            "arrowwidth": 2.5,
            "arrowcolor": colour,
        }
        for start, end in pairwise(path)
    ]


def switch_figure(prices: Array, cheapest: Array, present: Array, price: float, names: Sequence[str]) -> go.Figure:
    """Draw what the cheapest mix buys of each source against the price of the second.

    Args:
        prices: (P,) prices of a sample of the second source, where one of the first costs 1.
        cheapest: (P, 2) the truly cheapest mixes.
        present: (2,) samples owned already.
        price: the present price.
        names: of the two sources.
    """
    figure = new_figure(
        "What the cheapest mix buys at each price",
        f"Price of a sample with {names[1]} (samples with {names[0]})",
        "To buy (samples)",
        height=330,
    )
    for source, name in enumerate(names):
        bought = np.where(np.isfinite(cheapest[:, source]), cheapest[:, source] - present[source], np.nan)
        figure.add_scatter(x=prices, y=bought, mode="lines", name=name, line=series_style(source)["line"])
    figure.add_vline(x=price, line={"color": ROLES["target"], "width": 2, "dash": "dash"})
    figure.update_xaxes(type="log", range=[np.log10(prices[0]), np.log10(prices[-1])])
    figure.update_yaxes(rangemode="tozero")
    return figure
