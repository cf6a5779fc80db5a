"""One look for every figure: colours that colour-blind people can tell apart and that read on light and on dark pages.

The series colours keep the hues of Okabe and Ito (2008, "Color universal design"); their lightness is moved so that each
one reaches a contrast of 3:1 (WCAG 2.1, 1.4.11) on white *and* on JupyterLab's dark ``#111111``, and so that every pair
stays apart under simulated protanopia, deuteranopia and tritanopia.

No single text colour reaches 4.5:1 on both pages (the best grey reaches 4.34), so text is drawn in one reserved grey,
:data:`TEXT`, and :data:`PAGE_CSS` repaints exactly that grey in the page's own text colour.  The panels add the style
sheet to the page, exported pages carry it, and a figure that is shown without it is still legible.
"""

from __future__ import annotations

import re

import plotly.graph_objects as go
import plotly.io as pio

BLUE, VERMILLION, GREEN = "#0051EF", "#B34624", "#0A7E62"
ORANGE, SKY, PURPLE = "#B58F00", "#0098FF", "#A43F8E"
GREY = "#7A7A7A"

SERIES = (BLUE, VERMILLION, GREEN, ORANGE, SKY)
"""Colours of the first, second, ... series."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
"""Dashes and markers in the same order: a series is never told by colour alone, and thirty series differ in one of both."""

ROLES = {"truth": GREY, "target": PURPLE, "warn": ORANGE, "good": GREEN, "bad": VERMILLION}
"""Colours that mean something: what really is, what is asked for, take care, kept, missed."""

TEXT = "#787978"
GRID = "rgba(128, 128, 128, 0.28)"
SEQUENTIAL = "Viridis"
DIVERGING = "RdBu"
LIGHT_PAGE, DARK_PAGE = "#FFFFFF", "#111111"

_TEXT_RGB = "rgb(" + ", ".join(str(int(TEXT[start : start + 2], 16)) for start in (1, 3, 5)) + ")"
PAGE_CSS = (
    f".js-plotly-plot text[style*='fill: {_TEXT_RGB}'] "
    "{ fill: var(--jp-content-font-color1, currentColor) !important; fill-opacity: 1 !important; }"
)
"""Style sheet that draws the figures' text in the text colour of the page around them."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_UNIT = re.compile(r"\(.+\)\s*$")


def _axis() -> dict[str, object]:
    return {
        "automargin": True,
        "gridcolor": GRID,
        "linecolor": TEXT,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": TEXT,
        "title": {"standoff": 8, "font": {"size": 13}},
        "zerolinecolor": GRID,
    }


def _template() -> go.layout.Template:
    layout = go.Layout(
        autosize=True,
        coloraxis={"colorbar": {"outlinewidth": 0, "thickness": 12}},
        colorscale={"sequential": SEQUENTIAL, "diverging": DIVERGING},
        colorway=SERIES,
        font={"family": _FONT, "size": 12, "color": TEXT},
        height=380,
        hoverlabel={"font": {"family": _FONT, "size": 12}},
        hovermode="closest",
        legend={
            "bgcolor": "rgba(0,0,0,0)",
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yanchor": "bottom",
            "yref": "container",  # however many rows it takes, the plot makes room for it below the axis title
        },
        margin={"l": 56, "r": 20, "t": 48, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        title={"font": {"size": 15}, "x": 0, "xref": "paper", "y": 1, "yanchor": "top", "pad": {"t": 12, "b": 6}},
        xaxis=_axis(),
        yaxis=_axis(),
    )
    return go.layout.Template(layout=layout)


TEMPLATE = _template()
pio.templates["workbench"] = TEMPLATE


def series_style(index: int) -> dict[str, dict[str, object]]:
    """Return ``line`` and ``marker`` of the ``index``-th series: colour, dash and symbol together.

    >>> series_style(1)
    {'line': {'color': '#B34624', 'dash': 'dash', 'width': 2}, 'marker': {'color': '#B34624', 'symbol': 'square', 'size': 7}}
    """
    colour = SERIES[index % len(SERIES)]
    dash, symbol = DASHES[index % len(DASHES)], SYMBOLS[index % len(SYMBOLS)]
    return {
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "symbol": symbol, "size": 7},
    }


def _check_title(value: str, name: str) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be a text that is not empty, got {value!r}")


def new_figure(title: str, x_title: str, y_title: str, **layout: object) -> go.Figure:
    """Return an empty figure of the workbench's look, with a title and with a unit on each axis.

    Args:
        title: what the figure shows.
        x_title: name of the horizontal axis that ends in its unit, such as ``"Latency (ms)"``; write ``(count)``, ``(ratio)``
            or ``(name)`` where there is no physical unit.
        y_title: the same for the vertical axis.
        **layout: further layout properties, such as ``height=320`` or ``xaxis_type="log"``.

    Raises:
        ValueError: a title is empty, or an axis title does not end in a unit in parentheses.

    >>> figure = new_figure("Accuracy of a detector", "Training images (count)", "mAP (%)", yaxis_range=[0, 100])
    >>> figure.layout.title.text, figure.layout.yaxis.range
    ('Accuracy of a detector', (0, 100))
    >>> new_figure("Accuracy", "Training images", "mAP (%)")
    Traceback (most recent call last):
    ValueError: x_title must end in a unit in parentheses, such as 'Latency (ms)', got 'Training images'
    """
    _check_title(title, "title")
    for name, value in (("x_title", x_title), ("y_title", y_title)):
        _check_title(value, name)
        if not _UNIT.search(value):
            raise ValueError(f"{name} must end in a unit in parentheses, such as 'Latency (ms)', got {value!r}")
    figure = go.Figure(layout={"template": TEMPLATE, "title": {"text": title}})
    figure.update_xaxes(title_text=x_title)
    figure.update_yaxes(title_text=y_title)
    return figure.update_layout(**layout)


def new_image_figure(title: str, **layout: object) -> go.Figure:
    """Return an empty figure for an image: square pixels, the first row on top, no axes.

    Args:
        title: what the image shows.
        **layout: further layout properties.

    Raises:
        ValueError: the title is empty.

    >>> new_image_figure("A frame in fog").layout.yaxis.scaleanchor
    'x'
    """
    _check_title(title, "title")
    figure = go.Figure(layout={"template": TEMPLATE, "title": {"text": title}})
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain", scaleanchor="x", autorange="reversed")
    figure.update_layout(margin={"l": 8, "r": 8, "b": 8})
    return figure.update_layout(**layout)


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: str, background: str) -> float:
    """Return the WCAG contrast ratio of two ``#RRGGBB`` colours, from 1 (equal) to 21 (black on white).

    ``(L1 + 0.05) / (L2 + 0.05)`` with the relative luminances ``L1 >= L2``.

    >>> round(contrast("#000000", "#FFFFFF"), 1), round(contrast(BLUE, DARK_PAGE), 1) >= 3
    (21.0, True)
    """
    darker, lighter = sorted((_luminance(colour), _luminance(background)))
    return (lighter + 0.05) / (darker + 0.05)
