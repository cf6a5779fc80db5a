"""Campaigns of labels: means with their standard errors, and the one that is played now."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures import targeted_selection_loop as draw

TABLE = pd.DataFrame(
    [
        (method, category, seed, turn, 20 * turn, 3 * turn * (1 + seed), 0.3 + 0.1 * turn + 0.02 * seed)
        for method in draw.METHODS
        for category in ("bike", "dog")
        for seed in (0, 1)
        for turn in range(3)
    ],
    columns=["method", "category", "seed", "round", "bought", "positives", "ap"],
)


def _traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_a_method_is_the_mean_over_classes_and_seeds_with_its_standard_error():
    above, below = _traces(draw.loop_figure(TABLE, draw.METHODS, None, "t"), "DTM")
    np.testing.assert_allclose(above.y, [0.31, 0.41, 0.51])
    np.testing.assert_allclose(below.y, [0, 4.5, 9])
    np.testing.assert_allclose(above.error_y.array, np.std([0, 0, 0.02, 0.02], ddof=1) / 2)
    assert list(above.x) == [0, 20, 40]
    assert (below.xaxis, below.showlegend) == ("x2", False)


def test_hidden_methods_and_a_campaign_that_has_not_begun_keep_their_traces():
    all_shown, few = (draw.loop_figure(TABLE, shown, None, "t") for shown in (draw.METHODS, ("random",)))
    assert len(all_shown.data) == len(few.data) == 2 * len(draw.METHODS) + 2
    assert [trace.visible for trace in _traces(few, "random") + _traces(few, "oracle")] == [True, True, False, False]
    assert [trace.visible for trace in _traces(few, draw.YOURS)] == [False, False]


def test_the_axis_follows_a_campaign_that_buys_more():
    yours = pd.DataFrame({"bought": [0, 100], "positives": [0, 40], "ap": [0.3, 0.7]})
    figure = draw.loop_figure(TABLE, draw.METHODS, yours, "t")
    assert figure.layout.xaxis2.range[1] > 100
    above, below = _traces(figure, draw.YOURS)
    assert (list(above.y), list(below.y)) == ([0.3, 0.7], [0, 40])
