"""Small pictures in rows, with boxes and a frame each: what a ranking puts first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.figures.theme import ROLES, TEXT, new_image_figure

Box = tuple[float, float, float, float]

CELL = (256, 160)
"""Width and height of the place of a picture, in units of the axes; the picture fills as much of it as its shape allows."""

GAP = (16, 36)
"""Space to the right of a place and above it, where its words stand."""

USUAL_WIDTH = 1100
"""Pixels of a figure on a wide window: rows are as high as their pictures are then."""

FRAMES = {True: ("good", "solid"), False: ("bad", "dash"), None: ("truth", "dot")}
"""Role and dash of a frame by the truth: a hit, none, not known."""


@dataclass(frozen=True)
class Thumbnail:
    """One picture of the wall.

    Attributes:
        source: data URI of the picture; empty while it is not made yet.
        size: width and height of the original, pixels.
        boxes: one per object, in pixels of the original.
        words: what stands above it.
        hit: whether it contains what was looked for; None where nobody knows.
    """

    source: str
    size: tuple[int, int]
    boxes: Sequence[Box]
    words: str
    hit: bool | None


def wall_figure(
    thumbnails: Sequence[Thumbnail],
    title: str,
    box_looks: Sequence[dict[str, Any]],
    *,
    columns: int = 4,
    places: int = 8,
    other: str = "not known",
) -> go.Figure:
    """Draw thumbnails in rows; a figure of fewer than ``places`` keeps the traces and the height of a full one.

    (A height that changes on the page would end plotly's following of the window's width.)

    Args:
        thumbnails: the best first; at most ``places``.
        title: title of the figure.
        box_looks: name, color and dash of the boxes of each object.
        columns: pictures in a row.
        places: pictures in all.
        other: what pictures are that are neither a hit nor none, for the legend.

    Raises:
        ValueError: there are more thumbnails than places.
    """
    if len(thumbnails) > places:
        raise ValueError(f"thumbnails has {len(thumbnails)} pictures, expected at most {places}")
    rows = -(-places // columns)
    width, height = columns * (CELL[0] + GAP[0]) - GAP[0], rows * (CELL[1] + GAP[1])
    corners = [_corner(index, columns) for index in range(places)]
    figure = new_image_figure(title, height=90 + round(rows * min(175, USUAL_WIDTH * (CELL[1] + GAP[1]) / width)))
    figure.update_xaxes(range=[-2, width + 2])
    figure.update_yaxes(range=[height + 2, -2], autorange=False, constraintoward="top")
    for index in range(places):
        figure.add_trace(_picture(thumbnails[index] if index < len(thumbnails) else None, corners[index]))
    for hit, (role, dash) in FRAMES.items():
        frames = [
            (x, y, x + CELL[0], y + CELL[1]) for one, (x, y) in zip(thumbnails, corners, strict=False) if one.hit is hit
        ]
        name = {True: "a hit", False: "no hit", None: other}[hit]
        figure.add_trace(_outlines(frames, name, {"color": ROLES[role], "width": 3, "dash": dash}))
    for place, looks in enumerate(box_looks):
        boxes = [
            _placed(one, one.boxes[place], corner)
            for one, corner in zip(thumbnails, corners, strict=False)
            if place < len(one.boxes)
        ]
        line = {"color": looks["color"], "width": 2, "dash": looks["dash"]}
        figure.add_trace(_outlines(boxes, looks["name"], line))
    shown = corners[: len(thumbnails)]
    figure.add_scatter(
        x=[x for x, _ in shown],
        y=[y for _, y in shown],
        text=[one.words for one in thumbnails],
        mode="text",
        textposition="top right",
        textfont={"color": TEXT},
        hoverinfo="skip",
        showlegend=False,
    )
    return figure


def _corner(index: int, columns: int) -> tuple[float, float]:
    row, column = divmod(index, columns)
    return column * (CELL[0] + GAP[0]), row * (CELL[1] + GAP[1]) + GAP[1]


def _scale(one: Thumbnail) -> float:
    return min(CELL[0] / one.size[0], CELL[1] / one.size[1])


def _picture(one: Thumbnail | None, corner: tuple[float, float]) -> go.Image:
    if one is None or not one.source:
        return go.Image(source=None, visible=False, hoverinfo="skip")
    return go.Image(
        source=one.source,
        visible=True,
        x0=corner[0],
        y0=corner[1],
        dx=1,
        dy=1,
        hoverinfo="skip",
    )


def _placed(one: Thumbnail, box: Box, corner: tuple[float, float]) -> Box:
    scale = _scale(one)
    return tuple(corner[axis % 2] + scale * value for axis, value in enumerate(box))


def _outlines(boxes: Sequence[Box], name: str, line: dict[str, Any]) -> go.Scatter:
    """Return rectangles as one trace, broken between them."""
    x = [value for x0, _, x1, _ in boxes for value in (x0, x1, x1, x0, x0, np.nan)]
    y = [value for _, y0, _, y1 in boxes for value in (y0, y0, y1, y1, y0, np.nan)]
    places = {"x": np.array(x, float), "y": np.array(y, float)}  # NaN in a list is not JSON
    return go.Scatter(**places, mode="lines", line=line, name=name, hoverinfo="skip", visible=bool(boxes))
