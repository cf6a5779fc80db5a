"""Which depths are looked at: planes at the coarsest level, then cells of a binary tree of depth below each pixel.

Yang, Alvarez, Liu, "Non-parametric Depth Distribution Modelling based Depth Inference for Multi-view Stereo", CVPR 2022,
section 3.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SELECTIONS = ("top_k", "window")


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Cells of depth that are looked at, per pixel of one level.

    Cell z of a level holds the depths within half an interval of ``origin + (z + 1/2) interval``. Its halves are the cells 2 z and
    2 z + 1 of the next finer level, for all levels of a range alike: a binary tree over depth, with pixels an octree.

    Attributes:
        cells: int64 (B, D, h, w), rising along D.
        origin: (B,) the lower end of the first cell, ``d_min - (d_max - d_min) / (2 (planes - 1))``.
        interval: (B,) length of a cell.
        total: cells of the whole range at this level; those in ``cells`` lie in 0 to total - 1.
    """

    cells: Tensor
    origin: Tensor
    interval: Tensor
    total: int

    @property
    def depths(self) -> Tensor:
        """The centres of the cells, (B, D, h, w), in the type of ``origin``."""
        origin, interval = (value[:, None, None, None] for value in (self.origin, self.interval))
        return origin + (self.cells.to(self.origin.dtype) + 0.5) * interval


def uniform_planes(depth_min: Tensor, depth_max: Tensor, planes: int, height: int, width: int) -> Hypotheses:
    """Return the planes ``linspace(d_min, d_max, planes)`` as the cells of every pixel.

    Args:
        depth_min, depth_max: (B,).
        planes: at least 2.
        height, width: of the level.

    >>> planes = uniform_planes(torch.tensor([10.0]), torch.tensor([40.0]), 4, 1, 1)
    >>> planes.depths.flatten().tolist(), planes.interval.tolist(), planes.origin.tolist()
    ([10.0, 20.0, 30.0, 40.0], [10.0], [5.0])
    """
    if planes < 2:
        raise ValueError(f"planes must be at least 2, got {planes}")
    interval = (depth_max - depth_min) / (planes - 1)
    cells = torch.arange(planes, device=depth_min.device)[None, :, None, None]
    return Hypotheses(cells.expand(len(depth_min), planes, height, width), depth_min - interval / 2, interval, planes)


def subdivide(hypotheses: Hypotheses, probability: Tensor, keep: int) -> Hypotheses:
    """Return both halves of the ``keep`` most probable cells of each pixel, for the four pixels below it; without gradient.

    Of equally probable cells the nearer comes first, so that runs repeat.

    Args:
        hypotheses: of a level, (B, D, h, w).
        probability: (B, D, h, w).
        keep: K.

    Returns:
        2 K hypotheses of each pixel, (B, 2 K, 2 h, 2 w).

    Raises:
        ValueError: fewer than one or more than D are to be kept, or the shapes differ.

    >>> planes = uniform_planes(torch.tensor([10.0]), torch.tensor([40.0]), 4, 1, 1)
    >>> both = torch.tensor([0.4, 0.1, 0.1, 0.4]).reshape(1, 4, 1, 1)  # two surfaces in one pixel
    >>> subdivide(planes, both, 2).depths[0, :, 0, 0].tolist()
    [7.5, 12.5, 37.5, 42.5]
    """
    _check(hypotheses, probability)
    available = hypotheses.cells.shape[1]
    if not 1 <= keep <= available:
        raise ValueError(f"keep must lie in 1 to the {available} cells of a pixel, got {keep}")
    order = probability.detach().sort(dim=1, descending=True, stable=True).indices[:, :keep]
    kept = hypotheses.cells.gather(1, order.sort(dim=1).values)
    batch, _, height, width = kept.shape
    halves = torch.stack([2 * kept, 2 * kept + 1], 2).view(batch, 2 * keep, height, width)
    return _finer(hypotheses, halves)


def expectation_window(hypotheses: Hypotheses, probability: Tensor, count: int) -> Hypotheses:
    """Return ``count`` consecutive cells of the next level around each pixel's expected depth, for the four pixels below it.

    What unimodal coarse-to-fine networks look at; the same budget and the same cells as :func:`subdivide` has, chosen otherwise.
    The window is moved inside the range.

    Args:
        hypotheses: of a level, (B, D, h, w).
        probability: (B, D, h, w), summing to 1 over D.
        count: cells of the window.

    Raises:
        ValueError: fewer than one cell, or more than the next level has, or the shapes differ.

    >>> planes = uniform_planes(torch.tensor([10.0]), torch.tensor([40.0]), 4, 1, 1)
    >>> both = torch.tensor([0.4, 0.1, 0.1, 0.4]).reshape(1, 4, 1, 1)  # two surfaces: the window lies in the void between
    >>> expectation_window(planes, both, 4).depths[0, :, 0, 0].tolist()
    [17.5, 22.5, 27.5, 32.5]
    """
    _check(hypotheses, probability)
    if not 1 <= count <= 2 * hypotheses.total:
        raise ValueError(f"count must lie in 1 to the {2 * hypotheses.total} cells of the next level, got {count}")
    with torch.no_grad():
        # In cells of this level, so that the sum keeps its digits; the next level's are half as long.
        mean = (probability.double() * hypotheses.cells).sum(1) / probability.double().sum(1)
        first = torch.floor(2 * mean + 1 - count / 2 + 0.5).long().clamp(0, 2 * hypotheses.total - count)
    cells = first[:, None] + torch.arange(count, device=first.device)[None, :, None, None]
    return _finer(hypotheses, cells)


def _finer(hypotheses: Hypotheses, cells: Tensor) -> Hypotheses:
    below = cells.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return Hypotheses(below, hypotheses.origin, hypotheses.interval / 2, 2 * hypotheses.total)


def _check(hypotheses: Hypotheses, probability: Tensor) -> None:
    if probability.shape != hypotheses.cells.shape:
        raise ValueError(
            f"probability must be {tuple(hypotheses.cells.shape)} as the hypotheses, got {tuple(probability.shape)}"
        )


def expected_depth(hypotheses: Hypotheses, probability: Tensor) -> Tensor:
    """Return the mean depth (B, h, w) of each pixel's distribution, float32 or finer, with the gradient of ``probability``."""
    depths = hypotheses.depths
    return (probability.to(depths.dtype) * depths).sum(1)


def mode_depth(hypotheses: Hypotheses, probability: Tensor) -> Tensor:
    """Return the mean depth (B, h, w) over the cells within one interval of the most probable one.

    Where a pixel sees two surfaces the mean over all lies on neither, a point that flies between them; this one lies on one of
    them.

    >>> planes = uniform_planes(torch.tensor([10.0]), torch.tensor([40.0]), 4, 1, 1)
    >>> both = torch.tensor([0.5, 0.0, 0.1, 0.4]).reshape(1, 4, 1, 1)
    >>> expected_depth(planes, both).item(), mode_depth(planes, both).item()
    (24.0, 10.0)
    """
    mode = hypotheses.cells.gather(1, probability.argmax(1, keepdim=True))
    near = torch.where((hypotheses.cells - mode).abs() <= 1, probability, torch.zeros_like(probability))
    return expected_depth(hypotheses, near / near.sum(1, keepdim=True))
