"""Self-Supervised SOLO: SOLOv2 with one class and an embedding of each object.

Wang et al., "SOLOv2: Dynamic and Fast Instance Segmentation", NeurIPS 2020; Wang et al., "FreeSOLO", CVPR 2022, section 3.2.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.models.freesolo.backbone import FeaturePyramid, Norm, ResNet, group_norm, with_coordinates

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
"""Of RGB in 0 to 255, that an image is normalised with."""
_PRIOR = 0.01


@dataclass(frozen=True)
class SoloConfig:
    """Sizes of the heads.

    Attributes:
        grids: cells a side of each of the five levels.
        ranges: least and greatest square root of a box's area of each level, pixels, both ends included.
        pyramid, tower, kernel, mask, embedding: channels of the pyramid, the towers, the kernels, the mask head, the embedding.
        towers: convolutions of a tower.
        categories: channels of the category; the published network has 2, of which only the first is ever taught.
        centre: share of a box's sides around the centre of mass whose cells are positive.

    Raises:
        ValueError: not five grids and ranges, or a number below 1.
    """

    grids: tuple[int, ...] = (40, 36, 24, 16, 12)
    ranges: tuple[tuple[float, float], ...] = ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))
    pyramid: int = 256
    tower: int = 512
    kernel: int = 256
    mask: int = 128
    embedding: int = 128
    towers: int = 4
    categories: int = 2
    centre: float = 0.2

    def __post_init__(self) -> None:
        if not len(self.grids) == len(self.ranges) == 5:
            raise ValueError(f"grids and ranges must be of 5 levels, got {len(self.grids)} and {len(self.ranges)}")
        if min(self.grids) < 1 or not all(0 <= least < most for least, most in self.ranges):
            raise ValueError(f"grids must be at least 1 and ranges rise, got {self.grids} and {self.ranges}")
        for name in ("pyramid", "tower", "kernel", "mask", "embedding", "towers", "categories"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)!r}")


@dataclass(frozen=True, eq=False)
class SoloOutput:
    """What the network says of images, by level for the first three.

    Attributes:
        categories: logits (B, categories, S, S).
        kernels: (B, kernel, S, S).
        embeddings: (B, embedding, S, S).
        mask_features: (B, kernel, H, W) at the stride of p2.
    """

    categories: list[Tensor]
    kernels: list[Tensor]
    embeddings: list[Tensor]
    mask_features: Tensor


class InstanceHead(nn.Module):
    """The category, the mask kernel and the embedding of each cell of a grid; shared by the levels."""

    def __init__(self, config: SoloConfig) -> None:
        super().__init__()
        self.grids = config.grids
        self.cate_tower = _tower(config.pyramid, config.tower, config.towers)
        self.kernel_tower = _tower(config.pyramid + 2, config.tower, config.towers)
        self.cate_pred = nn.Conv2d(config.tower, config.categories, 3, padding=1)
        self.kernel_pred = nn.Conv2d(config.tower, config.kernel, 3, padding=1)
        self.emb_pred = nn.Conv2d(config.tower, config.embedding, 3, padding=1)
        _initialise(self)
        nn.init.constant_(self.cate_pred.bias, -math.log((1 - _PRIOR) / _PRIOR))

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        categories, kernels, embeddings = [], [], []
        for features, side in zip(levels, self.grids, strict=True):
            cells = functional.interpolate(
                with_coordinates(features), (side, side), mode="bilinear", align_corners=False
            )
            tower = self.cate_tower(cells[:, :-2])
            categories.append(self.cate_pred(tower))
            embeddings.append(self.emb_pred(tower))
            kernels.append(self.kernel_pred(self.kernel_tower(cells)))
        return categories, kernels, embeddings


class MaskHead(nn.Module):
    """The features that a kernel is multiplied with: p2 to p5, each brought to the size of p2, added up."""

    def __init__(self, config: SoloConfig) -> None:
        super().__init__()
        self.convs_all_levels = nn.ModuleList()
        for level in range(4):
            inside = config.pyramid + 2 * (level == 3)
            steps: OrderedDict[str, nn.Module] = OrderedDict()
            for index in range(max(level, 1)):
                steps[f"conv{index}"] = _convolution(config.mask if index else inside, config.mask, 3)
                if level:
                    steps[f"upsample{index}"] = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            self.convs_all_levels.append(nn.Sequential(steps))
        self.conv_pred = _convolution(config.mask, config.kernel, 1)
        _initialise(self)

    def forward(self, levels: list[Tensor]) -> Tensor:
        levels = [*levels[:3], with_coordinates(levels[3])]
        return self.conv_pred(
            sum(convs(features) for convs, features in zip(self.convs_all_levels, levels, strict=True))
        )


class FreeSolo(nn.Module):
    """Images (B, 3, H, W), normalised by ``PIXEL_MEAN`` and ``PIXEL_STD``, to :class:`SoloOutput`.

    Sides must be multiples of :attr:`divisor`: pad the image below and on the right.
    """

    def __init__(self, bottom_up: ResNet, config: SoloConfig | None = None) -> None:
        super().__init__()
        self.config = config or SoloConfig()
        self.backbone = FeaturePyramid(bottom_up, self.config.pyramid)
        self.ins_head = InstanceHead(self.config)
        self.mask_head = MaskHead(self.config)
        self.mask_stride = 4 if bottom_up.pooled else 2

    @property
    def divisor(self) -> int:
        """What the sides of images must be multiples of: the stride of p5."""
        return 8 * self.mask_stride

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of a place of the features that each level's grid is made of."""
        return tuple(factor * self.mask_stride for factor in (2, 2, 4, 8, 8))

    def forward(self, images: Tensor) -> SoloOutput:
        if (
            images.ndim != 4
            or images.shape[1] != 3
            or any(side % self.divisor or not side for side in images.shape[2:])
        ):
            raise ValueError(
                f"images must be (batch, 3, height, width), sides multiples of {self.divisor}, got {tuple(images.shape)}"
            )
        levels = self.backbone(images)
        halved = functional.interpolate(levels[0], scale_factor=0.5, mode="bilinear", align_corners=False)
        last = functional.interpolate(levels[4], levels[3].shape[2:], mode="bilinear", align_corners=False)
        categories, kernels, embeddings = self.ins_head([halved, *levels[1:4], last])
        return SoloOutput(categories, kernels, embeddings, self.mask_head(levels[:4]))


def freesolo_r50(**overrides: object) -> FreeSolo:
    """Return the published network on ResNet-50, 46.9 million numbers; ``overrides`` of :class:`SoloConfig`."""
    return FreeSolo(ResNet((3, 4, 6, 3)), replace(SoloConfig(), **overrides))


def freesolo_r101(**overrides: object) -> FreeSolo:
    """Return the published network on ResNet-101; ``overrides`` of :class:`SoloConfig`."""
    return FreeSolo(ResNet((3, 4, 23, 3)), replace(SoloConfig(), **overrides))


def freesolo_tiny(pooled: bool = False, norm: Norm = group_norm, **overrides: object) -> FreeSolo:
    """Return the same network for images of about 96 pixels, to be trained from nothing in minutes.

    Strides are half of the published ones, scale ranges an eighth, and GroupNorm stands in the place of frozen statistics.

    Args:
        pooled: whether strides are the published ones, for a quarter of the work and masks at a quarter of the side.
        norm: of the backbone; its own default, frozen statistics, where it was trained before.
        overrides: of :class:`SoloConfig`.
    """
    small = SoloConfig(
        grids=(12, 12, 8, 6, 4),
        ranges=((1, 12), (6, 24), (12, 48), (24, 96), (48, 256)),
        pyramid=64,
        tower=64,
        kernel=32,
        mask=32,
        towers=2,
        categories=1,
    )
    return FreeSolo(ResNet((1, 1, 1, 1), width=16, pooled=pooled, norm=norm), replace(small, **overrides))


def dynamic_masks(kernels: Tensor, mask_features: Tensor) -> Tensor:
    """Return the logits (n, H, W) of masks: the product of kernels (n, C) with the features (C, H, W) of an image."""
    return torch.einsum("nc,chw->nhw", kernels, mask_features)


def _convolution(inside: int, outside: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, padding=size // 2, bias=False),
        nn.GroupNorm(32, outside),
        nn.ReLU(inplace=True),
    )


def _tower(inside: int, channels: int, depth: int) -> nn.Sequential:
    steps = [part for index in range(depth) for part in _convolution(channels if index else inside, channels, 3)]
    return nn.Sequential(*steps)


def _initialise(head: nn.Module) -> None:
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
