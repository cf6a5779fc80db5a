"""Figures of "Optimizing Data Collection for Machine Learning": the plan of all rounds, and what waiting is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.collection_marks import BEST, CHANCE, LAW, REGRESSION, line, mark
from workbench.figures.how_much_data import short
from workbench.figures.theme import GREY, TEMPLATE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rounds:
    """A plan for all rounds, and what other horizons would cost.

    Attributes:
        present: samples owned.
        sizes: (T,) samples owned after each round.
        needed: (T,) probability that each order is needed.
        cost: expected cost of the plan.
        exact: (T,) sizes of the exact plan, where ``sizes`` are those of another solver.
        horizons: (m,) expected cost of the exact plan for 1, 2, ..., m rounds.
        informed: expected cost if the requirement were known.
    """

    present: float
    sizes: Array
    needed: Array
    cost: float
    exact: Array | None
    horizons: Array
    informed: float


def rounds_figure(rounds: Rounds, title: str) -> go.Figure:
    """Draw the staircase of sizes, below it how likely each order is needed, and beside them the value of waiting."""
    traces = [*_plan(rounds), *_waiting(rounds)]
    return go.Figure([{"type": "scatter", **trace} for trace in traces], _layout(rounds, title))


def _layout(rounds: Rounds, title: str) -> dict[str, Any]:
    count, longest = len(rounds.sizes), len(rounds.horizons)
    exact = rounds.sizes if rounds.exact is None else rounds.exact
    highest = max(float(rounds.sizes.max()), float(exact.max()), 1.02 * rounds.present)
    room = 0.16 * (highest - rounds.present)
    dearest = max(float(rounds.horizons.max()), rounds.cost)
    # where most of the cost is a penalty that no plan avoids, the axis starts near it
    flat = not 0.7 * dearest < rounds.informed < 0.9999 * dearest
    cheapest = 0.0 if flat else rounds.informed - 0.15 * (dearest - rounds.informed)
    left = {"domain": [0, 0.54], "range": [-0.15, count + 0.5], "dtick": 1}
    right = {"domain": [0.68, 1], "range": [0.5, longest + 0.5], "dtick": 1}
    needed = {"domain": [0, 0.34], "range": [0, 125], "tickvals": [0, 50, 100]}
    cost = {"range": [cheapest, dearest + 0.1 * (dearest - cheapest) or 1.0]}
    return {
        "template": TEMPLATE,
        "title": {"text": title, "pad": {"t": 20}},
        "height": 500,
        "margin": {"t": 72},
        "xaxis": {**left, "matches": "x2", "showticklabels": False},
        "xaxis2": {**left, "anchor": "y2", "title": {"text": "Round (count)"}},
        "xaxis3": {**right, "anchor": "y3", "title": {"text": "Rounds T (count)"}},
        "yaxis": {
            "domain": [0.42, 1],
            "range": [rounds.present - 0.4 * room, highest + room],
            "title": {"text": "Samples owned (count)"},
        },
        "yaxis2": {**needed, "anchor": "x2", "title": {"text": "Needed (%)"}},
        "yaxis3": {**cost, "anchor": "x3", "title": {"text": "Expected cost (cost units)"}},
    }


def _plan(rounds: Rounds) -> list[dict[str, Any]]:
    """Return the stairs of the plan and of the exact plan, and how likely each order is needed."""
    count = len(rounds.sizes)
    numbers = np.arange(1, count + 1)
    exact = rounds.exact if rounds.exact is not None else np.full(count, np.nan)
    thin = {**REGRESSION["line"], "width": 1.5}
    points = {
        "x": numbers,
        "y": rounds.sizes,
        "mode": "markers+text",
        "text": [short(size) for size in rounds.sizes] if count <= 6 else [""] * count,
        "textposition": "top center",
        "marker": LAW["marker"],
        "cliponaxis": False,
        "showlegend": False,
        "customdata": np.diff(rounds.sizes, prepend=rounds.present),
        "hovertemplate": "order %{x}: %{customdata:,.0f} more, %{y:,.0f} in all<extra></extra>",
    }
    bars = {
        "type": "bar",
        "x": numbers,
        "y": 100 * rounds.needed,
        "xaxis": "x2",
        "yaxis": "y2",
        "width": 0.6,
        "marker": {"color": CHANCE["line"]["color"]},
        "text": [f"{100 * chance:.0f}" for chance in rounds.needed],
        "textposition": "outside",
        "cliponaxis": False,
        "name": "order is needed",
        "hovertemplate": "order %{x} is needed with %{y:.1f} %<extra></extra>",
    }
    return [
        _stairs(rounds.present, rounds.sizes, "samples owned, if all orders are needed", LAW["line"]),
        _stairs(rounds.present, exact, "the exact plan", thin, visible=rounds.exact is not None),
        points,
        bars,
    ]


def _waiting(rounds: Rounds) -> list[dict[str, Any]]:
    """Return the cost of every horizon, of this plan, and of knowing the requirement."""
    horizons = np.arange(1, len(rounds.horizons) + 1)
    axes = {"x": "x3", "y": "y3"}
    star = {"symbol": "star", "size": 14, "color": BEST}
    dashed = {"line": {"color": GREY, "width": 1.5, "dash": "dash"}}
    known, both = f"if the requirement were known: {short(rounds.informed)}", np.repeat(rounds.informed, 2)
    return [
        line(
            horizons, rounds.horizons, "expected cost with at most T rounds", LAW, **axes, hover="T = %{x}: %{y:,.0f}"
        ),
        mark([len(rounds.sizes)], [rounds.cost], "this plan", star, axes),
        line(horizons[[0, -1]], both, known, dashed, **axes, hover="%{y:,.0f}"),
    ]


def _stairs(present: float, sizes: Array, name: str, looks: dict, *, visible: bool = True) -> dict[str, Any]:
    """Return the line that rises at each round from the size before it to the size after it."""
    steps = np.concatenate([[present], sizes])
    return {
        "x": np.append(np.arange(len(steps)), len(steps) - 0.6),
        "y": np.append(steps, steps[-1]),
        "mode": "lines",
        "line": {**looks, "shape": "hv"},
        "name": name,
        "visible": visible,
        "hoverinfo": "skip",
    }
