"""Figures of a query: its box on the picture, which cells of the feature map it covers, and the template that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import GREY, PURPLE, TEMPLATE, TEXT, new_image_figure

Array = NDArray[np.float64]
Box = tuple[float, float, float, float]

COVERED = [[0.0, "rgba(181, 143, 0, 0)"], [1.0, "rgba(255, 210, 60, 0.85)"]]
"""Colours of coverage 0 to 1, over a picture."""

BOX_LINE = {"color": PURPLE, "width": 3}
MARGIN_CELLS = 2
MOST_READ = 10
"""Cells in a row whose coverage is written into them."""


@dataclass(frozen=True)
class QueryShown:
    """A query and its template at one stride.

    Attributes:
        source: data URI of the picture.
        size: (width, height) of the picture, pixels.
        box: of the object as it is cut, (x0, y0, x1, y1).
        drawn: the box as the person drew it, before padding.
        stride: pixels per cell.
        coverage: (h, w) share of each cell that the box covers.
        kept: bool (h, w), the cells of the template.
        colours: uint8 (h, w, 3): the feature vectors of the picture as colours.
    """

    source: str
    size: tuple[int, int]
    box: Box
    drawn: Box
    stride: int
    coverage: Array
    kept: NDArray[np.bool_]
    colours: NDArray[np.uint8]


def picture_figure(query: QueryShown, title: str) -> go.Figure:
    """Draw the picture with the box, which a person can draw anew, the coverage of the cells, and outlines of those kept."""
    width, height = query.size
    figure = new_image_figure(title, height=480, margin={"l": 8, "r": 8, "b": 36, "t": 48})
    figure.add_image(source=query.source, hoverinfo="skip")
    figure.add_trace(_coverage(query.coverage, query.stride))
    figure.add_trace(_outlines(query.kept, query.stride, "cells of the template", {"color": "#FFFFFF", "width": 1.5}))
    figure.add_shape(**rectangle(query.drawn), line=BOX_LINE, editable=True)
    figure.update_xaxes(range=[0, width])
    figure.update_yaxes(range=[height, 0], autorange=False)
    return figure.update_layout(dragmode="drawrect", newshape={"line": BOX_LINE, "fillcolor": "rgba(0, 0, 0, 0)"})


def template_figure(query: QueryShown, title: str) -> go.Figure:
    """Draw, near the object, the coverage of every cell in numbers, and the feature vectors as colours; kept cells are outlined."""
    rows, columns = _window(query.kept)
    y, x = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
    covered, kept = query.coverage[rows, columns], query.kept[rows, columns]
    line = {"color": TEXT, "width": 2}
    readable = len(x) <= MOST_READ
    texts = [[f"{value:.2f}".lstrip("0") if readable and value > 0.005 else "" for value in row] for row in covered]
    left = {
        "type": "heatmap", "x": x, "y": y, "z": covered, "zmin": 0, "zmax": 1, "colorscale": COVERED, "showscale": False,
        "text": texts, "texttemplate": "%{text}", "textfont": {"size": 10, "color": TEXT}, "xgap": 1, "ygap": 1,
        "hovertemplate": "cell %{y}, %{x}: %{z:.2f} covered<extra></extra>",
    }  # fmt: skip
    right = {"type": "image", "z": query.colours[rows, columns], "x0": x[0], "y0": y[0], "xaxis": "x2", "yaxis": "y2",
             "hovertemplate": "cell %{y}, %{x}<extra></extra>"}  # fmt: skip
    traces = [
        left,
        right,
        {**_outlines(kept, 1, "cells of the template", line, (x[0] - 0.5, y[0] - 0.5)), "type": "scatter"},
        {
            **_outlines(kept, 1, "", {**line, "color": "#FFFFFF"}, (x[0] - 0.5, y[0] - 0.5)),
            "type": "scatter",
            "xaxis": "x2",
            "yaxis": "y2",
            "showlegend": False,
        },
    ]
    ranges = ([x[0] - 0.5, x[-1] + 0.5], [y[-1] + 0.5, y[0] - 0.5])
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 480,
        "margin": {"l": 44, "r": 8, "b": 44, "t": 68},
        "xaxis": _cells_axis("", ranges[0], anchor="y", showticklabels=False),
        "yaxis": _cells_axis("Row (cells)", ranges[1], domain=[0.54, 1], scaleanchor="x"),
        "xaxis2": _cells_axis("Column (cells)", ranges[0], anchor="y2"),
        "yaxis2": _cells_axis("Row (cells)", ranges[1], domain=[0, 0.46], scaleanchor="x2", anchor="x2"),
        "annotations": [_heading("coverage a of each cell", 1), _heading("feature vectors as colours", 0.46)],
        "showlegend": False,
    }
    return go.Figure(traces, layout)


def rectangle(box: Box) -> dict[str, Any]:
    """Return a box as a shape of a layout."""
    x0, y0, x1, y1 = box
    return {"type": "rect", "x0": x0, "y0": y0, "x1": x1, "y1": y1}


def vector_colours(vectors: Array) -> NDArray[np.uint8]:
    """Return feature vectors as colours: their three principal components, each stretched from its 2nd to its 98th percentile.

    Args:
        vectors: (h, w, C).

    Returns:
        Uint8 (h, w, 3).

    >>> vector_colours(np.eye(4).reshape(2, 2, 4)).shape
    (2, 2, 3)
    """
    flat = vectors.reshape(-1, vectors.shape[-1]).astype(float)
    centred = flat - flat.mean(0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :3]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    parts = centred @ axes
    low, high = np.percentile(parts, (2, 98), axis=0)
    scaled = np.clip((parts - low) / np.where(high > low, high - low, 1.0), 0, 1)
    colours = np.zeros((len(flat), 3), np.uint8)
    colours[:, : scaled.shape[1]] = np.round(255 * scaled)
    return colours.reshape(*vectors.shape[:-1], 3)


def _coverage(coverage: Array, stride: int) -> dict[str, Any]:
    rows, columns = np.arange(coverage.shape[0]), np.arange(coverage.shape[1])
    return {
        "type": "heatmap",
        "x": (columns + 0.5) * stride,
        "y": (rows + 0.5) * stride,
        "z": np.where(coverage > 0, coverage, np.nan),
        "zmin": 0,
        "zmax": 1,
        "colorscale": COVERED,
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": "%{z:.2f} of the cell is covered<extra></extra>",
    }


def _outlines(
    kept: NDArray[np.bool_], stride: int, name: str, line: dict[str, Any], corner: tuple[float, float] = (0.0, 0.0)
) -> dict[str, Any]:
    """Return squares around the kept cells as one trace, broken between them."""
    rows, columns = np.nonzero(kept)
    x, y = corner[0] + columns * stride, corner[1] + rows * stride
    xs = np.stack([x, x + stride, x + stride, x, x, np.full(len(x), np.nan)], 1).ravel()
    ys = np.stack([y, y, y + stride, y + stride, y, np.full(len(y), np.nan)], 1).ravel()
    return {"type": "scatter", "x": xs, "y": ys, "mode": "lines", "line": line, "name": name, "hoverinfo": "skip"}


def _window(kept: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the rows and columns of the kept cells, and a few around them."""
    return tuple(
        slice(max(int(places[0]) - MARGIN_CELLS, 0), min(int(places[-1]) + MARGIN_CELLS + 1, size))
        for places, size in zip((np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))), kept.shape, strict=True)
    )


def _cells_axis(title: str, window: list[float], **more: Any) -> dict[str, Any]:
    return {
        "range": window, "title": {"text": title}, "showgrid": False, "zeroline": False, "constrain": "domain",
        "tickcolor": GREY, "nticks": 8, "tickformat": "d", **more,
    }  # fmt: skip


def _heading(text: str, y: float) -> dict[str, Any]:
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": y, "yanchor": "bottom", "xanchor": "center"}
    return {"text": text, "showarrow": False, "font": {"color": TEXT, "size": 12}, **place}
