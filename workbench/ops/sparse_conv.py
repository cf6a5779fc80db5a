"""Convolutions over the occupied sites of a 3-D grid, in plain PyTorch: what is not a site costs nothing.

Submanifold convolution: Graham, Engelcke, van der Maaten, "3D Semantic Segmentation with Submanifold Sparse Convolutional
Networks", CVPR 2018. Kernels are (taps, inputs, outputs), as TorchSparse keeps them.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

AXES = ("row", "column", "depth")
CHILDREN = 8
"""Finer sites that a site of the grid of half the resolution can have."""
_MOST = 2**62


class Sites:
    """Occupied sites of a grid, with the maps between them, each made when it is first asked for and then kept.

    Args:
        coordinates: int64 (N, 4): batch, row, column, depth, at least 0, in any order, each once. Sorted ones are faster.

    Raises:
        TypeError: coordinates are not whole numbers.
        ValueError: another shape, one below 0, a site that comes twice, or a grid of more than 2^62 cells.

    >>> sites = Sites(torch.tensor([[0, 0, 0, 4], [0, 0, 0, 5], [0, 0, 1, 9]]))
    >>> sites.neighbours("depth").tolist()  # of each site: the one before and the one after; 3 for none
    [[3, 0, 3], [1, 3, 3]]
    >>> sites.coarse.coordinates.tolist()
    [[0, 0, 0, 2], [0, 0, 0, 4]]
    """

    def __init__(self, coordinates: Tensor) -> None:
        if coordinates.is_floating_point() or coordinates.is_complex() or coordinates.dtype == torch.bool:
            raise TypeError(f"coordinates must be whole numbers, got {coordinates.dtype}")
        if coordinates.ndim != 2 or coordinates.shape[1] != 4:
            raise ValueError(f"coordinates must be (N, 4): batch, row, column, depth; got {tuple(coordinates.shape)}")
        self.coordinates = coordinates.long()
        most, strides = [0, 0, 0, 0], [0, 0, 0, 0]
        if len(coordinates):
            if int(coordinates.min()) < 0:
                raise ValueError(f"coordinates must be at least 0, got {int(coordinates.min())}")
            most = self.coordinates.amax(0).tolist()
        cells = 1
        for axis in (3, 2, 1, 0):
            strides[axis] = cells
            # A free cell on either side, so that the neighbour of the first site of a row is never the last of the row before.
            cells *= most[axis] + 3
        if cells > _MOST:
            raise ValueError(f"the grid has {cells} cells, at most 2^62 can be numbered; greatest coordinates {most}")
        self._strides = strides

    def __len__(self) -> int:
        return len(self.coordinates)

    @cached_property
    def _sorted(self) -> tuple[Tensor, Tensor | None]:
        """Return the numbers of the sites' cells, rising, and the site of each; None when they came so."""
        keys = ((self.coordinates + 1) * self.coordinates.new_tensor(self._strides)).sum(1)
        order = None
        step = keys.diff()
        if bool((step <= 0).any()):
            keys, order = keys.sort()
            twice = torch.nonzero(keys.diff() == 0)
            if len(twice):
                site = self.coordinates[order[twice[0, 0]]].tolist()
                raise ValueError(f"coordinates hold the site {site} twice; expected each once")
        return keys, order

    @cached_property
    def _neighbours(self) -> dict[str, Tensor]:
        return {}

    def neighbours(self, axis: str) -> Tensor:
        """Return int64 (2, N): the site one before and the site one after each site along an axis; N where there is none.

        Raises:
            ValueError: an axis that is not among ``AXES``.
        """
        if axis not in AXES:
            raise ValueError(f"axis must be one of {', '.join(AXES)}, got {axis!r}")
        if axis not in self._neighbours:
            self._neighbours[axis] = self._find_neighbours(self._strides[1 + AXES.index(axis)])
        return self._neighbours[axis]

    def _find_neighbours(self, stride: int) -> Tensor:
        keys, order = self._sorted
        count = len(keys)
        found = keys.new_full((2, count), count)
        if not count:
            return found
        if stride == 1:
            lower = torch.arange(count - 1, device=keys.device)
            upper = lower + 1
            beside = keys[upper] == keys[lower] + 1
            lower, upper = lower[beside], upper[beside]
        else:
            place = torch.searchsorted(keys, keys + stride).clamp_(max=count - 1)
            lower = torch.nonzero(keys[place] == keys + stride)[:, 0]
            upper = place[lower]
        if order is not None:
            lower, upper = order[lower], order[upper]
        found[1, lower] = upper
        found[0, upper] = lower
        return found

    @cached_property
    def _halved(self) -> tuple[Sites, Tensor]:
        coordinates = self.coordinates.clone()
        coordinates[:, 1:] = coordinates[:, 1:] >> 1
        strides = coordinates.new_tensor(self._strides)
        keys, parent = torch.unique((coordinates * strides).sum(1), return_inverse=True)
        coarse = coordinates.new_empty(len(keys), 4)
        coarse[parent] = coordinates
        corner = (self.coordinates[:, 1:] & 1) @ self.coordinates.new_tensor([4, 2, 1])
        return Sites(coarse), parent * CHILDREN + corner

    @property
    def coarse(self) -> Sites:
        """The sites of the grid of half the resolution that hold at least one of these: the distinct floor(coordinate / 2)."""
        return self._halved[0]

    @property
    def slots(self) -> Tensor:
        """Int64 (N,): 8 x the coarse site of each site + its corner in it, 4 row + 2 column + depth."""
        return self._halved[1]


class _SubmanifoldConvolution(torch.autograd.Function):
    """y_i = x_before(i) W_0 + x_i W_1 + x_after(i) W_2, a missing neighbour being 0.

    Being the site after is the inverse of being the site before, so the gradient by x is a gather too: the same sum with the outer
    taps exchanged, which needs no scatter and adds in one order always.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, kernel: Tensor, neighbours: Tensor) -> Tensor:
        ctx.save_for_backward(features, kernel, neighbours)
        return _gathered(features, neighbours[0], neighbours[1]) @ kernel.flatten(0, 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        features, kernel, neighbours = ctx.saved_tensors
        by_features = by_kernel = None
        if ctx.needs_input_grad[0]:
            outer = _gathered(gradient, neighbours[1], neighbours[0])
            by_features = outer @ kernel.transpose(1, 2).flatten(0, 1)
        if ctx.needs_input_grad[1]:
            taps = _gathered(features, neighbours[0], neighbours[1])
            by_kernel = (taps.T @ gradient).view_as(kernel)
        return by_features, by_kernel, None


def _gathered(values: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Return (N, 3 C): the values at ``first``, at the site itself and at ``last``, 0 at index N."""
    count, channels = values.shape
    padded = torch.cat([values, values.new_zeros(1, channels)])
    taps = values.new_empty(count, 3, channels)
    taps[:, 0] = padded.index_select(0, first)
    taps[:, 1] = values
    taps[:, 2] = padded.index_select(0, last)
    return taps.view(count, 3 * channels)


def submanifold_conv1d(features: Tensor, kernel: Tensor, sites: Sites, axis: str) -> Tensor:
    """Return the convolution (N, outputs) of ``features`` (N, inputs) with three taps along one axis; its sites are the same.

    ``y_i = x_before(i) W_0 + x_i W_1 + x_after(i) W_2``; a neighbour that is no site counts as 0.

    Args:
        features: (N, inputs), floating point, one row for each site.
        kernel: (3, inputs, outputs).
        sites: the N sites.
        axis: ``"row"``, ``"column"`` or ``"depth"``.

    Raises:
        ValueError: shapes that do not fit, or another axis.

    >>> sites = Sites(torch.tensor([[0, 0, 0, 4], [0, 0, 0, 5], [0, 0, 1, 9]]))
    >>> kernel = torch.tensor([[[1.0]], [[10.0]], [[100.0]]])
    >>> submanifold_conv1d(torch.tensor([[1.0], [2.0], [3.0]]), kernel, sites, "depth").flatten().tolist()
    [210.0, 21.0, 30.0]
    """
    _check(features, kernel, len(sites), 3)
    return _SubmanifoldConvolution.apply(*_autocast(features, kernel), sites.neighbours(axis))


def strided_conv3d(features: Tensor, kernel: Tensor, sites: Sites) -> Tensor:
    """Return the convolution (M, outputs) of size and stride 2 onto ``sites.coarse``.

    ``y_j = sum over the sites i inside the coarse site j of x_i W_corner(i)``.

    Args:
        features: (N, inputs), one row for each of ``sites``.
        kernel: (8, inputs, outputs), the corner being 4 row + 2 column + depth.
        sites: the N finer sites.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(features, kernel, len(sites), CHILDREN)
    features, kernel = _autocast(features, kernel)
    count = len(sites.coarse)
    corners = features.new_zeros(count * CHILDREN, features.shape[1]).index_copy(0, sites.slots, features)
    return corners.view(count, CHILDREN * features.shape[1]) @ kernel.flatten(0, 1)


def transposed_conv3d(features: Tensor, kernel: Tensor, sites: Sites) -> Tensor:
    """Return the transposed convolution (N, outputs) of size and stride 2 from ``sites.coarse``.

    ``y_i = x_parent(i) W_corner(i)``.

    Args:
        features: (M, inputs), one row for each of ``sites.coarse``.
        kernel: (8, inputs, outputs).
        sites: the N finer sites that the result belongs to.

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(features, kernel, len(sites.coarse), CHILDREN)
    features, kernel = _autocast(features, kernel)
    taps, inputs, outputs = kernel.shape
    corners = features @ kernel.transpose(0, 1).reshape(inputs, taps * outputs)
    return corners.view(-1, outputs).index_select(0, sites.slots)


def _autocast(features: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the type that an active autocast multiplies in: autograd functions of one's own are not cast by it."""
    device = features.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        return features.to(dtype), kernel.to(dtype)
    return features, kernel


def _check(features: Tensor, kernel: Tensor, count: int, taps: int) -> None:
    if features.ndim != 2 or len(features) != count:
        raise ValueError(f"features must be ({count}, inputs), one row for each site, got {tuple(features.shape)}")
    if kernel.ndim != 3 or kernel.shape[:2] != (taps, features.shape[1]):
        raise ValueError(
            f"kernel must be ({taps}, {features.shape[1]}, outputs) for features of {features.shape[1]} channels, got "
            f"{tuple(kernel.shape)}"
        )
