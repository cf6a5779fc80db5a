"""From images to one map of features at a quarter of their size: backbone, feature pyramid, fusion.

Xie et al., "M2BEV", 2022, section 3.1; He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Lin et al., "Feature
Pyramid Networks for Object Detection", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from workbench.models.m2bev.layers import ConvModule, DeformableConv

STRIDES = (4, 8, 16, 32)
"""Of the levels of backbone and pyramid."""


class DeformableResNet(ResNet):
    """torchvision's ResNet without its classifier, with deformable 3x3 convolutions in all stages but the first.

    The stem and the first stage are frozen, and BatchNorm keeps its statistics in training, as the published recipe has it: it is
    meant to start from pre-trained weights.

    Args:
        depths: blocks of each stage.
        groups, width_per_group: 1 and 64, or those of a ResNeXt.
        deformable: whether stages 2 to 4 have deformable convolutions.
    """

    channels = (256, 512, 1024, 2048)

    def __init__(
        self, depths: Sequence[int], groups: int = 1, width_per_group: int = 64, deformable: bool = True
    ) -> None:
        super().__init__(Bottleneck, list(depths), groups=groups, width_per_group=width_per_group)
        del self.fc, self.avgpool
        for stage in (self.layer2, self.layer3, self.layer4) if deformable else ():
            for block in stage:
                plain = block.conv2
                block.conv2 = DeformableConv(plain.in_channels, plain.out_channels, plain.stride[0], plain.groups)
        for part in (self.conv1, self.bn1, self.layer1):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> DeformableResNet:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        return _stages(self, self.maxpool(self.relu(self.bn1(self.conv1(x)))))


class SmallResNet(nn.Module):
    """One basic block for each of four stages, all trained: for images of about 100 x 200 pixels, from nothing.

    Args:
        stem: channels of the stem, a 3x3 convolution of stride 2.
        channels: of the stages, at strides 4 to 32.
    """

    def __init__(self, stem: int = 16, channels: Sequence[int] = (24, 32, 48, 64)) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.conv1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        inside = stem
        for stage, outside in enumerate(self.channels, start=1):
            shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, 2, bias=False), nn.BatchNorm2d(outside))
            self.add_module(f"layer{stage}", nn.Sequential(BasicBlock(inside, outside, 2, shortcut)))
            inside = outside
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> list[Tensor]:
        return _stages(self, self.bn1(self.conv1(x)).relu())


def _stages(backbone: nn.Module, features: Tensor) -> list[Tensor]:
    found = []
    for stage in range(1, 5):
        features = getattr(backbone, f"layer{stage}")(features)
        found.append(features)
    return found


class FeaturePyramid(nn.Module):
    """Four levels of ``channels`` channels: lateral 1x1 convolutions, added from the top down, 3x3 ones; BatchNorm, no ReLU."""

    def __init__(self, inside: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(ConvModule(width, channels, 1, relu=False) for width in inside)
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, relu=False) for _ in inside)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        merged = [lateral(features) for lateral, features in zip(self.lateral_convs, levels, strict=True)]
        for level in range(len(merged) - 1, 0, -1):
            size = merged[level - 1].shape[2:]
            merged[level - 1] = merged[level - 1] + functional.interpolate(merged[level], size=size, mode="nearest")
        return [convolve(features) for convolve, features in zip(self.fpn_convs, merged, strict=True)]


def fuse(levels: Sequence[Tensor], convolution: nn.Conv2d) -> Tensor:
    """Return all levels brought to the size of the first, bilinearly, side by side, and convolved: (B, C, H / 4, W / 4)."""
    size = levels[0].shape[2:]
    others = [functional.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in levels[1:]]
    return convolution(torch.cat([levels[0], *others], 1))
