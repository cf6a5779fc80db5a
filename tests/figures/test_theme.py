"""The look of the figures: contrast on both pages, colours that stay apart, titles that are asked for."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

from workbench.figures import theme

# Machado, Oliveira & Fernandes 2009, severity 1.0, for linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
COLOURS = sorted({*theme.SERIES, *theme.ROLES.values()})


def lab(colour, vision):
    """CIE L*a*b* of a colour as a kind of vision sees it."""
    channels = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.maximum(np.array(to_xyz) @ seen / [0.9505, 1, 1.089], 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("page", [theme.LIGHT_PAGE, theme.DARK_PAGE])
@pytest.mark.parametrize("colour", [*COLOURS, theme.TEXT])
def test_every_colour_reaches_three_to_one_on_both_pages(colour, page):
    assert theme.contrast(colour, page) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_series_stay_apart_for_every_kind_of_vision(vision):
    """A difference of 2.3 is just noticeable; ten times that can be told at a glance."""
    for one, other in itertools.combinations([*theme.SERIES, theme.PURPLE], 2):
        assert np.linalg.norm(lab(one, vision) - lab(other, vision)) > 20, (one, other)


def test_contrast_is_that_of_wcag():
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)
    assert theme.contrast("#FFFFFF", "#777777") == theme.contrast("#777777", "#FFFFFF")


def test_no_grey_could_serve_as_text_on_both_pages():
    """The reason for PAGE_CSS: the best single colour falls short of 4.5 on one of the pages."""
    greys = [f"#{value:02X}{value:02X}{value:02X}" for value in range(256)]
    best = max(min(theme.contrast(g, theme.LIGHT_PAGE), theme.contrast(g, theme.DARK_PAGE)) for g in greys)
    assert 4.3 < best < 4.5
    assert min(theme.contrast(theme.TEXT, page) for page in (theme.LIGHT_PAGE, theme.DARK_PAGE)) > best - 0.1


def test_page_css_names_the_text_colour_as_plotly_writes_it():
    red, green, blue = (int(theme.TEXT[start : start + 2], 16) for start in (1, 3, 5))
    assert f"fill: rgb({red}, {green}, {blue})" in theme.PAGE_CSS


def test_thirty_series_differ_in_colour_or_dash():
    styles = [tuple(theme.series_style(index)["line"].values()) for index in range(30)]
    assert len(set(styles)) == 30


def test_new_figure_has_titles_units_and_the_template():
    figure = theme.new_figure("Latency of a layer", "Channels (count)", "Latency (ms)", height=300, xaxis_type="log")
    assert figure.layout.template.layout.colorway == theme.SERIES
    assert figure.layout.height == 300
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.title.text == "Channels (count)"
    assert figure.layout.title.text == "Latency of a layer"


@pytest.mark.parametrize(
    "title, x_title, y_title, message",
    [
        ("", "x (s)", "y (m)", "title must be a text that is not empty, got ''"),
        (None, "x (s)", "y (m)", "title must be a text"),
        ("Title", " ", "y (m)", "x_title must be a text that is not empty"),
        ("Title", "x (s)", "speed", "y_title must end in a unit in parentheses, such as 'Latency (ms)', got 'speed'"),
        ("Title", "x ()", "y (m)", "x_title must end in a unit"),
    ],
)
def test_figure_without_title_or_unit_is_refused(title, x_title, y_title, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        theme.new_figure(title, x_title, y_title)


def test_image_figure_has_square_pixels_and_no_axes():
    figure = theme.new_image_figure("A frame")
    assert figure.layout.xaxis.visible is False
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.yaxis.autorange == "reversed"


def test_background_is_transparent_and_the_legend_lies_outside_of_the_plot():
    layout = theme.TEMPLATE.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    legend = layout.legend
    assert (legend.orientation, legend.yref, legend.y, legend.yanchor) == ("h", "container", 0, "bottom")


def test_theme_loads_no_widgets():
    code = "import sys, workbench.figures.theme; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
