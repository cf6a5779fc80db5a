"""The figures of notebook 10 show the numbers that they are given, on axes with units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.figures.latency_pruning import Stairs, faster, stairs_figure, surface_figure
from workbench.figures.latency_pruning_budgets import budgets_figure
from workbench.figures.latency_pruning_knapsack import Blocks, Row, blocks_figure, price_figure, trap_figure
from workbench.figures.latency_pruning_plans import film_figure, matrix_figure, widths_figure


def named(figure, name):
    return next(one for one in figure.data if one.name == name)


def stairs(ms, kept=None):
    widths = 8 * np.arange(1, len(ms) + 1)
    return Stairs(widths, np.array(ms), 10.0 * widths, np.isfinite(ms), 16, kept)


def test_faster_widths_are_those_below_any_narrower_one_that_is_known():
    np.testing.assert_array_equal(faster(stairs([1.0, 3.0, 2.0, np.nan, 2.5, 3.0])), [0, 0, 1, 0, 1, 0])
    assert not faster(stairs([1.0, 1.0, 1.0])).any()
    between = replace(stairs([1.0, 3.0, 2.5, 2.0]), measured=np.array([True, True, False, True]))
    np.testing.assert_array_equal(faster(between), [0, 0, 0, 1])


def test_stairs_mark_the_plan_and_what_multiplications_foretell_ends_on_the_whole_layer():
    figure = stairs_figure(stairs([1.0, 3.0, 2.0, 4.0], kept=24), "A title")
    assert (named(figure, "kept by the plan").x[0], named(figure, "kept by the plan").y[0]) == (24, 2.0)
    np.testing.assert_allclose(named(figure, "what MACs foretell").y, [1, 2, 3, 4])
    assert list(named(figure, "faster than with fewer channels").x) == [24]
    assert [(band.x0, band.x1) for band in figure.layout.shapes] == [(16.5, 32.5)]


def test_unknown_latencies_are_gaps_and_not_numbers_that_a_page_cannot_read():
    ms = np.array([[1.0, np.nan], [2.0, 3.0]])
    points = {"whole layer": (2, 20, 3.0)}
    surface = surface_figure(np.array([1, 2]), np.array([10, 20]), ms, points, "A title")
    assert surface.data[0].z[0][1] is None
    assert named(surface, "whole layer").x[0] == 20
    assert len(named(surface, "kept by the plan").x) == 0
    assert matrix_figure(["a", "b"], None, "A title").data[0].z[1][0] is None


def test_blocks_stand_on_each_other_and_a_star_marks_the_free_ones():
    blocks = Blocks(
        names=("one", "two"),
        group=np.array([0, 0, 1, 1]),
        costs=np.array([2.0, 0.0, 3.0, -1.0]),
        values=np.array([60.0, 20.0, 15.0, 5.0]),
        kept=np.array([True, True, True, False]),
    )
    figure = blocks_figure(blocks, "A title")
    np.testing.assert_allclose(np.array(figure.data[0].base, float), [0, 2, 0, 3])
    np.testing.assert_allclose(figure.data[0].y, blocks.costs)
    assert list(named(figure, "a free block, kept").x) == [0]
    assert list(named(figure, "a free block, removed").x) == [1]
    assert list(figure.layout.xaxis.ticktext) == ["one", "two"]


def test_the_price_is_the_slope_of_a_line_through_the_bound():
    figure = price_figure(np.array([1.0, 9.0]), np.array([50.0, 90.0]), (4.0, 70.0), 72.0, 3.0, "A title")
    tangent = named(figure, "price of a ms")
    assert np.diff(tangent.y)[0] / np.diff(tangent.x)[0] == pytest.approx(3)
    assert np.mean(tangent.y) == pytest.approx(72)
    assert (named(figure, "this plan").x[0], named(figure, "this plan").y[0]) == (4, 70)


def test_blocks_of_a_row_lie_end_to_end_over_the_budget():
    rows = [Row("on offer", [(0, 1, 6.0, 9.0), (1, 1, 3.0, 5.0)], "words"), Row("kept", [(1, 1, 3.0, 5.0)], "fewer")]
    figure = trap_figure(rows, 8.0, 2, "A title")
    assert list(named(figure, "layer B").base) == [6, 0]
    assert list(named(figure, "layer B").text) == ["B1: 5", "B1: 5"]
    narrow = trap_figure([Row("one", [(0, 1, 0.1, 9.0)], "words")], 8.0, 1, "A title")
    assert list(named(narrow, "layer A").text) == ["9"]
    assert figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == 8
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]


def test_the_film_has_two_axes_and_room_for_both():
    figure = film_figure(np.array([90.0, 80.0]), np.array([85.0, 60.0]), np.array([99.0, 95.0]), "A title")
    assert named(figure, "importance kept (right axis)").yaxis == "y2"
    assert list(named(figure, "latency that is reached").y) == [85, 60]
    assert figure.layout.yaxis.range[1] > 90


def test_a_star_stands_on_the_fastest_plan_of_each_column():
    figure = matrix_figure(["a", "b"], np.array([[50.0, 70.0], [60.0, 40.0]]), "A title")
    starred = {(note.x, note.y) for note in figure.layout.annotations if "★" in note.text}
    assert starred == {(0, 0), (1, 1)}
    assert len(figure.layout.annotations) == 4


def test_layers_that_are_gone_are_crossed_out():
    figure = widths_figure(["a", "b"], np.array([8.0, 8.0]), np.array([4.0, 0.0]), "A title", dead=["b"])
    assert list(named(figure, "not computed any more").customdata) == ["b"]
    assert list(named(figure, "kept by the plan").y) == [4, 0]


def test_each_method_is_a_line_in_the_order_of_its_budgets_and_one_seed_has_no_bar():
    points = pd.DataFrame(
        {"method": ["A", "A", "B"], "share": [60, 40, 60], "left": [58.0, 39.0, 45.0],
         "accuracy": [80.0, 50.0, 60.0], "spread": [1.0, 2.0, np.nan]}
    )  # fmt: skip
    figure = budgets_figure(points, 92.0, "MACs", "A title", ("A", "B", "C"), plan=(55.0, 70.0))
    assert list(named(figure, "A").x) == [39, 58]
    assert list(named(figure, "A").error_y.array) == [2, 1]
    assert list(named(figure, "B").error_y.array) == [0]
    assert [named(figure, name).showlegend for name in "ABC"] == [True, True, False]
    assert list(named(figure, "whole network").y) == [92, 92]
    assert named(figure, "plan shown above").x[0] == 55
    without = budgets_figure(points, 92.0, "MACs", "A title", ("A", "B", "C"))
    assert named(without, "plan shown above").showlegend is False
    assert figure.layout.xaxis.title.text == "MACs left (%)"
