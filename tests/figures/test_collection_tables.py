"""Table 1 and Figure 2 show both numbers, and colour says which way they differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.experiments.collection_tables import figure_2, table_1
from workbench.experiments.optimal_collection_paper import PAPER_FIGURE_2
from workbench.figures import collection_tables as draw


def _games(met: bool) -> pd.DataFrame:
    targets = [66.0, 67.0]
    return pd.concat(
        pd.DataFrame(
            {
                "task": "VOC",
                "rounds": rounds,
                "policy": policy,
                "seed": 0,
                "target": targets,
                "met": met,
                "cost_ratio": 0.5 if met else np.nan,
                "ratio": [1.2, 0.9],
            }
        )
        for rounds in (1, 3, 5)
        for policy in ("regression", "LOC")
    )


@pytest.fixture
def figure():
    return draw.table_figure(table_1(_games(met=True)))


def _cell(trace, row, column):
    i, j = list(trace.y).index(row), list(trace.x).index(column)
    return trace.text[i][j], trace.z[i][j]


def test_a_cell_reads_published_then_measured(figure):
    assert _cell(figure.data[0], "VOC, regression", "T = 1") == ("36 | 0", -36.0)
    text, difference = _cell(figure.data[2], "VOC, LOC", "T = 1")
    assert text == "0.56 | 0.50"
    assert difference == pytest.approx(-0.06)


def test_cells_with_one_number_are_text_without_a_colour(figure):
    text, difference = _cell(figure.data[0], "CIFAR-10, LOC", "T = 3")
    assert (text, difference) == ("", None)
    plain = figure.data[1]
    words = dict(zip(zip(plain.y, plain.x, strict=True), plain.text, strict=True))
    assert words["CIFAR-10, LOC", "T = 3"] == "32 | –"
    assert "VOC, LOC" not in plain.y


def test_more_failures_than_published_are_red():
    worse = draw.table_figure(table_1(_games(met=False))).data[0]
    assert _cell(worse, "VOC, LOC", "T = 5") == ("0 | 100", 50.0)
    assert worse.reversescale
    red, green, blue = (int(part) for part in worse.colorscale[0][1].removeprefix("rgb(").removesuffix(")").split(","))
    assert red > 2 * max(green, blue), "the low end of the scale is red, and the scale is reversed"


def test_overlay_holds_the_published_points_and_ours(figure):
    overlay = draw.overlay_figure(figure_2(_games(met=True), "VOC"), "VOC")
    lines = [trace for trace in overlay.data if trace.name == "LOC, measured here"]
    assert [list(trace.y) for trace in lines] == [[1.2, 0.9]] * 3
    assert all(len(trace.x) == 0 for trace in overlay.data if "published" in trace.name)
    published = draw.overlay_figure(figure_2(_games(met=True), "CIFAR-100"), "CIFAR-100")
    dots = next(trace for trace in published.data if trace.name == "LOC, published")
    assert tuple(dots.y) == PAPER_FIGURE_2["CIFAR-100", 1][2]
    assert len(overlay.data) == len(published.data)


def test_titles_and_units(figure):
    overlay = draw.overlay_figure(figure_2(_games(met=True), "VOC"), "VOC")
    for drawn in (figure, overlay):
        titles = [
            axis.title.text for kind in (drawn.select_xaxes, drawn.select_yaxes) for axis in kind() if axis.title.text
        ]
        assert len(titles) >= 3
        assert all(title.endswith(")") for title in titles)
        assert drawn.layout.title.text
