"""Figures of the knapsack: the blocks of each group, what a millisecond is worth, and four solvers beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import BLUE, GREEN, ROLES, TEMPLATE

Array = NDArray[np.float64]

FREE = 1e-3
"""Of the largest block of a group, the share of ms below which a block is free."""
NARROW = 0.08
"""Share of the axis up to which a block of the trap is too narrow for its name."""


@dataclass(frozen=True)
class Blocks:
    """The items of all groups, group by group, the most important first.

    Attributes:
        names: (L,) of the groups.
        group: (n,) place of each block's group.
        costs: (n,) ms that each adds, negative where more channels run faster.
        values: (n,) importance of each (% of all).
        kept: (n,) whether it is kept.
    """

    names: tuple[str, ...]
    group: NDArray[np.int64]
    costs: Array
    values: Array
    kept: NDArray[np.bool_]

    @property
    def bases(self) -> Array:
        """Ms at which each block begins in its bar."""
        ends = np.cumsum(self.costs)
        first = np.concatenate([[True], np.diff(self.group) > 0])
        starts = ends - self.costs
        return starts - starts[first][np.cumsum(first) - 1]

    @property
    def free(self) -> NDArray[np.bool_]:
        """Whether each costs nothing, or saves time."""
        largest = np.zeros(len(self.names))
        np.maximum.at(largest, self.group, self.costs)
        return self.costs <= FREE * largest[self.group]


def blocks_figure(blocks: Blocks, title: str) -> go.Figure:
    """Draw one bar a group, made of blocks: height is ms, colour importance, pale what goes, and a star what is free."""
    colour = np.log10(np.maximum(blocks.values, 1e-6))
    low, high = float(colour.min()), float(colour.max())
    ticks = np.arange(np.ceil(low), np.floor(high) + 1)
    hover = [
        f"{blocks.names[place]}: {cost:.3f} ms, {value:.3g} % of the importance, {'kept' if kept else 'removed'}"
        for place, cost, value, kept in zip(blocks.group, blocks.costs, blocks.values, blocks.kept, strict=True)
    ]
    free = blocks.free
    tops = blocks.bases + np.maximum(blocks.costs, 0)
    traces: list[dict] = [
        {
            "type": "bar", "x": blocks.group, "y": blocks.costs, "base": blocks.bases, "width": 0.86, "showlegend": False,
            "customdata": hover, "hovertemplate": "%{customdata}<extra></extra>",
            "marker": {
                "color": colour, "cmin": low, "cmax": high, "colorscale": "Viridis",
                "opacity": np.where(blocks.kept, 1.0, 0.16), "line": {"color": "rgba(128,128,128,0.9)", "width": 0.7},
                "colorbar": {
                    "title": {"text": "importance of a<br>block (% of all)", "side": "top"}, "thickness": 12,
                    "tickvals": ticks, "ticktext": [f"{10**tick:g}" for tick in ticks],
                },
            },
        }
    ]  # fmt: skip
    for part, name, color, symbol in (
        (free & blocks.kept, "a free block, kept", ROLES["good"], "star"),
        (free & ~blocks.kept, "a free block, removed", ROLES["bad"], "star-open"),
    ):
        traces.append(
            {
                "type": "scatter", "x": blocks.group[part], "y": tops[part], "mode": "markers", "name": name,
                "marker": {"color": color, "symbol": symbol, "size": 11},
                "customdata": [text for text, flag in zip(hover, part, strict=True) if flag],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 500, "barmode": "overlay",
        "xaxis": {
            "tickvals": list(range(len(blocks.names))), "ticktext": list(blocks.names), "tickangle": -60,
            "tickfont": {"size": 10}, "range": [-0.6, len(blocks.names) - 0.4], "showgrid": False,
            "title": {"text": "Channels that go together (name of the first layer)"},
        },
        "yaxis": {"title": {"text": "Latency at the whole input width (ms)"}},
    }  # fmt: skip
    return go.Figure(traces, layout)


def price_figure(
    budgets: Array, kept: Array, at: tuple[float, float], bound: float, price: float, title: str
) -> go.Figure:
    """Draw what a budget is worth: importance of the best plan, the bound of this one, and the price of a millisecond.

    Args:
        budgets: (n,) ms.
        kept: (n,) importance of the best plan (%).
        at: ms and importance of the plan that is shown.
        bound: no plan within this budget keeps more (%).
        price: importance a millisecond (% a ms).
        title: of the figure.
    """
    span = 0.13 * float(budgets[-1] - budgets[0])
    tangent = np.array([-span, span])
    traces = [
        {"type": "scatter", "x": budgets, "y": kept, "mode": "lines", "name": "best plans", "line": {"color": BLUE, "width": 2}},
        {
            "type": "scatter", "x": at[0] + tangent, "y": bound + price * tangent, "mode": "lines", "name": "price of a ms",
            "line": {"color": GREEN, "width": 2, "dash": "dash"},
        },
        {
            "type": "scatter", "x": [at[0]], "y": [at[1]], "mode": "markers", "name": "this plan",
            "marker": {"color": ROLES["target"], "symbol": "diamond", "size": 14},
        },
    ]  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 500,
        "xaxis": {"title": {"text": "Budget of the knapsack (ms)"}},
        "yaxis": {"title": {"text": "Importance kept (%)"}, "range": [0, 104]},
    }  # fmt: skip
    return go.Figure(traces, layout)


@dataclass(frozen=True)
class Row:
    """One line of blocks laid end to end.

    Attributes:
        name: whose.
        blocks: (layer, number from 1, ms, importance) of each.
        words: what it comes to.
    """

    name: str
    blocks: Sequence[tuple[int, int, float, float]]
    words: str


def trap_figure(rows: Sequence[Row], budget: float, layers: int, title: str) -> go.Figure:
    """Draw the blocks that each solver keeps, end to end over the budget.

    Args:
        rows: the first is what is on offer.
        budget: in ms.
        layers: how many colours are needed, at most four.
        title: of the figure.
    """
    most = max(max((sum(block[2] for block in row.blocks) for row in rows), default=budget), budget)
    traces = []
    for layer in range(4):
        y, base, width, text, hover = [], [], [], [], []
        for place, row in enumerate(rows):
            start = 0.0
            for of, number, cost, value in row.blocks:
                if of == layer:
                    name = f"{'ABCD'[layer]}{number}"
                    y.append(place)
                    base.append(start)
                    width.append(cost)
                    text.append(f"{name}: {value:g}" if cost > NARROW * most else f"{value:g}")
                    hover.append(f"{row.name}: block {name}, {cost:g} ms, importance {value:g}")
                start += cost
        traces.append(
            {
                "type": "bar", "orientation": "h", "x": width, "y": y, "base": base, "width": 0.6, "text": text,
                "textposition": "inside", "insidetextanchor": "middle", "insidetextfont": {"color": "white", "size": 12},
                "textangle": 0, "constraintext": "none", "customdata": hover, "hovertemplate": "%{customdata}<extra></extra>",
                "name": f"layer {'ABCD'[layer]}", "showlegend": layer < layers,
                "marker": {
                    "color": (BLUE, ROLES["bad"], GREEN, ROLES["target"])[layer], "line": {"color": "white", "width": 1.5},
                },
            }
        )  # fmt: skip
    notes = [
        {"x": 0, "y": place - 0.3, "xref": "x", "yref": "y", "xanchor": "left", "yanchor": "bottom", "showarrow": False,
         "text": f"<b>{row.name}</b>: {row.words}"}
        for place, row in enumerate(rows)
    ]  # fmt: skip
    line = {"color": ROLES["target"], "width": 3}
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 470, "barmode": "overlay", "annotations": notes,
        "shapes": [{"type": "line", "xref": "x", "yref": "paper", "x0": budget, "x1": budget, "y0": 0, "y1": 1, "line": line}],
        "xaxis": {"title": {"text": "Latency, blocks end to end (ms); the line is the budget"}, "range": [0, 1.04 * most]},
        "yaxis": {"visible": False, "range": [len(rows) - 0.5, -0.75]},
    }  # fmt: skip
    return go.Figure(traces, layout)
