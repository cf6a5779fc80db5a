"""The encoder of maps seen from above: two-dimensional convolutions only, after height has been folded into channels.

Xie et al., "M2BEV", 2022, section 3.3; and for comparison the three-dimensional one that it stands in for, of Rukhovich et al.,
"ImVoxelNet", WACV 2022.
"""

from __future__ import annotations

from torch import Tensor, nn

from workbench.models.m2bev.layers import ConvModule
from workbench.models.m2bev.projection import space_to_channel


class ResModule(nn.Module):
    """Two 3x3 convolutions beside a shortcut: conv, norm, ReLU, conv, norm, add, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = ConvModule(channels, channels)
        self.conv1 = ConvModule(channels, channels, relu=False)

    def forward(self, features: Tensor) -> Tensor:
        return (features + self.conv1(self.conv0(features))).relu()


class BevEncoder(nn.Module):
    """Volumes (B, X, Y, Z, C) to maps (B, channels, X / stride, Y / stride).

    A ResModule of the folded channels at full size, a convolution of stride ``stride``, then ``layers`` times a ResModule and a
    convolution.

    Args:
        height: Z.
        inside: C.
        channels: of the map.
        layers: 6 in the paper.
        stride: 2 in the paper.
    """

    def __init__(self, height: int, inside: int, channels: int = 256, layers: int = 6, stride: int = 2) -> None:
        super().__init__()
        folded = height * inside
        parts: list[nn.Module] = [ResModule(folded), ConvModule(folded, channels, stride=stride)]
        for _ in range(layers):
            parts += [ResModule(channels), ConvModule(channels, channels)]
        self.model = nn.Sequential(*parts)

    def forward(self, volume: Tensor) -> Tensor:
        return self.model(space_to_channel(volume))


class VolumeEncoder(nn.Module):
    """The same from three-dimensional convolutions: height is halved twice, then averaged away by a last convolution over it.

    Args:
        height: Z, at least 4 and a multiple of 4.
        inside: C.
        channels: of the map.
        stride: of the ground, in the first of the two strided convolutions.

    Raises:
        ValueError: another height.
    """

    def __init__(self, height: int, inside: int, channels: int = 256, stride: int = 2) -> None:
        super().__init__()
        if height < 4 or height % 4:
            raise ValueError(f"height must be a multiple of 4, got {height}")
        self.model = nn.Sequential(
            _Residual3d(inside),
            _convolution3d(inside, 2 * inside, (stride, stride, 2)),
            _Residual3d(2 * inside),
            _convolution3d(2 * inside, 4 * inside, (1, 1, 2)),
            _Residual3d(4 * inside),
            nn.Conv3d(4 * inside, channels, (3, 3, height // 4), padding=(1, 1, 0), bias=False),
            nn.BatchNorm3d(channels),
            nn.ReLU(),
        )

    def forward(self, volume: Tensor) -> Tensor:
        return self.model(volume.permute(0, 4, 1, 2, 3))[..., 0]


class _Residual3d(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            _convolution3d(channels, channels),
            nn.Conv3d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm3d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return (features + self.inner(features)).relu()


def _convolution3d(inside: int, outside: int, stride: tuple[int, int, int] = (1, 1, 1)) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm3d(outside), nn.ReLU(inplace=True)
    )
