"""FAN-Swin: a Swin transformer whose first three stages process channels as FAN does.

Zhou et al., ICML 2022, table 7; Liu et al., "Swin Transformer", ICCV 2021.  Tensors have the names of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from torchvision.ops import StochasticDepth

from workbench.models.fan.channels import ChannelDesign, ChannelProcessing, PointwiseMlp, check_heads
from workbench.models.fan.network import check_images, initialise

WINDOW = 7
PUBLISHED_SIDE = 224
BLOCKED = -100.0
"""Added to the score of two tokens that share a window only because the grid was rolled."""


def shift_mask(height: int, width: int, shift: int, device: torch.device | None = None) -> Tensor:
    """Return what is added to attention scores of windows of a rolled grid: (windows, 49, 49), 0 or -100.

    Args:
        height, width: of the grid, multiples of the window.
        shift: by how much it was rolled.
    """
    labels = torch.zeros(height, width, device=device)
    cuts = [(slice(0, -WINDOW), slice(-WINDOW, -shift), slice(-shift, None)) for _ in range(2)]
    for label, (rows, columns) in enumerate((rows, columns) for rows in cuts[0] for columns in cuts[1]):
        labels[rows, columns] = label
    windows = to_windows(labels[None, :, :, None])[..., 0]
    return (windows[:, None] != windows[:, :, None]) * BLOCKED


def to_windows(grid: Tensor) -> Tensor:
    """Return a grid (B, H, W, C) as its windows of 7x7, (B * windows, 49, C)."""
    parts = grid.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW))
    return parts.transpose(2, 3).flatten(0, 2).flatten(1, 2)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """Return windows as the grid (B, H, W, C) that :func:`to_windows` took them from."""
    parts = windows.unflatten(1, (WINDOW, WINDOW)).unflatten(0, (-1, height // WINDOW, width // WINDOW))
    return parts.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class WindowAttention(nn.Module):
    """Multi-head attention inside of windows with a learned bias for each offset: (B * windows, 49, C) -> the same."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        place = torch.cartesian_prod(torch.arange(WINDOW), torch.arange(WINDOW))
        rows, columns = (place[:, None] - place[None] + WINDOW - 1).unbind(2)
        self.register_buffer("relative_position_index", rows * (2 * WINDOW - 1) + columns)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        heads = self.qkv(windows).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]
        if mask is not None:
            bias = (bias + mask[:, None].to(bias.dtype)).repeat(len(windows) // len(mask), 1, 1, 1)
        return self.proj(scaled_dot_product_attention(*heads, attn_mask=bias).transpose(1, 2).flatten(2))


class SwinBlock(nn.Module):
    """Attention in windows, of every second block in windows of the grid rolled by 3, then the channel half.

    Args:
        dim, num_heads: channels and heads.
        side: of the grid for images of 224 pixels; the published files hold the mask of that size. Others are made as needed.
        shifted: roll the grid, unless it is a single window.
        channels: FAN's channel processing, else an MLP.
        drop_path_rate: probability, in training, that an image skips a half.
    """

    def __init__(
        self, dim: int, num_heads: int, side: int, shifted: bool, channels: bool, drop_path_rate: float
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads)
        if channels:
            self.mlp = ChannelProcessing(dim, num_heads, 4 * dim, ChannelDesign(residual=False))
        else:
            self.mlp = PointwiseMlp(dim, 4 * dim)
        self.drop_path = StochasticDepth(drop_path_rate, "row")
        self.shift = WINDOW // 2 if shifted else 0
        self.side = side
        held = shift_mask(side, side, self.shift) if self.shift and side > WINDOW and not side % WINDOW else None
        self.register_buffer("attn_mask", held)

    def _attend(self, tokens: Tensor, height: int, width: int) -> Tensor:
        below, right = -height % WINDOW, -width % WINDOW
        grid = pad(tokens.unflatten(1, (height, width)), (0, 0, 0, right, 0, below))
        rows, columns = grid.shape[1:3]
        shift = self.shift if min(rows, columns) > WINDOW else 0
        mask = None
        if shift:
            grid = grid.roll((-shift, -shift), (1, 2))
            held = self.attn_mask is not None and rows == columns == self.side
            mask = self.attn_mask if held else shift_mask(rows, columns, shift, tokens.device)
        grid = from_windows(self.attn(to_windows(grid), mask), rows, columns)
        if shift:
            grid = grid.roll((shift, shift), (1, 2))
        return grid[:, :height, :width].flatten(1, 2)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        tokens = tokens + self.drop_path(self._attend(self.norm1(tokens), height, width))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens), height, width))


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the channels: (B, H*W, C) -> (B, ceil(H/2)*ceil(W/2), 2C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor, height: int, width: int) -> tuple[Tensor, int, int]:
        grid = pad(tokens.unflatten(1, (height, width)), (0, 0, 0, width % 2, 0, height % 2))
        parts = [grid[:, row::2, column::2] for column in range(2) for row in range(2)]
        merged = self.reduction(self.norm(torch.cat(parts, 3)))
        return merged.flatten(1, 2), *merged.shape[1:3]


class _SwinPatches(nn.Module):
    def __init__(self, in_chans: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_chans, embed_dim, 4, stride=4)
        self.norm = nn.LayerNorm(embed_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, int, int]:
        below, right = (-side % 4 for side in images.shape[2:])
        maps = self.proj(pad(images, (0, right, 0, below)))
        return self.norm(maps.flatten(2).transpose(1, 2)), *maps.shape[2:]


class _SwinStage(nn.Module):
    def __init__(self, blocks: Sequence[SwinBlock], merge: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = merge

    def forward(self, tokens: Tensor, height: int, width: int) -> tuple[Tensor, int, int]:
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return self.downsample(tokens, height, width) if self.downsample else (tokens, height, width)


class FanSwin(nn.Module):
    """Swin with windows of 7, FAN's channel processing in all stages but the last, and mean pooling.

    Args:
        embed_dim: channels of the first stage; they double behind each.
        depths, num_heads: of the stages.
        num_classes: 0 for no classifier.
        in_chans: channels of the images.
        drop_path_rate: of the last block; it grows linearly from 0.

    ``forward`` maps normalised images (B, in_chans, H, W) of any size, padded with zeros where need be, to (B, num_classes).

    Raises:
        ValueError: channels do not divide into heads.
    """

    def __init__(
        self,
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        drop_path_rate: float = 0.1,
    ) -> None:
        super().__init__()
        self.in_chans = in_chans
        self.patch_embed = _SwinPatches(in_chans, embed_dim)
        rates = iter(torch.linspace(0, drop_path_rate, sum(depths), device="cpu").tolist())
        stages = []
        for index, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            dim, side, last = embed_dim * 2**index, PUBLISHED_SIDE // 4 // 2**index, index == len(depths) - 1
            blocks = [SwinBlock(dim, heads, side, bool(place % 2), not last, next(rates)) for place in range(depth)]
            stages.append(_SwinStage(blocks, None if last else PatchMerging(dim)))
        self.layers = nn.ModuleList(stages)
        self.num_features = embed_dim * 2 ** (len(depths) - 1)
        self.norm = nn.LayerNorm(self.num_features)
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        initialise(self)

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the mean of the normalised tokens, (B, C).

        Raises:
            TypeError, ValueError: as :meth:`Fan.embed`.
        """
        check_images(images, self.in_chans, 1)
        tokens, height, width = self.patch_embed(images)
        for stage in self.layers:
            tokens, height, width = stage(tokens, height, width)
        return self.norm(tokens).mean(1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.forward_features(images))
