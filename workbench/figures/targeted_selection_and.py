"""Figures of two objects that must stand in one picture: their z-scores, the lines that decide, and what each ranking is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import GREY, ORANGE, PURPLE, ROLES, SKY, TEMPLATE, new_figure, series_style

Array = NDArray[np.float64]

COMBINATIONS = {"min": "min (AND)", "mean": "mean (soft AND)", "max": "max (OR)"}
"""Ways to make one score of two z-scores, and what they are called."""

PAIR_MARKS = (
    {"color": GREY, "symbol": "circle-open", "size": 6},
    {"color": ORANGE, "symbol": "square", "size": 7},
    {"color": SKY, "symbol": "diamond", "size": 8},
    {"color": PURPLE, "symbol": "star", "size": 13},
)
"""Scenes with neither object, the first alone, the second alone, both."""

ROOM = 0.3


def words(category: str) -> str:
    """Return a class as a person writes it.

    >>> words("traffic_light")
    'traffic light'
    """
    return category.replace("_", " ")


def combine(z: Array, how: str) -> Array:
    """Return one score (N,) of two z-scores (N, 2)."""
    return {"min": np.min, "mean": np.mean, "max": np.max}[how](z, axis=1)


def scatter_figure(
    z: Array, shows: NDArray[np.bool_], names: Sequence[str], how: str, budget: int, image_ids: Sequence[str]
) -> go.Figure:
    """Draw the z-scores of two objects over a pool, and for each combination the line beyond which its best scenes lie.

    Args:
        z: (N, 2).
        shows: bool (N, 2), what the scenes really contain.
        names: of the two objects.
        how: combination whose line is drawn thick: ``"min"``, ``"mean"`` or ``"max"``.
        budget: number of scenes beyond each line.
        image_ids: (N,) for the hover.
    """
    budget = min(budget, len(z))
    low, high = float(z.min()) - ROOM, float(z.max()) + ROOM
    kind = shows[:, 0] + 2 * shows[:, 1]
    first, second = (words(name) for name in names)
    labels = ("neither", f"{first} alone", f"{second} alone", "both")
    traces = []
    for index, (label, marker) in enumerate(zip(labels, PAIR_MARKS, strict=True)):
        part = kind == index
        traces.append(
            {
                "x": z[part, 0],
                "y": z[part, 1],
                "mode": "markers",
                "marker": marker,
                "name": f"{label} ({part.sum()})",
                "customdata": np.asarray(image_ids)[part],
                "hovertemplate": f"%{{customdata}}: %{{x:.2f}}, %{{y:.2f}}<extra>{label}</extra>",
            }
        )
    traces += [_line(z, shows, name, budget, (low, high), thick=name == how) for name in COMBINATIONS]
    found = int(_best(z, shows, how, budget).sum())
    square = {"range": [low, high], "zeroline": False, "constrain": "domain"}
    layout = {
        "template": TEMPLATE,
        "title": {"text": f"{first} + {second}: {found} of {budget} by {how} show both"},
        "height": 560,
        "xaxis": {**square, "title": {"text": f"{first.capitalize()} (z-score)"}},
        "yaxis": {**square, "title": {"text": f"{second.capitalize()} (z-score)"}},
    }
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def _best(z: Array, shows: NDArray[np.bool_], how: str, budget: int) -> NDArray[np.bool_]:
    """Return (budget,): whether each of the best scenes contains both."""
    return shows.all(1)[np.argsort(-combine(z, how), kind="stable")[:budget]]


def _line(
    z: Array, shows: NDArray[np.bool_], how: str, budget: int, window: tuple[float, float], *, thick: bool
) -> dict[str, Any]:
    """Return the line at the score of the last scene that the budget buys."""
    level = float(np.sort(combine(z, how))[-budget])
    low, high = window
    corners = {
        "min": ([level, level, high], [high, level, level]),
        "max": ([low, level, level], [level, level, low]),
        "mean": ([2 * level - high, high], [high, 2 * level - high]),
    }
    x, y = corners[how]
    looks = series_style(list(COMBINATIONS).index(how))["line"]
    found = int(_best(z, shows, how, budget).sum())
    return {
        "x": x,
        "y": y,
        "mode": "lines",
        "line": {**looks, "width": 4 if thick else 1.5},
        "name": f"{COMBINATIONS[how]}: {found} of the best {budget}",
        "hovertemplate": f"{how} ≥ {level:.2f}<extra></extra>",
    }


def precision_figure(
    precisions: Mapping[str, float], names: Sequence[str], how: str, both: int, scenes: int
) -> go.Figure:
    """Draw the average precision of every ranking as a bar, beside chance.

    Args:
        precisions: of min, mean, max, first alone and second alone, in finding scenes with both.
        names: of the two objects.
        how: the combination that is shown elsewhere, marked here.
        both: scenes with both objects.
        scenes: N.
    """
    alone = {f"{place} alone": f"{words(name)} alone" for place, name in zip(("first", "second"), names, strict=True)}
    labels = [(COMBINATIONS | alone)[key] for key in precisions]
    colours = [
        series_style(list(COMBINATIONS).index(key))["line"]["color"] if key in COMBINATIONS else GREY
        for key in precisions
    ]
    values = np.array(list(precisions.values()), float)
    text = [f"{value:.2f}{' ◄ shown above' if key == how else ''}" for key, value in precisions.items()]
    figure = new_figure(
        f"Average precision: {both} of {scenes} scenes show both",
        "Average precision (ratio)",
        "Ranking (name)",
        height=300,
        showlegend=False,
    )
    figure.add_bar(
        x=np.nan_to_num(values),
        y=labels,
        orientation="h",
        marker={"color": colours},
        text=text if both else ["no scene shows both"] * len(values),
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    chance = both / scenes
    figure.add_vline(x=chance, line={"color": ROLES["truth"], "width": 2, "dash": "dot"})
    figure.update_xaxes(range=[0, 1.22], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1])
    figure.update_yaxes(autorange="reversed", ticksuffix=" ")
    figure.add_annotation(
        x=chance,
        y=1,
        yref="paper",
        text=f"chance {chance:.2f}",
        showarrow=False,
        xanchor="left",
        yanchor="bottom",
        xshift=2,
    )
    return figure
