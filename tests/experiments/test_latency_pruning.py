"""Pruning the small network: every method meets its budget, the task is drawn from seeds, and what a bad request gets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from workbench.experiments.latency_pruning import (
    LatencyPruningConfig,
    measure_budgets,
    measure_steps,
    pruned,
    rank_correlations,
)
from workbench.experiments.latency_pruning_methods import HALP, METHODS, RANK, REFILL, UNIFORM, prune_to, subject
from workbench.experiments.latency_pruning_task import (
    CLASSES,
    PruningTask,
    TaskConfig,
    accuracy,
    digits,
    pruning_task,
    residual_network,
    train,
)
from workbench.pruning import LatencyTable, recalibrate_bn, simulate_latency_table


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    images, labels = digits(400, 0)
    return PruningTask(residual_network().eval(), images, labels, images[:100], labels[:100], 0)


@pytest.fixture(scope="module")
def of(task):
    return subject(task, simulate_latency_table("jetson_tx2"), 256, scored=2)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_meets_its_budget_and_keeps_a_network(task, of, method):
    plan = prune_to(0.6, method, of)
    assert plan.latency <= 0.6 * of.dense * (1 + 1e-9)
    assert plan.latency == pytest.approx(of.graph.latency(of.table, of.batch, plan.keep))
    small = pruned(task, plan, batches=2)
    assert small(task.test_images).shape == (100, CLASSES)
    assert torch.equal(task.model[0].weight, residual_like(task).weight)


def residual_like(task):
    torch.manual_seed(0)
    return residual_network()[0]


def test_refilled_knapsack_keeps_more_importance_than_rank_and_uniform(of):
    kept = {method: prune_to(0.5, method, of).importance for method in (REFILL, RANK, UNIFORM)}
    assert kept[REFILL] > max(kept[RANK], kept[UNIFORM])


@pytest.fixture(scope="module")
def smooth(task):
    """A device without stairs, on which filling up with single channels changes next to nothing."""
    return subject(task, LatencyTable(measure=lambda spec: spec.macs / 1e9), 256, scored=2)


def test_uniform_keeps_the_same_share_of_each_group_where_there_are_no_stairs(smooth):
    plan = prune_to(0.6, UNIFORM, smooth)
    shares = [plan.keep[group.units].mean() for group in smooth.graph.groups]
    assert np.ptp(shares) <= 2 / min(group.size for group in smooth.graph.groups)


def test_rank_keeps_the_most_important_but_for_the_best_of_each_group_and_what_still_fits(smooth):
    plan = prune_to(0.6, RANK, smooth)
    worst = np.sort(smooth.taylor)[::-1][plan.keep.sum() - 1]
    assert (plan.keep & (smooth.taylor < worst)).sum() <= 0.05 * plan.keep.sum()


@pytest.mark.parametrize("method", [UNIFORM, RANK, REFILL])
def test_methods_leave_no_channel_that_still_fits(of, method):
    plan = prune_to(0.6, method, of)
    for unit in np.flatnonzero(~plan.keep):
        more = plan.keep.copy()
        more[unit] = True
        inside = next(group for group in of.graph.groups if group.start <= unit < group.start + group.size)
        assert of.latency(more) > 0.6 * of.dense or not plan.keep[inside.units].any()


def test_scoring_leaves_the_network_as_it_was(task):
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    subject(task, simulate_latency_table("jetson_tx2"), 256, scored=1)
    assert all(torch.equal(before[name], value) for name, value in task.model.state_dict().items())
    assert not task.model.training
    with pytest.raises(ValueError, match="scored must lie in 1 to 4 batches, got 5"):
        subject(task, simulate_latency_table("jetson_tx2"), 256, scored=5)


def test_what_cannot_be(of):
    with pytest.raises(ValueError, match=r"method must be one of HALP, .*, got 'best'"):
        prune_to(0.5, "best", of)
    for share in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="share must be above 0 and at most 1"):
            prune_to(share, HALP, of)
    with pytest.raises(ValueError, match="cannot be reached"):
        prune_to(0.01, UNIFORM, of)


def test_images_come_from_a_seed_and_held_out_ones_from_other_digits():
    images, labels = digits(50, 3)
    again, _ = digits(50, 3)
    other, _ = digits(50, 3, held_out=True)
    assert torch.equal(images, again)
    assert not torch.equal(images, other)
    assert set(labels.tolist()) <= set(range(CLASSES))


def test_a_short_training_beats_chance_by_far():
    images, labels = digits(1500, 0)
    torch.manual_seed(0)
    model = residual_network()
    train(model, images, labels, 2, 0.1, 0)
    recalibrate_bn(model, images.split(250))
    assert accuracy(model, *digits(500, 5, held_out=True)) > 30


def test_a_small_run_gives_a_row_for_each_network_and_its_weights_are_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    small = TaskConfig(train=800, test=50, epochs=1)
    config = LatencyPruningConfig(
        seeds=(0,),
        shares=(0.7,),
        methods=(HALP, UNIFORM),
        step_shares=(0.7,),
        step_methods=(REFILL,),
        tuned_shares=(),
        task=small,
    )
    tables = {HALP: measure_budgets(config), REFILL: measure_steps(config)}
    assert tables[HALP]["method"].tolist() == [HALP, UNIFORM]
    assert tables[REFILL]["method"].tolist() == [REFILL]
    for table in tables.values():
        assert (table["reached"] <= 0.7 * (1 + 1e-9)).all()
        assert table["before"].between(0, 100).all()
        assert (table[["measured_ms", "whole_ms"]] > 0).all(axis=None)
        assert table["after"].isna().all()
    first, second = pruning_task(0, small), pruning_task(0, small)
    assert torch.equal(first.model[0].weight, second.model[0].weight)


def test_a_budget_that_cannot_be_reached_leaves_a_row_without_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    config = LatencyPruningConfig(
        seeds=(0,), shares=(0.01,), methods=(UNIFORM,), task=TaskConfig(train=800, test=50, epochs=1)
    )
    row = measure_budgets(config).iloc[0]
    assert (row["method"], row["share"]) == (UNIFORM, 0.01)
    assert row[["reached", "measured_ms", "importance", "before", "after"]].isna().all()


def test_rank_correlation_leaves_the_whole_network_out():
    table = pd.DataFrame(
        {"network": [0, 1, 2, 3], "table_ms": [0, 1, 2, 3], "measured_ms": [9, 1, 2, 3], "macs": [0, 3, 2, 1]}
    )
    assert rank_correlations(table) == {"table_ms": pytest.approx(1), "macs": pytest.approx(-1)}
