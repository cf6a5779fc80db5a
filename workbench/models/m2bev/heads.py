"""The heads on the map: boxes from anchors, and layers of the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from workbench.models.m2bev.layers import ConvModule

PRIOR = 0.01
"""Probability of every class that a head begins with."""


@dataclass(frozen=True, eq=False)
class AnchorOutput:
    """What the box head says of each anchor, in their order.

    Attributes:
        logits: (B, anchors, classes).
        codes: (B, anchors, 9).
        directions: logits (B, anchors, 2).
    """

    logits: Tensor
    codes: Tensor
    directions: Tensor


class AnchorHead(nn.Module):
    """Three 1x1 convolutions on maps (B, channels, rows, columns): class, box and direction of each anchor of a cell."""

    def __init__(self, channels: int, anchors: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.conv_cls = nn.Conv2d(channels, anchors * classes, 1)
        self.conv_reg = nn.Conv2d(channels, anchors * 9, 1)
        self.conv_dir_cls = nn.Conv2d(channels, anchors * 2, 1)
        for part in (self.conv_cls, self.conv_reg, self.conv_dir_cls):
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)
        nn.init.constant_(self.conv_cls.bias, prior_bias(PRIOR))

    def forward(self, features: Tensor) -> AnchorOutput:
        def by_anchor(maps: Tensor, width: int) -> Tensor:
            return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, width)

        return AnchorOutput(
            by_anchor(self.conv_cls(features), self.classes),
            by_anchor(self.conv_reg(features), 9),
            by_anchor(self.conv_dir_cls(features), 2),
        )


class MapHead(nn.Module):
    """Maps (B, channels, rows, columns) to logits (B, layers, rows, columns): 3x3 convolutions, dropout, a 1x1 convolution."""

    def __init__(self, channels: int, layers: int = 2, convolutions: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(ConvModule(channels, channels) for _ in range(convolutions)))
        self.dropout = nn.Dropout2d(dropout)
        self.conv_seg = nn.Conv2d(channels, layers, 1)
        nn.init.normal_(self.conv_seg.weight, std=0.01)
        nn.init.zeros_(self.conv_seg.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv_seg(self.dropout(self.convs(features)))


def prior_bias(probability: float) -> float:
    """Return the logit of a probability.

    >>> round(prior_bias(0.01), 4)
    -4.5951
    """
    return -math.log((1 - probability) / probability)
