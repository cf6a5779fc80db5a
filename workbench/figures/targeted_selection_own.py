"""Figures of a person's own pictures: the query with its box, and what stands there before a folder is given."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from workbench.figures.theme import PURPLE, ROLES, TEXT, new_image_figure

Box = tuple[float, float, float, float]

BLANK = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A picture of one transparent pixel."""

EMPTY = "No pictures yet"
HEIGHT = 420
PREVIEW = (960, 640)
"""Most pixels, across and down, of the picture that is sent to the page."""


def query_figure(source: str, size: tuple[int, int] | None, box: Box, others: Sequence[Box], title: str) -> go.Figure:
    """Draw a picture with the box of the query, which is shape 0 so that a panel lets a person drag it.

    Args:
        source: data URI of the picture, which may be smaller than the original; empty while it is being made.
        size: width and height of the original, pixels: the axes count these. None where there is no picture yet.
        box: of the query, pixels of the original.
        others: boxes that the folder came with.
        title: title of the figure.
    """
    drawn = {"line": {"color": PURPLE, "width": 3}}
    figure = new_image_figure(title, height=HEIGHT, dragmode="drawrect", newshape=drawn)
    looks = {"mode": "lines", "line": {"color": ROLES["truth"], "width": 2, "dash": "dot"}, "hoverinfo": "skip"}
    figure.add_scatter(**_outlines(others), **looks, name="boxes of the folder", visible=bool(len(others)))
    width, height = size or (1, 1)
    figure.update_xaxes(range=[0, width])
    figure.update_yaxes(range=[height, 0], autorange=False, constraintoward="top")
    if size is None:
        figure.add_annotation(
            text=EMPTY, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"color": TEXT}
        )
        return figure
    place = {"xref": "x", "yref": "y", "x": 0, "y": 0, "sizex": width, "sizey": height, "sizing": "stretch"}
    figure.update_layout(images=[{"source": source or BLANK, "layer": "below", **place}])
    return figure.add_shape(type="rect", x0=box[0], y0=box[1], x1=box[2], y1=box[3], **drawn)


def _outlines(boxes: Sequence[Box]) -> dict[str, list[float | None]]:
    """Return the corners of rectangles as one line, broken between them."""
    x = [value for x0, _, x1, _ in boxes for value in (x0, x1, x1, x0, x0, None)]
    y = [value for _, y0, _, y1 in boxes for value in (y0, y0, y1, y1, y0, None)]
    return {"x": x, "y": y}
