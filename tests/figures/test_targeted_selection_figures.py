"""Figures of notebook 03: what is drawn where, from small arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.figures import targeted_selection as wall
from workbench.figures import targeted_selection_context as context
from workbench.figures import targeted_selection_query as query
from workbench.figures import targeted_selection_size as size
from workbench.figures import targeted_selection_theatre as theatre
from workbench.figures.updates import copy_into

URI = "data:image/jpeg;base64,"


def _query(kept_rows=(1, 2)):
    coverage = np.zeros((5, 8))
    coverage[kept_rows[0], 2:4], coverage[kept_rows[1], 2:4] = 0.4, 1.0
    colours = np.zeros((5, 8, 3), np.uint8)
    pixels = np.zeros((40, 64, 3), np.uint8)
    return query.QueryShown(URI, pixels, (16, 8, 32, 24), (16, 8, 32, 24), 8, coverage, coverage > 0.5, colours)


def test_recall_and_history_are_drawn_in_percent_and_with_the_kind_of_each_click():
    figure = wall.recall_figure({"DTM": np.array([0.5, 1.0]), "GeM": np.array([])}, 1, 2, "t")
    assert figure.data[0].y.tolist() == [50, 100]
    assert [trace.name for trace in figure.data] == ["DTM", "GeM", "chance"]
    history = wall.history_figure({"DTM": [0.2, 0.4, 0.3]}, ["more like this", "not this"], 0.1, "t")
    assert history.data[0].marker.symbol == ("circle", "cross", "diamond-wide-open")
    assert history.data[1].y.tolist() == [0.1, 0.1]


def test_an_unknown_truth_draws_nothing_and_stays_json():
    figure = wall.history_figure({"DTM": [float("nan")], "GeM": [float("nan")]}, [], float("nan"), "t")
    assert "NaN" not in figure.to_json()


def test_cells_are_outlined_where_they_lie_on_the_picture():
    figure = query.picture_figure(_query(), "t")
    veil, outlines = figure.data[1], figure.data[2]
    assert (veil.x.tolist(), veil.y.tolist()) == ([20, 28], [12, 20])
    assert veil.z.tolist() == [[0.4, 0.4], [1.0, 1.0]]
    assert sorted(set(outlines.x[~np.isnan(outlines.x)])) == [16, 24, 32]
    assert sorted(set(outlines.y[~np.isnan(outlines.y)])) == [16, 24]
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].y1) == (16, 24)
    assert figure.layout.dragmode == "drawrect"


def test_template_figure_shows_a_window_around_the_kept_cells_at_the_edge_too():
    for rows in ((1, 2), (3, 4)):
        figure = query.template_figure(_query(rows), "t")
        numbers = figure.data[2]
        place = list(numbers.y).index(rows[1])
        assert numbers.text[place][list(numbers.x).index(2)] == "1"
        assert numbers.text[list(numbers.y).index(rows[0])][list(numbers.x).index(3)] == ".40"
        enlarged = figure.data[0]
        assert enlarged.z.shape[:2] == (8 * len(numbers.y), 8 * len(numbers.x))
        assert enlarged.x0 - enlarged.dx / 2 == numbers.x[0] - 0.5


def test_colours_of_vectors_tell_two_kinds_apart_and_are_not_turned_by_sign():
    vectors = np.zeros((4, 6, 5))
    vectors[:, :3, 0], vectors[:, 3:, 1] = 1, 1
    colours = query.vector_colours(vectors)
    assert len(np.unique(colours[:, :3].reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(colours[0, 0], colours[0, 5])
    assert np.array_equal(query.vector_colours(vectors), colours)


def _match(cursor=(1, 2)):
    scores = np.zeros((6, 9))
    scores[3, 4] = 0.9
    cosines = np.array([[0.8, np.nan], [0.1, 0.2]])
    return theatre.Match(
        URI, (64, 40), 8, scores, (2, 2), (24, 16, 40, 32), [(1, 2, 3, 4)], cursor, cosines, np.array([[1, 0], [1, 1]])
    )


def test_score_map_lies_on_the_picture_at_the_middle_of_the_template():
    figure = theatre.theatre_figure(_match(), "t")
    heat = figure.data[1]
    assert (heat.x[4], heat.y[3]) == ((3 + 1) * 8, (2 + 1) * 8)
    cursor = figure.data[4]
    assert (min(cursor.x[:4]), max(cursor.x[:4]), min(cursor.y[:4])) == (16, 32, 8)
    cells = theatre.cosines_figure(_match(), 0.37, "t")
    assert list(cells.data[0].text[0]) == ["0.80", ""]
    assert "S = 0.370" in cells.layout.annotations[0].text


def _sweep(values):
    x = list(values)
    ap = np.array([values[one] for one in x])
    return pd.DataFrame({"x": x, "ap": ap, "low": ap - 0.1, "high": ap + 0.2})


def test_three_plots_mark_the_setting_where_the_query_stands():
    measured = {
        "stride": _sweep({"8": 0.4, "16": 0.3, "8+16": 0.5}),
        "padding": _sweep({-4.0: 0.4, 0.0: 0.4, 16.0: 0.1}),
        "threshold": _sweep({0.25: 0.3, 0.5: 0.4}),
    }
    live = {
        "stride": (np.array(["8+16"]), np.array([0.6])),
        "padding": (np.array([0.0, 16.0]), np.array([0.6, 0.2])),
        "threshold": (np.array([0.5]), np.array([0.6])),
    }
    now = {"stride": "8+16", "padding": 16.0, "threshold": 0.5}
    figure = context.context_figure(measured, live, now, 0.1, "t")
    stars = [trace for trace in figure.data if trace.name == "as it is set"]
    assert [(star.x[0], star.y[0]) for star in stars] == [("8+16", 0.6), (16.0, 0.2), (0.5, 0.6)]
    assert [star.xaxis for star in stars] == ["x", "x2", "x3"]
    bars = figure.data[0].error_y
    assert (bars.array[0], bars.arrayminus[0]) == (pytest.approx(0.2), pytest.approx(0.1))
    copy_into(figure, context.context_figure(measured, live, now | {"padding": 0.0}, 0.1, "t"))
    assert figure.data[6].x[0] == 0.0


def test_size_figure_marks_the_crossing_and_both_methods_at_the_chosen_size():
    one, other = _sweep({1.0: 0.6, 10.0: 0.4, 25.0: 0.3}), _sweep({1.0: 0.1, 10.0: 0.3, 25.0: 0.7})
    curves = [size.SizeCurve("DTM", "DTM", one, main=True), size.SizeCurve("GeM", "GeM", other, main=True)]
    alone = [size.SizeCurve("GeM", "GeM, empty street", other.iloc[:1])]
    figure = size.size_figure(curves, alone, one, 10.0, 12.0, "t")
    assert next(trace for trace in figure.data if trace.name == alone[0].name).marker.symbol == "square-open"
    star = next(trace for trace in figure.data if trace.name == "the size you chose")
    assert star.y.tolist() == pytest.approx([0.4, 0.3])
    assert figure.layout.shapes[1].x0 == 12.0
    assert "catch up at 12 %" in figure.layout.annotations[0].text
    assert size.size_figure(curves, [], one, 10.0, float("nan"), "t").layout.shapes[1].visible is False
    assert np.isnan(size.ap_at(one, 30.0))


def test_cells_of_the_example_start_at_the_cell_that_the_object_touches():
    figure = size.example_figure(URI, (64, 40), (13, 9, 29, 20), (2, 3), 8, "t")
    x = [value for value in figure.data[1].x if value is not None]
    y = [value for value in figure.data[1].y if value is not None]
    assert (min(x), max(x), min(y), max(y)) == (8, 32, 8, 24)
