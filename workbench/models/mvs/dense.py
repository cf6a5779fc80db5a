"""The dense parts of NP-CVP-MVSNet: the feature pyramid, the 3-D U-Net of the coarsest level, and the net of visibility.

Module names are those of the released code, so that its checkpoints load by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Block(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, conv: nn.Module, bn: nn.Module) -> None:
        super().__init__()
        self.conv, self.bn = conv, bn

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def block2d(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> _Block:
    """Return a block of a 2-D convolution, padded to keep the size at stride 1."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return _Block(conv, nn.BatchNorm2d(outputs))


def block3d(inputs: int, outputs: int, stride: int = 1) -> _Block:
    """Return a block of a 3-D convolution of size 3."""
    return _Block(nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm3d(outputs))


class FeaturePyramid(nn.Module):
    """An image (N, 3, H, W) to features (N, channels[l], H / 2^l, W / 2^l) of each level, finest first; section 3.1.

    Args:
        channels: of each level, finest first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = len(channels)
        self.conv0 = nn.Sequential(block2d(3, channels[0]), *(block2d(channels[0], channels[0]) for _ in range(4)))
        for level in range(1, self.levels):
            above, own = channels[level - 1], channels[level]
            down = nn.Sequential(block2d(above, own, size=5, stride=2), block2d(own, own), block2d(own, own))
            up = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                block2d(own, own),
                block2d(own, above),
            )
            self.add_module(f"conv{level}", down)
            self.add_module(f"conv{level}up", up)
        for level, own in enumerate(channels):
            last = nn.Conv2d(own, own, 3, padding=1, bias=False)
            self.add_module(f"conv_out{level}", nn.Sequential(block2d(own, own), block2d(own, own), last))

    def forward(self, images: Tensor) -> list[Tensor]:
        down = [self.conv0(images)]
        for level in range(1, self.levels):
            down.append(self.get_submodule(f"conv{level}")(down[-1]))
        out = down
        for level in range(self.levels - 1, 0, -1):
            out[level - 1] = self.get_submodule(f"conv{level}up")(out[level]) + out[level - 1]
        return [self.get_submodule(f"conv_out{level}")(one) for level, one in enumerate(out)]


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False), block3d(inputs, outputs))


class CoarseRegulariser(nn.Module):
    """Costs (B, groups, D, h, w) of all depths to logits (B, D, h, w): a 3-D U-Net; D, h and w must be multiples of 8."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.input0, self.input1 = block3d(groups, groups), block3d(groups, groups)
        for step in (1, 2, 3):
            inputs, outputs = groups * 2 ** (step - 1), groups * 2**step
            self.add_module(f"conv{step}a", block3d(inputs, outputs, stride=2))
            self.add_module(f"conv{step}b", block3d(outputs, outputs))
            self.add_module(f"conv{step}c", block3d(outputs, outputs))
        for step in (3, 2, 1):
            self.add_module(f"conv{step}d", _up(groups * 2**step, groups * 2 ** (step - 1)))
        self.prob0 = nn.Conv3d(groups, 1, 3, padding=1)

    def forward(self, cost: Tensor) -> Tensor:
        skips = [self.input1(self.input0(cost))]
        for step in (1, 2, 3):
            down = self.get_submodule(f"conv{step}a")(skips[-1])
            skips.append(self.get_submodule(f"conv{step}c")(self.get_submodule(f"conv{step}b")(down)))
        x = skips[3]
        for step in (3, 2, 1):
            x = skips[step - 1] + self.get_submodule(f"conv{step}d")(x)
        return self.prob0(x)[:, 0]


class VisibilityNet(nn.Module):
    """Costs (N, groups, D, h, w) of one source view to how well it sees each pixel, (N, h, w) in 0 to 1; section 3.2.

    The greatest of a sigmoid over depths; what lies below ``threshold`` is 0. D, h and w must be even.
    """

    def __init__(self, groups: int, threshold: float = 0.05) -> None:
        super().__init__()
        base = groups // 2
        self.threshold = threshold
        self.input0, self.input1 = block3d(groups, groups), block3d(groups, base)
        self.conv1a = block3d(base, 2 * base, stride=2)
        self.conv1b, self.conv1c = block3d(2 * base, 2 * base), block3d(2 * base, 2 * base)
        self.conv1d = _up(2 * base, base)
        self.conv0 = nn.Sequential(block3d(base, base), nn.Conv3d(base, 1, 3, padding=1, bias=False))

    def forward(self, cost: Tensor) -> Tensor:
        skip = self.input1(self.input0(cost))
        x = skip + self.conv1d(self.conv1c(self.conv1b(self.conv1a(skip))))
        weight = torch.sigmoid(self.conv0(x)[:, 0]).amax(1)
        return torch.where(weight < self.threshold, torch.zeros_like(weight), weight)
