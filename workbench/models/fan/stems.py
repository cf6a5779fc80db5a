"""How an image becomes a grid of tokens: a stem of convolutions or of ConvNeXt stages, and the positions of the tokens.

Zhou et al., ICML 2022; El-Nouby et al., "XCiT", NeurIPS 2021 (convolution stem, Fourier positions); Liu et al., "A ConvNet for
the 2020s", CVPR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

CONVNEXT_DIMS = (128, 256)
FREQUENCIES = 32


class ConvStem(nn.Module):
    """Convolutions of stride 2 with BatchNorm, GELU between them: (B, c, H, W) -> (B, C, ceil(H/p), ceil(W/p)).

    Args:
        patch_size: 16, 8 or 4; so many halvings.
        in_chans, embed_dim: channels of the image and of a token.

    Raises:
        ValueError: another patch size, or ``embed_dim`` cannot be halved so often.
    """

    def __init__(self, patch_size: int, in_chans: int, embed_dim: int) -> None:
        super().__init__()
        if patch_size not in (4, 8, 16):
            raise ValueError(f"patch_size must be 4, 8 or 16, got {patch_size}")
        count = int(math.log2(patch_size))
        if embed_dim % 2 ** (count - 1):
            raise ValueError(f"embed_dim must be a multiple of {2 ** (count - 1)} for this stem, got {embed_dim}")
        widths = [in_chans, *(embed_dim // 2 ** (count - 1 - index) for index in range(count))]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            conv = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
            layers += [nn.GELU(), nn.Sequential(conv, nn.BatchNorm2d(after))]
        self.proj = nn.Sequential(*layers[1:])
        self.least_side = 1

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of maps (B, C, H, W)."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _ConvMlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(dim, 4 * dim, 1)
        self.fc2 = nn.Conv2d(4 * dim, dim, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(maps)))


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, LayerNorm, MLP, times gamma, added to its input."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))
        self.conv_dw = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = ChannelNorm(dim, eps=1e-6)
        self.mlp = _ConvMlp(dim)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.gamma[:, None, None] * self.mlp(self.norm(self.conv_dw(maps)))


class _ConvNeXtStage(nn.Module):
    def __init__(self, before: int, dim: int, depth: int) -> None:
        super().__init__()
        down = [ChannelNorm(before, eps=1e-6), nn.Conv2d(before, dim, 2, stride=2)] if before != dim else []
        self.downsample = nn.Sequential(*down)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(depth)))

    def forward(self, maps: Tensor) -> Tensor:
        return self.blocks(self.downsample(maps))


class ConvNeXtStages(nn.Module):
    """The first two stages of a ConvNeXt: maps of 128 channels at a quarter, and of 256 at an eighth of the image's sides."""

    def __init__(self, in_chans: int, depths: Sequence[int]) -> None:
        super().__init__()
        first = CONVNEXT_DIMS[0]
        self.stem = nn.Sequential(nn.Conv2d(in_chans, first, 4, stride=4), ChannelNorm(first, eps=1e-6))
        befores = (first, *CONVNEXT_DIMS[:-1])
        stages = zip(befores, CONVNEXT_DIMS, depths, strict=True)
        self.stages = nn.Sequential(*(_ConvNeXtStage(*sizes) for sizes in stages))
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.trunc_normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps, found = self.stem(images), []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return found


class HybridStem(nn.Module):
    """ConvNeXt stages, then patches of 2x2: (B, c, H, W) -> (B, C, H//16, W//16).

    Args:
        depths: blocks of the two stages.
        in_chans, embed_dim: channels of the image and of a token.
    """

    def __init__(self, depths: Sequence[int], in_chans: int, embed_dim: int) -> None:
        super().__init__()
        self.backbone = ConvNeXtStages(in_chans, depths)
        self.proj = nn.Conv2d(CONVNEXT_DIMS[-1], embed_dim, 2, stride=2)
        self.least_side = 16

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(self.backbone(images)[-1])


class FourierPositions(nn.Module):
    """Sines and cosines of the place in the grid, projected to the channels; of any grid: (height, width) -> (1, C, height, width).

    Rows lie at ``2 pi (1..H) / (H + 1e-6)``, columns likewise. Per axis there are 32 numbers, ``sin(e / t_0), cos(e / t_1), ...``.

    Args:
        embed_dim: channels.
        floored: ``t_i = 10000^(2 floor(i / 2) / 32)``, as the classifiers; else ``10000^(i / 32)``, as the published networks of
            segmentation and detection, whose checkpoints need it.
    """

    def __init__(self, embed_dim: int, floored: bool = True) -> None:
        super().__init__()
        self.floored = floored
        self.token_projection = nn.Conv2d(2 * FREQUENCIES, embed_dim, 1)

    def waves(self, height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the encoding before its projection, (1, 64, height, width): 32 numbers of the row, then 32 of the column."""
        index = torch.arange(FREQUENCIES, device=device, dtype=dtype)
        scales = 10000 ** ((2 * (index / 2).floor() if self.floored else index) / FREQUENCIES)
        axes = []
        for count in (height, width):
            angles = torch.arange(1, count + 1, device=device, dtype=dtype) / (count + 1e-6) * (2 * math.pi)
            phases = angles[:, None] / scales
            axes.append(torch.stack([phases[:, 0::2].sin(), phases[:, 1::2].cos()], 2).flatten(1))
        rows, columns = axes
        grid = rows[:, None].expand(-1, width, -1), columns[None].expand(height, -1, -1)
        return torch.cat(grid, 2).permute(2, 0, 1)[None]

    def forward(self, height: int, width: int) -> Tensor:
        weight = self.token_projection.weight
        exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
        return self.token_projection(self.waves(height, width, weight.device, exact).to(weight.dtype))
