"""What the views of notebook 05 compute: normalisers, gates, points drawn together, sizes of blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.experiments.results import load_results
from workbench.experiments.robust_transformers import robustness
from workbench.experiments.robust_transformers_lab import shipped_networks
from workbench.experiments.robust_transformers_measure import freeze_gates
from workbench.experiments.robust_transformers_train import held_out_images
from workbench.experiments.robust_transformers_views import (
    block_gates,
    built_block,
    draw_together,
    error_grid,
    ranking,
    reference_errors,
    woken_gates,
)
from workbench.metrics.robustness import ALEXNET_ERROR
from workbench.models.fan import ChannelDesign
from workbench.models.fan.grouping import effective_rank, significant_count
from workbench.ops.corruptions import CORRUPTIONS


@pytest.fixture(scope="module")
def errors():
    return load_results("robust_transformers_errors")


@pytest.fixture(scope="module")
def fan():
    return shipped_networks()["FAN"]


def test_ranking_by_the_own_reference_is_the_claims_mce_and_the_reference_has_a_hundred(errors):
    table = ranking(errors, "own reference").set_index("network")
    expected = robustness(errors)["mCE"].groupby(level="network").mean()
    pd.testing.assert_series_equal(table["value"].sort_index(), expected.sort_index(), check_names=False)
    assert table.loc["linear", "value"] == pytest.approx(100, abs=0.5)
    assert table["value"].is_monotonic_increasing


def test_plain_errors_and_alexnet(errors):
    grid = error_grid(errors, "FAN")
    assert grid.shape == (15, 5)
    plain = ranking(errors, "none").set_index("network")["value"]
    assert plain["FAN"] == pytest.approx(100 * grid.mean())
    by_alexnet = ranking(errors, "AlexNet").set_index("network")["value"]
    expected = np.mean([100 * row.mean() / ALEXNET_ERROR[name] for row, name in zip(grid, CORRUPTIONS, strict=True)])
    assert by_alexnet["FAN"] == pytest.approx(expected)
    with pytest.raises(ValueError, match="normaliser must be one of own reference, AlexNet, none, got 'ResNet'"):
        reference_errors(errors, "ResNet")


def test_gates_lie_in_their_band_and_frozen_ones_are_one_number(fan):
    pictures = held_out_images(500).images[:20]
    for gates in block_gates(fan, pictures):
        assert len(gates) == 20 * 48
        assert 0.5 < gates.min() < gates.max() < 1 / (1 + np.exp(-1))
    for gates in block_gates(freeze_gates(fan), pictures):
        np.testing.assert_allclose(gates, 1 / (1 + np.exp(-1 / 49)), atol=1e-6)


def test_a_token_that_stands_out_wakes_the_gate_up_to_its_bound(fan):
    picture = held_out_images(500).images[0]
    woken = woken_gates(fan, picture, np.array([0.0, 10.0, 40.0]))
    assert woken[0] == pytest.approx(max(block_gates(fan, picture[None])[0]), abs=1e-5)
    assert woken[0] < 0.51 < woken[1] < woken[2] <= 1 / (1 + np.exp(-1)) + 1e-6


@pytest.mark.parametrize("mode", ["attention", "bottleneck"])
def test_no_step_moves_nothing_and_a_middling_beta_keeps_the_groups(mode):
    still = draw_together(mode, 8.0, 0, 0.25)
    np.testing.assert_array_equal(still.start, still.now)
    run = draw_together(mode, 8.0 if mode == "attention" else 32.0, 12, 0.15)
    assert effective_rank(run.after) < effective_rank(run.before)
    centres = np.stack([run.now[run.groups == group].mean(0) for group in range(3)])
    nearest = np.linalg.norm(run.now[:, None] - centres, axis=2).argmin(1)
    assert (nearest == run.groups).mean() > 0.95


def test_a_small_beta_draws_everything_to_one_point_and_a_large_one_leaves_points_alone():
    assert significant_count(draw_together("attention", 0.5, 12, 0.25).after) == 0
    large = draw_together("attention", 64.0, 1, 0.25)
    assert np.abs(large.now - large.start).max() < 0.2
    with pytest.raises(ValueError, match="expected mode attention or bottleneck"):
        draw_together("kmeans", 1.0, 1, 0.1)


def test_a_block_has_what_its_parts_have(fan):
    size, macs = built_block(ChannelDesign(), 48, 4)
    assert size == sum(parameter.numel() for parameter in fan.parameters())
    no_gate, less = built_block(ChannelDesign("none"), 48, 4)
    assert size - no_gate == 4 * (48 * 48 + 48 + 4)  # the query and a temperature a head, in each block
    assert less < macs
    with pytest.raises(ValueError, match="not divisible by 5 heads"):
        built_block(ChannelDesign(), 48, 5)
