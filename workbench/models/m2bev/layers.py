"""Convolution, normalisation and activation, by the names that published checkpoints have."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d


class ConvModule(nn.Module):
    """A convolution ``conv``, its normalisation ``bn`` or ``gn``, and a ReLU.

    Args:
        inside, outside: channels.
        size: of the kernel; padded so that stride 1 keeps the size.
        stride: of the convolution.
        groups: of a GroupNorm; None for a BatchNorm.
        relu: whether there is one.
    """

    def __init__(
        self, inside: int, outside: int, size: int = 3, stride: int = 1, groups: int | None = None, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
        if groups is None:
            self.bn = nn.BatchNorm2d(outside)
        else:
            self.gn = nn.GroupNorm(groups, outside)
        self.relu = relu
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        found = self.conv(features)
        found = self.bn(found) if hasattr(self, "bn") else self.gn(found)
        return found.relu() if self.relu else found


class DeformableConv(nn.Conv2d):
    """A 3x3 convolution whose nine taps are moved by offsets that another convolution, ``conv_offset``, predicts from the features.

    Dai et al., "Deformable Convolutional Networks", ICCV 2017; 18 offset channels, y then x of each tap. They begin at 0, an
    ordinary convolution.
    """

    def __init__(self, inside: int, outside: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inside, outside, 3, stride, 1, groups=groups, bias=False)
        self.conv_offset = nn.Conv2d(inside, 18, 3, stride, 1)
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        return deform_conv2d(input, self.conv_offset(input), self.weight, None, self.stride, self.padding)


class Scale(nn.Module):
    """A number, ``scale``, that features are multiplied with."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale
