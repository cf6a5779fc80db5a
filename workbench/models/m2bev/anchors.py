"""Anchor boxes on every cell of the map, and the code by which boxes are predicted relative to them.

Boxes are (n, 9): x, y, z of the centre, width, length, height, yaw, velocity x and y. Xie et al., "M2BEV", 2022, section 3.4; Lang
et al., "PointPillars", CVPR 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.geometry.bev_grid import BevGrid
from workbench.ops.rotated_boxes import limit_period

DIRECTION_OFFSET = math.pi / 4
"""Where the first of the two direction bins begins, radians."""
CODE_WEIGHTS = (1.0,) * 7 + (0.2, 0.2)
BETA = 1 / 9
"""Of the smooth L1 loss: where it goes over from a square to a line."""
_LARGEST = 10.0
"""Logarithm at which sizes are cut before they are exponentiated."""


@dataclass(frozen=True)
class AnchorConfig:
    """Anchors of a cell: each size with each yaw.

    Attributes:
        sizes: width, length, height, metres.
        yaws: radians.
        bottom: z of their lower face, metres in the car's frame; the published -1.8 is below a lidar 1.84 m high.

    Raises:
        ValueError: no anchor, or a size that is not above 0.
    """

    sizes: tuple[tuple[float, float, float], ...] = (
        (0.866, 2.598, 1.0),
        (0.577, 1.732, 1.0),
        (1.0, 1.0, 1.0),
        (0.4, 0.4, 1.0),
    )
    yaws: tuple[float, ...] = (0.0, 1.57)
    bottom: float = 0.04

    def __post_init__(self) -> None:
        if not self.sizes or not self.yaws or not all(len(size) == 3 and min(size) > 0 for size in self.sizes):
            raise ValueError(
                f"sizes must be width, length and height above 0, and yaws some, got {self.sizes}, {self.yaws}"
            )

    @property
    def count(self) -> int:
        """Anchors of a cell."""
        return len(self.sizes) * len(self.yaws)


def make_anchors(grid: BevGrid, config: AnchorConfig | None = None) -> Tensor:
    """Return anchors (rows * columns * count, 9), float32, at the centres of a map's cells, without velocity.

    Ordered by row (y), column (x), size, yaw.

    >>> make_anchors(BevGrid((2, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))[8, :4]
    tensor([1.5000, 0.5000, 0.5400, 0.8660])
    """
    config = config or AnchorConfig()
    rows, columns = grid.shape
    x, y = (grid.low[axis] + grid.voxel[axis] * (torch.arange(grid.cells[axis]) + 0.5) for axis in (0, 1))
    sizes, yaws = torch.tensor(config.sizes), torch.tensor(config.yaws)
    found = torch.zeros(rows, columns, len(sizes), len(yaws), 9)
    found[..., 0], found[..., 1] = x[None, :, None, None], y[:, None, None, None]
    found[..., 2] = config.bottom + sizes[:, None, 2] / 2
    found[..., 3:6], found[..., 6] = sizes[:, None], yaws
    return found.reshape(-1, 9)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return the code (..., 9) of boxes (..., 9) relative to anchors (..., 9), broadcast.

    With d the diagonal of the anchor seen from above: ``(x - xa) / d, (y - ya) / d, (z - za) / ha``, the logarithms of the ratios
    of sizes, and the differences of yaw and velocity.

    Raises:
        ValueError: a box with a size that is not above 0.
    """
    if not bool((boxes[..., 3:6] > 0).all()):
        raise ValueError("boxes must have a width, length and height above 0")
    diagonal = anchors[..., 3:5].norm(dim=-1, keepdim=True)
    return torch.cat(
        [
            (boxes[..., :2] - anchors[..., :2]) / diagonal,
            (boxes[..., 2:3] - anchors[..., 2:3]) / anchors[..., 5:6],
            (boxes[..., 3:6] / anchors[..., 3:6]).log(),
            boxes[..., 6:] - anchors[..., 6:],
        ],
        -1,
    )


def decode_boxes(codes: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes (..., 9) of codes (..., 9): the inverse of :func:`encode_boxes`; sizes grow by at most e^10."""
    diagonal = anchors[..., 3:5].norm(dim=-1, keepdim=True)
    return torch.cat(
        [
            codes[..., :2] * diagonal + anchors[..., :2],
            codes[..., 2:3] * anchors[..., 5:6] + anchors[..., 2:3],
            codes[..., 3:6].clamp(max=_LARGEST).exp() * anchors[..., 3:6],
            codes[..., 6:] + anchors[..., 6:],
        ],
        -1,
    )


def direction_bins(yaw: Tensor) -> Tensor:
    """Return 0 for yaws in pi/4 to 5 pi/4, else 1: what the sine of a difference cannot tell apart.

    >>> direction_bins(torch.tensor([1.0, 4.0, 0.0])).tolist()
    [0, 1, 1]
    """
    return (limit_period(yaw - DIRECTION_OFFSET, 2 * math.pi) / math.pi).floor().clamp(0, 1).long()


def resolve_yaw(yaw: Tensor, bins: Tensor) -> Tensor:
    """Return yaws that are known up to a half turn as the one whose direction bin is given, in pi/4 to 9 pi/4."""
    return limit_period(yaw - DIRECTION_OFFSET, math.pi) + DIRECTION_OFFSET + math.pi * bins.to(yaw.dtype)


def box_loss(codes: Tensor, targets: Tensor) -> Tensor:
    """Return the loss (...,) of predicted codes (..., 9) against codes of boxes: weighted smooth L1, summed over the nine.

    The yaws are compared by the sine of their difference, ``sin p cos t - cos p sin t``, and a velocity that is not known (NaN) is
    left out, with gradient 0.
    """
    yaw, wanted = codes[..., 6], targets[..., 6]
    turn = (yaw.sin() * wanted.cos() - yaw.cos() * wanted.sin())[..., None]
    difference = torch.cat([codes[..., :6] - targets[..., :6], turn, codes[..., 7:] - targets[..., 7:]], -1)
    known = difference.isfinite()
    difference = torch.where(known, difference, torch.zeros_like(difference)).abs()
    smooth = torch.where(difference < BETA, 0.5 * difference**2 / BETA, difference - 0.5 * BETA)
    return (smooth * smooth.new_tensor(CODE_WEIGHTS)).sum(-1)
