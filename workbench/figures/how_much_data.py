"""Figures of "How Much More Data Do I Need?": fitted curves, the error amplifier, rounds, ratios, tau and the interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from workbench.figures.theme import ROLES, TEMPLATE, TEXT, new_figure, series_style

Array = NDArray[np.float64]

CURVE_ORDER = ("power", "arctan", "log", "root", "power_saturating")
"""A function keeps its colour, dash and marker in every figure."""


@dataclass(frozen=True)
class FittedCurve:
    """One fitted function as a figure shows it.

    Attributes:
        name: a name of ``CURVES``.
        grid: (g,) sizes at which it is drawn.
        scores: (g,) fitted scores there.
        point_cost: (g,) samples that one more score point costs there, ``nan`` where the fit is flat.
        answer: the size at which it reaches the target, ``inf`` if never.
    """

    name: str
    grid: Array
    scores: Array
    point_cost: Array
    answer: float


def style(curve: str) -> dict[str, dict[str, object]]:
    """Return ``line`` and ``marker`` of a function of the family."""
    return series_style(CURVE_ORDER.index(curve) if curve in CURVE_ORDER else len(CURVE_ORDER))


def short(count: float) -> str:
    """Return a number of samples as a person says it.

    >>> short(570_037), short(1_118_401), short(864), short(float("inf"))
    ('570 k', '1.12 M', '864', 'never')
    """
    if not np.isfinite(count):
        return "never"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 999.5 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f}"


def curves_figure(
    sizes: Array,
    scores: Array,
    curves: Sequence[FittedCurve],
    target: float,
    *,
    title: str,
    score_name: str = "Score (%)",
    truth: tuple[Array, Array] | None = None,
    true_answer: float = np.nan,
) -> go.Figure:
    """Draw measured points, fitted functions, the target line and a drop line at each answer; below, what one point costs.

    Args:
        sizes, scores: (m,) the measurements that the functions were fitted to.
        curves: the fitted functions.
        target: the score asked for.
        title: title of the figure.
        score_name: name and unit of the score.
        truth: sizes and scores of the true curve, when it is revealed.
        true_answer: where the truth reaches the target.
    """
    floor = _floor(scores)
    true_sizes, true_scores = truth if truth is not None else (np.array([]), np.array([]))
    top = max([target, *scores, *true_scores])
    widest = 1.6 * max([*sizes, *true_sizes, *(curve.answer for curve in curves if curve.answer <= curve.grid[-1])])
    window = [float(np.log10(0.8 * np.min(sizes))), float(np.log10(widest))]
    costs = np.concatenate([curve.point_cost[curve.grid <= widest] for curve in curves])
    costs = np.log10(costs[costs > 0]) if np.any(costs > 0) else np.array([0.0, 1.0])
    grey = ROLES["truth"]
    traces = [
        {
            "x": true_sizes,
            "y": true_scores,
            "name": "measured later (truth)",
            "mode": "lines+markers",
            "line": {"color": grey, "width": 1.5},
            "marker": {"color": grey, "size": 5},
            "visible": truth is not None,
        }
    ]
    for curve in curves:
        traces += _curve_traces(curve, target, floor)
    traces += [
        {
            "x": sizes,
            "y": scores,
            "name": "measured so far",
            "mode": "markers",
            "marker": {"size": 9, "color": TEXT, "line": {"width": 1, "color": "white"}},
        },
        {
            "x": [true_answer, true_answer],
            "y": [target, floor],
            "mode": "lines+markers+text",
            "line": {"color": grey, "width": 3},
            "marker": {"size": [11, 0], "color": grey, "symbol": "star"},
            "text": ["", f"truth {short(true_answer)}  "],
            "textposition": "top left",
            "showlegend": False,
            "visible": truth is not None and bool(np.isfinite(true_answer)),
        },
    ]
    line, label = target_line(target)
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 560,
        "shapes": [line],
        "annotations": [label],
        "xaxis": {"type": "log", "range": window, "matches": "x2", "anchor": "y", "showticklabels": False},
        "xaxis2": {"type": "log", "anchor": "y2", "range": window, "title": {"text": "Training samples (count)"}},
        "yaxis": {"title": {"text": score_name}, "range": [floor, top + 0.12 * (top - floor)], "domain": [0.34, 1]},
        "yaxis2": {
            "title": {"text": "Cost of a point<br>(samples)"},
            "type": "log",
            "range": [float(costs.min()) - 0.1, float(costs.max()) + 0.1],
            "nticks": 4,
            "domain": [0, 0.28],
            "anchor": "x2",
        },
    }
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def _curve_traces(curve: FittedCurve, target: float, floor: float) -> list[dict[str, Any]]:
    """Return the fitted line, the drop line at its answer, and the cost of a point in the lower plot."""
    looks, name, answer = style(curve.name), curve.name, short(curve.answer)
    drop = [curve.answer, curve.answer] if np.isfinite(curve.answer) else [None, None]
    shared = {"legendgroup": name, "showlegend": False}
    return [
        {
            "x": curve.grid,
            "y": curve.scores,
            "mode": "lines",
            "line": looks["line"],
            "name": f"{name}: {answer}",
            "legendgroup": name,
        },
        {
            "x": drop,
            "y": [target, floor],
            "mode": "lines+markers",
            "line": {**looks["line"], "width": 1, "dash": "dot"},
            "marker": {**looks["marker"], "size": [10, 6]},
            "hovertemplate": f"{name}: {answer} samples<extra></extra>",
            **shared,
        },
        {
            "x": curve.grid,
            "y": curve.point_cost,
            "mode": "lines",
            "line": looks["line"],
            "xaxis": "x2",
            "yaxis": "y2",
            "hovertemplate": "one more point costs %{y:,.0f} samples at %{x:,.0f}<extra>" + name + "</extra>",
            **shared,
        },
    ]


def _floor(scores: Array) -> float:
    low, high = float(np.min(scores)), float(np.max(scores))
    return max(0.0, low - 0.15 * (high - low + 1)) if low >= 0 else low - 0.15 * (high - low + 1)


def target_line(target: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the horizontal line of the target, shape 0 of its figure so that a panel lets a person drag it, and its label."""
    line = {"color": ROLES["target"], "width": 2, "dash": "dash"}
    shape = {
        "type": "line",
        "xref": "x domain",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": target,
        "y1": target,
        "line": line,
    }
    place = {"xref": "x domain", "yref": "y", "x": 0.005, "y": target, "xanchor": "left", "yanchor": "bottom"}
    return shape, {"text": f"target {target:g}", "showarrow": False, **place}


def amplifier_figure(
    answers: Mapping[str, tuple[float, float]], offset: float, target: float, score_name: str
) -> go.Figure:
    """Draw how far each function's answer moves when its fitted curve is shifted by ``offset`` score points.

    Args:
        answers: function -> (answer of the fit, answer of the shifted fit).
        offset: the shift, in score points.
        target: the score asked for.
        score_name: name of the score, for the title.
    """
    names = [name for name in CURVE_ORDER if name in answers]
    before, after = (np.array([answers[name][index] for name in names]) for index in (0, 1))
    with np.errstate(invalid="ignore"):
        change = np.where(np.isfinite(before) & np.isfinite(after), after - before, np.nan)
    figure = new_figure(
        f"Shift the fit by {offset:+.2f} points at {target:g}: how far the answers move",
        "Change of the answer (samples)",
        "Function (name)",
        height=330,
        showlegend=False,
    )
    labels = [
        f"{short(b)} → {short(a)}" + (f"  ({100 * c / b:+.0f} %)" if np.isfinite(c) and b else "")
        for b, a, c in zip(before, after, change, strict=True)
    ]
    figure.add_bar(
        x=np.nan_to_num(change),
        y=names,
        orientation="h",
        text=labels,
        textposition="auto",
        marker={"color": [style(name)["line"]["color"] for name in names]},
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    widest = max(1.0, float(np.nanmax(np.abs(change), initial=1.0)))
    figure.update_xaxes(range=[-1.35 * widest, 1.35 * widest], zeroline=True, zerolinecolor=TEXT, zerolinewidth=1)
    figure.update_yaxes(autorange="reversed")
    return figure


def rounds_figure(
    truth: tuple[Array, Array], game: pd.DataFrame, target: float, needed: float, shown: int, title: str
) -> go.Figure:
    """Draw the staircase of orders on the true curve, up to round ``shown``, with the ratio gauge beside it.

    Args:
        truth: sizes and scores of the true curve.
        game: what :func:`workbench.estimators.simulate_collection` returned.
        target: the score asked for.
        needed: smallest sufficient size.
        shown: last round that is drawn.
        title: title of the figure.
    """
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[0.74, 0.26],
        specs=[[{"type": "xy"}, {"type": "indicator"}]],
        horizontal_spacing=0.08,
    )
    figure.update_layout(template=TEMPLATE, title_text=title, height=430)
    played = game[game["round"] <= shown]
    figure.add_scatter(x=truth[0], y=truth[1], mode="lines", line={"color": ROLES["truth"]}, name="true curve")
    stairs_x = np.repeat(played["n"].to_numpy(), 2)[1:]
    stairs_y = np.repeat(played["score"].to_numpy(), 2)[:-1]
    figure.add_scatter(
        x=stairs_x, y=stairs_y, mode="lines", line={"color": style("power")["line"]["color"], "width": 3}, name="orders"
    )
    figure.add_scatter(
        x=played["n"],
        y=played["score"],
        mode="markers+text",
        text=["start" if number == 0 else f"{number}" for number in played["round"]],
        customdata=[short(size) for size in played["n"]],
        hovertemplate="round %{text}: %{customdata} samples, score %{y:.2f}<extra></extra>",
        textposition="bottom center",
        marker={
            "size": 11,
            "color": [ROLES["good"] if met else ROLES["bad"] for met in played["met"]],
            "symbol": "diamond",
        },
        name="trained and looked (round)",
    )
    figure.add_scatter(
        x=[needed, needed],
        y=[_floor(truth[1]), target],
        mode="lines",
        line={"color": ROLES["truth"], "dash": "dot"},
        name=f"needed: {short(needed)}",
    )
    ratio = float(played["ratio"].iloc[-1]) if np.isfinite(needed) else float("nan")
    figure.add_trace(_ratio_gauge(ratio), row=1, col=2)
    line, label = target_line(target)
    figure.update_layout(shapes=[line], annotations=[label])
    figure.update_xaxes(title_text="Training samples (count)", type="log")
    figure.update_yaxes(title_text="Score (%)", range=[_floor(truth[1]), float(max(truth[1].max(), target)) + 4])
    return figure


def _ratio_gauge(ratio: float) -> go.Indicator:
    colour = ROLES["bad"] if ratio < 1 else ROLES["good"] if ratio <= 1.5 else ROLES["warn"]
    bands = ((0, 1, ROLES["bad"]), (1, 1.5, ROLES["good"]), (1.5, 3, ROLES["warn"]))
    return go.Indicator(
        mode="gauge+number",
        value=ratio,
        number={"valueformat": ".2f", "font": {"color": colour, "size": 40}},
        title={"text": "collected / needed<br><sub>below 1: missed; above 1.5: wasteful</sub>", "font": {"size": 13}},
        gauge={
            "axis": {"range": [0, 3], "tickvals": [0, 1, 1.5, 2, 3]},
            "bar": {"color": colour, "thickness": 0.35},
            "steps": [{"range": [low, high], "color": _faint(shade)} for low, high, shade in bands],
        },
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.28)"
