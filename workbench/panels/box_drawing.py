"""A box that a person draws on a picture, or moves there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.panels.live import LiveFigure

Box = tuple[float, float, float, float]


def let_draw(figure: LiveFigure, drawn: Callable[[Box], None]) -> None:
    """Call ``drawn((x0, y0, x1, y1))`` whenever a person draws a rectangle on a figure, or moves its shape 0.

    The figure's layout has ``dragmode="drawrect"``. The caller then puts the box into shape 0, which takes the drawn one away.
    (plotly's own ``on_change`` of shapes does not hear of a shape that was added on the page.)
    """
    figure._config = {**figure._config, "edits": {"shapePosition": True}}

    def heard(change: dict[str, Any]) -> None:
        data = (change["new"] or {}).get("relayout_data", {})
        shape: dict[str, Any] = {}
        if data.get("shapes"):
            shape = data["shapes"][-1]
        elif any(name.startswith("shapes[0].") for name in data):
            corners = ("x0", "y0", "x1", "y1")
            shape = {name: data.get(f"shapes[0].{name}", figure.layout.shapes[0][name]) for name in corners}
        if shape:
            x, y = sorted((shape["x0"], shape["x1"])), sorted((shape["y0"], shape["y1"]))
            drawn((x[0], y[0], x[1], y[1]))

    figure.observe(heard, names="_js2py_relayout")
