"""Sparse convolutions against dense ones of masked grids, closed forms and finite differences."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from workbench.ops.sparse_conv import AXES, Sites, strided_conv3d, submanifold_conv1d, transposed_conv3d

KERNEL_SIZES = {"row": (3, 1, 1), "column": (1, 3, 1), "depth": (1, 1, 3)}


@st.composite
def problems(draw):
    """Draw a grid, some of its cells in some order, and numbers of channels."""
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    batch, inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    density = draw(st.sampled_from([0.05, 0.4, 1.0]))
    cells = torch.nonzero(torch.rand(batch, *shape, generator=generator) <= density)
    cells = cells[torch.randperm(len(cells), generator=generator)]
    return (batch, *shape), cells, inputs, outputs, generator


def _dense(features, coordinates, grid):
    volume = features.new_zeros(grid[0], features.shape[1], *grid[1:])
    batch, row, column, depth = coordinates.T
    volume[batch, :, row, column, depth] = features
    return volume


def _read(volume, coordinates):
    batch, row, column, depth = coordinates.T
    return volume[batch, :, row, column, depth]


def _normal(*shape, generator):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(AXES))
def test_submanifold_convolution_is_the_dense_one_read_at_the_sites(problem, axis):
    """The dense grid is 0 where there is no site: that is what a missing neighbour gives."""
    grid, cells, inputs, outputs, generator = problem
    features = _normal(len(cells), inputs, generator=generator)
    kernel = _normal(3, inputs, outputs, generator=generator)
    weight = kernel.permute(2, 1, 0).reshape(outputs, inputs, *KERNEL_SIZES[axis])
    padding = tuple(size // 2 for size in KERNEL_SIZES[axis])
    expected = _read(functional.conv3d(_dense(features, cells, grid), weight, padding=padding), cells)
    got = submanifold_conv1d(features, kernel, Sites(cells), axis)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_strided_and_transposed_convolutions_are_the_dense_ones(problem):
    grid, cells, inputs, outputs, generator = problem
    features = _normal(len(cells), inputs, generator=generator)
    kernel = _normal(8, inputs, outputs, generator=generator)
    even = (grid[0], *(side + side % 2 for side in grid[1:]))
    sites = Sites(cells)
    coarse = sites.coarse.coordinates
    down = functional.conv3d(
        _dense(features, cells, even), kernel.permute(2, 1, 0).reshape(outputs, inputs, 2, 2, 2), stride=2
    )
    torch.testing.assert_close(strided_conv3d(features, kernel, sites), _read(down, coarse), rtol=0, atol=1e-6)
    assert {tuple(site) for site in coarse.tolist()} == {(b, y // 2, x // 2, z // 2) for b, y, x, z in cells.tolist()}

    above = _normal(len(coarse), inputs, generator=generator)
    half = (grid[0], *(side // 2 for side in even[1:]))
    up = functional.conv_transpose3d(
        _dense(above, coarse, half), kernel.permute(1, 2, 0).reshape(inputs, outputs, 2, 2, 2), stride=2
    )
    torch.testing.assert_close(transposed_conv3d(above, kernel, sites), _read(up, cells), rtol=0, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(problems(), st.sampled_from([*AXES, "down", "up"]))
def test_gradients_are_finite_differences(problem, which):
    _, cells, inputs, outputs, generator = problem
    cells = cells[:12]
    sites = Sites(cells)
    taps = 3 if which in AXES else 8
    rows = len(sites.coarse) if which == "up" else len(cells)
    features = _normal(rows, inputs, generator=generator).requires_grad_()
    kernel = _normal(taps, inputs, outputs, generator=generator).requires_grad_()
    convolutions = {"down": strided_conv3d, "up": transposed_conv3d}

    def convolve(features, kernel):
        if which in AXES:
            return submanifold_conv1d(features, kernel, sites, which)
        return convolutions[which](features, kernel, sites)

    assert torch.autograd.gradcheck(convolve, (features, kernel))


@settings(max_examples=30, deadline=None)
@given(problems())
def test_the_order_of_the_sites_does_not_matter(problem):
    _, cells, inputs, outputs, generator = problem
    order = torch.randperm(len(cells), generator=generator)
    features = _normal(len(cells), inputs, generator=generator)
    kernel = _normal(3, inputs, outputs, generator=generator)
    for axis in AXES:
        plain = submanifold_conv1d(features, kernel, Sites(cells), axis)
        mixed = submanifold_conv1d(features[order], kernel, Sites(cells[order]), axis)
        torch.testing.assert_close(mixed, plain[order], rtol=0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(problems(), st.sampled_from(AXES))
def test_neighbours_are_each_others_inverse_and_one_step_apart(problem, axis):
    _, cells, *_ = problem
    before, after = Sites(cells).neighbours(axis)
    step = torch.zeros(4, dtype=torch.long)
    step[1 + AXES.index(axis)] = 1
    for site in range(len(cells)):
        if after[site] < len(cells):
            assert torch.equal(cells[after[site]], cells[site] + step)
            assert before[after[site]] == site
        else:
            assert not (cells == cells[site] + step).all(1).any()


def test_sites_at_the_ends_of_rows_and_images_are_no_neighbours():
    """The last cell of a row and the first of the next one are numbered apart."""
    cells = torch.cartesian_prod(*[torch.arange(2)] * 4)
    sites = Sites(cells)
    for axis in AXES:
        column = 1 + AXES.index(axis)
        before, after = sites.neighbours(axis)
        assert torch.equal(before == len(cells), cells[:, column] == 0)
        assert torch.equal(after == len(cells), cells[:, column] == 1)


def test_maps_are_made_once():
    sites = Sites(torch.tensor([[0, 1, 2, 3], [0, 1, 2, 4]]))
    assert sites.neighbours("depth") is sites.neighbours("depth")
    assert sites.coarse is sites.coarse
    assert sites.slots is sites.slots


def test_mixed_precision_trains_both_ways():
    """Autocast does not reach into autograd functions of one's own: both are cast before, and the gradient comes back."""
    sites = Sites(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]]))
    features, kernel = torch.ones(2, 2, requires_grad=True), torch.ones(3, 2, 2, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = submanifold_conv1d(features, kernel, sites, "depth")
        out = strided_conv3d(out, torch.ones(8, 2, 1), sites)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert features.grad.dtype == torch.float32
    assert kernel.grad.tolist() == [[[1.0, 1.0]] * 2, [[2.0, 2.0]] * 2, [[1.0, 1.0]] * 2]


def test_no_site_gives_no_row():
    sites = Sites(torch.zeros(0, 4, dtype=torch.long))
    assert submanifold_conv1d(torch.zeros(0, 3), torch.zeros(3, 3, 2), sites, "row").shape == (0, 2)
    assert strided_conv3d(torch.zeros(0, 3), torch.zeros(8, 3, 2), sites).shape == (0, 2)


@pytest.mark.parametrize(
    "coordinates, error, message",
    [
        (torch.zeros(2, 4), TypeError, "whole numbers, got torch.float32"),
        (torch.zeros(2, 3, dtype=torch.long), ValueError, r"\(N, 4\).*got \(2, 3\)"),
        (torch.tensor([[0, 0, -1, 0]]), ValueError, "at least 0, got -1"),
        (torch.tensor([[0, 2**31, 2**31, 9]]), ValueError, r"at most 2\^62 can be numbered"),
    ],
)
def test_bad_coordinates_are_refused(coordinates, error, message):
    with pytest.raises(error, match=message):
        Sites(coordinates)


def test_a_site_that_comes_twice_is_named():
    sites = Sites(torch.tensor([[0, 5, 6, 7], [0, 1, 1, 1], [0, 5, 6, 7]]))
    with pytest.raises(ValueError, match=r"\[0, 5, 6, 7\] twice"):
        sites.neighbours("row")


def test_shapes_that_do_not_fit_are_refused():
    sites = Sites(torch.tensor([[0, 0, 0, 0]]))
    with pytest.raises(ValueError, match=r"features must be \(1, inputs\)"):
        submanifold_conv1d(torch.zeros(2, 3), torch.zeros(3, 3, 1), sites, "row")
    with pytest.raises(ValueError, match=r"kernel must be \(3, 2, outputs\)"):
        submanifold_conv1d(torch.zeros(1, 2), torch.zeros(8, 2, 1), sites, "row")
    with pytest.raises(ValueError, match="axis must be one of row, column, depth, got 'z'"):
        submanifold_conv1d(torch.zeros(1, 2), torch.zeros(3, 2, 1), sites, "z")
