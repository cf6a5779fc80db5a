"""The one table of latency pruning: means and spreads over the seeds of what was measured."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.experiments.latency_pruning_table import run
from workbench.experiments.results import COLUMNS


def test_values_are_means_over_the_seeds_and_what_was_not_tuned_is_left_out():
    budgets = pd.DataFrame(
        {
            "seed": [0, 1],
            "method": "uniform",
            "share": 0.4,
            "reached": [0.3, 0.4],
            "macs_share": 0.2,
            "importance": [0.5, 0.7],
            "before": [50.0, 52.0],
            "after": float("nan"),
        }
    )
    platforms = pd.DataFrame(
        {"seed": [0, 1], "solver": "all widths", "planned_for": "a", "run_on": "b", "latency": [0.3, 0.5]}
    )
    networks = pd.DataFrame(
        {"network": [0, 1, 2, 3], "table_ms": [0, 1, 2, 3], "measured_ms": [9, 1, 2, 3], "macs": [0, 3, 2, 1]}
    )
    steps = budgets.assign(after=[90.0, 92.0])
    here = steps.assign(whole_ms=12.0, measured_ms=[5.0, 4.0])
    measured = {"budgets": budgets, "steps": steps, "titan_v": budgets, "platforms": platforms, "networks": networks}
    measured["measured"] = here
    measured["ablations"] = steps.assign(platform="p", kind="solver", setting="exact")
    measured["detector"] = pd.DataFrame(
        {"seed": [0, 1], "method": "uniform", "precision": [80.0, 84.0], "ms": [1.0, 2.0], "whole_ms": [2.0, 5.0]}
    )
    table = run(measured=measured)
    assert list(table.columns) == list(COLUMNS)
    found = table.set_index(["setting", "quantity"])
    assert found.loc[("digits, 40% of the latency, uniform", "importance"), "value"] == pytest.approx(0.6)
    tuned = found.loc[("digits, in steps, 40% of the latency, uniform", "accuracy after tuning")]
    assert (tuned["value"], tuned["spread"], tuned["unit"]) == (91.0, pytest.approx(2**0.5), "%")
    assert ("digits, at once, 40% of the latency, uniform", "accuracy after tuning") not in found.index
    gain = found.loc[
        ("digits, table of one machine, 40% of the latency, uniform", "measured speed-up over the foretold one")
    ]
    assert gain["value"] == pytest.approx((0.3 * 12 / 5 + 0.4 * 12 / 4) / 2)
    assert found.loc[("digits, p, 40% of the latency, solver exact", "accuracy after tuning"), "value"] == 91.0
    assert found.loc[("small SSD, uniform", "mean average precision"), "value"] == 82.0
    assert found.loc[("small SSD, uniform", "measured speed-up"), "value"] == pytest.approx(2.25)
    assert found.loc[("all widths, planned for a, run on b", "latency"), "value"] == pytest.approx(0.4)
    assert table.query("claim == 'C2'")["value"].tolist() == [pytest.approx(1), pytest.approx(-1)]
