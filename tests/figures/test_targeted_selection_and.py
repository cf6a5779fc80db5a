"""The scatter of two z-scores, the bars of the rankings, and the wall of thumbnails."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.figures import targeted_selection_and as draw
from workbench.figures.targeted_selection_thumbnails import CELL, Thumbnail, wall_figure

Z = np.array([[3.0, 2.0], [2.5, -1.0], [-1.0, 2.5], [-1.0, -1.0], [1.0, 1.5]])
SHOWS = np.array([[1, 1], [1, 0], [0, 1], [0, 0], [1, 1]], bool)
NAMES = ("bike", "traffic_light")
IDS = ("a", "b", "c", "d", "e")
LOOKS = [{"name": "one", "color": "#000000", "dash": "solid"}, {"name": "other", "color": "#111111", "dash": "dash"}]


def _line(how, budget):
    figure = draw.scatter_figure(Z, SHOWS, NAMES, "min", budget, IDS)
    return next(trace for trace in figure.data if trace.mode == "lines" and trace.name.startswith(how))


def test_the_lines_pass_through_the_last_scene_that_is_bought():
    assert _line("min", 2).x[0] == _line("min", 2).y[1] == 1.0  # an L around the upper right
    assert _line("max", 2).x[1] == _line("max", 2).y[0] == 2.5  # an L around the lower left
    mean = _line("mean", 2)
    assert (mean.x[0] + mean.y[0]) / 2 == (mean.x[1] + mean.y[1]) / 2 == 1.25


@pytest.mark.parametrize("how, budget, hits", [("min", 2, 2), ("mean", 2, 2), ("max", 3, 1)])
def test_a_legend_says_how_many_of_the_bought_show_both(how, budget, hits):
    assert _line(how, budget).name.endswith(f"{hits} of the best {budget}")


def test_a_budget_above_the_pool_buys_all():
    assert _line("min", 99).name.endswith("2 of the best 5")


def test_the_bars_say_when_nothing_shows_both():
    names = ("min", "mean", "max", "first alone", "second alone")
    figure = draw.precision_figure(dict.fromkeys(names, np.nan), NAMES, "min", 0, 5)
    assert set(figure.data[0].text) == {"no scene shows both"}
    figure = draw.precision_figure(dict(zip(names, (0.5, 0.4, 0.3, 0.2, 0.1), strict=True)), NAMES, "mean", 2, 5)
    assert list(figure.data[0].y) == ["min (AND)", "mean (soft AND)", "max (OR)", "bike alone", "traffic light alone"]
    assert figure.data[0].text[1] == "0.40 ◄ shown above"
    assert figure.layout.shapes[0].x0 == 0.4


def test_boxes_are_scaled_to_the_thumbnail_and_a_short_wall_has_the_same_traces():
    one = Thumbnail("data:x", (512, 320), [(0, 0, 512, 320), (0, 0, 256, 160)], "1", True)
    tall = Thumbnail("data:x", (100, 1600), [(0, 0, 100, 1600), (0, 0, 100, 800)], "2", None)
    few, full = (wall_figure(some, "t", LOOKS) for some in ([one, tall], [one] * 8))
    assert [trace.type for trace in few.data] == [trace.type for trace in full.data]
    boxes = next(trace for trace in few.data if trace.name == "one")
    x, y = np.array(boxes.x), np.array(boxes.y)
    assert (x[1] - x[0], y[2] - y[1]) == CELL
    assert (x[7] - x[6], y[8] - y[7]) == pytest.approx((10, 160))
    assert [trace.visible for trace in few.data[:8]] == [True] * 2 + [False] * 6
    assert [len(t.x) for t in few.data if t.name in ("a hit", "no hit", "not known")] == [6, 0, 6]
    assert few.layout.height == full.layout.height
    with pytest.raises(ValueError, match="9 pictures, expected at most 8"):
        wall_figure([one] * 9, "t", LOOKS)


def test_titles_and_units():
    figure = draw.scatter_figure(Z, SHOWS, ("wheelchair_person", "motor_scooter"), "min", 100, IDS)
    assert len(figure.layout.title.text) <= 62
    assert figure.layout.xaxis.title.text == "Wheelchair person (z-score)"
