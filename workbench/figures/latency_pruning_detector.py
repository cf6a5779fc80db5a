"""The figure of one scene with what two detectors find in it, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from workbench.figures.theme import ORANGE, TEMPLATE, TEXT, series_style

Array = NDArray[np.float64]
THERE = {"color": ORANGE, "width": 2, "dash": "dot"}
FOUND = ("solid", "dash", "longdashdot")
"""Dashes of what is found; dots are left for what is there."""
PARTS = ((0.0, 0.47), (0.53, 1.0))
"""Of the width, a picture each."""


def detector_figure(
    image: NDArray[np.uint8],
    truth: Array,
    found: Sequence[tuple[str, Array, Sequence[str], Array]],
    names: Sequence[str],
    title: str,
) -> go.Figure:
    """Draw a scene once for each detector, with dotted boxes around what is there and a box around each thing found.

    Args:
        image: (H, W, 3) of bytes.
        truth: (n, 4) x0, y0, x1, y1 in pixels.
        found: of each of two detectors: its words, boxes (n, 4), their classes, and their scores.
        names: of all classes, whose places give colour and dash.
        title: of the figure.
    """
    traces: list[go.Scatter | go.Image] = []
    for place, (_, boxes, labels, scores) in enumerate(found):
        axes = {"xaxis": f"x{_number(place)}", "yaxis": f"y{_number(place)}"}
        traces.append(go.Image(z=image, hoverinfo="skip", **axes))
        traces.append(_outlines(truth, "what is there", THERE, show=place == 0, **axes))
        chosen = np.array(labels, object)
        for rank, name in enumerate(names):
            line = {**series_style(rank)["line"], "width": 3, "dash": FOUND[rank % len(FOUND)]}
            traces.append(_outlines(boxes[chosen == name], name, line, show=place == 0, **axes))
        words = [f"{label} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
        corner = boxes[:, :2] if len(boxes) else np.zeros((0, 2))
        traces.append(
            go.Scatter(
                x=corner[:, 0], y=corner[:, 1], mode="markers", text=words, name="found", showlegend=False, **axes,
                marker={"size": 9, "symbol": "square", "color": "#FFFFFF", "line": {"color": "#111111", "width": 1}},
                hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
    layout = {
        "template": TEMPLATE, "title": {"text": title}, "height": 520, "margin": {"t": 95},
        "annotations": [
            {
                "text": words, "x": sum(PARTS[place]) / 2, "y": 1.0, "xref": "paper", "yref": "paper", "xanchor": "center",
                "yanchor": "bottom",
                "showarrow": False, "font": {"color": TEXT, "size": 13},
            }
            for place, (words, *_) in enumerate(found)
        ],
    }  # fmt: skip
    for place in range(len(found)):
        layout |= _axes(place, *image.shape[:2])
    return go.Figure(traces, layout)


def _number(place: int) -> str:
    return "" if place == 0 else str(place + 1)


def _axes(place: int, height: int, width: int) -> dict[str, object]:
    shared = {"showgrid": False, "zeroline": False, "showline": False, "ticks": "", "showticklabels": False}
    number = _number(place)
    return {
        f"xaxis{number}": {**shared, "domain": PARTS[place], "range": [-0.5, width - 0.5], "constrain": "domain"},
        f"yaxis{number}": {
            **shared, "range": [height - 0.5, -0.5], "scaleanchor": f"x{number}", "anchor": f"x{number}", "constrain": "domain",
        },
    }  # fmt: skip


def _outlines(boxes: Array, name: str, line: dict[str, object], *, show: bool, **axes: str) -> go.Scatter:
    """Return rectangles as one trace, broken between them; pixel centres are whole numbers."""
    x = [value for x0, _, x1, _ in boxes - 0.5 for value in (x0, x1, x1, x0, x0, np.nan)]
    y = [value for _, y0, _, y1 in boxes - 0.5 for value in (y0, y0, y1, y1, y0, np.nan)]
    return go.Scatter(
        x=np.array(x, float),
        y=np.array(y, float),
        mode="lines",
        line=line,
        name=name,
        hoverinfo="skip",
        showlegend=show,
        **axes,
    )
