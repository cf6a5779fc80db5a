"""Overlap of turned rectangles seen from above, and non-maximum suppression by it.

A rectangle is (x, y, width, length, yaw), yaw the angle from x to its length, counter-clockwise, radians.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

_TOLERANCE = 1e-7
"""Metres within which an edge lies on the other rectangle's edge: it counts once, for the first of the two."""
_PAIRS = 200_000
"""Pairs whose edges are held in memory at once."""


def limit_period(angle: Tensor, period: float, low: float = 0.0) -> Tensor:
    """Return angles plus whole periods, in ``low`` to ``low + period``.

    >>> limit_period(torch.tensor([-0.5, 3.5]), math.pi).round(decimals=4)
    tensor([2.6416, 0.3584])
    """
    return angle - torch.floor((angle - low) / period) * period


def rectangle_corners(rectangles: Tensor) -> Tensor:
    """Return the corners (..., 4, 2) of rectangles (..., 5), counter-clockwise from the front right."""
    x, y, width, length, yaw = rectangles.unbind(-1)
    along = torch.stack([length, length, -length, -length], -1) / 2
    across = torch.stack([-width, width, width, -width], -1) / 2
    cosine, sine = yaw.cos()[..., None], yaw.sin()[..., None]
    return torch.stack(
        [x[..., None] + cosine * along - sine * across, y[..., None] + sine * along + cosine * across], -1
    )


def paired_rotated_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union (n,), float64, of rectangles (n, 5) with those of the same place in the other list.

    The area of what two convex shapes share is half the sum of ``p x q`` over the pieces of border from p to q that lie in both
    (Green's theorem): each edge is cut by the four sides of the other rectangle, and nothing needs to be sorted.
    """
    first, second = first.double(), second.double()
    middle = first[:, :2]
    own, other = (rectangle_corners(torch.cat([part[:, :2] - middle, part[:, 2:]], 1)) for part in (first, second))
    common = (_inside(own, other, True) + _inside(other, own, False)).clamp(min=0)
    areas = first[:, 2] * first[:, 3] + second[:, 2] * second[:, 3]
    return (common / (areas - common).clamp(min=1e-12)).clamp(0, 1)


def _inside(edges: Tensor, sides: Tensor, shared: bool) -> Tensor:
    """Return the sum (n,) of ``p x q / 2`` over the parts of edges that lie inside all sides, both given by corners (n, 4, 2).

    Parts on a side itself count when ``shared``, and when both run the same way: else the two shapes only touch there.
    """
    start, along = edges, edges.roll(-1, 1) - edges
    side = sides.roll(-1, 1) - sides
    normal = torch.stack([-side[..., 1], side[..., 0]], -1)
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    same = (along[:, :, None] * side[:, None]).sum(-1) > 0
    least = torch.where(same & shared, -_TOLERANCE, _TOLERANCE)
    depth = ((start[:, :, None] - sides[:, None]) * normal[:, None]).sum(-1) - least
    slope = (along[:, :, None] * normal[:, None]).sum(-1)
    cut = -depth / torch.where(slope == 0, torch.ones_like(slope), slope)
    enters = torch.where(slope > 0, cut, torch.where((slope == 0) & (depth < 0), math.inf, 0.0)).clamp(min=0).amax(-1)
    leaves = torch.where(slope < 0, cut, 1.0).clamp(max=1).amin(-1)
    kept = leaves > enters
    p = start + torch.where(kept, enters, 0.0)[..., None] * along
    q = start + torch.where(kept, leaves, 0.0)[..., None] * along
    return torch.where(kept, p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0], 0.0).sum(-1) / 2


def rotated_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union (n, m), float64, of rectangles (n, 5) and (m, 5).

    Only pairs whose circles meet are looked at.

    Raises:
        ValueError: other shapes.

    >>> square = torch.tensor([[0.0, 0, 1, 1, 0]])
    >>> rotated_iou(square, torch.tensor([[0.5, 0, 1, 1, 0], [9, 9, 1, 1, 0]])).round(decimals=4)
    tensor([[0.3333, 0.0000]], dtype=torch.float64)
    """
    for name, value in (("first", first), ("second", second)):
        if value.ndim != 2 or value.shape[1] != 5:
            raise ValueError(f"{name} must be rectangles (n, 5): x, y, width, length, yaw; got {tuple(value.shape)}")
    radius = [part[:, 2:4].double().norm(dim=1) / 2 for part in (first, second)]
    near = torch.cdist(first[:, :2].double(), second[:, :2].double()) <= radius[0][:, None] + radius[1][None]
    rows, columns = near.nonzero(as_tuple=True)
    found = torch.zeros(near.shape, dtype=torch.float64, device=first.device)
    for part in range(0, len(rows), _PAIRS):
        row, column = rows[part : part + _PAIRS], columns[part : part + _PAIRS]
        found[row, column] = paired_rotated_iou(first[row], second[column])
    return found


def rotated_nms(rectangles: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Return which rectangles (n, 5) stay, int64, the best first: those that overlap no better one that stays by more than this.

    Args:
        rectangles: (n, 5).
        scores: (n,); of equals the first is the better.
        threshold: intersection over union in 0 to 1.

    Raises:
        ValueError: other shapes, or a threshold outside 0 to 1.
    """
    if scores.shape != rectangles.shape[:1] or not 0 <= threshold <= 1:
        raise ValueError(
            f"expected a score for each rectangle and a threshold in 0 to 1, got {tuple(rectangles.shape)}, "
            f"{tuple(scores.shape)} and {threshold!r}"
        )
    order = torch.argsort(scores, descending=True, stable=True)
    covers = (rotated_iou(rectangles[order], rectangles[order]) > threshold).triu(1).cpu().numpy()
    gone = np.zeros(len(order), bool)
    kept = []
    for index in range(len(order)):
        if not gone[index]:
            kept.append(index)
            gone |= covers[index]
    return order[torch.tensor(kept, dtype=torch.long, device=order.device)]


def nearest_aligned(boxes: Tensor) -> Tensor:
    """Return boxes (n, 7 or more) x, y, z, width, length, height, yaw as (n, 4) x0, y0, x1, y1, seen from above.

    The yaw is snapped to the nearest of 0 and 90 degrees: turned by more than 45 degrees, width and length change places.

    >>> nearest_aligned(torch.tensor([[0, 0, 0, 2, 4, 1, 0.5], [0, 0, 0, 2, 4, 1, 0.8]]))
    tensor([[-2., -1.,  2.,  1.],
            [-1., -2.,  1.,  2.]])
    """
    centre, width, length = boxes[:, :2], boxes[:, 3], boxes[:, 4]
    swapped = limit_period(boxes[:, 6], math.pi, -math.pi / 2).abs() > math.pi / 4
    half = torch.stack([torch.where(swapped, width, length), torch.where(swapped, length, width)], 1) / 2
    return torch.cat([centre - half, centre + half], 1)


def rectangles_of(boxes: Tensor) -> Tensor:
    """Return boxes (n, 7 or more) x, y, z, width, length, height, yaw as rectangles (n, 5), seen from above."""
    return boxes[:, [0, 1, 3, 4, 6]]
