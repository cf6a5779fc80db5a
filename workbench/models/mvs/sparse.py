"""Sparse cost aggregation of NP-CVP-MVSNet: a U-Net over the hypotheses that were kept, each a site of a grid of pixels and depths.

Module names and kernel layouts are those of the released code, which runs on TorchSparse. Section 3.4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.ops.sparse_conv import Sites, strided_conv3d, submanifold_conv1d, transposed_conv3d

FACTORS = ("depth", "column", "row")
"""Axes of the three one-dimensional convolutions, in their order."""


class _Kernel(nn.Module):
    """The weights of one sparse convolution: (taps, inputs, outputs), or (inputs, outputs) of a single tap."""

    def __init__(self, taps: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(taps * inputs)
        shape = (taps, inputs, outputs) if taps > 1 else (inputs, outputs)
        self.kernel = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class FactorisedBlock(nn.Module):
    """Three one-dimensional submanifold convolutions one after the other, batch normalisation over the sites, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (_Kernel(3, channels, channels) for _ in FACTORS)
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor, sites: Sites) -> Tensor:
        for axis, conv in zip(FACTORS, (self.conv1, self.conv2, self.conv3), strict=True):
            x = submanifold_conv1d(x, conv.kernel, sites, axis)
        return functional.relu(self.bn(x), inplace=True)


class _Resampled(nn.Module):
    """A convolution of size and stride 2 to the coarser sites, or back onto the finer ones, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, transposed: bool) -> None:
        super().__init__()
        self.conv, self.bn = _Kernel(8, inputs, outputs), nn.BatchNorm1d(outputs)
        self.convolve = transposed_conv3d if transposed else strided_conv3d

    def forward(self, x: Tensor, finer: Sites) -> Tensor:
        return functional.relu(self.bn(self.convolve(x, self.conv.kernel, finer)), inplace=True)


def _stage(inputs: int, outputs: int, *, transposed: bool) -> nn.ModuleList:
    first = _Resampled(inputs, outputs, transposed=transposed)
    return nn.ModuleList([first, FactorisedBlock(outputs), FactorisedBlock(outputs)])


class SparseRegulariser(nn.Module):
    """Costs of hypotheses (B, groups, D, h, w) and their cells (B, D, h, w) to logits (B, D, h, w).

    ``conv*up`` go up in channels, to coarser sites; ``conv*down`` come back, and are added to what was there.

    Args:
        groups: channels of the costs.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.input = nn.ModuleList(FactorisedBlock(groups) for _ in range(3))
        for step in (1, 2, 3):
            inputs, outputs = groups * 2 ** (step - 1), groups * 2**step
            self.add_module(f"conv{step}up", _stage(inputs, outputs, transposed=False))
            self.add_module(f"conv{step}down", _stage(outputs, inputs, transposed=True))
        blocks = [FactorisedBlock(groups), FactorisedBlock(groups)]
        self.prob = nn.ModuleList([*blocks, *(_Kernel(3, groups, groups) for _ in FACTORS), _Kernel(1, groups, 1)])

    def forward(self, cost: Tensor, cells: Tensor) -> Tensor:
        batch, groups, count, height, width = cost.shape
        sites = pixel_sites(cells)
        x = cost.permute(0, 3, 4, 2, 1).reshape(-1, groups)
        return self.on_sites(x, sites).view(batch, height, width, count).permute(0, 3, 1, 2)

    def on_sites(self, x: Tensor, sites: Sites) -> Tensor:
        """Return one logit for each site, (N,), of costs (N, groups)."""
        for block in self.input:
            x = block(x, sites)
        grids, skips = [sites], [x]
        for step in (1, 2, 3):
            resample, *blocks = self.get_submodule(f"conv{step}up")
            x = resample(x, grids[-1])
            grids.append(grids[-1].coarse)
            for block in blocks:
                x = block(x, grids[-1])
            skips.append(x)
        for step in (3, 2, 1):
            resample, *blocks = self.get_submodule(f"conv{step}down")
            x = resample(x, grids[step - 1])
            for block in blocks:
                x = block(x, grids[step - 1])
            x = skips[step - 1] + x
        first, second, *factors, last = self.prob
        x = second(first(x, sites), sites)
        for axis, conv in zip(FACTORS, factors, strict=True):
            x = submanifold_conv1d(x, conv.kernel, sites, axis)
        return (x @ last.kernel.to(x.dtype))[:, 0]


def pixel_sites(cells: Tensor) -> Sites:
    """Return the sites (batch, row, column, cell) of the cells (B, D, h, w) of each pixel, pixel by pixel."""
    batch, count, height, width = cells.shape
    last = cells.permute(0, 2, 3, 1)
    shape = (batch, height, width, count)
    first = [
        torch.arange(size, device=cells.device).view([size if other == axis else 1 for other in range(4)]).expand(shape)
        for axis, size in enumerate(shape[:3])
    ]
    return Sites(torch.stack([*first, last], -1).view(-1, 4))
