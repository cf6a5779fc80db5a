"""Figure of "Optimizing Data Collection for Machine Learning": the penalty behind an accepted risk."""

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
    amount_axis,
    level,
    level_text,
    line,
    mark,
)
from workbench.figures.how_much_data import short
from workbench.figures.theme import GREY, ROLES, TEMPLATE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RiskDial:
    """An accepted risk, the order it means and the penalty it implies.

    Attributes:
        present: samples owned.
        sizes: (g,) samples owned after the order.
        risks: (g,) probability that a size does not suffice.
        implied: (g,) the only penalty ``c / f`` for which a size can be the best order.
        efficient: (g,) whether it then is.
        risk: the accepted risk.
        order: the size of that risk, ``inf`` beyond the cap.
        penalty: the penalty that it implies.
        optimal: whether the order is the best one for that penalty.
        best: size and risk of the best order for the person's own penalty.
        own_penalty: that penalty.
        newsvendor: size and risk of the wrong rule ``F = 1 - c / P`` for the implied penalty.
    """

    present: float
    sizes: Array
    risks: Array
    implied: Array
    efficient: NDArray[np.bool_]
    risk: float
    order: float
    penalty: float
    optimal: bool
    best: tuple[float, float]
    own_penalty: float
    newsvendor: tuple[float, float]


def newsvendor_risk(cost: float, penalty: float) -> float:
    """Return the risk ``1 - F = c / P`` of the newsvendor, which is WRONG here and drawn for contrast only.

    It would hold if every missing sample cost the penalty; here a miss costs it once, however large it is.
    """
    return min(cost / penalty, 1.0)


def risk_figure(dial: RiskDial, title: str) -> go.Figure:
    """Draw the risk of every order above, and below it the penalty that makes it the best one."""
    right = float(dial.sizes[-1])
    window = [dial.present - 0.03 * (right - dial.present), right]
    finite = dial.implied[np.isfinite(dial.implied)]
    low = 0.4 * float(min(finite.min(), dial.own_penalty)) if len(finite) else 0.01 * dial.own_penalty
    high = max(100 * low, 10 * max(dial.own_penalty, min(_at(dial, 1e-6), 1e3 * dial.own_penalty)))
    risks = {"tickvals": [1e-6, 1e-4, 1e-2, 1], "ticktext": ["10⁻⁶", "10⁻⁴", "0.01", "1"], "range": [-7.5, 0.3]}
    words = f"your P = {short(dial.own_penalty)}"
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 560,
        "shapes": [level("x domain", "y", dial.risk, DIALLED), level("x2 domain", "y2", dial.own_penalty, BEST)],
        "annotations": [level_text("x2 domain", "y2", np.log10(dial.own_penalty), words)],
        "xaxis": {"range": window, "matches": "x2", "anchor": "y", "showticklabels": False},
        "xaxis2": {"range": window, "anchor": "y2", "title": {"text": "Samples owned after the order (count)"}},
        "yaxis": {"domain": [0.54, 1], "type": "log", "title": {"text": "Risk (probability)"}, **risks},
        "yaxis2": amount_axis("Penalty P (cost units)", low, high, domain=[0, 0.47], anchor="x2"),
    }
    traces = [*_curves(dial, 1e3 * high), *_orders(dial, right)]
    return go.Figure([{"type": "scatter", **trace} for trace in traces], layout)


def _curves(dial: RiskDial, highest: float) -> list[dict[str, Any]]:
    """Return the risk above, and below it the implied penalty, apart where an order is the best one and where it is not."""
    lower = {"x": "x2", "y": "y2"}
    risks = np.where(dial.risks > DEEPEST, dial.risks, np.nan)
    best = np.where(dial.efficient, dial.implied, np.nan)
    other = np.where(dial.efficient, np.nan, np.minimum(dial.implied, highest))
    thick, faint = {"line": {**LAW["line"], "width": 4}}, {"line": {"color": GREY, "width": 1.5, "dash": "dot"}}
    can = "P = %{y:,.3s} makes %{x:,.0f} the best order"
    cannot = "no penalty makes %{x:,.0f} the best order"
    return [
        line(dial.sizes, risks, "risk 1 - F", CHANCE, hover="risk %{y:.2g} at %{x:,.0f}"),
        line(dial.sizes, best, "implied penalty c / f, order can be best", thick, **lower, hover=can),
        line(dial.sizes, other, "c / f, but another order is better", faint, **lower, hover=cannot),
    ]


def _orders(dial: RiskDial, right: float) -> list[dict[str, Any]]:
    """Return the dialled order, the best one for the person's own penalty, and the newsvendor's, in both plots."""
    lower = {"x": "x2", "y": "y2"}
    dialled = {"symbol": "circle", "size": 12, "color": DIALLED}
    wrong = {"symbol": "x", "size": 11, "color": ROLES["bad"]}
    star = {"symbol": "star", "size": 14, "color": BEST}
    order, penalty = (value if np.isfinite(value) else None for value in (dial.order, dial.penalty))
    verdict = "best for the penalty it implies" if dial.optimal else "best for no penalty"
    size, size_risk = dial.best
    best = f"best order for your P: {short(size) if size > dial.present else 'none'}"
    rule, rule_risk = dial.newsvendor
    newsvendor = f"newsvendor, wrong here: {short(rule) if np.isfinite(rule) else 'out of reach'}"
    return [
        mark([order], [dial.risk], f"risk dialled: {100 * dial.risk:.2g} %, {verdict}", dialled),
        mark([size], [max(size_risk, DEEPEST)], best, star),
        mark([min(rule, right)], [rule_risk], newsvendor, wrong),
        mark([order], [penalty], "risk dialled", dialled, lower, legend=False),
        mark([size], [dial.own_penalty], best, star, lower, legend=False),
        mark([min(rule, right)], [penalty], newsvendor, wrong, lower, legend=False),
    ]


def _at(dial: RiskDial, risk: float) -> float:
    """Return the implied penalty at a risk, or the largest finite one before it."""
    known = np.isfinite(dial.implied) & (dial.risks >= risk)
    return float(dial.implied[known][-1]) if known.any() else 1.0
