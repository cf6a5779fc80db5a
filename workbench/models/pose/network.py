"""WDRNet: many cells of a pyramid each see the whole object and vote for the corners of its box.

Hu et al., "Wide-Depth-Range 6D Object Pose Estimation in Space", CVPR 2021; with zoomed crops and small backbones, Guo et al.,
"Knowledge Distillation for 6D Pose Estimation by Aligning Distributions of Local Predictions", CVPR 2023 (WDRNet+).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench.models.pose.backbones import BACKBONES, WIDTHS, DarkNet53, DarkNetTiny
from workbench.models.pose.cells import KEY_POINTS, Cells

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)
"""Of RGB in 0 to 1, that an image is normalised with."""
STRIDES = (8, 16, 32, 64, 128)
SIZES = (32, 64, 128, 256, 512)
"""Pixels of a cell of each level, and of an object that suits it."""
_PRIOR = 0.01
_LEVELS = 5


@dataclass(frozen=True, eq=False)
class WdrOutput:
    """What the network says of crops.

    Attributes:
        logits: (B, N, C), whether a cell lies on the object of a class.
        offsets: (B, N, C, 16), where it sees the key points, relative to itself.
        cells: the N cells.
        features: maps (B, width, H, W) of the pyramid by level, which feature distillation compares.
    """

    logits: Tensor
    offsets: Tensor
    cells: Cells
    features: list[Tensor]


class TopBlocks(nn.Module):
    """Two coarser levels, both from the backbone's last map, as the published networks have it."""

    def __init__(self, inside: int, width: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(inside, width, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, last: Tensor) -> list[Tensor]:
        sixth = self.p6(last)
        return [sixth, self.p7(functional.relu(sixth))]


class Pyramid(nn.Module):
    """A feature pyramid: 1x1 to one width, the coarser map enlarged and added, a 3x3; and two levels on top.

    Args:
        channels: of the backbone's maps, from fine to coarse.
        width: of the pyramid.
        first: number of the first map in the published file.
    """

    def __init__(self, channels: tuple[int, ...], width: int, first: int) -> None:
        super().__init__()
        names = [str(first + index) for index in range(len(channels))]
        inside = dict(zip(names, channels, strict=True))
        self.inner_convs = nn.ModuleDict({name: nn.Conv2d(inside[name], width, 1) for name in names})
        self.out_convs = nn.ModuleDict({name: nn.Conv2d(width, width, 3, padding=1) for name in names})
        self.top_blocks = TopBlocks(channels[-1], width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                nn.init.zeros_(module.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        names, found = list(self.inner_convs), []
        inner = None
        for name, features in zip(reversed(names), reversed(maps), strict=True):
            own = self.inner_convs[name](features)
            inner = own if inner is None else own + functional.interpolate(inner, scale_factor=2, mode="nearest")
            found.insert(0, self.out_convs[name](inner))
        return [*found, *self.top_blocks(maps[-1])]


class Scale(nn.Module):
    """A learned factor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class PoseHead(nn.Module):
    """Two towers of four convolutions, shared by the levels: is it there, and where are its corners."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.cls_tower, self.pose_tower = _tower(width), _tower(width)
        self.cls_logits = nn.Conv2d(width, num_classes, 3, padding=1)
        self.pose_pred = nn.Conv2d(width, 2 * KEY_POINTS * num_classes, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in range(_LEVELS))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)
        nn.init.constant_(self.cls_logits.bias, -math.log((1 - _PRIOR) / _PRIOR))

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits = [self.cls_logits(self.cls_tower(features)) for features in maps]
        offsets = [self.scales[level](self.pose_pred(self.pose_tower(features))) for level, features in enumerate(maps)]
        return logits, offsets


class WdrNet(nn.Module):
    """Crops (B, 3, H, W), normalised by ``PIXEL_MEAN`` and ``PIXEL_STD``, to :class:`WdrOutput`.

    Sides must be multiples of :attr:`divisor`.

    Args:
        backbone: a network with ``channels`` and ``first``.
        width: channels of pyramid and heads, a multiple of 32.
        num_classes: objects.
    """

    def __init__(self, backbone: DarkNet53 | DarkNetTiny, width: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = backbone
        self.fpn = Pyramid(backbone.channels, width, backbone.first)
        self.head = PoseHead(width, num_classes)
        levels = len(backbone.channels) + 2
        self.strides, self.sizes = STRIDES[:levels], SIZES[:levels]

    @property
    def divisor(self) -> int:
        """What the sides of crops must be multiples of: the stride of the backbone's last map."""
        return self.strides[-3]

    def forward(self, crops: Tensor) -> WdrOutput:
        if crops.ndim != 4 or crops.shape[1] != 3 or any(side % self.divisor or not side for side in crops.shape[2:]):
            raise ValueError(
                f"crops must be (batch, 3, height, width), sides multiples of {self.divisor}, got {tuple(crops.shape)}"
            )
        features = self.fpn(self.backbone(crops))
        logits, offsets = (torch.cat([_rows(one) for one in maps], 1) for maps in self.head(features))
        grids = [tuple(one.shape[2:]) for one in features]
        cells = Cells.of(grids, self.strides, self.sizes, crops.device)
        return WdrOutput(logits, offsets.unflatten(2, (self.num_classes, 2 * KEY_POINTS)), cells, features)


def wdrnet(backbone: str = "darknet53", num_classes: int = 1) -> WdrNet:
    """Return a WDRNet by the name of its backbone: ``"darknet53"`` (teacher), ``"darknet_tiny"``, ``"darknet_tiny_h"`` (students).

    The published files have 15 outputs, also those that were trained for one object.

    Raises:
        ValueError: another backbone, or fewer than one class.

    >>> sum(parameter.numel() for parameter in wdrnet("darknet_tiny_h").parameters())
    1965054
    """
    if backbone not in BACKBONES:
        raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, got {backbone!r}")
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes!r}")
    return WdrNet(BACKBONES[backbone](), WIDTHS[backbone], num_classes)


def check_same_task(student: WdrNet, teacher: WdrNet) -> None:
    """Raise a ValueError when a student cannot learn from a teacher because they tell different numbers of objects apart."""
    if student.num_classes != teacher.num_classes:
        raise ValueError(
            f"the student has {student.num_classes} outputs and the teacher {teacher.num_classes}; expected the same objects, in "
            "the same order"
        )


def _rows(maps: Tensor) -> Tensor:
    """Return maps (B, C, H, W) as (B, H W, C)."""
    return maps.flatten(2).transpose(1, 2)


def _tower(width: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for _ in range(4):
        parts += [nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(32, width), nn.ReLU()]
    return nn.Sequential(*parts)
