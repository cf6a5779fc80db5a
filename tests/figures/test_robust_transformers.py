"""The figures of notebook 05 show the numbers that they are given, on axes with units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.figures.robust_transformers import (
    BINS,
    ErrorMaps,
    Shown,
    corruption_figure,
    error_maps_figure,
    published_figure,
)
from workbench.figures.robust_transformers_blocks import BAND, Gates, gates_figure, parts_figure
from workbench.figures.robust_transformers_groups import Machine, Tokens, machine_figure, tokens_figure

CLASSES = ("bag", "boot", "coat")


def named(figure, name):
    return next(one for one in figure.data if one.name == name)


def test_histograms_hold_every_pixel_and_bars_every_class():
    rng = np.random.default_rng(0)
    clean, shown = rng.integers(0, 256, (2, 8, 8)).astype(np.uint8)
    confidence = {"A": np.array([0.2, 0.7, 0.1]), "B": np.array([0.5, 0.3, 0.2])}
    figure = corruption_figure(Shown(clean, shown, ("clean", "fog"), CLASSES, 1, confidence), "A title")
    assert sum(named(figure, "clean").y) == pytest.approx(100)
    assert named(figure, "as shown").y[0] == pytest.approx(100 * (shown < BINS[1]).mean())
    assert list(named(figure, "A").x) == pytest.approx([20, 70, 10])
    assert named(figure, "B").y[1] == "<b>boot ✓</b>"
    assert "✓" not in "".join(
        corruption_figure(Shown(clean, shown, ("", ""), CLASSES, None, confidence), "x").data[-1].y
    )
    np.testing.assert_array_equal(figure.data[1].z, shown)


def maps(values):
    hover = np.full((15, 5), "words", object)
    ranking = pd.DataFrame({"network": ["A", "B", "C"], "value": [70.0, 80.0, 90.0], "spread": [1.0, 2.0, 3.0]})
    accuracy = np.linspace(50, 64, 15)
    names = [f"c_{index}" for index in range(15)]
    return ErrorMaps(("A", "B"), names, values, (hover, hover), (accuracy, accuracy + 10), ranking, "mCE (%)")


def test_both_maps_share_one_scale_and_the_radar_closes():
    figure = error_maps_figure(maps((np.full((15, 5), 20.0), np.full((15, 5), 120.0))), "A title")
    assert [trace.zmax for trace in figure.data[:2]] == [120.0, 120.0]
    assert [trace.showscale for trace in figure.data[:2]] == [False, True]
    radar = named(figure, "B")
    assert len(radar.r) == 16
    assert radar.r[0] == radar.r[-1] == 60
    bars = figure.data[-1]
    assert list(bars.error_x.array) == [1.0, 2.0, 3.0]
    assert bars.marker.color[0] == bars.marker.color[1] != bars.marker.color[2]


def test_published_points_without_mce_are_left_out_of_it_and_the_chosen_one_has_a_ring():
    rows = pd.DataFrame(
        {
            "network": ["F", "G", "H"],
            "family": ["FAN", "other", "other"],
            "parameters": [7.0, 25.0, 88.0],
            "clean": [79.0, 80.0, 83.0],
            "corrupted": [57.0, 58.0, 60.0],
            "mce": [50.0, np.nan, 54.0],
        }
    )
    figure = published_figure(rows, "H", "A title")
    rings = [trace for trace in figure.data if trace.name == "chosen"]
    assert [(ring.x[0], ring.y[0]) for ring in rings] == [(88.0, 54.0), (83.0, 60.0)]
    assert np.isnan(named(figure, "other").y[0])
    line = figure.layout.shapes[0]
    assert line.y0 / line.x0 == pytest.approx(0.78)


def test_values_above_the_threshold_are_coloured_and_the_depth_is_marked():
    curves = pd.DataFrame(
        {
            "depth": [0, 1, 0, 1],
            "trained": [True, True, False, False],
            "effective_rank": [7.0, 4.0, 7.0, 7.1],
            "noise_ratio": [0.4, 0.3, 0.2, 0.2],
        }
    )
    spectrum = np.array([10.0, 5.0, 0.2, 0.0])
    tokens = Tokens(np.zeros((4, 4), np.uint8), np.zeros((4, 4), int), spectrum, 0.1, curves, 1, ["stem", "1"])
    figure = tokens_figure(tokens, "A title")
    bars = next(trace for trace in figure.data if trace.type == "bar")
    assert list(bars.y) == pytest.approx([1.0, 0.5, 0.02, 1e-6])
    assert bars.marker.color[0] == bars.marker.color[1] != bars.marker.color[2] == bars.marker.color[3]
    assert [shape.x0 for shape in figure.layout.shapes[1:]] == [1, 1]
    trained = [trace for trace in figure.data if trace.name == "trained"]
    assert [list(trace.y) for trace in trained] == [[7.0, 4.0], [0.4, 0.3]]


def test_points_have_the_colour_of_their_group_and_no_centre_is_drawn_where_there_is_none():
    start, groups = np.eye(4, 2), np.array([0, 0, 1, 1])
    spectra = np.array([2.0, 1.0]), np.array([1.5, 0.0])
    figure = machine_figure(Machine(start, start / 2, groups, np.empty((0, 2)), *spectra), "A title")
    colours = named(figure, "now (colour: true group)").marker.color
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert len(named(figure, "centres of clusters").x) == 0
    assert list(named(figure, "spectrum after").y) == [1.5, 1e-6]


@pytest.mark.parametrize("zoomed", [False, True])
def test_gates_lie_in_their_band_and_every_gate_is_counted(zoomed):
    blocks = [np.linspace(0.504, 0.506, 40), np.linspace(0.505, 0.51, 40)]
    added = np.array([0.0, 10.0])
    gates = Gates(blocks, 0.5051, added, np.array([0.5, 0.7]), 5.0, zoomed)
    figure = gates_figure(gates, "A title")
    assert [sum(named(figure, f"block {index}").y) for index in (1, 2)] == pytest.approx([100, 100])
    low, high = figure.layout.xaxis.range
    assert (low <= BAND[0] and high >= BAND[1]) is not zoomed
    assert figure.data[-1].y[0] == pytest.approx(0.6)


def test_the_row_of_the_built_block_is_marked_where_it_was_trained():
    table = pd.DataFrame(
        {
            "network": ["FAN", "ViT"],
            "clean": [79.0, 68.0],
            "corrupted": [75.0, 61.0],
            "clean_spread": [1.0, 0.2],
            "corrupted_spread": [1.1, 0.7],
        }
    )
    figure = parts_figure(table, "ViT", "A title")
    assert [(shape.y0 + shape.y1) / 2 for shape in figure.layout.shapes] == [1]
    assert list(named(figure, "clean pictures").x) == [79.0, 68.0]
    assert list(figure.layout.yaxis.ticktext) == ["FAN", "ViT"]
    assert not parts_figure(table, "", "A title").layout.shapes
