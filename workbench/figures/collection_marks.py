"""Traces, lines and axes that the figures of "Optimizing Data Collection for Machine Learning" share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.figures.how_much_data import short
from workbench.figures.theme import ROLES, series_style

Array = NDArray[np.float64]

LAW, CHANCE, REGRESSION, MEAN = (series_style(index) for index in (0, 4, 1, 3))
"""Density and cost; chance and risk; the answer of one fitted curve; the mean of the resampled fits."""

BEST, DIALLED = ROLES["good"], ROLES["target"]
"""The order of least expected cost; what the person chose."""

DEEPEST = 1e-9
"""Least risk that is drawn."""


def share(part: float) -> str:
    """Return a share in percent.

    >>> share(0.256), share(0.00333), share(1.0)
    ('26 %', '0.33 %', '100 %')
    """
    return f"{100 * part:.0f} %" if part >= 0.095 or not part else f"{100 * part:.2g} %"


def level(xref: str, yref: str, value: float, colour: str) -> dict[str, Any]:
    """Return a dashed horizontal line over the whole width of a plot."""
    line = {"color": colour, "width": 1, "dash": "dash"}
    return {"type": "line", "xref": xref, "yref": yref, "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line}


def level_text(xref: str, yref: str, value: float, text: str) -> dict[str, Any]:
    """Return the words above the left end of a level; ``value`` is a logarithm on a logarithmic axis."""
    place = {"xref": xref, "yref": yref, "x": 0.005, "y": float(value), "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, **place}


def amount_axis(title: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Return a logarithmic axis from ``low`` to ``high`` whose ticks read as amounts: 10 k, 20 k, 50 k.

    >>> amount_axis("Cost (cost units)", 4e4, 3e5)["ticktext"]
    ['50 k', '100 k', '200 k']
    """
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    every = max(1, int(np.ceil((np.log10(high) - np.log10(low)) / 6)))
    steps = (1, 2, 5) if high < 30 * low else (1,)
    ticks = np.array([step * 10.0**decade for decade in decades[::every] for step in steps])
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    return {
        "type": "log",
        "range": [float(np.log10(low)), float(np.log10(high))],
        "tickvals": ticks.tolist(),
        "ticktext": [short(tick) if tick >= 10 else f"{tick:g}" for tick in ticks],
        "title": {"text": title},
        **more,
    }


def right_axis(over: str, title: str, **more: Any) -> dict[str, Any]:
    """Return a second vertical axis on the right of the plot of axis ``over``."""
    return {
        "overlaying": over,
        "side": "right",
        "showgrid": False,
        "zeroline": False,
        "title": {"text": title},
        **more,
    }


def line(
    x_values: Array,
    y_values: Array,
    name: str,
    style: dict,
    *,
    x: str = "x",
    y: str = "y",
    hover: str = "",
    legend: bool = True,
) -> dict[str, Any]:
    """Return a curve on axes ``x`` and ``y``; curves of one name are hidden and shown together."""
    return {
        "x": x_values,
        "y": y_values,
        "mode": "lines",
        "name": name,
        "line": style["line"],
        "xaxis": x,
        "yaxis": y,
        "hovertemplate": f"{hover}<extra>{name}</extra>",
        "showlegend": legend,
        "legendgroup": name,
    }


def mark(
    x_values: Any, y_values: Any, name: str, marker: dict, axes: dict | None = None, *, legend: bool = True
) -> dict[str, Any]:
    """Return markers on the axes named by ``axes``."""
    axes = axes or {"x": "x", "y": "y"}
    return {
        "x": x_values,
        "y": y_values,
        "mode": "markers",
        "name": name,
        "marker": marker,
        "xaxis": axes["x"],
        "yaxis": axes["y"],
        "cliponaxis": False,
        "hovertemplate": "%{x:,.0f} samples, %{y:,.3g}<extra>" + name + "</extra>",
        "showlegend": legend,
    }
