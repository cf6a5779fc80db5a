"""Figures of a query: its box on the picture, which cells of the feature map it covers, and the template that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.targeted_selection import with_gaps
from workbench.figures.theme import GREY, PURPLE, TEMPLATE, TEXT, new_image_figure

Array = NDArray[np.float64]
Box = tuple[float, float, float, float]

VEIL = [[0.0, "rgba(255, 210, 60, 0)"], [1.0, "rgba(255, 210, 60, 0.35)"]]
"""Colours of coverage 0 to 1 over a picture, through which the object is seen."""

COVERED = [[0.0, "#FFF6DB"], [1.0, "#FFC933"]]
"""The same where the coverage is written into the cells."""

INK = "#1B1B1B"

BOX_LINE = {"color": PURPLE, "width": 3}
MARGIN_CELLS = 2
MOST_READ = 10
"""Cells in a row whose coverage is written into them."""


@dataclass(frozen=True)
class QueryShown:
    """A query and its template at one stride.

    Attributes:
        source: data URI of the picture.
        pixels: uint8 (height, width, 3) of the picture, at the size that the network saw.
        box: of the object as it is cut, (x0, y0, x1, y1).
        drawn: the box as the person drew it, before padding.
        stride: pixels per cell.
        coverage: (h, w) share of each cell that the box covers.
        kept: bool (h, w), the cells of the template.
        colours: uint8 (h, w, 3): the feature vectors of the picture as colours.
    """

    source: str
    pixels: NDArray[np.uint8]
    box: Box
    drawn: Box
    stride: int
    coverage: Array
    kept: NDArray[np.bool_]
    colours: NDArray[np.uint8]


def picture_figure(query: QueryShown, title: str) -> go.Figure:
    """Draw the picture with the box, which a person can draw anew, the coverage of the cells, and outlines of those kept."""
    height, width = query.pixels.shape[:2]
    figure = new_image_figure(title, height=480, margin={"l": 8, "r": 8, "b": 36, "t": 48})
    figure.add_image(source=query.source, hoverinfo="skip")
    figure.add_trace(_coverage(query.coverage, query.stride))
    thin = {"color": "rgba(255, 255, 255, 0.7)", "width": 0.8}
    figure.add_trace(_outlines(query.kept, query.stride, "cells of the template", thin))
    figure.add_shape(**rectangle(query.drawn), line=BOX_LINE, editable=True)
    figure.update_xaxes(range=[0, width])
    figure.update_yaxes(range=[height, 0], autorange=False)
    return figure.update_layout(dragmode="drawrect", newshape={"line": BOX_LINE, "fillcolor": "rgba(0, 0, 0, 0)"})


def template_figure(query: QueryShown, title: str) -> go.Figure:
    """Draw the object enlarged, the coverage of every cell in numbers, and the feature vectors as colours; kept cells outlined."""
    rows, columns = _window(query.kept)
    y, x = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
    kept, corner, stride = query.kept[rows, columns], (x[0] - 0.5, y[0] - 0.5), query.stride
    pixels = query.pixels[stride * rows.start : stride * rows.stop, stride * columns.start : stride * columns.stop]
    inside = 0.5 / stride
    pictures = [
        {"z": pixels, "x0": corner[0] + inside, "y0": corner[1] + inside, "dx": 1 / stride, "dy": 1 / stride},
        {"z": query.colours[rows, columns], "x0": x[0], "y0": y[0]},
    ]
    line, white = {"color": TEXT, "width": 2}, {"color": "#FFFFFF", "width": 1.5}
    traces = [
        {"type": "image", **pictures[0], "hoverinfo": "skip"},
        {**_outlines(kept, 1, "", white, corner)},
        {**_numbers(x, y, query.coverage[rows, columns]), "xaxis": "x2", "yaxis": "y2"},
        {**_outlines(kept, 1, "", line, corner), "xaxis": "x2", "yaxis": "y2"},
        {
            "type": "image",
            **pictures[1],
            "hovertemplate": "cell %{y}, %{x}<extra></extra>",
            "xaxis": "x3",
            "yaxis": "y3",
        },
        {**_outlines(kept, 1, "", white, corner), "xaxis": "x3", "yaxis": "y3"},
    ]
    across, down = [x[0] - 0.5, x[-1] + 0.5], [y[-1] + 0.5, y[0] - 0.5]
    layout = {
        "template": TEMPLATE,
        "title": {"text": title},
        "height": 640,
        "margin": {"l": 44, "r": 8, "b": 44, "t": 68},
        "showlegend": False,
        "annotations": [],
    }
    heights = ((0.7, 1.0), (0.35, 0.65), (0.0, 0.3))
    headings = ("the object, and the kept cells", "coverage a of each cell", "feature vectors as colours")
    for number, (domain, heading) in enumerate(zip(heights, headings, strict=True), 1):
        name = "" if number == 1 else number
        last = number == len(heights)
        words = "Column (cells)" if last else ""
        layout[f"xaxis{name}"] = _cells_axis(words, across, anchor=f"y{name}", showticklabels=last)
        layout[f"yaxis{name}"] = _cells_axis(
            "Row (cells)", down, domain=domain, scaleanchor=f"x{name}", anchor=f"x{name}"
        )
        layout["annotations"].append(_heading(heading, domain[1]))
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
    touched = coverage > 0
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return {
        "type": "heatmap",
        "x": (columns + 0.5) * stride,
        "y": (rows + 0.5) * stride,
        "z": coverage[np.ix_(rows, columns)],
        "zmin": 0,
        "zmax": 1,
        "colorscale": VEIL,
        "showscale": False,
        "hovertemplate": "%{z:.2f} of the cell is covered<extra></extra>",
    }


def _numbers(x: Array, y: Array, covered: Array) -> dict[str, Any]:
    """Return the coverage of the cells near an object, written into those that it touches while there is room."""
    readable = len(x) <= MOST_READ
    texts = [[_short(value) if readable else "" for value in row] for row in covered]
    return {
        "type": "heatmap",
        "x": x,
        "y": y,
        "z": with_gaps(np.where(covered > 0, covered, np.nan)),
        "zmin": 0,
        "zmax": 1,
        "colorscale": COVERED,
        "showscale": False,
        "hoverongaps": False,
        "text": texts,
        "texttemplate": "%{text}",
        "textfont": {"size": 10, "color": INK},
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "cell %{y}, %{x}: %{z:.2f} covered<extra></extra>",
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


def _short(share: float) -> str:
    """Return a coverage in as few signs as tell it apart: nothing, .44 or 1."""
    if share < 0.005:
        return ""
    return "1" if share > 0.995 else f"{share:.2f}".lstrip("0")
