"""MobileNetV1: depthwise and pointwise convolutions in turn, by the names of the pruned networks that were published."""

from __future__ import annotations

import os
from collections import OrderedDict

from torch import Tensor, nn

from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

STEM = 32
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *(((512, 1),) * 5), (1024, 2), (1024, 1))
"""Output channels and stride of the 13 blocks."""


class MobileNetV1(nn.Module):
    """Howard et al., "MobileNets", 2017 (arXiv 1704.04861), Table 1; the last block has stride 1, as every implementation has it.

    ``forward`` maps images (B, in_chans, H, W) to logits (B, num_classes); H and W are 224 in the paper.  Modules have the names
    of NVlabs/MDP, where HALP prunes it: ``features.conv_bn``, ``features.conv_dw1`` to ``features.conv_dw13``, ``fc``.

    Args:
        num_classes: outputs.
        width: factor on all channels, rounded to a whole number.
        blocks: output channels and stride of each block.
        stem: channels and stride of the first convolution.
        in_chans: image channels.

    Raises:
        ValueError: a factor or a number of channels is not positive.

    >>> import torch
    >>> MobileNetV1(10, 0.25)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width: float = 1.0,
        blocks: tuple[tuple[int, int], ...] = BLOCKS,
        stem: tuple[int, int] = (STEM, 2),
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        if not width > 0:
            raise ValueError(f"width must be a positive factor, got {width!r}")
        channels = round(width * stem[0])
        if not channels or not blocks or not all(round(width * outputs) for outputs, _ in blocks):
            widths = ", ".join(str(outputs) for outputs, _ in (stem, *blocks))
            raise ValueError(f"width {width:g} of {widths} channels leaves a layer without any")
        layers: OrderedDict[str, nn.Module] = OrderedDict(conv_bn=_stem(in_chans, channels, stem[1]))
        for number, (outputs, stride) in enumerate(blocks, start=1):
            layers[f"conv_dw{number}"] = _block(channels, round(width * outputs), stride)
            channels = round(width * outputs)
        layers["avg_pool"] = nn.AdaptiveAvgPool2d(1)
        self.features = nn.Sequential(layers)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images).flatten(1))


def small_mobilenet_v1(num_classes: int = 10, in_chans: int = 1) -> MobileNetV1:
    """Return one for images of 16 to 32 pixels: 5 blocks of 32 to 128 channels.

    >>> sum(parameter.numel() for parameter in small_mobilenet_v1().parameters())
    36874
    """
    blocks = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1))
    return MobileNetV1(num_classes, blocks=blocks, stem=(16, 1), in_chans=in_chans)


def load_official_checkpoint(model: MobileNetV1, path: str | os.PathLike[str]) -> LoadReport:
    """Load a checkpoint with the published names, ``module.`` before them or not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or a shape differs.
    """
    return load_tensors(model, {name.removeprefix("module."): value for name, value in read_checkpoint(path).items()})


def _stem(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            bn=nn.BatchNorm2d(outputs),
            relu=nn.ReLU(inplace=True),
        )
    )


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            bn1=nn.BatchNorm2d(inputs),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(inputs, outputs, 1, bias=False),
            bn2=nn.BatchNorm2d(outputs),
            relu2=nn.ReLU(inplace=True),
        )
    )
