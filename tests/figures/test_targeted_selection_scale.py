"""The cost of a pool over its size: straight lines on logarithmic axes, in units that a person reads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.figures import targeted_selection_scale as draw

SIZES = np.geomspace(1e3, 1e7, 9)
CURVES = draw.ScaleCurves(
    images=SIZES,
    seconds={"embed": 0.1 * SIZES, "read": 2e-4 * SIZES, "match": 0 * SIZES, "scan": 2e-4 * SIZES},
    gigabytes=2e-4 * SIZES,
    chosen=1e6,
    euros_per_gb=0.02,
    paper=2.2e6,
    measured={"searching here": (np.array([1e3, 1e4]), np.array([0.3, 3.0]))},
    measured_gigabytes=(np.array([1e3]), np.array([0.2])),
)
RECALL = pd.DataFrame(
    {
        "setting": ["PCA 24", "PCA 24", "PCA 32", "PCA 32"],
        "x": [0.2, 0.1, 0.1, 0.2],
        "value": [0.9, 0.8, 0.95, 0.99],
        "spread": [0.1, 0.1, 0.05, 0.01],
    }
)


def _trace(figure, name):
    return next(trace for trace in figure.data if trace.name and trace.name.startswith(name))


def test_times_that_are_zero_are_not_drawn_and_no_time_leaves_the_axis():
    figure = draw.cost_figure(CURVES, "t")
    assert np.isnan(np.array(_trace(figure, "matching").y, float)).all()
    low, high = figure.layout.yaxis.range
    times = np.concatenate([CURVES.seconds[name] for name in ("embed", "read", "scan")] + [np.array([0.3, 3.0])])
    assert 10**low < times.min() < times.max() < 10**high
    assert all(10**low <= tick <= 10**high for tick in figure.layout.yaxis.tickvals)


def test_euros_stand_beside_the_gigabytes_that_they_buy():
    layout = draw.cost_figure(CURVES, "t").layout
    np.testing.assert_allclose(np.array(layout.yaxis3.range) - np.array(layout.yaxis2.range), np.log10(0.02))


def test_the_chosen_pool_and_the_papers_are_marked():
    figure = draw.cost_figure(CURVES, "t")
    assert [shape.x0 for shape in figure.layout.shapes] == [1e6, 2.2e6]
    assert "2.2 M" in figure.layout.annotations[0].text
    assert list(_trace(figure, "searching here").y) == [0.3, 3.0]
    assert list(_trace(figure, "written here").x) == [1e3]


def test_a_coarse_pass_is_a_curve_of_its_own_beside_chance():
    figure = draw.shortlist_figure(RECALL, ["PCA 24", "PCA 32"])
    np.testing.assert_allclose(_trace(figure, "PCA 24").x, [10, 20])
    np.testing.assert_allclose(_trace(figure, "PCA 24").y, [80, 90])
    assert list(_trace(figure, "chance").x) == list(_trace(figure, "chance").y)


@pytest.mark.parametrize(
    "seconds, said",
    [(0.0004, "0.4 ms"), (1.0, "1 s"), (89, "89 s"), (90, "1.5 min"), (86400, "24 h"), (864000, "10 days")],
)
def test_times_are_said_in_the_unit_of_a_person(seconds, said):
    assert draw.duration(seconds) == said
