"""Means of stored rankings: of pools rather than of rows, and where two methods cross."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.experiments.selection_sweeps import crossing, sweep


def _rows(experiment, x, method, stride, seed, aps, positives=3):
    return [
        {"experiment": experiment, "x": x, "method": method, "stride": stride, "seed": seed, "query": index, "scenes": 30,
         "positives": positives, "ap": ap}
        for index, ap in enumerate(aps)
    ]  # fmt: skip


def test_a_pool_counts_once_however_many_queries_it_has():
    rows = _rows("padding", 0, "DTM", "8", 0, [0.2] * 9) + _rows("padding", 0, "DTM", "8", 1, [0.6])
    rows += _rows("padding", 8, "DTM", "8", 0, [0.1]) + _rows("padding", 0, "GeM", "8", 0, [0.9])
    found = sweep(pd.DataFrame(rows), "padding")
    assert found["x"].tolist() == [0, 8]
    assert found.loc[0, ["ap", "low", "high", "chance"]].tolist() == pytest.approx([0.4, 0.2, 0.6, 0.1])
    with pytest.raises(ValueError, match="no experiment 'padding' with method 'R-MAC'"):
        sweep(pd.DataFrame(rows), "padding", "R-MAC")


def test_strides_without_a_number_are_kept_apart():
    rows = _rows("method", np.nan, "DTM", "8", 0, [0.4]) + _rows("method", np.nan, "DTM", "8+16", 0, [0.5])
    assert sweep(pd.DataFrame(rows), "method").set_index("stride")["ap"].to_dict() == {"8": 0.4, "8+16": 0.5}


@settings(deadline=None)
@given(st.floats(0.4, 20), st.floats(0.05, 0.3))
def test_two_straight_lines_in_log_x_cross_where_they_meet(place, slope):
    x = np.array([0.3, 1.0, 4.0, 25.0])
    first = pd.DataFrame({"x": x, "ap": np.full(4, 0.5)})
    second = pd.DataFrame({"x": x, "ap": 0.5 + slope * np.log(x / place)})
    assert crossing(first, second) == pytest.approx(place, rel=1e-6)


def test_no_crossing_is_nan_and_a_lead_from_the_start_is_the_first_size():
    x = [1.0, 10.0]
    high, low = (pd.DataFrame({"x": x, "ap": ap}) for ap in ([0.9, 0.8], [0.1, 0.2]))
    assert np.isnan(crossing(high, low))
    assert crossing(low, high) == 1.0
