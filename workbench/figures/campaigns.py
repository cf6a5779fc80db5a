"""The figure of a collection campaign: a hidden learning curve above, the purses of the players below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.how_much_data import short
from workbench.figures.theme import ROLES, TEMPLATE, TEXT, series_style

Array = NDArray[np.float64]

PLAYERS = ("you", "regression", "regression + tau", "LOC")
"""A player keeps its colour, dash and marker in every state of the figure."""

ENDS = {"met": ("star", "good"), "missed": ("x", "bad"), "give up": ("hexagram", "warn"), "open": ("circle", None)}
"""Marker and role of a campaign's last point, by its status."""


@dataclass(frozen=True)
class Advice:
    """What the policies say before the next order.

    Attributes:
        grid, scores: (g,) the regression's fitted curve.
        low, high: between these sizes the requirement lies with 90 % probability.
        size: what LOC wants to own next; ``nan`` when it wants to give up.
        chance: probability that it suffices by the last round.
    """

    grid: Array
    scores: Array
    low: float
    high: float
    size: float
    chance: float


def player_style(player: str) -> dict[str, dict[str, object]]:
    """Return ``line`` and ``marker`` of a player, the same in every figure.

    >>> player_style("LOC")["marker"]["symbol"]
    'triangle-up'
    """
    return series_style(PLAYERS.index(player))


def campaign_figure(
    known: tuple[Array, Array],
    campaigns: Mapping[str, pd.DataFrame],
    target: float,
    *,
    title: str,
    score_name: str,
    limit: float,
    truth: tuple[Array, Array] | None = None,
    needed: float = np.nan,
    advice: Advice | None = None,
) -> go.Figure:
    """Draw what was measured and bought: scores above, what each player owns after each round below.

    Args:
        known: sizes and scores measured before the first order.
        campaigns: player -> its rounds so far, as ``simulate_campaign`` returns them; a player who is left out is hidden.
        target: the score asked for.
        title: title of the figure.
        score_name: name and unit of the score.
        limit: most samples that may be owned: the end of the axis.
        truth: sizes and scores of the true curve, when it is revealed.
        needed: where the truth reaches the target.
        advice: what the policies say, when it is not hidden.
    """
    revealed = truth is not None
    everything = [known[1], *(campaign["score"] for campaign in campaigns.values()), truth[1] if revealed else []]
    scores = np.concatenate([*everything, [target]])
    low, high = float(scores.min()), float(scores.max())
    floor, top = max(0.0, low - 0.12 * (high - low)), high + 0.18 * (high - low)
    traces = [_truth(truth), *_advice(advice, target, floor), _known(known)]
    for player in PLAYERS:
        traces += _player(player, campaigns.get(player), limit)
    line, label = _target(target)
    needed_line, needed_label = _needed(needed if revealed else np.nan)
    window = [np.log10(0.85 * float(np.min(known[0]))), np.log10(2.2 * limit)]
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 560,
        "shapes": [line, *needed_line],
        "annotations": [label, *needed_label],
        "xaxis": {"type": "log", "range": window, "matches": "x2", "showticklabels": False},
        "xaxis2": {"type": "log", "range": window, "anchor": "y2", "title": {"text": "Samples owned (count)"}},
        "yaxis": {"title": {"text": score_name}, "range": [floor, top], "domain": [0.42, 1]},
        "yaxis2": {
            "title": {"text": "Player (name)"},
            "type": "category",
            "range": [len(PLAYERS) - 0.4, -0.6],
            "categoryorder": "array",
            "categoryarray": list(PLAYERS),
            "domain": [0, 0.36],
            "anchor": "x2",
        },
    }
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def _truth(truth: tuple[Array, Array] | None) -> dict[str, Any]:
    sizes, scores = truth if truth is not None else ([None], [None])
    return {
        "x": sizes,
        "y": scores,
        "mode": "lines",
        "line": {"color": ROLES["truth"], "width": 2},
        "name": "true curve",
        "visible": truth is not None,
    }


def _known(known: tuple[Array, Array]) -> dict[str, Any]:
    return {
        "x": known[0],
        "y": known[1],
        "mode": "markers",
        "marker": {"size": 9, "color": TEXT, "line": {"width": 1, "color": "white"}},
        "name": "measured before the first order",
    }


def _advice(advice: Advice | None, target: float, floor: float) -> list[dict[str, Any]]:
    """Return the regression's curve, the bar in which LOC expects the requirement, and what it would own next."""
    shown = advice is not None
    advice = advice or Advice(np.array([1.0]), np.array([floor]), 1.0, 1.0, np.nan, 0.0)
    wants = [advice.size] * 2 if np.isfinite(advice.size) else [None, None]
    loc = player_style("LOC")["line"]["color"]
    return [
        {
            "x": advice.grid,
            "y": advice.scores,
            "mode": "lines",
            "line": player_style("regression")["line"],
            "name": "regression's fit to your points",
            "visible": shown,
        },
        {
            "x": [advice.low, advice.high],
            "y": [target, target],
            "mode": "lines",
            "line": {"color": loc, "width": 9},
            "opacity": 0.55,
            "name": "LOC: needed with 90 % probability",
            "visible": shown,
        },
        {
            "x": wants,
            "y": [floor, target],
            "mode": "lines",
            "line": {"color": loc, "width": 2, "dash": "dot"},
            "name": f"LOC would own {short(advice.size)} next" if np.isfinite(advice.size) else "LOC would give up",
            "visible": shown,
        },
    ]


def _player(player: str, campaign: pd.DataFrame | None, limit: float) -> list[dict[str, Any]]:
    """Return a player's points on the learning curve, and its track below."""
    looks = player_style(player)
    shown = campaign is not None
    if not shown:
        campaign = pd.DataFrame({"n": [], "score": [], "round": [], "status": [], "paid": []})
    symbols = [looks["marker"]["symbol"]] * len(campaign)
    colours, sizes = [looks["marker"]["color"]] * len(campaign), [8] * len(campaign)
    text = [""] * len(campaign)
    if len(campaign):
        symbol, role = ENDS[campaign["status"].iloc[-1]]
        if role is not None:
            symbols[-1], colours[-1], sizes[-1] = symbol, ROLES[role], 14
        last = campaign.iloc[-1]
        text[-1] = f"  {_verdict(last)}  "
    shared = {
        "x": campaign["n"],
        "visible": shown,
        "legendgroup": player,
        "customdata": np.column_stack([campaign["round"], campaign["paid"]]),
        "hovertemplate": player
        + ", round %{customdata[0]:.0f}: owns %{x:,.0f}, paid %{customdata[1]:,.3g}<extra></extra>",
    }
    marker = {"symbol": symbols, "color": colours, "size": sizes, "opacity": 1}
    above = {"y": campaign["score"], "mode": "markers", "marker": marker, "name": player, "showlegend": False}
    below = {
        "y": [player] * len(campaign),
        "mode": "lines+markers+text",
        "line": looks["line"],
        "marker": marker,
        "text": text,
        "textposition": "top left" if len(campaign) and campaign["n"].iloc[-1] > limit / 5 else "middle right",
        "name": player,
        "xaxis": "x2",
        "yaxis": "y2",
        "showlegend": False,
        "cliponaxis": False,
    }
    return [{**shared, **above}, {**shared, **below}]


def _verdict(last: pd.Series) -> str:
    words = {"open": "owns", "met": "met with", "missed": "missed with", "give up": "gave up with"}
    return f"{words[last['status']]} {short(last['n'])}"


def _target(target: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the line of the target and its label."""
    line = {"color": ROLES["target"], "width": 2, "dash": "dash"}
    shape = {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "y0": target, "y1": target, "line": line}
    place = {"xref": "x domain", "x": 0.995, "y": target, "xanchor": "right", "yanchor": "bottom", "showarrow": False}
    return shape, {"text": f"target {target:g}", "font": {"color": TEXT}, **place}


def _needed(needed: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a line through both plots at what is needed, and its label between them."""
    if not np.isfinite(needed):
        return [], []
    line = {"color": ROLES["truth"], "width": 2, "dash": "dot"}
    shape = {"type": "line", "xref": "x2", "yref": "paper", "x0": needed, "x1": needed, "y0": 0, "y1": 1, "line": line}
    place = {
        "xref": "x2",
        "yref": "paper",
        "x": float(np.log10(needed)),
        "y": 0.42,
        "xanchor": "left",
        "yanchor": "top",
    }
    return [shape], [{"text": f" needed: {short(needed)}", "showarrow": False, "font": {"color": TEXT}, **place}]
