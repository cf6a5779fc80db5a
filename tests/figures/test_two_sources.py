"""The map of two sources draws prices as lines, beliefs as dots and rings, and orders as arrows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.figures import two_sources as draw

NAMES = ("clean labels", "noisy labels")
SIZES = np.array([10.0, 50.0, 100.0])
MAP = draw.SourceMap(
    sizes=(SIZES, SIZES),
    scores=60 + 10 * np.add.outer(np.log10(SIZES), 0.5 * np.log10(SIZES)),
    start=np.array([[10.0, 10.0], [20.0, 20.0]]),
    target=85.0,
    price=0.25,
    optimum=np.array([60.0, 40.0]),
    answer=np.array([50.0, 45.0]),
    draws=np.array([[40.0, 50.0], [70.0, 30.0], [np.inf, np.inf]]),
    chance_at=(SIZES, SIZES),
    chance=np.linspace(0, 1, 9).reshape(3, 3),
    window=np.array([110.0, 110.0]),
)
MIXED = replace(MAP, means=np.array([[50.0, 40.0]]), spreads=np.array([[8.0, 4.0]]))
PLAYED = replace(MIXED, path=np.array([[20.0, 20.0], [40.0, 30.0], [150.0, 60.0]]))


def _trace(figure, name):
    return next(trace for trace in figure.data if trace.name.startswith(name))


def test_every_state_has_the_same_traces():
    kinds = [[trace.type for trace in draw.map_figure(m, "t", NAMES).data] for m in (MAP, MIXED, PLAYED)]
    assert kinds[0] == kinds[1] == kinds[2]


def test_the_thick_iso_cost_line_passes_through_the_cheapest_mix_with_the_slope_of_the_price():
    line = _trace(draw.map_figure(MAP, "t", NAMES), "mixes that cost")
    (x0, x1), (y0, y1) = line.x, line.y
    assert x0 + 0.25 * y0 == pytest.approx(60 + 0.25 * 40)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(-1 / 0.25)
    assert line.name == f"mixes that cost {40 + 0.25 * 20:g} more"


def test_a_higher_price_turns_the_line():
    slopes = []
    for price in (0.1, 0.5, 2.0):
        line = _trace(draw.map_figure(replace(MAP, price=price), "t", NAMES), "mixes that cost")
        slopes.append((line.y[1] - line.y[0]) / (line.x[1] - line.x[0]))
    assert slopes == pytest.approx([-10, -2, -0.5])


def test_lines_end_at_the_axes():
    figure = draw.map_figure(MAP, "t", NAMES)
    for name in ("mixes that cost", "0.5, 2, 3 times"):
        x, y = (np.array(v, float) for v in (_trace(figure, name).x, _trace(figure, name).y))
        assert np.nanmin(x) >= 0 <= np.nanmin(y)
        assert np.nanmax(x) <= 110.0 + 1e-9 >= np.nanmax(y) - 1e-9


def test_rings_are_one_and_two_standard_deviations_and_only_drawn_for_a_mixture():
    figure = draw.map_figure(MIXED, "t", NAMES)
    for sigmas in (1, 2):
        ring = _trace(figure, f"mixture, {sigmas}")
        assert np.nanmax(ring.x) - 50 == pytest.approx(8 * sigmas)
        assert np.nanmax(ring.y) - 40 == pytest.approx(4 * sigmas)
    assert _trace(draw.map_figure(MAP, "t", NAMES), "mixture, 1").visible is False


def test_an_order_is_an_arrow_and_the_axis_follows_it():
    figure = draw.map_figure(PLAYED, "t", NAMES)
    arrows = [(a.ax, a.ay, a.x, a.y) for a in figure.layout.annotations]
    assert arrows == [(20.0, 20.0, 40.0, 30.0), (40.0, 30.0, 150.0, 60.0)]
    assert figure.layout.xaxis.range[1] > 150
    assert len(draw.map_figure(MIXED, "t", NAMES).layout.annotations) == 0


def test_requirements_out_of_reach_are_not_drawn_but_counted():
    cloud = _trace(draw.map_figure(MAP, "t", NAMES), "needed, by 3 resamples")
    assert len(cloud.x) == 2
    nowhere = draw.map_figure(replace(MAP, optimum=np.full(2, np.inf)), "t", NAMES)
    assert _trace(nowhere, "cheapest mix").visible is False
    assert _trace(nowhere, "mixes that cost").name == f"mixes that cost {30 + 0.25 * 25:.0f} more"


def test_titles_and_units():
    prices = np.array([0.1, 1.0])
    switch = draw.switch_figure(prices, np.array([[30.0, 90.0], [60.0, 20.0]]), np.array([20.0, 20.0]), 0.2, NAMES)
    assert [list(trace.y) for trace in switch.data] == [[10.0, 40.0], [70.0, 0.0]]
    for figure in (draw.map_figure(MAP, "t", NAMES), switch):
        assert figure.layout.title.text
        assert figure.layout.xaxis.title.text.endswith(")")
        assert figure.layout.yaxis.title.text.endswith("(samples)")
