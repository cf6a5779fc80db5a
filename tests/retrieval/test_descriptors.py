"""Global descriptors: closed forms, limits and invariances."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.retrieval import Template, Whitening, crop_gem, gem, l2_normalise, r_mac, regional_maxima
from workbench.retrieval.descriptors import r_mac_regions


@pytest.fixture
def maps():
    return torch.rand(3, 6, 5, 8, generator=torch.Generator().manual_seed(0)) + 0.1


def test_gem_is_its_formula_and_ends_in_mean_and_maximum(maps):
    torch.testing.assert_close(gem(maps, 3), l2_normalise((maps**3).mean((2, 3)) ** (1 / 3)))
    torch.testing.assert_close(gem(maps, 1), l2_normalise(maps.mean((2, 3))))
    maximum = l2_normalise(maps.amax((2, 3)))
    torch.testing.assert_close(gem(maps, math.inf), maximum)
    torch.testing.assert_close(gem(maps, 3000), maximum, atol=1e-3, rtol=0)
    torch.testing.assert_close(gem(maps).norm(dim=1), torch.ones(3))


def test_gem_ignores_order_scale_and_cells_of_weight_zero(maps):
    torch.testing.assert_close(gem(7 * maps.flip(2).flip(3)), gem(maps))
    weights = torch.zeros(3, 5, 8)
    weights[:, :2, :3] = 2
    torch.testing.assert_close(gem(maps, weights=weights), gem(maps[:, :, :2, :3]))
    torch.testing.assert_close(gem(maps, math.inf, weights), gem(maps[:, :, :2, :3], math.inf))
    assert torch.isfinite(gem(-maps)).all()


def test_crop_gem_pools_the_cells_of_the_object(maps):
    template = Template.from_box({8: maps[:1]}, (16, 8, 40, 24), (40, 64), stride=8)
    expected = gem(l2_normalise(maps[:1, :, 1:3, 2:5]))
    torch.testing.assert_close(crop_gem(template), expected)


@pytest.mark.parametrize("height, width, levels", [(20, 32, 3), (7, 7, 3), (3, 40, 2), (1, 1, 3), (12, 10, 4)])
def test_regions_lie_inside_and_reach_every_border(height, width, levels):
    regions = r_mac_regions(height, width, levels)
    short = min(height, width)
    assert {side for _, _, side in regions} == {max(2 * short // (level + 1), 1) for level in range(1, levels + 1)}
    for side in {side for _, _, side in regions}:
        rows, columns = zip(*((row, column) for row, column, own in regions if own == side), strict=True)
        assert (min(rows), min(columns)) == (0, 0)
        assert max(rows) + side <= height
        assert max(columns) + side <= width
    first = [column for row, column, side in regions if side == short]
    assert max(first) + short == width or height > width


def test_neighbours_overlap_by_about_forty_percent():
    columns = [column for _, column, _ in r_mac_regions(20, 32, 1)]
    assert 1 - (columns[1] - columns[0]) / 20 == pytest.approx(0.4, abs=0.01)


def test_one_square_region_is_maximum_pooling(maps):
    square = maps[..., :5]
    torch.testing.assert_close(r_mac(square, levels=1), gem(square, math.inf))


def test_r_mac_looks_only_at_valid_cells(maps):
    valid = torch.zeros(3, 5, 8, dtype=torch.bool)
    valid[0], valid[1, :4, :4], valid[2, :2, :7] = True, True, True
    pooled = r_mac(maps, valid=valid)
    for index, (rows, columns) in enumerate(((5, 8), (4, 4), (2, 7))):
        torch.testing.assert_close(pooled[index : index + 1], r_mac(maps[index : index + 1, :, :rows, :columns]))
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(3))


def test_whitened_regions_have_no_correlation_and_one_variance(maps):
    regions = regional_maxima(maps)
    white = Whitening.fit(regions, 4)
    vectors = white(regions)
    torch.testing.assert_close(vectors.T @ vectors / len(vectors), torch.eye(4), atol=1e-3, rtol=0)
    pooled = r_mac(maps, whitening=white)
    assert pooled.shape == (3, 4)
    torch.testing.assert_close(pooled.norm(dim=1), torch.ones(3))


def test_what_cannot_be_is_named(maps):
    with pytest.raises(ValueError, match="p must be above 0, got 0"):
        gem(maps, 0)
    with pytest.raises(ValueError, match="picture 1 has no cell of weight above 0"):
        gem(maps, weights=torch.tensor([1.0, 0, 1])[:, None, None].expand(3, 5, 8))
    with pytest.raises(ValueError, match=r"weights has shape \(3, 5\), expected \(3, 5, 8\)"):
        gem(maps, weights=torch.ones(3, 5))
    with pytest.raises(ValueError, match=r"features has shape \(6, 5, 8\), expected \(N, C, h, w\)"):
        gem(maps[0])
    with pytest.raises(ValueError, match="levels must be 1 or more, got 0"):
        r_mac(maps, levels=0)
    with pytest.raises(ValueError, match="components must lie in 1 to 2, the directions of variance; got 3"):
        Whitening.fit(torch.tensor([[0.0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]), 3)
