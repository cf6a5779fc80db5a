"""The head that finds objects in the images themselves: teaches the image encoder, and is thrown away afterwards.

Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", ICCV 2019; Xie et al., "M2BEV", 2022, section 3.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from workbench.models.m2bev.heads import PRIOR, prior_bias
from workbench.models.m2bev.layers import ConvModule, Scale

RANGES = ((-1.0, 64.0), (64.0, 128.0), (128.0, 256.0), (256.0, float("inf")))
"""Largest distance to a side of the box that each level finds, pixels."""


@dataclass(frozen=True, eq=False)
class ImageBoxOutput:
    """What the head says of images, by level.

    Attributes:
        logits: (B, classes, H, W).
        distances: (B, 4, H, W) to the left, upper, right and lower side, pixels, above 0.
        centerness: logits (B, 1, H, W).
    """

    logits: list[Tensor]
    distances: list[Tensor]
    centerness: list[Tensor]


class ImageBoxHead(nn.Module):
    """Towers of 3x3 convolutions that all levels share, for class and box; centerness from the class tower.

    Args:
        inside: channels of the pyramid.
        classes: of objects.
        channels: of a tower.
        layers: convolutions of a tower.
        groups: of GroupNorm.
        strides: pixels of the image to a place of each level.
        ranges: of each level.
    """

    def __init__(
        self,
        inside: int,
        classes: int,
        channels: int = 32,
        layers: int = 2,
        groups: int = 32,
        strides: Sequence[int] = (4, 8, 16, 32),
        ranges: Sequence[tuple[float, float]] = RANGES,
    ) -> None:
        super().__init__()
        self.strides, self.ranges = tuple(strides), tuple(ranges)
        widths = [inside, *[channels] * (layers - 1)]
        self.cls_convs = nn.ModuleList(ConvModule(width, channels, groups=groups) for width in widths)
        self.reg_convs = nn.ModuleList(ConvModule(width, channels, groups=groups) for width in widths)
        self.conv_cls = nn.Conv2d(channels, classes, 3, padding=1)
        self.conv_reg = nn.Conv2d(channels, 4, 3, padding=1)
        self.conv_centerness = nn.Conv2d(channels, 1, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in strides)
        for part in (self.conv_cls, self.conv_reg, self.conv_centerness):
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)
        nn.init.constant_(self.conv_cls.bias, prior_bias(PRIOR))

    def forward(self, levels: Sequence[Tensor]) -> ImageBoxOutput:
        output = ImageBoxOutput([], [], [])
        for features, scale in zip(levels, self.scales, strict=True):
            by_class = by_box = features
            for convolve in self.cls_convs:
                by_class = convolve(by_class)
            for convolve in self.reg_convs:
                by_box = convolve(by_box)
            output.logits.append(self.conv_cls(by_class))
            output.distances.append(scale(self.conv_reg(by_box)).float().exp())
            output.centerness.append(self.conv_centerness(by_class))
        return output

    def points(self, output: ImageBoxOutput) -> tuple[Tensor, Tensor]:
        """Return the pixel (p, 2), x then y, of every place of all levels, and the range (p, 2) of distances that it finds."""
        places, ranges = [], []
        for logits, stride, limits in zip(output.logits, self.strides, self.ranges, strict=True):
            rows, columns = logits.shape[2:]
            y, x = (torch.arange(count, device=logits.device) * stride + stride // 2 for count in (rows, columns))
            grid = torch.stack(torch.meshgrid(x.float(), y.float(), indexing="xy"), -1).reshape(-1, 2)
            places.append(grid)
            ranges.append(grid.new_tensor(limits).expand(len(grid), 2))
        return torch.cat(places), torch.cat(ranges)


def assign_points(points: Tensor, ranges: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each point (p,) the place of its box, -1 for none, and the distances (p, 4) to its sides.

    A point learns the smallest of the boxes that it lies in and whose farthest side is within the range of its level.

    Args:
        points: (p, 2) x, y.
        ranges: (p, 2).
        boxes: (n, 4) x0, y0, x1, y1, pixels.
    """
    if not len(boxes):
        return torch.full((len(points),), -1, device=points.device), points.new_zeros(len(points), 4)
    distances = torch.cat([points[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - points[:, None]], 2)
    farthest = distances.amax(2)
    fits = (distances.amin(2) > 0) & (farthest >= ranges[:, :1]) & (farthest <= ranges[:, 1:])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).expand(fits.shape)
    least, owner = torch.where(fits, areas, float("inf")).min(1)
    found = torch.where(least.isfinite(), owner, -1)
    return found, distances[torch.arange(len(points), device=points.device), owner]


def point_centerness(distances: Tensor) -> Tensor:
    """Return ``sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))`` of distances (..., 4) above 0: 1 in the middle of a box.

    >>> point_centerness(torch.tensor([[2.0, 2, 2, 2], [1, 2, 4, 2]]))
    tensor([1.0000, 0.5000])
    """
    across, down = distances[..., [0, 2]], distances[..., [1, 3]]
    return (across.amin(-1) / across.amax(-1) * down.amin(-1) / down.amax(-1)).sqrt()


def image_box_loss(
    head: ImageBoxHead, output: ImageBoxOutput, boxes: Sequence[Tensor], labels: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return the terms ``class``, ``box`` and ``centerness``.

    Focal loss (gamma 2, alpha 0.25) over the positive points; ``-log IoU`` of their boxes, weighted by their centerness; the binary
    cross entropy of the centerness. Images without boxes teach that there is none.

    Args:
        head: for its strides and ranges.
        output: of the head, of B images.
        boxes: of each image (n, 4) x0, y0, x1, y1, pixels.
        labels: of each image (n,).

    Raises:
        ValueError: not as many boxes and labels as images.
    """
    count = len(output.logits[0])
    if not len(boxes) == len(labels) == count:
        raise ValueError(f"expected boxes and labels of {count} images, got {len(boxes)} and {len(labels)}")
    points, ranges = head.points(output)
    logits, distances, centerness = (
        torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1).float()
        for levels in (output.logits, output.distances, output.centerness)
    )
    target, positive = torch.zeros_like(logits), torch.zeros_like(logits[..., 0], dtype=torch.bool)
    wanted = torch.zeros_like(distances)
    for index, (one, names) in enumerate(zip(boxes, labels, strict=True)):
        owner, sides = assign_points(points, ranges, one)
        positive[index], wanted[index] = owner >= 0, sides
        place = positive[index].nonzero()[:, 0]
        target[index, place, names[owner[place]]] = 1
    number = max(1, int(positive.sum()))
    own, there = distances[positive], wanted[positive]
    middle = point_centerness(there)
    box = (-_distance_iou(own, there).clamp(min=1e-6).log() * middle).sum() / middle.sum().clamp(min=1e-6)
    guess = centerness[..., 0][positive]
    return {
        "class": sigmoid_focal_loss(logits, target, 0.25, 2.0, "sum") / number,
        "box": box + distances.sum() * 0,
        "centerness": functional.binary_cross_entropy_with_logits(guess, middle, reduction="sum") / number,
    }


def _distance_iou(own: Tensor, there: Tensor) -> Tensor:
    """Return the IoU (n,) of boxes around the same points, by the distances (n, 4) to their sides."""
    smaller = torch.minimum(own, there)
    common = (smaller[:, 0] + smaller[:, 2]) * (smaller[:, 1] + smaller[:, 3])
    areas = [(part[:, 0] + part[:, 2]) * (part[:, 1] + part[:, 3]) for part in (own, there)]
    return common / (areas[0] + areas[1] - common)
