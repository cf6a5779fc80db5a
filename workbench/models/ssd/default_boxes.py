"""Default boxes of SSD, and how offsets from them are written: Liu et al., "SSD", ECCV 2016 (arXiv 1512.02325), section 2.2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou

CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
"""Offsets of centres are divided by the first, logarithms of sizes by the second, so that both are near unit size."""
FOREGROUND = 0.5
BACKGROUND = 0


@dataclass(frozen=True)
class BoxConfig:
    """The default boxes of each feature map.

    Attributes:
        side: of the square images, in pixels.
        cells: of each feature map along a side.
        steps: pixels from one cell to the next, a map.
        sizes: sides of the square boxes in pixels, a map, and one more: the second square has the geometric mean of two sizes.
        ratios: aspect ratios beside 1, a map; each also stands upright.

    Raises:
        ValueError: there are not as many of each.
    """

    side: int
    cells: tuple[int, ...]
    steps: tuple[float, ...]
    sizes: tuple[float, ...]
    ratios: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not len(self.cells) == len(self.steps) == len(self.sizes) - 1 == len(self.ratios):
            raise ValueError(
                f"{len(self.cells)} feature maps need as many steps and ratios and one more size, got {len(self.steps)}, "
                f"{len(self.ratios)} and {len(self.sizes)}"
            )

    @property
    def per_cell(self) -> tuple[int, ...]:
        """Return how many boxes each cell of a map has: two squares, and two of each ratio."""
        return tuple(2 + 2 * len(ratios) for ratios in self.ratios)


SSD300_VOC = BoxConfig(
    300, (38, 19, 10, 5, 3, 1), (8, 16, 32, 64, 100, 300), (30, 60, 111, 162, 213, 264, 315),
    ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)  # fmt: skip
SSD512_VOC = BoxConfig(
    512, (64, 32, 16, 8, 4, 2, 1), (8, 16, 32, 64, 128, 256, 512),
    (35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6), ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)  # fmt: skip
"""As published for Pascal VOC: scales 0.1 (300) and 0.07 (512) for the first map, then 0.2 to 0.9 and 0.15 to 0.9."""
SMALL = BoxConfig(64, (8, 4), (8, 16), (12, 24, 48), ((2,), (2,)))


def default_boxes(config: BoxConfig) -> Tensor:
    """Return the default boxes (N, 4) as x0, y0, x1, y1 in shares of the side, reaching beyond the image at its edges.

    They come map by map, in a map box by box, and for each box cell by cell, row by row: as the heads of the network give them.

    >>> len(default_boxes(SSD300_VOC)), len(default_boxes(SSD512_VOC))
    (8732, 24564)
    """
    boxes = []
    for place, (cells, step) in enumerate(zip(config.cells, config.steps, strict=True)):
        size, following = config.sizes[place] / config.side, config.sizes[place + 1] / config.side
        shapes = [(size, size), (math.sqrt(size * following),) * 2]
        for ratio in config.ratios[place]:
            root = math.sqrt(ratio)
            shapes += [(size * root, size / root), (size / root, size * root)]
        centre = (torch.arange(cells, dtype=torch.double) + 0.5) * step / config.side
        y, x = torch.meshgrid(centre, centre, indexing="ij")
        for width, height in shapes:
            boxes.append(torch.stack([x, y, torch.full_like(x, width), torch.full_like(x, height)], -1).reshape(-1, 4))
    return box_convert(torch.cat(boxes), "cxcywh", "xyxy").float()


def encode(boxes: Tensor, defaults: Tensor) -> Tensor:
    """Return the offsets (..., 4) of boxes from default boxes, both as x0, y0, x1, y1; ``decode`` undoes it.

    ``((c - c_d) / (0.1 s_d), log(s / s_d) / 0.2)`` for centres c and sizes s.
    """
    boxes, defaults = box_convert(boxes, "xyxy", "cxcywh"), box_convert(defaults, "xyxy", "cxcywh")
    centres = (boxes[..., :2] - defaults[..., :2]) / (CENTRE_VARIANCE * defaults[..., 2:])
    return torch.cat([centres, (boxes[..., 2:] / defaults[..., 2:]).log() / SIZE_VARIANCE], -1)


def decode(offsets: Tensor, defaults: Tensor) -> Tensor:
    """Return boxes (..., 4) as x0, y0, x1, y1 from their offsets.

    >>> defaults = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    >>> decode(encode(torch.tensor([[0.25, 0.25, 0.75, 0.5]]), defaults), defaults)
    tensor([[0.2500, 0.2500, 0.7500, 0.5000]])
    """
    defaults = box_convert(defaults, "xyxy", "cxcywh")
    centres = defaults[..., :2] + CENTRE_VARIANCE * defaults[..., 2:] * offsets[..., :2]
    sizes = defaults[..., 2:] * (SIZE_VARIANCE * offsets[..., 2:]).exp()
    return torch.cat([centres - sizes / 2, centres + sizes / 2], -1)


def match(boxes: Tensor, labels: Tensor, defaults: Tensor, least: float = FOREGROUND) -> tuple[Tensor, Tensor]:
    """Return for each default box the box that it answers for (N, 4) and its label (N,), 0 for background.

    Each object first takes the default box that it overlaps most; the others go to the object of highest intersection over
    union, from ``least`` on.

    Args:
        boxes: (M, 4) x0, y0, x1, y1, in the unit of ``defaults``.
        labels: (M,) int64 from 1.
        defaults: (N, 4).
        least: intersection over union.
    """
    if not len(boxes):
        return defaults, torch.full((len(defaults),), BACKGROUND, device=defaults.device)
    overlap = box_iou(boxes, defaults)
    best, owner = overlap.max(0)
    left = overlap.clone()
    for _ in range(min(len(boxes), len(defaults))):  # the surest object first, so that two never take the same box
        place = int(left.argmax())
        thing, default = divmod(place, len(defaults))
        owner[default], best[default] = thing, 1.0
        left[thing], left[:, default] = -1.0, -1.0
    found = torch.where(best >= least, labels[owner], BACKGROUND)
    return boxes[owner], found


def targets_of(things: Sequence[tuple[Tensor, Tensor]], defaults: Tensor) -> tuple[Tensor, Tensor]:
    """Return offsets (B, N, 4) and labels (B, N) that a network should give for the boxes and labels of B images."""
    matched = [match(boxes, labels, defaults) for boxes, labels in things]
    offsets = torch.stack([encode(boxes, defaults) for boxes, _ in matched])
    return offsets, torch.stack([labels for _, labels in matched])
