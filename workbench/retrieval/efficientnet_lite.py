"""EfficientNet-Lite0: the ImageNet network whose feature maps serve as the default backbone.

Tan and Le, "EfficientNet", ICML 2019, in the Lite form of the TensorFlow repository: ReLU6 for swish, no squeeze-and-excitation.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

from workbench.datasets.files import data_dir
from workbench.training.weights import load_weights, weight_differences

BATCH_NORM_EPSILON = 1e-3
WEIGHTS = Path("weights") / "efficientnet_lite0.safetensors"
"""The shipped weights, below :func:`workbench.datasets.data_dir`."""


class Stage(NamedTuple):
    """One row of the network's table: blocks of one width, of which the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STAGE_STRIDES = (2, 4, 8, 16, 16, 32, 32)
"""Pixels of the image per cell of each stage's output."""


class SameConv2d(nn.Conv2d):
    """A convolution that pads as TensorFlow's "SAME": to ``ceil(n / stride)`` outputs, the odd pixel at the bottom and right."""

    def forward(self, inputs: Tensor) -> Tensor:
        vertical, horizontal = (
            max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(inputs.shape[2:], self.stride, self.kernel_size, strict=True)
        )
        top, left = vertical // 2, horizontal // 2
        if vertical == 2 * top and horizontal == 2 * left:  # symmetric: the convolution pads without a copy
            return torch.conv2d(inputs, self.weight, self.bias, self.stride, (top, left), 1, self.groups)
        padded = pad(inputs, (left, horizontal - left, top, vertical - top))
        return torch.conv2d(padded, self.weight, self.bias, self.stride, 0, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand by a 1x1 convolution, filter each channel, project; the input is added where shapes allow.

    The attributes have the names of the published file.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expands, self.adds_input = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = SameConv2d(inputs, width, 1, bias=False)
            self._bn0 = _batch_norm(width)
        self._depthwise_conv = SameConv2d(width, width, kernel, stride, groups=width, bias=False)
        self._bn1 = _batch_norm(width)
        self._project_conv = SameConv2d(width, outputs, 1, bias=False)
        self._bn2 = _batch_norm(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = relu6(self._bn0(self._expand_conv(inputs))) if self.expands else inputs
        hidden = relu6(self._bn1(self._depthwise_conv(hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return inputs + hidden if self.adds_input else hidden


class EfficientNetLite0(nn.Module):
    """The network: images (N, 3, H, W) as ``(255 x - 127) / 128`` of [0, 1], in RGB, to logits (N, classes).

    >>> EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 64)).shape
    torch.Size([1, 1000])
    """

    def __init__(self, classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _batch_norm(32)
        blocks, width, self.ends = [], 32, []
        for stage in STAGES:
            for index in range(stage.repeats):
                stride = stage.stride if index == 0 else 1
                blocks.append(InvertedResidual(width, stage.channels, stage.kernel, stride, stage.expansion))
                width = stage.channels
            self.ends.append(len(blocks))
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(width, 1280, 1, bias=False)
        self._bn1 = _batch_norm(1280)
        self._dropout = nn.Dropout(dropout)
        self._fc = nn.Linear(1280, classes)

    def stage_outputs(self, images: Tensor, last: int = len(STAGES) - 1) -> list[Tensor]:
        """Return the output of stage 0 to ``last``, each (N, C, ceil(H / stride), ceil(W / stride)); later stages are not run."""
        hidden, outputs = relu6(self._bn0(self._conv_stem(images))), []
        for index, block in enumerate(self._blocks[: self.ends[last]], start=1):
            hidden = block(hidden)
            if index in self.ends:
                outputs.append(hidden)
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        head = relu6(self._bn1(self._conv_head(self.stage_outputs(images)[-1])))
        return self._fc(self._dropout(head.mean((2, 3))))


def load_efficientnet_lite0(path: str | os.PathLike[str] | None = None) -> EfficientNetLite0:
    """Return the network with the weights of a file, strictly: every tensor must be there, and no other.

    Args:
        path: ``*.safetensors``, or the published ``efficientnet-lite0-57934424.pth``; None for the shipped half-precision ones.

    Returns:
        The network in evaluation mode, float32 on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or holds other tensors; the message lists them.
    """
    path = data_dir() / WEIGHTS if path is None else Path(path).expanduser()
    model = EfficientNetLite0()
    if path.suffix == ".safetensors" or not path.is_file():
        load_weights(model, path)
        return model.eval()
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise ValueError(f"{path} is no readable checkpoint: {str(error).strip().splitlines()[0]}") from None
    if not isinstance(tensors, dict):
        raise ValueError(f"{path} holds a {type(tensors).__name__}, expected a dictionary of tensors")
    if differences := weight_differences(tensors, model.state_dict()):
        raise ValueError(f"{path} does not fit EfficientNetLite0: {differences}")
    model.load_state_dict(tensors)
    return model.eval()


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON)
