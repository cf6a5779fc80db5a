"""Regions of a picture, and how much of each feature cell they cover."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from workbench.retrieval.features import Box, Letterbox

ImageSize = tuple[int, int] | Letterbox
"""(height, width) of a picture that the network saw at its own size, in pixels; or its letterbox."""


def coverage_of_box(box: Box, image_size: ImageSize, stride: int, shape: Sequence[int]) -> Tensor:
    """Return float32 (h, w): the share of each cell that a box of the picture covers, exactly.

    >>> coverage_of_box((4, 0, 16, 8), (16, 16), 8, (2, 2)).tolist()
    [[0.5, 1.0], [0.0, 0.0]]
    """
    x0, y0, x1, y1 = as_letterbox(image_size).to_canvas(box)
    rows = _overlap(torch.tensor([y0]), torch.tensor([y1]), stride, shape[0])
    columns = _overlap(torch.tensor([x0]), torch.tensor([x1]), stride, shape[1])
    return rows.T @ columns / stride**2


def coverage_of_mask(mask: Tensor, image_size: ImageSize, stride: int, shape: Sequence[int]) -> Tensor:
    """Return float32 (h, w): the mean of a mask (H, W) of the picture over each cell, padding counting 0.

    >>> coverage_of_mask(torch.eye(4) > 0, (4, 4), 2, (2, 2)).tolist()
    [[0.5, 0.0], [0.0, 0.5]]
    """
    scale = as_letterbox(image_size).scale
    rows, columns = (
        _overlap(edges[:-1], edges[1:], stride, cells)
        for side, factor, cells in zip(mask.shape, scale, shape, strict=True)
        for edges in [torch.arange(side + 1) * factor]
    )
    return rows.T @ mask.float() @ columns / stride**2


def region_mask(
    image_size: tuple[int, int],
    boxes: Sequence[Sequence[float]] = (),
    polygons: Sequence[Sequence[tuple[float, float]]] = (),
) -> np.ndarray:
    """Return bool (height, width): the pixels whose centre lies in one of the boxes or polygons (even-odd rule).

    Args:
        image_size: (height, width) in pixels.
        boxes: (x0, y0, x1, y1) each.
        polygons: a list of (x, y) corners each.

    Raises:
        ValueError: there is no region, a box is empty or outside, or a polygon has fewer than three corners.

    >>> region_mask((3, 4), polygons=[[(0, 0), (3, 0), (0, 3)]]).astype(int).tolist()
    [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    """
    if not len(boxes) and not len(polygons):
        raise ValueError("boxes and polygons are both empty, expected at least one region")
    y, x = np.arange(image_size[0])[:, None] + 0.5, np.arange(image_size[1])[None] + 0.5
    mask = np.zeros(image_size, bool)
    for box in boxes:
        x0, y0, x1, y1 = check_box(box, image_size)
        mask |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    for index, polygon in enumerate(polygons):
        corners = np.asarray(polygon, float)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
            raise ValueError(f"polygons[{index}] must be three or more (x, y) corners, got {polygon!r:.80}")
        inside = np.zeros(image_size, bool)
        for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
            if ay != by:
                crosses = (ay <= y) != (by <= y)
                inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
        mask |= inside
    return mask


def check_box(box: Sequence[float], image_size: tuple[int, int]) -> Box:
    """Return a box as four floats, cut to the picture (with a warning where it reaches beyond).

    Raises:
        ValueError: it is not four finite numbers, is empty or inverted, or lies outside the picture.

    >>> check_box((60, 17, 36, 37), (320, 512))
    Traceback (most recent call last):
    ValueError: box (60, 17, 36, 37) is empty; expected x0 < x1 and y0 < y1
    """
    shown = "(" + ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in box) + ")"
    try:
        x0, y0, x1, y1 = (float(value) for value in box)
    except (TypeError, ValueError):
        raise ValueError(f"box {shown} must be four numbers: x0, y0, x1, y1") from None
    if not all(math.isfinite(value) for value in (x0, y0, x1, y1)):
        raise ValueError(f"box {shown} must be finite")
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"box {shown} is empty; expected x0 < x1 and y0 < y1")
    height, width = image_size
    cut = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if not (cut[0] < cut[2] and cut[1] < cut[3]):
        raise ValueError(f"box {shown} lies outside the picture of {width} x {height} pixels")
    if cut != (x0, y0, x1, y1):
        text = "({:g}, {:g}, {:g}, {:g})".format(*cut)
        warnings.warn(
            f"box {shown} reaches beyond the picture of {width} x {height} pixels: cut to {text}", stacklevel=3
        )
    return cut


def as_letterbox(image_size: ImageSize) -> Letterbox:
    """Return the letterbox of a picture, which is plain for one that the network saw at its own size."""
    return image_size if isinstance(image_size, Letterbox) else Letterbox.fit(tuple(image_size))


def _overlap(starts: Tensor, ends: Tensor, stride: int, cells: int) -> Tensor:
    """Return (n, cells): the length that interval i and cell j share, pixels."""
    low = torch.arange(cells) * float(stride)
    return (torch.minimum(ends[:, None], low + stride) - torch.maximum(starts[:, None], low)).clamp(min=0)
