"""The binary tree of depth: where its cells lie, which survive, and what a window around the mean loses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.models.mvs.hypotheses import (
    expectation_window,
    expected_depth,
    mode_depth,
    subdivide,
    uniform_planes,
)

RANGE = torch.tensor([425.0], dtype=torch.float64), torch.tensor([905.0], dtype=torch.float64)


def _random(count, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, count, height, width, generator=generator).softmax(1)


@settings(max_examples=20, deadline=None)
@given(
    st.floats(1, 500),
    st.floats(1, 900),
    st.sampled_from([2, 3, 4]),
    st.sampled_from(["top_k", "window"]),
    st.integers(0, 1000),
)
def test_cell_z_means_the_same_depth_at_every_level(least, span, levels, selection, seed):
    """d = d_min - D0 / 2 + (z + 1/2) D0 / 2^k after k halvings, and the centres follow d +- s / 4 from their parents."""
    planes = 16
    low, high = torch.tensor([least], dtype=torch.float64), torch.tensor([least + span], dtype=torch.float64)
    hypotheses = uniform_planes(low, high, planes, 2, 3)
    torch.testing.assert_close(
        hypotheses.depths[0, :, 0, 0], torch.linspace(least, least + span, planes, dtype=torch.float64)
    )
    first = span / (planes - 1)
    for halved in range(1, levels):
        probability = _random(*hypotheses.cells.shape[1:], seed + halved)
        above = hypotheses
        choose, count = (subdivide, 4) if selection == "top_k" else (expectation_window, 8)
        hypotheses = choose(above, probability, count)
        interval = first / 2**halved
        expected = least - first / 2 + (hypotheses.cells.double() + 0.5) * interval
        torch.testing.assert_close(hypotheses.depths, expected)
        assert hypotheses.interval.item() == pytest.approx(interval)
        assert hypotheses.cells.min() >= 0
        assert hypotheses.cells.max() < hypotheses.total == planes * 2**halved
        if selection == "top_k":
            _check_children(above, probability, hypotheses)


def _check_children(above, probability, below, keep=4):
    """The upper child of a kept cell is d + s / 4 with coordinate 2 z + 1, the lower d - s / 4 with 2 z; in all four pixels
    below."""
    kept = probability.topk(keep, dim=1).indices
    depths, cells = above.depths.gather(1, kept), above.cells.gather(1, kept)
    quarter = above.interval / 4
    children = torch.cat([depths + quarter, depths - quarter], 1).sort(1).values
    numbers = torch.cat([2 * cells + 1, 2 * cells], 1).sort(1).values
    for row in (0, 1):
        for column in (0, 1):
            torch.testing.assert_close(below.depths[:, :, row::2, column::2], children)
            assert torch.equal(below.cells[:, :, row::2, column::2], numbers)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 16))
def test_the_halves_cover_their_cells_and_nothing_else(seed, keep):
    hypotheses = uniform_planes(*RANGE, 16, 1, 1)
    probability = _random(16, 1, 1, seed)
    below = subdivide(hypotheses, probability, keep)
    depths = torch.linspace(400, 930, 4001, dtype=torch.float64)

    def inside(some, cells):
        return ((some[:, None] - depths).abs() <= cells.interval / 2 + 1e-9).any(0)

    kept = hypotheses.depths[0, probability[0, :, 0, 0].topk(keep).indices, 0, 0]
    assert torch.equal(inside(below.depths[0, :, 0, 0], below), inside(kept, hypotheses))


def test_equal_probabilities_keep_the_nearer_cells():
    below = subdivide(uniform_planes(*RANGE, 8, 3, 3), torch.full((1, 8, 3, 3), 0.125), 3)
    assert (below.cells == torch.arange(6)[None, :, None, None]).all()


def test_top_k_keeps_two_surfaces_and_a_window_keeps_neither():
    """The paper's Figure 1: the mean of two modes lies in the void between them."""
    hypotheses = uniform_planes(*RANGE, 48, 1, 1)
    probability = torch.zeros(1, 48, 1, 1)
    probability[0, [10, 11, 40, 41], 0, 0] = 0.25
    surfaces = hypotheses.depths[0, [10, 40], 0, 0]

    def nearest(below):
        return (below.depths[0, :, 0, 0, None] - surfaces).abs().amin(0) / below.interval

    assert (nearest(subdivide(hypotheses, probability, 8)) <= 0.5).all()
    assert (nearest(expectation_window(hypotheses, probability, 16)) > 5).all()


@pytest.mark.parametrize("mean, count", [(0, 8), (3, 8), (47, 8), (20, 5), (20.5, 6)])
def test_the_window_is_centred_on_the_mean_and_stays_inside(mean, count):
    hypotheses = uniform_planes(*RANGE, 48, 1, 1)
    probability = torch.zeros(1, 48, 1, 1)
    probability[0, int(mean)] += 0.5
    probability[0, int(-(-mean // 1))] += 0.5
    below = expectation_window(hypotheses, probability, count)
    cells = below.cells[0, :, 0, 0].double()
    assert torch.equal(cells, cells[0] + torch.arange(count))
    centre = 2 * mean + 0.5
    assert cells.mean() == pytest.approx(min(max(centre, (count - 1) / 2), 95 - (count - 1) / 2), abs=0.5)


def test_mean_and_mode():
    hypotheses = uniform_planes(*RANGE, 48, 1, 1)
    probability = torch.zeros(1, 48, 1, 1)
    probability[0, [10, 11, 40], 0, 0] = torch.tensor([0.4, 0.2, 0.4])
    depths = hypotheses.depths[0, :, 0, 0]
    mean = 0.4 * depths[10] + 0.2 * depths[11] + 0.4 * depths[40]
    assert expected_depth(hypotheses, probability).item() == pytest.approx(mean.item(), rel=1e-6)
    mode = (0.4 * depths[10] + 0.2 * depths[11]) / 0.6
    assert mode_depth(hypotheses, probability).item() == pytest.approx(mode.item(), rel=1e-6)


def test_bad_numbers_are_refused_with_both():
    hypotheses = uniform_planes(*RANGE, 8, 1, 1)
    even = torch.full((1, 8, 1, 1), 0.125)
    with pytest.raises(ValueError, match="1 to the 8 cells of a pixel, got 9"):
        subdivide(hypotheses, even, 9)
    with pytest.raises(ValueError, match="1 to the 16 cells of the next level, got 17"):
        expectation_window(hypotheses, even, 17)
    with pytest.raises(ValueError, match=r"probability must be \(1, 8, 1, 1\)"):
        subdivide(hypotheses, even[:, :4], 2)
    with pytest.raises(ValueError, match="planes must be at least 2, got 1"):
        uniform_planes(*RANGE, 1, 1, 1)
