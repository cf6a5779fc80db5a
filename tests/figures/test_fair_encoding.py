"""The figures of paper 10: what is drawn is what was handed over, and what is not known is not drawn as if it were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.figures.fair_encoding import CLOUD, Ladder, frontier_figure, ladder_figure
from workbench.figures.fair_encoding_groups import GroupMap, map_figure, own_figure, relabel_figure
from workbench.figures.fair_encoding_lab import MOST_BARS, BiasLab, lab_figure
from workbench.figures.fair_encoding_scores import Ridges, convention_figure, ridges_figure
from workbench.figures.fair_encoding_trees import TreePicture, tree_figure
from workbench.figures.updates import copy_into


def named(figure, name):
    return next(one for one in figure.data if one.name and one.name.startswith(name))


def lab(values, probabilities, **facts):
    plain = {"p": 0.6, "p_ref": 0.3, "prior": 0.4, "reference": 0.3, "noise": 0.0, "threshold": 0.5, "flipped": 0.2}
    return BiasLab(values=values, probabilities=probabilities, terms={"plain": (0.1, 0.02)}, **plain | facts)


def test_bars_of_a_large_group_are_joined_but_never_across_the_threshold():
    values = np.linspace(0.3, 0.7, 1001)
    probabilities = np.full(1001, 1 / 1001)
    figure = lab_figure(lab(values, probabilities), "Many")
    right, wrong = figure.data[:2]
    assert len(right.x) + len(wrong.x) <= MOST_BARS + 2
    assert min(right.x) > 0.5 > max(wrong.x) or np.isclose(max(wrong.x), 0.5, atol=0.005)
    assert sum(right.y) == pytest.approx(100 * (values > 0.5 + 1e-9).mean())
    assert sum(right.y) + sum(wrong.y) == pytest.approx(100)


def test_the_right_side_is_the_side_of_the_true_share():
    values, probabilities = np.array([0.2, 0.5, 0.8]), np.array([0.3, 0.3, 0.4])
    high = lab_figure(lab(values, probabilities, p=0.6), "High")
    low = lab_figure(lab(values, probabilities, p=0.4), "Low")
    assert list(high.data[0].y) == pytest.approx([40.0])  # an encoding at the threshold is not above it
    assert list(low.data[0].y) == pytest.approx([30.0, 30.0])


def ladder(noise=0.0, shift=0.0):
    shares = np.array([0.3, 0.6])
    return Ladder(["a", "b"], np.array([100.0, 4.0]), shares, shares - 0.1, shares + 0.1, shares + shift, 0.4, noise)


def test_clouds_are_the_same_draws_at_every_strength_around_their_dots():
    one, two = ladder_figure(ladder(0.1), "One"), ladder_figure(ladder(0.2, shift=0.05), "Two")
    clouds = [np.array(named(figure, "training rows").x).reshape(2, CLOUD) for figure in (one, two)]
    np.testing.assert_allclose((clouds[0] - [[0.3], [0.6]]) / 0.1, (clouds[1] - [[0.35], [0.65]]) / 0.2)
    plain = ladder_figure(ladder(), "Plain")
    assert named(plain, "training rows").visible is False
    copy_into(plain, two)
    assert named(plain, "training rows").visible is True


def points():
    rows = [
        ("drop", np.nan, 0.6, 0.1),
        ("one-hot", np.nan, 0.7, 0.8),
        ("smoothing", 1e4, 0.69, 0.5),
        ("smoothing", 0.0, 0.7, 0.8),
    ]
    frame = pd.DataFrame(rows, columns=["scheme", "strength", "auc", "gap"])
    return frame.assign(auc_spread=0.01, gap_spread=0.05, halves=8)


def test_strengths_are_joined_in_order_and_the_ring_stands_at_the_setting():
    figure = frontier_figure(
        points(), ("smoothing", 1e4), {("drop", -1.0): "b: TPR 0.5"}, "AUC against the gap", "Gap (share)"
    )
    assert list(named(figure, "smoothing").x) == [0.8, 0.5]
    assert list(named(figure, "your setting").y) == [0.69]
    assert named(figure, "Gaussian noise").visible is False
    assert "b: TPR 0.5" in named(figure, "not encoded").customdata[0]
    assert list(named(figure, "one-hot").error_y.array) == [0.01]


def ridges(threshold=0.5):
    rng = np.random.default_rng(0)
    scores = [rng.beta(2, 4, 500), rng.beta(4, 2, 300)]
    labels = [(rng.uniform(size=len(part)) < part).astype(int) for part in scores]
    return Ridges(["a", "b"], scores, labels, np.array([[0.5, 0.2], [np.nan, 0.9]]), threshold, 1, 0.3)


def test_ridges_stay_in_their_row_and_undefined_rates_are_dashes():
    figure = ridges_figure(ridges(0.4), "Scores")
    above, below = (np.array(one.y, float) for one in figure.data[:2])
    assert np.nanmin(above) > -0.5
    assert np.nanmax(below) < 1.5
    assert list(figure.data[2].text) == ["TPR 0.50 FPR 0.20", "TPR – FPR 0.90"]
    assert figure.layout.shapes[0].x0 == 0.4


def group_map():
    gaps = np.array([[0.0, 0.2, np.nan], [-0.4, np.nan, 1.0]])
    counts = np.array([[50, 40, 5], [30, 0, 2]])
    positives = np.array([[20, 15, 0], [12, 0, 1]])
    return GroupMap(["x", "y"], ["a", "b", "c"], gaps, counts, positives, (0, 0), 10)


def test_cells_are_drawn_for_those_who_are_there_hatched_where_there_is_no_gap_and_pale_where_few():
    figure = map_figure(group_map(), "A map", ("rows", "columns"))
    known, none, reference = figure.data
    assert list(zip(known.x, np.array(known.base) + 0.47, strict=True)) == [(1, 0), (0, 1), (2, 1)]
    assert list(known.marker.opacity[:2]) == [1.0, 1.0]
    assert known.marker.opacity[2] < 0.5
    assert (known.marker.cmin, known.marker.cmax) == (-0.4, 0.4)  # a gap of one person does not set the scale
    assert (len(none.x), none.marker.pattern.shape) == (1, "/")
    assert (list(reference.x), list(reference.base)) == ([0], [-0.47])


def test_draws_are_shares_of_their_number():
    words = {"one-hot": "one-hot", "target": "plain"}
    figure = relabel_figure({"one-hot": np.array([0.0, -0.9, 0.31])}, {"target": np.array([0.5])}, "Draws", words)
    stored = [one for one in figure.data if one.name == "stored repeats"]
    assert sum(stored[0].y) == pytest.approx(100)
    assert sum(stored[1].y) == 0
    assert figure.layout.annotations[0].text == "one-hot — stored repeats: mean 0.40 of 3"
    assert figure.layout.annotations[1].text == "plain — your draws: mean 0.50 of 1"


def test_both_conventions_are_drawn_with_a_line_between_and_empty_rows_stay_empty():
    rows = [(c, m, g, v) for m in ("equal_opportunity", "average_absolute_odds", "strong_parity") for c, g, v in (
        ("paper", "b", 0.2), ("published", "b", -0.1))]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["convention", "metric", "group", "value"])
    figure = convention_figure(frame, ["b", ""], "Two definitions")
    line, paper, published = figure.data[:3]
    assert (paper.x[0], published.x[0]) == (0.2, -0.1)
    assert np.isnan(paper.x[1])
    assert list(line.x[:2]) == [0.2, -0.1]


def picture(smoothing):
    plain, smoothed = np.array([0.1, 0.5, 0.9]), np.array([0.4, 0.45, 0.5])
    spreads = {name: np.array([0.8, 0.8]) for name in ("tree", "logistic regression")}
    leaves = np.array([0, 1, 1])
    return TreePicture(
        ["a", "b", "c"], np.array([10.0, 5.0, 2.0]), plain, smoothed, (np.array([0.3]), np.array([0.42])), (leaves, leaves),
        smoothing, np.array([0.0, 1e4]), spreads,
    )  # fmt: skip


def test_the_stretched_axis_has_the_range_of_the_plain_one_with_its_cuts():
    figure = tree_figure(picture(1e4), "A tree")
    rows = [one for one in figure.data if one.name and one.name.startswith("a category")]
    np.testing.assert_allclose(rows[2].x, [0.1, 0.5, 0.9])
    cuts = np.array(named(figure, "cut of the tree").x, float)
    np.testing.assert_allclose(cuts[np.isfinite(cuts)][::2], [0.3, 0.42, 0.1 + (0.42 - 0.4) / 0.1 * 0.8])
    same = replace(picture(1e4), smoothed=np.full(3, 0.4), cuts=(np.array([0.3]), np.empty(0)))
    assert np.isfinite(tree_figure(same, "Nothing is left").data[3].x).all()


def test_groups_of_a_table_have_their_interval_and_an_empty_table_draws_nothing():
    groups = pd.DataFrame(
        {
            "group": ["a", "b"],
            "n": [50, 5],
            "rate": [0.4, 0.2],
            "low": [0.3, 0.05],
            "high": [0.5, 0.6],
            "reference": [True, False],
        }
    )
    figure = own_figure(groups, "Groups", "paid back")
    other, reference = figure.data
    assert list(reference.x) == [0.4]
    assert list(other.error_x.array) == pytest.approx([0.4])
    empty = own_figure(groups.iloc[:0], "None yet", "label 1")
    copy_into(figure, empty)
    assert len(figure.data[0].x) == 0
