"""Figures beside the wall of hits: how much of what is wanted stands near the top, and what each click was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import GREY, ROLES, new_figure, series_style

Array = NDArray[np.float64]

STYLES = {"DTM": series_style(0), "GeM": series_style(1)}
"""Lines and markers of the two methods, in every figure of the notebook."""

CHANCE = {"color": GREY, "dash": "dot", "width": 1.5}
CLICK_SYMBOLS = {"more like this": "cross", "not this": "diamond-wide-open"}


def words(category: str) -> str:
    """Return a class as a person writes it.

    >>> words("wheelchair_person")
    'wheelchair person'
    """
    return category.replace("_", " ")


def percent(share: float) -> str:
    """Return a share of a picture as percent, with two digits.

    >>> percent(0.0063), percent(0.25), percent(0.04)
    ('0.63 %', '25 %', '4 %')
    """
    return f"{100 * share:.2g} %"


def with_gaps(values: Array) -> Array | list[list[float | None]]:
    """Return (h, w) values for a heat map, with None where they are not numbers: a page is sent two dimensions as JSON.

    >>> with_gaps(np.array([[1.0, np.nan]]))
    [[1.0, None]]
    """
    if not np.isnan(values).any():
        return values
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def recall_figure(curves: Mapping[str, Array], shown: int, count: int, title: str) -> go.Figure:
    """Draw the share of the wanted pictures among the best 1, 2, ... of each ranking, and what a random order gives.

    Args:
        curves: method -> recall (n,) at 1, 2, ..., n; empty where nobody knows.
        shown: pictures on the wall.
        count: pictures that are ranked.
        title: of the figure.
    """
    figure = new_figure(title, "Pictures looked at (count)", "Found (%)", height=270)
    for name, recall in curves.items():
        figure.add_scatter(
            x=np.arange(1, len(recall) + 1),
            y=100 * recall,
            mode="lines",
            name=name,
            line=STYLES[name]["line"],
            hovertemplate=f"{name}: %{{y:.0f}} % in the best %{{x}}<extra></extra>",
        )
    figure.add_scatter(x=[0, count], y=[0, 100], mode="lines", name="chance", line=CHANCE, hoverinfo="skip")
    figure.add_vline(x=shown, line={"color": ROLES["target"], "dash": "dash", "width": 1})
    figure.update_xaxes(range=[0, max(count, 1)])
    return figure.update_yaxes(range=[0, 104])


def history_figure(
    values: Mapping[str, Sequence[float]], clicks: Sequence[str], prevalence: float, title: str
) -> go.Figure:
    """Draw the average precision before the first click and after each.

    Args:
        values: method -> k + 1 numbers.
        clicks: kind of each of the k clicks.
        prevalence: share of wanted pictures: about what a random order has.
        title: of the figure.
    """
    figure = new_figure(title, "Clicks (count)", "AP (ratio)", height=250)
    symbols = ["circle", *(CLICK_SYMBOLS[kind] for kind in clicks)]
    last = max(len(clicks), 5)
    for name, numbers in values.items():
        figure.add_scatter(
            x=np.arange(len(numbers)),
            y=np.array(numbers, float),
            mode="lines+markers",
            name=name,
            line=STYLES[name]["line"],
            marker={**STYLES[name]["marker"], "symbol": symbols, "size": 9},
            text=["no click", *clicks],
            hovertemplate=f"{name}: %{{y:.2f}} after %{{x}} (%{{text}})<extra></extra>",
        )
    figure.add_scatter(
        x=[-0.3, last + 0.3],
        y=np.repeat(float(prevalence), 2),
        mode="lines",
        name="chance",
        line=CHANCE,
        hoverinfo="skip",
    )
    figure.update_xaxes(range=[-0.3, last + 0.3], dtick=max(1, last // 6))
    return figure.update_yaxes(range=[0, 1.04])
