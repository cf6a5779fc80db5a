"""Each comparison still runs, at a tiny setting; what it finds is printed by ``make bench``, not asserted here."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.estimators import plan
from workbench.experiments.optimal_collection import OptimalCollectionConfig

from . import fair_encoding
from . import optimal_collection as subject
from .side_by_side import BenchmarkConfig, Comparison

TINY = BenchmarkConfig(repeats=1, resamples=30)


@pytest.mark.parametrize(
    "compare",
    [
        lambda: subject.bootstrap_fits(5, TINY),
        lambda: subject.closed_form(TINY),
        lambda: next(subject.slider_answers(TINY)),
        lambda: subject.table_1(OptimalCollectionConfig(tasks=("VOC",), rounds=(1,), n_boot=20, seeds=(0,), every=5)),
        lambda: fair_encoding.smoothing_sweep(300, 5, TINY),
        lambda: fair_encoding.encoded_rows(300, 5, TINY),
        lambda: fair_encoding.rates_of_groups(300, 5, TINY),
        lambda: fair_encoding.distance_of_scores(300, 200, TINY),
        lambda: fair_encoding.sweep_with_models(1_000, TINY, np.array([0.0, 10.0])),
    ],
)
def test_comparison_makes_a_row(compare):
    row = compare().row()
    assert row["ours_seconds"] > 0
    assert row["agreement"]
    assert set(row) == set(Comparison("", "", "", "", subject.Timing(*[0.0] * 5), "").row())


def test_descent_in_torch_minimises_what_the_plan_minimises():
    """Both see the same problem: no descent ends below the exact plan, and on the learned law the best is close."""
    for law in subject.laws(TINY).values():
        start = float(law.present[0])
        exact = plan(law, start, cost=1.0, penalty=1e7, rounds=2, whole=False).expected_cost
        descent = subject.softplus_sweep(law, 1e7, 2, steps=25)
        assert exact * (1 - 1e-9) <= descent < 1.5 * exact
        assert np.isfinite(descent)
