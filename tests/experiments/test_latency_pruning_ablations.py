"""Ablations of latency pruning: each differs in one part, all meet the same latency, and what cannot be reached is left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.experiments import latency_pruning_ablations
from workbench.experiments.latency_pruning import LatencyPruningConfig
from workbench.experiments.latency_pruning_ablations import (
    CHOICES,
    SIZES,
    STEP,
    STEPS,
    TWO_STEPS,
    Choice,
    chosen,
    measure_ablations,
)
from workbench.experiments.latency_pruning_methods import HALP, subject
from workbench.experiments.latency_pruning_task import PruningTask, TaskConfig, digits, residual_network
from workbench.pruning import simulate_latency_table


@pytest.fixture(scope="module")
def of():
    torch.manual_seed(0)
    images, labels = digits(200, 0)
    task = PruningTask(residual_network().eval(), images, labels, images, labels, 0)
    return subject(task, simulate_latency_table("jetson_tx2"), 64, scored=2)


@pytest.mark.parametrize("kind", CHOICES)
def test_every_way_ends_just_under_the_same_latency_with_all_layers(of, kind):
    for setting, choice in CHOICES[kind].items():
        if setting == TWO_STEPS:
            continue
        plan = chosen(of, 0.5, choice)
        assert 0.47 <= plan.latency / of.dense <= 0.5 * (1 + 1e-9)
        assert all(plan.keep[group.units].any() for group in of.graph.groups)


def test_two_steps_of_sixteen_leave_the_first_stage_whole_and_miss_the_budget(of):
    with pytest.raises(ValueError, match="cannot be reached"):
        chosen(of, 0.5, Choice(group_size=TWO_STEPS))


def test_importances_are_named(of):
    with pytest.raises(ValueError, match="importance must be one of Taylor, magnitude, random, got 'gradient'"):
        chosen(of, 0.5, Choice(importance="gradient"))


def test_a_small_run_has_a_row_for_each_way_also_where_it_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    config = LatencyPruningConfig(seeds=(0,), task=TaskConfig(train=800, test=50, epochs=1))
    table = measure_ablations(config, shares=(0.6,), kinds=(SIZES,)).set_index("setting")
    assert table.index.tolist() == list(CHOICES[SIZES])
    assert np.isnan(table.loc[TWO_STEPS, "after"])
    assert table.loc[STEP, "after"] == table.loc["1", "after"]  # on ideal stairs the solver finds the steps itself
    assert (table.drop(TWO_STEPS)["reached"] <= 0.6 * (1 + 1e-9)).all()


def test_more_steps_end_nearer_to_the_target(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(latency_pruning_ablations, "MINIBATCHES", 5)
    monkeypatch.setattr(latency_pruning_ablations, "IN_STEPS", {f"{HALP}, {steps}": (HALP, steps) for steps in (1, 5)})
    config = LatencyPruningConfig(seeds=(0,), task=TaskConfig(train=800, test=50, epochs=1))
    table = measure_ablations(config, shares=(0.4,), kinds=(STEPS,))
    assert table["setting"].tolist() == [f"{HALP}, 1", f"{HALP}, 5"]
    assert table["reached"].iloc[0] < table["reached"].iloc[1] <= 0.4
