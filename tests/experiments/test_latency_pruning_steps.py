"""Pruning in steps: each method meets the falling targets, nothing comes back, and the given network stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.experiments.latency_pruning_methods import HALP, LAYERS, REFILL, UNIFORM, filled, filled_up, subject
from workbench.experiments.latency_pruning_steps import IN_STEPS, StepPruner, pruned_in_steps
from workbench.experiments.latency_pruning_task import CLASSES, PruningTask, digits, residual_network
from workbench.pruning import ChannelGraph, HALPConfig, HALPPruner, simulate_latency_table

TABLE = simulate_latency_table("jetson_tx2")


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    images, labels = digits(300, 0)
    return PruningTask(residual_network().eval(), images, labels, images[:100], labels[:100], 0)


@pytest.mark.parametrize("method", IN_STEPS)
def test_every_method_ends_under_its_budget_with_a_network(task, method):
    before = task.model[0].weight.clone()
    small, plan = pruned_in_steps(task, TABLE, 0.5, method, steps=2, between=2)
    dense = plan.graph.latency(TABLE, 64)
    assert plan.latency <= 0.5 * dense * (1 + 1e-9)
    assert small(task.test_images).shape == (100, CLASSES)
    assert torch.equal(task.model[0].weight, before)
    if method in (LAYERS, UNIFORM):
        assert all(plan.keep[group.units].any() for group in plan.graph.groups)


def test_halp_in_steps_is_the_published_pruner(task):
    graph = ChannelGraph.trace(task.model, task.images[:1])
    config = HALPConfig(share=0.5, steps=3, allow_ragged=True)
    scores = np.random.default_rng(0).random(graph.units)
    ours = StepPruner(HALP, task.model, graph, TABLE, 64, config).solve(1.5, scores)
    published = HALPPruner(task.model, graph, TABLE, 64, config).solve(1.5, scores)
    assert (ours.keep == published.keep).all()


@pytest.mark.parametrize("method", [REFILL, UNIFORM])
def test_nothing_comes_back(task, method):
    graph = ChannelGraph.trace(task.model, task.images[:1])
    pruner = StepPruner(method, task.model, graph, TABLE, 64, HALPConfig(allow_ragged=True))
    first = pruner.solve(0.7 * pruner.initial_latency, np.random.default_rng(0).random(graph.units))
    second = pruner.solve(0.5 * pruner.initial_latency, np.random.default_rng(1).random(graph.units), first.keep)
    assert not (second.keep & ~first.keep).any()
    assert second.latency <= 0.5 * pruner.initial_latency


def test_filling_up_leaves_no_channel_that_still_fits(task):
    of = subject(task, TABLE, scored=1)
    place = np.argsort(np.argsort(-of.taylor)).astype(float)
    target = 0.5 * of.dense
    keep = filled(of.graph, place, of.latency, target)
    assert of.latency(keep) <= target
    assert (filled_up(of.graph, keep, place, of.latency, target) == keep).all()
    whole = filled(of.graph, place, of.latency, of.dense)
    assert whole.all()


def test_unknown_methods_are_named(task):
    with pytest.raises(ValueError, match=r"method must be one of HALP, .*, got 'best'"):
        pruned_in_steps(task, TABLE, 0.5, "best")
