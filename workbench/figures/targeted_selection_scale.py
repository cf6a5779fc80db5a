"""Figures of mining millions of pictures: time, storage and money against the size of the pool, and what a coarse pass keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.collection_marks import right_axis
from workbench.figures.how_much_data import short
from workbench.figures.theme import GREY, PURPLE, ROLES, TEMPLATE, TEXT, new_figure, series_style

Array = NDArray[np.float64]

DURATIONS = {
    1e-3: "1 ms",
    1e-2: "10 ms",
    0.1: "0.1 s",
    1.0: "1 s",
    10.0: "10 s",
    60.0: "1 min",
    600.0: "10 min",
    3600.0: "1 h",
    86400.0: "1 day",
    864000.0: "10 days",
    8640000.0: "100 days",
}
"""Ticks of an axis of time."""

TIMES = ("embed", "read", "match", "scan")
_LOOKS = {
    "embed": ("computing the features, once", series_style(2)["line"]),
    "read": ("reading them", {**series_style(3)["line"], "dash": "dash"}),
    "match": ("matching them", {**series_style(4)["line"], "dash": "dot"}),
    "scan": ("one pass: the longer of both", {**series_style(0)["line"], "width": 4}),
}


@dataclass(frozen=True)
class ScaleCurves:
    """What pools of many sizes cost under one setting.

    Attributes:
        images: (g,) sizes of the pool.
        seconds: (g,) each, by :data:`TIMES`.
        gigabytes: (g,) of storage.
        chosen: the pool size that the person asks for.
        euros_per_gb: price of a gigabyte of disk.
        paper: the paper's pool size, marked.
        measured: name -> sizes (m,) and seconds (m,) that were measured on this machine.
        measured_gigabytes: sizes (m,) and gigabytes (m,) of what was really written.
    """

    images: Array
    seconds: Mapping[str, Array]
    gigabytes: Array
    chosen: float
    euros_per_gb: float
    paper: float
    measured: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    measured_gigabytes: tuple[Array, Array] = (np.empty(0), np.empty(0))


def duration(seconds: float) -> str:
    """Return a time as a person says it.

    >>> duration(0.012), duration(144), duration(7200), duration(4 * 86400)
    ('12 ms', '2.4 min', '2 h', '4 days')
    """
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def storage(gigabytes: float) -> str:
    """Return an amount of storage as a person says it, in powers of 1000.

    >>> storage(0.0026), storage(431), storage(1436)
    ('2.6 MB', '431 GB', '1.44 TB')
    """
    for unit, size in (("TB", 1000.0), ("GB", 1.0), ("MB", 1e-3)):
        if gigabytes >= size:
            return f"{gigabytes / size:.3g} {unit}"
    return f"{1e6 * gigabytes:.3g} kB"


def cost_figure(curves: ScaleCurves, title: str) -> go.Figure:
    """Draw the times above and the storage below, over the size of the pool; both axes logarithmic."""
    traces = [_time(curves, name) for name in TIMES]
    for index, (name, points) in enumerate(curves.measured.items()):
        traces.append(_measured(name, points, index))
    line = {"color": series_style(0)["line"]["color"], "width": 3}
    below = {"xaxis": "x2", "yaxis": "y2"}
    traces += [
        {"x": curves.images, "y": curves.gigabytes, "mode": "lines", "line": line, "showlegend": False, "name": "storage",
         "hovertemplate": "%{x:,.0f} pictures: %{y:,.3g} GB<extra></extra>", **below},
        {"x": curves.measured_gigabytes[0], "y": curves.measured_gigabytes[1], "mode": "markers", "name": "written here",
         "marker": {"symbol": "circle-open", "size": 9, "color": TEXT, "line": {"width": 2}},
         "hovertemplate": "%{x:,.0f} pictures: %{y:,.3g} GB, written here<extra></extra>", **below},
        {"x": curves.images, "y": curves.gigabytes * curves.euros_per_gb, "xaxis": "x2", "yaxis": "y3", "opacity": 0,
         "mode": "lines", "showlegend": False, "hoverinfo": "skip"},
    ]  # fmt: skip
    return go.Figure([{"type": "scatter", **trace} for trace in traces], _layout(curves, title))


def _time(curves: ScaleCurves, name: str) -> dict[str, Any]:
    words, line = _LOOKS[name]
    seconds = curves.seconds[name]
    return {
        "x": curves.images,
        "y": np.where(seconds > 0, seconds, np.nan),
        "mode": "lines",
        "line": line,
        "name": words,
        "customdata": [duration(value) for value in seconds],
        "hovertemplate": "%{x:,.0f} pictures: %{customdata}<extra>" + words + "</extra>",
    }


def _measured(name: str, points: tuple[Array, Array], index: int) -> dict[str, Any]:
    symbols = ("circle", "diamond", "square", "triangle-up")
    return {
        "x": points[0],
        "y": points[1],
        "mode": "markers",
        "name": name,
        "marker": {"symbol": symbols[index % 4], "size": 9, "color": TEXT, "line": {"width": 1, "color": "white"}},
        "customdata": [duration(value) for value in points[1]],
        "hovertemplate": "%{x:,.0f} pictures: %{customdata}<extra>" + name + "</extra>",
    }


def _layout(curves: ScaleCurves, title: str) -> dict[str, Any]:
    measured = [points[1] for points in curves.measured.values()]
    seconds = np.concatenate([*curves.seconds.values(), *measured])
    seconds = seconds[seconds > 0]
    times = [float(np.log10(seconds.min())) - 0.2, float(np.log10(seconds.max())) + 0.2]
    ticks = [value for value in DURATIONS if times[0] <= np.log10(value) <= times[1]]
    sizes = np.log10(curves.gigabytes[[0, -1]]) + np.array([-0.2, 0.2])
    window = np.log10(curves.images[[0, -1]]).tolist()
    counts = [10.0**power for power in range(round(window[0]), round(window[1]) + 1)]
    return {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 620,
        "margin": {"r": 70},
        "shapes": [_vertical(curves.chosen, PURPLE, "dash", 2), _vertical(curves.paper, GREY, "dot", 1.5)],
        "annotations": [_label(curves.paper, f"the paper's {short(curves.paper)}")],
        "xaxis": {"type": "log", "range": window, "matches": "x2", "showticklabels": False},
        "xaxis2": {
            "type": "log",
            "range": window,
            "anchor": "y2",
            "tickvals": counts,
            "ticktext": [short(count) for count in counts],
            "title": {"text": "Pictures in the pool (count)"},
        },
        "yaxis": {
            "type": "log",
            "range": times,
            "domain": [0.44, 1],
            "tickvals": ticks,
            "ticktext": [DURATIONS[tick] for tick in ticks],
            "title": {"text": "Time (s, min, h, days)"},
        },
        "yaxis2": {
            "type": "log",
            "range": sizes.tolist(),
            "domain": [0, 0.38],
            "anchor": "x2",
            "dtick": 1,
            "exponentformat": "none",
            "title": {"text": "Storage (GB)"},
        },
        "yaxis3": right_axis(
            "y2", "Disks (EUR)", anchor="x2", type="log", dtick=1, exponentformat="none",
            range=(sizes + np.log10(curves.euros_per_gb)).tolist(),
        ),
    }  # fmt: skip


def _vertical(at: float, colour: str, dash: str, width: float) -> dict[str, Any]:
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "line", "xref": "x2", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": line}


def _label(at: float, text: str) -> dict[str, Any]:
    place = {
        "xref": "x2",
        "yref": "paper",
        "x": float(np.log10(at)),
        "y": 0.41,
        "xanchor": "right",
        "yanchor": "middle",
    }
    return {"text": f"{text} ", "showarrow": False, "font": {"color": TEXT}, **place}


def shortlist_figure(table: pd.DataFrame, names: Sequence[str]) -> go.Figure:
    """Draw which share of the exact top 20 a coarse first pass keeps, against the share of the pool that it passes on.

    Args:
        table: columns ``setting``, ``x`` (share of the pool), ``value`` (share of the top 20), ``spread`` (over queries).
        names: the settings that are drawn, in order.
    """
    figure = new_figure(
        "What a coarse first pass keeps of the exact top 20",
        "Part of the pool that is passed on (%)",
        "Kept of the exact top 20 (%)",
        height=420,
    )
    for index, name in enumerate(names):
        part = table[table["setting"] == name].sort_values("x")
        looks = series_style(index)
        figure.add_scatter(
            x=100 * part["x"],
            y=100 * part["value"],
            mode="lines+markers",
            name=name,
            line=looks["line"],
            marker=looks["marker"],
            customdata=100 * part["spread"],
            hovertemplate="%{y:.1f} ± %{customdata:.1f} % in %{x:g} % of the pool<extra>" + name + "</extra>",
        )
    chance = np.geomspace(0.5, 100, 60)
    line = {"color": ROLES["truth"], "dash": "dot", "width": 2}
    figure.add_scatter(x=chance, y=chance, mode="lines", name="chance", line=line, hoverinfo="skip")
    low = 100 * float(table["x"].min()) if len(table) else 1.0
    ticks = [value for value in (0.5, 1, 2, 5, 10, 20, 30, 50, 100) if value >= 0.9 * low]
    figure.update_xaxes(type="log", range=[np.log10(0.9 * low), np.log10(110)], tickvals=ticks)
    figure.update_yaxes(range=[0, 104])
    return figure
