"""Figures of the size of the object: where matching an object stops paying and comparing whole pictures will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.figures.targeted_selection import STYLES
from workbench.figures.targeted_selection_theatre import outline
from workbench.figures.theme import GREY, ORANGE, PURPLE, ROLES, TEXT, new_figure, new_image_figure

Box = tuple[float, float, float, float]
BANDS = {"DTM": "rgba(0, 81, 239, 0.16)", "GeM": "rgba(179, 70, 36, 0.16)"}
MOST_CELLS = 400
"""Cells up to which the template's grid is drawn."""


@dataclass(frozen=True)
class SizeCurve:
    """One method over the sizes.

    Attributes:
        method: ``"DTM"`` or ``"GeM"``.
        name: in the legend.
        sweep: columns x (percent of the picture), ap, low, high.
        main: drawn thick, with its band.
    """

    method: str
    name: str
    sweep: pd.DataFrame
    main: bool = False


def size_figure(
    curves: Sequence[SizeCurve],
    alone: Sequence[SizeCurve],
    chance: pd.DataFrame,
    size: float,
    cross: float,
    title: str,
) -> go.Figure:
    """Draw AP against the size of the object, the size that is chosen, and where the two methods cross.

    Args:
        curves: the methods.
        alone: the same with nothing but the objects on the street, drawn as open marks.
        chance: columns x, ap: a random order.
        size: that is chosen, percent of the picture.
        cross: size at which whole pictures catch up, percent; NaN where they do not.
        title: of the figure.
    """
    figure = new_figure(title, "Object (% of the picture)", "AP (ratio)", height=440, legend_traceorder="normal")
    traces: list[dict[str, Any]] = []
    for curve in curves:
        sweep, style = curve.sweep, STYLES[curve.method]
        x = sweep["x"].to_numpy()
        if curve.main:
            edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            fill = {"fill": "tonexty", "fillcolor": BANDS[curve.method]}
            traces += [
                {**edge, "x": x, "y": sweep["low"].to_numpy()},
                {**edge, **fill, "x": x, "y": sweep["high"].to_numpy()},
            ]
        line = {**style["line"], "width": 3 if curve.main else 1}
        traces.append(
            {
                "x": x, "y": sweep["ap"].to_numpy(), "name": curve.name, "line": line, "opacity": 1 if curve.main else 0.75,
                "mode": "lines+markers" if curve.main else "lines", "marker": style["marker"],
                "hovertemplate": f"{curve.name}: %{{y:.2f}} at %{{x:.2g}} %<extra></extra>",
            }
        )  # fmt: skip
    traces += [_open_marks(curve) for curve in alone]
    dotted = {"color": GREY, "dash": "dot", "width": 1.5}
    traces.append({"x": chance["x"].to_numpy(), "y": chance["ap"].to_numpy(), "mode": "lines", "name": "chance",
                   "line": dotted, "hoverinfo": "skip"})  # fmt: skip
    star = {"symbol": "star", "size": 15, "color": ROLES["target"]}
    mains = [curve for curve in curves if curve.main]
    traces.append(
        {
            "x": np.repeat(size, len(mains)), "y": np.array([ap_at(curve.sweep, size) for curve in mains]), "mode": "markers",
            "marker": star, "name": "the size you chose", "hovertemplate": "%{y:.2f} at %{x:.2g} %<extra></extra>",
        }
    )  # fmt: skip
    figure.add_traces([{"type": "scatter", **trace} for trace in traces])
    figure.add_vline(x=size, line={"color": ROLES["target"], "width": 1, "dash": "dash"})
    shown = bool(np.isfinite(cross))
    figure.add_vline(x=cross if shown else size, line={"color": ORANGE, "width": 1.5}, visible=shown)
    figure.add_annotation(
        x=float(np.log10(cross)) if shown else 0,
        y=1,
        yref="paper",
        yanchor="top",
        xanchor="right",
        text=f"whole pictures catch up at {cross:.2g} % " if shown else "",
        showarrow=False,
        font={"color": TEXT},
    )
    ticks = [0.3, 0.6, 1, 2, 4, 10, 25]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return figure.update_yaxes(range=[0, 1.02])


def _open_marks(curve: SizeCurve) -> dict[str, Any]:
    marker = STYLES[curve.method]["marker"]
    return {
        "x": curve.sweep["x"].to_numpy(),
        "y": curve.sweep["ap"].to_numpy(),
        "name": curve.name,
        "mode": "markers",
        "marker": {**marker, "symbol": f"{marker['symbol']}-open", "size": 11, "line": {"width": 2}},
        "hovertemplate": f"{curve.name}: %{{y:.2f}} at %{{x:.2g}} %<extra></extra>",
    }


def ap_at(sweep: pd.DataFrame, size: float) -> float:
    """Return the AP at a size, interpolated in its logarithm; NaN outside of what was measured.

    >>> float(round(ap_at(pd.DataFrame({"x": [1.0, 100.0], "ap": [0.2, 0.4]}), 10.0), 3))
    0.3
    """
    x = np.log(sweep["x"].to_numpy())
    at = np.log(size)
    if not x[0] - 1e-9 <= at <= x[-1] + 1e-9:
        return float("nan")
    return float(np.interp(at, x, sweep["ap"].to_numpy()))


def example_figure(
    source: str, size: tuple[int, int], box: Box, cells: tuple[int, int], stride: int, title: str
) -> go.Figure:
    """Draw a scene with an object of the chosen size, its box, and the cells of a template of it.

    Args:
        source: data URI of the picture.
        size: (width, height) of the picture, pixels.
        box: of the object.
        cells: rows and columns of the template.
        stride: pixels per cell.
        title: of the figure.
    """
    width, height = size
    figure = new_image_figure(title, height=400, margin={"l": 8, "r": 8, "b": 40, "t": 48})
    figure.add_image(source=source, hoverinfo="skip")
    left, top = (stride * np.floor(value / stride) for value in box[:2])
    rows, columns = cells
    grid = [
        (left + stride * column, top + stride * row, left + stride * (column + 1), top + stride * (row + 1))
        for row in range(rows)
        for column in range(columns)
    ]
    figure.add_trace(outline(grid[:MOST_CELLS], "cells of a template", {"color": ORANGE, "width": 1.5}))
    figure.add_trace(outline([box], "object", {"color": PURPLE, "width": 3}))
    figure.update_xaxes(range=[0, width])
    return figure.update_yaxes(range=[height, 0], autorange=False)
