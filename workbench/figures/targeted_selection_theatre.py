"""Figures of one match: the score map over a picture, the template at any place of it, and the cosines of its cells there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.targeted_selection import with_gaps
from workbench.figures.theme import ORANGE, PURPLE, SKY, TEXT, new_figure, new_image_figure

Array = NDArray[np.float64]
Box = tuple[float, float, float, float]

HEAT = [[0.0, "rgba(68, 1, 84, 0)"], [0.25, "rgba(59, 82, 139, 0.5)"], [0.5, "rgba(33, 145, 140, 0.65)"],
        [0.75, "rgba(94, 201, 98, 0.75)"], [1.0, "rgba(253, 231, 37, 0.85)"]]  # fmt: skip
"""Viridis, the less opaque the lower the score, so that the picture shows where nothing matches."""

BEST_LINE = {"color": ORANGE, "width": 3}
CURSOR_LINE = {"color": SKY, "width": 3, "dash": "dot"}


@dataclass(frozen=True)
class Match:
    """A template on a picture.

    Attributes:
        source: data URI of the picture.
        size: (width, height) of the picture, pixels.
        stride: pixels per cell.
        scores: (h + th - 1, w + tw - 1) the score map S; entry (r, c) has the template's corner at cell (r - th + 1, c - tw + 1).
        cells: (th, tw) of the template.
        best: box of the highest score, in pixels.
        truth: boxes of the objects of the query's class.
        cursor: (row, column) of the template's corner, cells.
        cosines: (th, tw) of the template's cells with those below them; NaN for cells that are not kept.
        weights: (th, tw) of the template's cells.
    """

    source: str
    size: tuple[int, int]
    stride: int
    scores: Array
    cells: tuple[int, int]
    best: Box
    truth: list[Box]
    cursor: tuple[int, int]
    cosines: Array
    weights: Array


def theatre_figure(match: Match, title: str) -> go.Figure:
    """Draw the score map over the picture, the box of the best match, the true boxes, and the template at the cursor."""
    width, height = match.size
    th, tw = match.cells
    rows = (np.arange(match.scores.shape[0]) - (th - 1) + th / 2) * match.stride
    columns = (np.arange(match.scores.shape[1]) - (tw - 1) + tw / 2) * match.stride
    corner = np.array(match.cursor)[::-1] * match.stride
    cursor = (*corner, *(corner + np.array([tw, th]) * match.stride))
    figure = new_image_figure(title, height=470, margin={"l": 8, "r": 8, "b": 44, "t": 48})
    figure.add_image(source=match.source, hoverinfo="skip")
    figure.add_heatmap(
        x=columns,
        y=rows,
        z=with_gaps(match.scores),
        zmin=float(np.nanquantile(match.scores, 0.8)),
        zmax=float(np.nanmax(match.scores)),
        colorscale=HEAT,
        colorbar={"title": {"text": "S (ratio)", "side": "right"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="S = %{z:.3f}<extra>click to put the template here</extra>",
    )
    figure.add_trace(outline([match.best], "best match", BEST_LINE))
    figure.add_trace(outline(match.truth, "object of the class", {"color": PURPLE, "width": 2, "dash": "dash"}))
    figure.add_trace(outline([cursor], "template", CURSOR_LINE))
    figure.update_xaxes(range=[0, width])
    return figure.update_yaxes(range=[height, 0], autorange=False)


def cosines_figure(match: Match, score: float, title: str) -> go.Figure:
    """Draw the cosines of the template's cells at the cursor, in numbers; their mean is the score there."""
    th, tw = match.cells
    figure = new_figure(title, "Column of the template (cells)", "Row (cells)", height=330)
    shown = [[("" if np.isnan(value) else f"{value:.2f}") for value in row] for row in match.cosines]
    figure.add_heatmap(
        x=np.arange(tw),
        y=np.arange(th),
        z=with_gaps(match.cosines),
        zmin=-0.2,
        zmax=1,
        colorscale="Viridis",
        text=shown,
        texttemplate="%{text}",
        textfont={"size": 12},
        xgap=2,
        ygap=2,
        colorbar={"title": {"text": "Cosine (ratio)", "side": "right"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="cell %{y}, %{x}: cosine %{z:.3f}<extra></extra>",
    )
    figure.add_annotation(
        text=f"mean of the kept cells: S = {score:.3f}",
        xref="paper",
        yref="paper",
        x=0,
        y=1,
        xanchor="left",
        yanchor="bottom",
        showarrow=False,
        font={"color": TEXT},
    )
    figure.update_xaxes(range=[-0.5, tw - 0.5], dtick=1, showgrid=False, constrain="domain")
    return figure.update_yaxes(
        range=[th - 0.5, -0.5], dtick=1, showgrid=False, scaleanchor="x", constrain="domain", autorange=False
    )


def outline(boxes: list[Box], name: str, line: dict[str, Any]) -> dict[str, Any]:
    """Return boxes as one trace, broken between them."""
    x = [value for x0, _, x1, _ in boxes for value in (x0, x1, x1, x0, x0, None)]
    y = [value for _, y0, _, y1 in boxes for value in (y0, y0, y1, y1, y0, None)]
    return {"type": "scatter", "x": x, "y": y, "mode": "lines", "line": line, "name": name, "hoverinfo": "skip"}
