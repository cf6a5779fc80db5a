"""Plans of one platform on another: the search over all widths finds what a plan really costs, and no plan is faster."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from workbench.experiments.latency_pruning_methods import HALP, REFILL, prune_to, subject
from workbench.experiments.latency_pruning_platforms import fastest_by_knapsack, fastest_of_all
from workbench.experiments.latency_pruning_task import PruningTask, digits, residual_network
from workbench.pruning import ChannelPlan, simulate_latency_table


def subject_of(widths, platform="titan_v"):
    torch.manual_seed(0)
    images, labels = digits(200, 0)
    task = PruningTask(residual_network(widths).eval(), images, labels, images, labels, 0)
    return subject(task, simulate_latency_table(platform), 64, scored=2)


@pytest.fixture(scope="module", params=["titan_v", "jetson_tx2"])
def of(request):
    return subject_of((32, 64, 128), request.param)


def test_no_combination_of_widths_is_faster():
    of = subject_of((8, 16, 16))
    keep = fastest_of_all(of, 0.6, grid=8)
    ranked = [group.start + np.argsort(-of.taylor[group.units], kind="stable") for group in of.graph.groups]
    options = [range(0 if of.graph.can_be_emptied(group) else 8, group.size + 1, 8) for group in of.graph.groups]
    fastest = np.inf
    for counts in product(*options):
        other = np.zeros(of.graph.units, bool)
        for order, count in zip(ranked, counts, strict=True):
            other[order[:count]] = True
        if of.taylor[of.graph.effective(other)].sum() >= 0.6 * of.taylor.sum():
            fastest = min(fastest, of.latency(other))
    assert of.latency(keep) == pytest.approx(fastest, rel=1e-12)
    assert of.taylor[of.graph.effective(keep)].sum() >= 0.6 * of.taylor.sum()


def test_knapsacks_are_no_faster_at_the_importance_that_they_keep(of):
    for method in (HALP, REFILL):
        plan = prune_to(0.6, method, of)
        best = fastest_of_all(of, plan.importance / of.taylor.sum())
        single = np.zeros(of.graph.units, bool)  # the same widths, rounded up to the grid
        for group in of.graph.groups:
            order = group.start + np.argsort(-of.taylor[group.units], kind="stable")
            single[order[: -(-int(plan.keep[group.units].sum()) // 8) * 8]] = True
        assert of.latency(best) <= of.latency(single) * (1 + 1e-12)


def test_knapsack_keeps_the_importance_and_the_network(of):
    keep = fastest_by_knapsack(of, 0.8)
    plan = ChannelPlan(of.graph, keep)
    assert of.taylor[of.graph.effective(plan.keep)].sum() >= 0.8 * of.taylor.sum() * (1 - 1e-12)
    assert of.latency(keep) >= of.latency(fastest_of_all(of, 0.8)) * (1 - 0.05)


@pytest.mark.parametrize("search", [fastest_by_knapsack, fastest_of_all])
@pytest.mark.parametrize("importance", [0, 1.5, float("nan")])
def test_importance_is_a_share(of, search, importance):
    with pytest.raises(ValueError, match="importance must be above 0 and at most 1"):
        search(of, importance)
