"""DarkNet backbones by their published names: of YOLOv3, and two tiny ones for students.

Redmon, Farhadi, "YOLOv3: An Incremental Improvement", 2018; tiny-H is that of Guo et al., CVPR 2023, half as wide.
"""

from __future__ import annotations

from torch import Tensor, nn

TINY = ((16,), (32,), (16, 128, 16, 128), (32, 256, 32, 256), (64, 512, 64, 512, 128))
TINY_H = ((8,), (16,), (8, 64, 8, 64), (16, 128, 16, 128), (32, 256, 32, 256, 64))
"""Channels of each convolution of each stage."""
DARKNET53 = ((64, 2), (128, 3), (256, 9), (512, 9), (1024, 5))
"""Channels and units of each stage."""


class ConvUnit(nn.Module):
    """A convolution without bias, batch normalisation and a leaky ReLU of slope 0.1."""

    def __init__(self, inside: int, outside: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outside)
        self.activ = nn.LeakyReLU(0.1, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activ(self.bn(self.conv(x)))


class ResidualUnit(nn.Module):
    """A 1x1 to half of the channels, a 3x3 back to all, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvUnit(channels, channels // 2, 1)
        self.conv2 = ConvUnit(channels // 2, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))


class DarkNetTiny(nn.Module):
    """Images to the maps of strides 8 and 16: stage 3, and stage 5, which has no pooling.

    Odd units of a stage are 1x1, even ones 3x3, a stage's only one is 3x3; a 2x2 maximum ends stages 1 to 4.

    Args:
        channels: of each unit of each of the five stages.
    """

    first = 2
    """Place of the first map among the stages' outputs, by which the published file numbers what follows."""

    def __init__(self, channels: tuple[tuple[int, ...], ...] = TINY) -> None:
        super().__init__()
        self.features = nn.Sequential()
        inside = 3
        for stage, widths in enumerate(channels, 1):
            units = nn.Sequential()
            for unit, outside in enumerate(widths, 1):
                pointwise = len(widths) > 1 and unit % 2 == 1
                units.add_module(f"unit{unit}", ConvUnit(inside, outside, 1 if pointwise else 3))
                inside = outside
            if stage < len(channels):
                units.add_module(f"pool{stage}", nn.MaxPool2d(2, 2))
            self.features.add_module(f"stage{stage}", units)
        self.channels = (channels[2][-1], channels[4][-1])
        initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        stages = list(self.features)
        third = stages[2](stages[1](stages[0](images)))
        return [third, stages[4](stages[3](third))]


class DarkNet53(nn.Module):
    """Images to the maps of strides 8, 16 and 32."""

    first = 2

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        inside = 32
        self.features.add_module("init_block", ConvUnit(3, inside, 3))
        for stage, (outside, count) in enumerate(DARKNET53, 1):
            units = nn.Sequential()
            units.add_module("unit1", ConvUnit(inside, outside, 3, stride=2))
            for unit in range(2, count + 1):
                units.add_module(f"unit{unit}", ResidualUnit(outside))
            inside = outside
            self.features.add_module(f"stage{stage}", units)
        self.channels = (256, 512, 1024)
        initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, x = [], images
        for stage in self.features:
            x = stage(x)
            maps.append(x)
        return maps[3:]


def initialise(network: nn.Module) -> None:
    """Draw convolutions as the published code does, uniformly by He's rule."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight)


BACKBONES = {
    "darknet53": DarkNet53,
    "darknet_tiny": lambda: DarkNetTiny(TINY),
    "darknet_tiny_h": lambda: DarkNetTiny(TINY_H),
}
"""By the name in the paper."""
WIDTHS = {"darknet53": 256, "darknet_tiny": 256, "darknet_tiny_h": 128}
"""Channels of the pyramid and the heads."""
