"""The figures of notebook 01 draw the numbers they are given, with titles and units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from workbench.estimators import DataRequirementEstimator, simulate_collection
from workbench.experiments.tasks import load_task
from workbench.figures import how_much_data as draw
from workbench.figures import how_much_data_sweeps as sweeps
from workbench.figures.updates import copy_into


def _curve(name: str = "power", answer: float = 500.0) -> draw.FittedCurve:
    grid = np.array([10.0, 100.0, 1000.0])
    return draw.FittedCurve(name, grid, np.array([10.0, 20.0, 30.0]), np.array([9.0, 90.0, 900.0]), answer)


def test_a_curve_that_never_gets_there_has_no_drop_line_and_says_never():
    figure = draw.curves_figure(
        np.array([10.0, 100.0]), np.array([10.0, 20.0]), [_curve(answer=np.inf)], 40.0, title="t"
    )
    assert figure.data[1].name == "power: never"
    assert figure.data[2].x[0] is None


def test_every_figure_has_a_title_and_units():
    task = load_task("CIFAR-10")
    game = simulate_collection(task.oracle, DataRequirementEstimator("log"), 90, 5000, 3)
    matrix = pd.DataFrame(
        [(a, b, 1.0, 10.0, 1.2) for a in ("A", "B") for b in ("A", "B")],
        columns=["learned_on", "used_on", "tau", "failures", "largest_ratio"],
    )
    ratios = pd.DataFrame({"curve": ["power", "log"], "target": [90, 90], "ratio": [0.5, 2.0]})
    answers = pd.DataFrame({"target": [90.0, 91.0], "power": [10.0, 20.0], "log": [15.0, np.inf]})
    figures = [
        draw.curves_figure(np.array([10.0, 100.0]), np.array([10.0, 20.0]), [_curve()], 25.0, title="curves"),
        draw.amplifier_figure({"power": (100.0, 80.0), "log": (100.0, np.inf)}, 1.0, 25.0, "Score (%)"),
        draw.rounds_figure((task.oracle.sizes, task.oracle.scores), game, 90.0, 12_000.0, 3, "rounds"),
        sweeps.ratio_figure(ratios, 1, "CIFAR-10"),
        sweeps.correction_figure(matrix, "power", 5, "A", "B"),
        sweeps.interval_figure(answers, np.array([12.0, 18.0]), "interval"),
    ]
    for figure in figures:
        assert figure.layout.title.text
        titles = [
            axis.title.text for kind in (figure.select_xaxes, figure.select_yaxes) for axis in kind() if axis.title.text
        ]
        assert len(titles) >= 2
        assert all(title.endswith(")") for title in titles), titles


def test_heat_map_shows_ratios_as_numbers_and_their_logarithm_as_colour():
    ratios = pd.DataFrame({"curve": ["power", "log"] * 2, "target": [90, 90, 91, 91], "ratio": [0.5, 2.0, 16.0, 1.0]})
    heat = sweeps.ratio_figure(ratios, 1, "task").data[0]
    assert np.asarray(heat.z).tolist() == [[-1.0, 2.0], [1.0, 0.0]]
    assert [list(row) for row in heat.text] == [["0.50", "16"], ["2.00", "1.00"]]


@pytest.mark.parametrize("ratio, role", [(0.9, "bad"), (1.2, "good"), (2.0, "warn")])
def test_gauge_is_red_below_one_green_to_one_and_a_half_amber_above(ratio, role):
    assert draw._ratio_gauge(ratio).gauge.bar.color == draw.ROLES[role]


def test_copy_into_keeps_traces_and_clears_shapes_that_are_gone():
    live = go.Figure([go.Scatter(x=[1], y=[1])], {"shapes": [{"type": "line", "x0": 0, "x1": 1, "y0": 0, "y1": 1}]})
    trace = live.data[0]
    copy_into(live, go.Figure([go.Scatter(x=np.array([2.0]), y=[3], visible=False)]))
    assert live.data[0] is trace
    assert (trace.x[0], trace.y[0], trace.visible) == (2.0, 3, False)
    assert live.layout.shapes == ()
    with pytest.raises(ValueError, match="same traces, got 1 and 0"):
        copy_into(live, go.Figure())
