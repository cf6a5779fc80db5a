"""Each comparison still runs, at a tiny setting; what it finds is printed by ``make bench``, not asserted here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision

from workbench.estimators import plan
from workbench.experiments.latency_pruning_task import digits, residual_network
from workbench.experiments.optimal_collection import OptimalCollectionConfig
from workbench.experiments.results import load_results
from workbench.pruning import ChannelGraph, simulate_latency_table
from workbench.retrieval import Encoding, Features, FeatureStore, Letterbox, Shard, Template, compress, fit_projections

from . import fair_encoding, latency_pruning, pruned_accuracy, robust_transformers, targeted_selection
from . import optimal_collection as subject
from .__main__ import with_other_areas
from .side_by_side import BenchmarkConfig, Comparison

TINY = BenchmarkConfig(repeats=1, resamples=30)


@pytest.mark.parametrize(
    "compare",
    [
        lambda: subject.bootstrap_fits(5, TINY),
        lambda: subject.closed_form(TINY),
        lambda: next(subject.slider_answers(TINY)),
        lambda: subject.table_1(OptimalCollectionConfig(tasks=("VOC",), rounds=(1,), n_boot=20, seeds=(0,), every=5)),
        lambda: latency_pruning.synthetic(range(1), TINY, items=120),
        lambda: latency_pruning.slider(TINY),
        lambda: latency_pruning.gathering(2, 32, TINY),
        lambda: fair_encoding.smoothing_sweep(300, 5, TINY),
        lambda: fair_encoding.encoded_rows(300, 5, TINY),
        lambda: fair_encoding.rates_of_groups(300, 5, TINY),
        lambda: fair_encoding.distance_of_scores(300, 200, TINY),
        lambda: fair_encoding.sweep_with_models(1_000, TINY, np.array([0.0, 10.0])),
        lambda: robust_transformers.whole_benchmark(10),
        lambda: robust_transformers.spectra(TINY, side=64),
        lambda: robust_transformers.slider(1),
    ],
)
def test_comparison_makes_a_row(compare):
    row = compare().row()
    assert row["ours_seconds"] > 0
    assert row["agreement"]
    assert set(row) == set(Comparison("", "", "", "", subject.Timing(*[0.0] * 5), "").row())


def test_areas_that_are_not_measured_keep_their_rows_and_their_place():
    areas = ["how_much_data", "optimal_collection", "fair_encoding"]
    measured = pd.DataFrame({"area": ["optimal_collection"], "ratio": [0.5]})
    stored = load_results("benchmarks")
    table = with_other_areas(measured, areas)
    kept = stored[stored["area"].isin(["how_much_data", "fair_encoding"])]
    assert len(table) == len(kept) + 1
    assert table["area"].map(areas.index).is_monotonic_increasing
    assert table.loc[table["area"] == "optimal_collection", "ratio"].tolist() == [0.5]


def test_matching_makes_rows_and_agrees_with_its_peers(tmp_path):
    maps = torch.randn(30, 6, 8, 10, generator=torch.Generator().manual_seed(0))
    features = Features({8: maps}, [Letterbox.fit((64, 80))] * 30)
    query = features.select([3])
    templates = [Template.from_box(query, (8, 8, 32, bottom), (64, 80), stride=8) for bottom in (24, 32, 40)]
    for comparison in (
        targeted_selection.convolutions(features, templates, TINY),
        *targeted_selection.opencv(features, templates, TINY),
    ):
        difference = float(comparison.agreement.split("of a score ")[1].split(";")[0])
        assert difference < 1e-6
    store = FeatureStore.create(tmp_path / "fine", {})
    store.append(Shard(tuple(map(str, range(30))), features))
    coarse = compress(store, tmp_path / "coarse", Encoding("int8", fit_projections(store, {8: 4}), residual=True))
    comparison = targeted_selection.two_stages(coarse, store, templates, 0.0, True, TINY)
    assert comparison.agreement.startswith("recall 1.000 (least 1.00)")
    assert comparison.row()["ours_seconds"] > 0


def test_descent_in_torch_minimises_what_the_plan_minimises():
    """Both see the same problem: no descent ends below the exact plan, and on the learned law the best is close."""
    for law in subject.laws(TINY).values():
        start = float(law.present[0])
        exact = plan(law, start, cost=1.0, penalty=1e7, rounds=2, whole=False).expected_cost
        descent = subject.softplus_sweep(law, 1e7, 2, steps=25)
        assert exact * (1 - 1e-9) <= descent < 1.5 * exact
        assert np.isfinite(descent)


def test_half_of_a_network_keeps_the_half_of_greatest_magnitude():
    """What is timed beside Torch-Pruning gives a network that runs, with half of the channels of each layer inside."""
    torch.manual_seed(0)
    model, images = torchvision.models.resnet18(), torch.zeros(1, 3, 32, 32)
    small, plan = latency_pruning.half(model, images)
    assert small.eval()(images).shape == (1, 1000)
    assert all(outputs == model.get_submodule(name).out_channels // 2 for name, (_, outputs) in plan.widths.items())
    norms = model.layer1[0].conv1.weight.detach().flatten(1).norm(dim=1).numpy()
    assert set(plan.kept["layer1.0.conv1"]) == set(np.argsort(-norms)[:32])


def test_a_network_as_fast_as_the_peers_is_the_widest_that_is():
    """What is pruned beside Torch-Pruning: without a limit nine tenths of the table's latency remain, and no limit of 0 is met."""
    images, labels = digits(200, 0)
    torch.manual_seed(0)
    model, table = residual_network((8, 16, 16)).eval(), simulate_latency_table("xeon_e5")
    size = pruned_accuracy.Size(scored=2)
    small = pruned_accuracy.as_fast(model, images, labels, table, float("inf"), size)
    graph = ChannelGraph.trace(model, images[:1])
    share = ChannelGraph.trace(small, images[:1]).latency(table, 64) / graph.latency(table, 64)
    assert 0.5 < share <= 0.9
    with pytest.raises(ValueError, match=r"is as fast as|cannot be reached"):
        pruned_accuracy.as_fast(model, images, labels, table, 0.0, size)
