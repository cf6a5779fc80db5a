"""SSD with a residual backbone: feature maps of falling size, each with one head for offsets and one for classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.resnet import BasicBlock

from workbench.models.ssd.default_boxes import SMALL, SSD300_VOC, SSD512_VOC, BoxConfig
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

VOC_CLASSES = 21
"""20 and the background."""


@dataclass(frozen=True)
class ExtraStage:
    """A 1x1 convolution to ``inner`` channels and a 3x3 to ``outputs``: one more, smaller feature map."""

    inner: int
    outputs: int
    stride: int = 2
    padding: int = 1


class SSD(nn.Module):
    """Single-shot detector: Liu et al., ECCV 2016, on a residual network, as HALP prunes it (NeurIPS 2022, Table 8).

    ``forward`` maps images (B, 3, side, side), normalised as for the backbone, to offsets (B, N, 4) from the default boxes and
    logits (B, N, num_classes), class 0 being background; N boxes in the order of :func:`default_boxes`.

    Args:
        backbone: from images to the first feature map.
        channels: of that map.
        extras: the further feature maps.
        boxes: their default boxes.
        num_classes: background among them.

    Raises:
        ValueError: there are not as many feature maps as ``boxes`` has.
    """

    def __init__(
        self, backbone: nn.Module, channels: int, extras: Sequence[ExtraStage], boxes: BoxConfig, num_classes: int
    ) -> None:
        super().__init__()
        if len(extras) + 1 != len(boxes.cells):
            raise ValueError(
                f"{len(extras)} further feature maps and the first do not fit boxes for {len(boxes.cells)}"
            )
        widths = (channels, *(stage.outputs for stage in extras))
        self.boxes, self.num_classes = boxes, num_classes
        self.feature_extractor = backbone
        self.additional_blocks = nn.ModuleList(
            _stage(width, extra) for width, extra in zip(widths, extras, strict=False)
        )
        each = list(zip(widths, boxes.per_cell, strict=True))
        self.loc = nn.ModuleList(nn.Conv2d(width, count * 4, 3, padding=1) for width, count in each)
        self.conf = nn.ModuleList(nn.Conv2d(width, count * num_classes, 3, padding=1) for width, count in each)
        for part in (self.additional_blocks, self.loc, self.conf):
            for parameter in part.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = [self.feature_extractor(images)]
        for block in self.additional_blocks:
            maps.append(block(maps[-1]))
        offsets = [head(one).reshape(images.size(0), 4, -1) for head, one in zip(self.loc, maps, strict=True)]
        logits = [
            head(one).reshape(images.size(0), self.num_classes, -1) for head, one in zip(self.conf, maps, strict=True)
        ]
        return torch.cat(offsets, 2).transpose(1, 2), torch.cat(logits, 2).transpose(1, 2)


def resnet50_backbone() -> nn.Sequential:
    """Return ResNet-50 up to its third stage, of which all strides are 1: 1024 channels at an eighth of the side.

    Its names are 0 to 6 (``conv1``, ``bn1``, ``relu``, ``maxpool``, ``layer1``, ``layer2``, ``layer3``), untrained.
    """
    layers = list(resnet50().children())[:7]
    first = layers[-1][0]
    for conv in (first.conv1, first.conv2, first.downsample[0]):
        conv.stride = (1, 1)
    return nn.Sequential(*layers)


def ssd300_resnet50(num_classes: int = VOC_CLASSES) -> SSD:
    """Return SSD for images of 300 x 300 pixels: 6 feature maps, 8732 default boxes."""
    extras = (
        ExtraStage(256, 512), ExtraStage(256, 512), ExtraStage(128, 256), ExtraStage(128, 256, 1, 0), ExtraStage(128, 256, 1, 0),
    )  # fmt: skip
    return SSD(resnet50_backbone(), 1024, extras, SSD300_VOC, num_classes)


def ssd512_resnet50(num_classes: int = VOC_CLASSES) -> SSD:
    """Return SSD for images of 512 x 512 pixels: 7 feature maps, 24564 default boxes."""
    extras = (ExtraStage(256, 512), ExtraStage(256, 512), *((ExtraStage(128, 256),) * 4))
    return SSD(resnet50_backbone(), 1024, extras, SSD512_VOC, num_classes)


def small_ssd(num_classes: int = 4, width: int = 32) -> SSD:
    """Return one for images of 64 x 64 pixels: a residual network of three stages, 2 feature maps, 320 default boxes.

    >>> offsets, logits = small_ssd()(torch.zeros(2, 3, 64, 64))
    >>> offsets.shape, logits.shape
    (torch.Size([2, 320, 4]), torch.Size([2, 320, 4]))
    """
    backbone = nn.Sequential(
        nn.Conv2d(3, width, 3, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        _residual(width, width, 1),
        _residual(width, 2 * width, 2),
        _residual(2 * width, 4 * width, 2),
    )
    return SSD(backbone, 4 * width, (ExtraStage(2 * width, 4 * width),), SMALL, num_classes)


def load_official_checkpoint(model: SSD, path: str | os.PathLike[str]) -> LoadReport:
    """Load a checkpoint of the NVIDIA implementation of SSD300 with ResNet-50, whose names and order of boxes are used here.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or a shape differs.
    """
    doubled, found = "feature_extractor.feature_extractor.", {}
    for name, value in read_checkpoint(path).items():
        bare = name.removeprefix("module.").removeprefix("1.")  # of data-parallel training
        found[bare.replace(doubled, "feature_extractor.")] = value
    return load_tensors(model, found)


def _stage(inputs: int, stage: ExtraStage) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, stage.inner, 1, bias=False),
        nn.BatchNorm2d(stage.inner),
        nn.ReLU(inplace=True),
        nn.Conv2d(stage.inner, stage.outputs, 3, stage.stride, stage.padding, bias=False),
        nn.BatchNorm2d(stage.outputs),
        nn.ReLU(inplace=True),
    )


def _residual(inputs: int, outputs: int, stride: int) -> BasicBlock:
    if stride == 1 and inputs == outputs:
        return BasicBlock(inputs, outputs)
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return BasicBlock(inputs, outputs, stride, shortcut)
