"""ResNet and feature pyramid of FreeSOLO, by the names that its published checkpoints have.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in the 3x3 convolution; Lin et al., "Feature
Pyramid Networks for Object Detection", CVPR 2017.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import FrozenBatchNorm2d

Norm = Callable[[int], nn.Module]
STAGES = ("res2", "res3", "res4", "res5")


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a GroupNorm of eight groups: for networks trained from nothing, which frozen statistics would leave unnormalised."""
    return nn.GroupNorm(8, channels)


class NormedConv(nn.Conv2d):
    """A convolution without bias, and its normalisation under the name ``norm``."""

    def __init__(self, inside: int, outside: int, size: int, stride: int, norm: Norm) -> None:
        super().__init__(inside, outside, size, stride, size // 2, bias=False)
        self.norm = norm(outside)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Tensor) -> Tensor:
        return self.norm(super().forward(input))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions beside a shortcut, which is a convolution where the shape changes."""

    def __init__(self, inside: int, middle: int, outside: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = NormedConv(inside, middle, 1, 1, norm)
        self.conv2 = NormedConv(middle, middle, 3, stride, norm)
        self.conv3 = NormedConv(middle, outside, 1, 1, norm)
        self.shortcut = NormedConv(inside, outside, 1, stride, norm) if stride > 1 or inside != outside else None

    def forward(self, features: Tensor) -> Tensor:
        beside = features if self.shortcut is None else self.shortcut(features)
        inner = self.conv2(self.conv1(features).relu()).relu()
        return (self.conv3(inner) + beside).relu()


class ResNet(nn.Module):
    """Images (B, 3, H, W), normalised, to the features of four stages, ``res2`` to ``res5``.

    Args:
        depths: blocks of each stage.
        width: channels of the stem; stages have 4, 8, 16 and 32 times as many.
        pooled: whether the stem ends in a max-pool, so that stages lie at strides 4 to 32, not 2 to 16.
        norm: makes the normalisation of a number of channels.
    """

    def __init__(
        self, depths: Sequence[int], width: int = 64, pooled: bool = True, norm: Norm = FrozenBatchNorm2d
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.stem = nn.ModuleDict({"conv1": NormedConv(3, width, 7, 2, norm)})
        inside = width
        self.channels = tuple(4 * width * 2**stage for stage in range(4))
        for stage, (name, depth, outside) in enumerate(zip(STAGES, depths, self.channels, strict=True)):
            blocks = []
            for index in range(depth):
                stride = 2 if stage and not index else 1
                blocks.append(Bottleneck(inside, outside // 4, outside, stride, norm))
                inside = outside
            self.add_module(name, nn.Sequential(*blocks))

    def forward(self, images: Tensor, last: str = "res5") -> dict[str, Tensor]:
        """Return the features of every stage as far as ``last``."""
        features = self.stem["conv1"](images).relu()
        if self.pooled:
            features = functional.max_pool2d(features, 3, 2, 1)
        found: dict[str, Tensor] = {}
        for name in STAGES[: STAGES.index(last) + 1]:
            features = found[name] = getattr(self, name)(features)
        return found


class FeaturePyramid(nn.Module):
    """A ResNet, ``bottom_up``, and its features at ``channels`` channels: p2 to p5, and p6, every second place of p5."""

    def __init__(self, bottom_up: ResNet, channels: int = 256) -> None:
        super().__init__()
        self.bottom_up = bottom_up
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for stage, inside in enumerate(bottom_up.channels, start=2):
            parts[f"fpn_lateral{stage}"] = nn.Conv2d(inside, channels, 1)
            parts[f"fpn_output{stage}"] = nn.Conv2d(channels, channels, 3, padding=1)
        for name, convolution in parts.items():
            nn.init.kaiming_uniform_(convolution.weight, a=1)
            nn.init.zeros_(convolution.bias)
            self.add_module(name, convolution)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.bottom_up(images)
        above: Tensor | None = None
        levels = []
        for stage in (5, 4, 3, 2):
            merged = getattr(self, f"fpn_lateral{stage}")(features[f"res{stage}"])
            if above is not None:
                merged = merged + functional.interpolate(above, scale_factor=2.0, mode="nearest")
            above = merged
            levels.insert(0, getattr(self, f"fpn_output{stage}")(merged))
        return [*levels, functional.max_pool2d(levels[-1], 1, 2)]


def with_coordinates(features: Tensor) -> Tensor:
    """Return features (B, C, H, W) with two channels more: x from -1 to 1 along columns, then y along rows."""
    height, width = features.shape[2:]
    y = torch.linspace(-1, 1, height, device=features.device, dtype=features.dtype)
    x = torch.linspace(-1, 1, width, device=features.device, dtype=features.dtype)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.cat([features, torch.stack([columns, rows]).expand(len(features), -1, -1, -1)], 1)
