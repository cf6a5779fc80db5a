"""The figures of notebook 02 draw the numbers they are given, with titles, units and the same traces in every state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from workbench.figures.collection_marks import amount_axis
from workbench.figures.optimal_collection import Landscape, landscape_figure
from workbench.figures.optimal_collection_ensemble import Ensemble, ensemble_figure
from workbench.figures.optimal_collection_risk import RiskDial, newsvendor_risk, risk_figure
from workbench.figures.optimal_collection_rounds import Rounds, rounds_figure
from workbench.figures.updates import copy_into

SIZES = np.linspace(1000.0, 5000.0, 50)
NOTHING = np.array([])
LANDSCAPE = Landscape(
    present=1000.0,
    answers=np.array([500.0, 2000.0, 2100.0, 4000.0, np.inf]),
    q_max=20_000.0,
    sizes=SIZES,
    density=np.full(50, 1 / 4000),
    risks=np.linspace(1, 0, 50),
    costs=np.linspace(1e5, 4e3, 50),
    minima=(np.array([2500.0, 5000.0]), np.array([6e4, 4e3])),
    best=(5000.0, 4e3, 0.0),
    penalty=1e5,
    regression=(2050.0, 7e4),
    mean=(30_000.0, 4e3),
)
RISK = RiskDial(
    present=1000.0,
    sizes=SIZES,
    risks=np.geomspace(1, 1e-8, 50),
    implied=np.geomspace(1e3, 1e8, 50),
    efficient=SIZES > 3000,
    risk=0.01,
    order=2000.0,
    penalty=5e4,
    optimal=True,
    best=(4000.0, 1e-6),
    own_penalty=1e7,
    newsvendor=(3500.0, 2e-5),
)
ROUNDS = Rounds(
    present=1000.0,
    sizes=np.array([2000.0, 3000.0, 5000.0]),
    needed=np.array([1.0, 0.5, 0.1]),
    cost=1600.0,
    exact=None,
    horizons=np.array([3000.0, 2000.0, 1600.0, 1500.0]),
    informed=1200.0,
)
ENSEMBLE = Ensemble(
    sizes=np.array([100.0, 500.0, 1000.0]),
    scores=np.array([30.0, 45.0, 52.0]),
    grid=np.geomspace(100, 20_000, 7),
    curves={"power": np.ones((3, 7)) * np.linspace(30, 90, 7), "log": np.ones((2, 7)) * np.linspace(30, 70, 7)},
    band=np.stack([np.linspace(28, 68, 7), np.linspace(32, 92, 7)]),
    answers=np.array([3000.0, 4000.0, 50.0, np.inf]),
    q_max=20_000.0,
    target=65.0,
)
STATES = {
    "landscape": (lambda shown: landscape_figure(shown, "t"), LANDSCAPE),
    "landscape, revealed": (lambda shown: landscape_figure(shown, "t"), replace(LANDSCAPE, truth=3000.0)),
    "landscape, never": (lambda shown: landscape_figure(shown, "t"), replace(LANDSCAPE, truth=np.inf)),
    "landscape, met": (
        lambda shown: landscape_figure(shown, "t"),
        replace(LANDSCAPE, density=0 * SIZES, costs=0 * SIZES, risks=0 * SIZES, minima=(NOTHING, NOTHING), best=(1000.0, 0, 0)),
    ),
    "risk": (lambda shown: risk_figure(shown, "t"), RISK),
    "risk, out of reach": (
        lambda shown: risk_figure(shown, "t"),
        replace(
            RISK, order=np.inf, penalty=np.inf, optimal=False, implied=np.full(50, np.inf), newsvendor=(np.inf, 0.0)
        ),
    ),
    "rounds": (lambda shown: rounds_figure(shown, "t"), ROUNDS),
    "rounds, gradient": (lambda shown: rounds_figure(shown, "t"), replace(ROUNDS, exact=np.array([2100.0, 3100.0, 5100.0]))),
    "rounds, give up": (
        lambda shown: rounds_figure(shown, "t"),
        replace(ROUNDS, sizes=np.full(3, 1000.0), cost=1e4, horizons=np.full(4, 1e4), informed=1e4),
    ),
    "rounds, met": (
        lambda shown: rounds_figure(shown, "t"),
        replace(ROUNDS, sizes=np.full(3, 1000.0), cost=0.0, horizons=np.zeros(4), informed=0.0),
    ),
    "ensemble": (lambda shown: ensemble_figure(shown, "t", "Score (%)"), ENSEMBLE),
    "ensemble, revealed": (
        lambda shown: ensemble_figure(shown, "t", "Score (%)"),
        replace(ENSEMBLE, truth=(np.array([100.0, 9000.0]), np.array([30.0, 80.0]), np.inf)),
    ),
}  # fmt: skip


def _named(figure: go.Figure, name: str):
    return next(trace for trace in figure.data if trace.name and trace.name.startswith(name))


@pytest.mark.parametrize("state", STATES)
def test_every_figure_has_a_title_and_units_on_its_axes(state):
    draw, shown = STATES[state]
    figure = draw(shown)
    assert figure.layout.title.text == "t"
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    assert all(axis.title.text.endswith(")") for axis in axes if axis.showticklabels is not False)
    assert all(np.all(np.isfinite(axis.range)) for axis in axes if axis.range)
    assert all(axis.range[0] < axis.range[1] for axis in axes if axis.range)


@pytest.mark.parametrize("state", STATES)
def test_a_live_figure_can_go_from_the_first_state_to_any_other(state):
    draw, shown = STATES[state]
    live = draw(STATES[state.split(",")[0]][1])
    copy_into(live, draw(shown))
    assert [trace.name for trace in live.data] == [trace.name for trace in draw(shown).data]


def test_bars_above_the_present_size_are_shares_of_the_fits_that_are_open():
    figure = landscape_figure(LANDSCAPE, "t")
    above, below = _named(figure, "resampled fits"), _named(figure, "contradicted")
    assert above.name.endswith("20 % never")
    assert below.name == "contradicted by the last score: 20 %"
    assert sum(above.y) == pytest.approx(75)  # two near 2 000 and one at 4 000, of four that are not contradicted
    assert sum(below.y) == pytest.approx(25)
    assert max(below.x) < LANDSCAPE.present < min(above.x)


def test_density_and_bars_share_their_unit():
    figure = landscape_figure(LANDSCAPE, "t")
    width = _named(figure, "resampled fits").width
    assert _named(figure, "density").y[0] == pytest.approx(100 * width / 4000)


def test_an_answer_beyond_the_plot_stands_at_its_edge_with_its_own_number():
    marker = _named(landscape_figure(LANDSCAPE, "t"), "mean of the fits")
    assert marker.name == "mean of the fits: 30 k"
    assert marker.x[0] == SIZES[-1]
    assert (
        _named(landscape_figure(replace(LANDSCAPE, best=(1000.0, 1e5, 1.0)), "t"), "best order").name
        == "best order: none"
    )


def test_newsvendor_is_labelled_wrong_and_stands_off_the_curve_of_penalties():
    assert newsvendor_risk(2.0, 1e4) == 2e-4
    assert newsvendor_risk(2.0, 1.0) == 1.0
    figure = risk_figure(RISK, "t")
    marks = [trace for trace in figure.data if trace.name.startswith("newsvendor")]
    assert all("wrong" in trace.name for trace in marks)
    assert (marks[0].y[0], marks[1].y[0]) == (2e-5, 5e4)


def test_only_orders_that_some_penalty_makes_best_are_drawn_thick():
    figure = risk_figure(RISK, "t")
    thick, faint = _named(figure, "implied penalty"), _named(figure, "c / f")
    assert np.isnan(thick.y).sum() == np.sum(SIZES <= 3000)
    assert np.all(np.isnan(thick.y) != np.isnan(faint.y))


def test_stairs_rise_at_their_round_and_bars_say_how_likely_it_is_needed():
    figure = rounds_figure(ROUNDS, "t")
    stairs = _named(figure, "samples owned")
    assert stairs.line.shape == "hv"
    assert (list(stairs.x[:4]), list(stairs.y[:4])) == ([0, 1, 2, 3], [1000, 2000, 3000, 5000])
    assert list(_named(figure, "order is needed").y) == [100, 50, 10]
    assert (_named(figure, "this plan").x, _named(figure, "this plan").y) == ((3,), (1600,))


def test_families_that_are_not_fitted_are_empty_and_not_in_the_legend():
    figure = ensemble_figure(ENSEMBLE, "t", "Score (%)")
    shown = [trace.name for trace in figure.data if " fits" in trace.name and trace.showlegend]
    assert shown == ["log: 2 fits", "power: 3 fits"] or shown == ["power: 3 fits", "log: 2 fits"]
    power = _named(figure, "power: ")
    assert len(power.x) == 3 * (len(ENSEMBLE.grid) + 1)
    assert np.isnan(power.y[len(ENSEMBLE.grid)])


def test_requirements_outside_of_the_plot_are_counted():
    bars = _named(ensemble_figure(ENSEMBLE, "t", "Score (%)"), "samples asked for")
    assert sum(bars.y) == pytest.approx(75)
    assert "25 % of the fits: never" in bars.name


def test_amounts_on_an_axis_read_as_words_from_a_part_of_a_decade_to_many():
    assert amount_axis("c (x)", 3e-3, 4e-2)["ticktext"] == ["0.005", "0.01", "0.02"]
    assert amount_axis("c (x)", 1e3, 1e15)["tickvals"] == [1e3, 1e5, 1e7, 1e9, 1e11, 1e13, 1e15]
