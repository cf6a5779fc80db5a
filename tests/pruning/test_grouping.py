"""Sizes of items follow the staircase; items of the knapsack add up to the latency of the layers that they are of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from workbench.pruning import (
    RESNET_ROWS,
    ChannelGraph,
    LatencyTable,
    SimulatedPlatform,
    check_group_sizes,
    knapsack_items,
    latency_group_sizes,
    simulate_latency_table,
    step_size,
)

from .networks import Branches, graph_of, random_plan, small_resnet


def steps_by_kernel(spec):
    """A device whose stairs are 16 channels wide for 1x1 convolutions and 32 for others."""
    step = 16 if spec.kernel == 1 else 32
    return 0.1 + -(-spec.out_channels // step)


@given(tile=st.integers(1, 16), tiles=st.integers(2, 12), spacing=st.integers(1, 8), height=st.floats(0.01, 10))
def test_step_of_a_regular_staircase_is_its_tile(tile, tiles, spacing, height):
    """Stairs of ``tile`` times the spacing, whatever the spacing and the height of a stair."""
    widths = spacing * np.arange(1, tile * tiles + 1)
    ms = 0.2 + height * np.ceil(widths / (tile * spacing))
    assert step_size(widths, ms) == tile * spacing


def test_step_of_stairs_that_are_none():
    assert step_size([8, 16, 24, 32], [1, 1, 1, 1]) == 32
    assert step_size([8, 16, 24, 32], [4, 3, 2, 1]) == 32
    assert step_size([8, 16, 24, 32], [1, 2, 3, 4]) == 8
    assert step_size([64], [1]) == 64


@pytest.mark.parametrize(
    "layer, step", [("layer2.0.conv2", 32), ("layer3 conv2", 32), ("layer4 conv2", 32), ("layer3 downsample", 128)]
)
def test_measured_rows_of_a_titan_v_rise_with_every_published_step(layer, step):
    """These layers have the sizes that HALP uses: a smaller one was never measured, and each step costs."""
    row = next(row for row in RESNET_ROWS if row.layer == layer)
    assert step_size(row.step * np.arange(1, len(row.ms) + 1), row.ms) == step


def test_coupled_layers_take_the_largest_step_of_theirs():
    model = nn.Sequential(
        nn.Conv2d(3, 64, 1), nn.ReLU(), nn.Conv2d(64, 64, 3, groups=64), nn.Conv2d(64, 96, 1), nn.Conv2d(96, 4, 1)
    )
    sizes = latency_group_sizes(graph_of(model), LatencyTable(measure=steps_by_kernel), 1)
    assert sizes == {"0": 32, "3": 16}


def test_step_of_a_platform_is_its_tile():
    platform = SimulatedPlatform("tiles of 24", 0.0, 1, 24, 100.0, 1e9)
    graph = graph_of(nn.Sequential(nn.Conv2d(3, 96, 3, padding=1), nn.Conv2d(96, 4, 1)))
    assert latency_group_sizes(graph, simulate_latency_table(platform), 1) == {"0": 24}
    with pytest.raises(ValueError, match="granularity must be a positive whole number of channels, got 0"):
        latency_group_sizes(graph, simulate_latency_table(platform), 1, 0)


def test_group_sizes_of_layers_and_of_all():
    graph = graph_of(small_resnet(), 1, 3, 32, 32)
    names = [name for group in graph.groups for name in group.layers]
    published = {f"module.{name}": 32 for name in names} | {"module.layer2.0.downsample.0": 64}
    sizes = check_group_sizes(graph, published, allow_ragged=False)
    assert sizes == {group.name: 64 if "layer2.0.downsample.0" in group.layers else 32 for group in graph.groups}
    assert set(check_group_sizes(graph, 1000, allow_ragged=False).values()) == {64, 128, 256, 512}  # the whole group
    assert set(check_group_sizes(graph, 12, allow_ragged=True).values()) == {12}
    with pytest.raises(
        ValueError, match="group size 12 does not divide 64 channels of conv1; use 2, 4, 8, 16, 32 or allow_ragged=True"
    ):
        check_group_sizes(graph, 12, allow_ragged=False)
    with pytest.raises(ValueError, match="the group size of conv1 must be a positive whole number, got 0"):
        check_group_sizes(graph, 0, allow_ragged=False)
    with pytest.raises(KeyError, match=r"group_size has no entry for layer1.0.conv1"):
        check_group_sizes(graph, {"conv1": 8}, allow_ragged=False)


@pytest.mark.parametrize(
    "step, message", [([8, 16, 32], "evenly spaced"), ([16, 8, 0], "must rise"), ([8, 16], "one ms each")]
)
def test_widths_that_are_no_staircase(step, message):
    with pytest.raises(ValueError, match=message):
        step_size(step, [1, 2, 3])


def trivial(spec):
    """Any positive function of widths: it need not rise."""
    return 1.0 + (spec.out_channels * 37 + spec.in_channels * 11 + spec.groups) % 23


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 40))
@pytest.mark.parametrize("build", [small_resnet, Branches])
def test_costs_of_all_items_and_what_is_fixed_add_up_to_the_latency(build, seed, size):
    graph = graph_of(build(), 1, 3, 32, 32)
    keep = random_plan(graph, seed, emptied=0.3).keep
    table = LatencyTable(measure=trivial)
    scores = np.random.default_rng(seed).random(graph.units)
    items, fixed = knapsack_items(graph, table, 4, keep, scores, {group.name: size for group in graph.groups})
    assert fixed + sum(part.costs.sum() for part in items) == pytest.approx(graph.latency(table, 4, keep))
    assert sum(part.values.sum() for part in items) == pytest.approx(scores[graph.effective(keep)].sum())
    for part in items:
        assert (np.diff(scores[part.order]) <= 0).all()
        assert len(part.costs) == len(part.values) == len(part.ends) == -(-len(part.order) // size)


def test_first_item_pays_what_the_layer_costs_at_all_and_those_within_a_step_are_free():
    model = nn.Sequential(nn.Conv2d(3, 64, 1), nn.ReLU(), nn.Conv2d(64, 4, 3, padding=1))
    graph = graph_of(model)
    table = LatencyTable(measure=steps_by_kernel)
    (items,), fixed = knapsack_items(graph, table, 1, graph.everything(), np.arange(64.0), {"0": 8})
    assert items.costs == pytest.approx([1.1, 0, 1, 0, 1, 0, 1, 0])
    assert fixed == pytest.approx(1.1)  # the head, whose channels reach the output
    assert np.array_equal(items.order, np.arange(64)[::-1])


def test_equal_importances_keep_their_order():
    graph = graph_of(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)))
    (items,), _ = knapsack_items(graph, LatencyTable(measure=trivial), 1, graph.everything(), np.ones(8), {"0": 2})
    assert np.array_equal(items.order, np.arange(8))


@pytest.mark.parametrize("scores", [np.ones(3), np.full(8, np.nan), np.full(8, -1.0)])
def test_scores_that_are_none(scores):
    graph = ChannelGraph.trace(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="scores must be 8 numbers that are finite and not negative"):
        knapsack_items(graph, LatencyTable(measure=trivial), 1, graph.everything(), scores, {"0": 2})
