"""FAN for dense prediction: backbones that give four maps, and the head of SegFormer.

Zhou et al., ICML 2022, section 4.3; Xie et al., "SegFormer", NeurIPS 2021.  Tensors have the names of the published checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from workbench.models.fan.checkpoint import published_names
from workbench.models.fan.network import Fan, check_images
from workbench.models.fan.stems import CONVNEXT_DIMS, HybridStem
from workbench.models.fan.variants import VARIANTS
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

OUT_BLOCKS = MappingProxyType(
    {
        "fan_tiny_8_p4_hybrid": (7,),
        "fan_small_12_p4_hybrid": (9,),
        "fan_base_16_p4_hybrid": (15,),
        "fan_large_16_p4_hybrid": (18,),
        "fan_tiny_12_p16_224": (4, 7, 11),
        "fan_small_12_p16_224": (4, 7, 11),
    }
)
"""Behind which blocks, from 0, a published backbone gives a map."""
DETECTION_CHANNELS = 768
WINDOW, STRIDE = 1024, 768
IGNORED = ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias")
"""What published files hold and no network uses."""


class FanBackbone(nn.Module):
    """A :class:`Fan` without its classifier that gives maps, finest first.

    A hybrid gives its two ConvNeXt stages (128 channels at 1/4, 256 at 1/8), the tokens behind the blocks of ``out_blocks`` at
    1/16, and the patch tokens behind the class-attention blocks, at 1/16 too. One with a convolution stem gives 1/16 throughout.

    Args:
        network: its parts become this module's, under their own names.
        out_blocks: blocks, from 0, whose tokens are given.
        downsample_last: bring the last map to 768 channels at 1/32 by a 3x3 convolution, as the published detectors do.

    ``forward`` maps normalised images (B, c, H, W) to a list of (B, channels, H', W'); ``channels`` has those of each.

    Raises:
        ValueError: there is no such block, or the network halves its grid in between.
    """

    def __init__(self, network: Fan, out_blocks: Sequence[int], downsample_last: bool = False) -> None:
        super().__init__()
        if not all(0 <= block < len(network.blocks) for block in out_blocks):
            raise ValueError(f"out_blocks must lie in 0 to {len(network.blocks) - 1}, got {list(out_blocks)}")
        if any(block.downsample is not None for block in network.blocks):
            raise ValueError("the network halves its grid between blocks; expected one grid")
        self.in_chans, self.out_blocks = network.in_chans, tuple(out_blocks)
        self.patch_embed, self.pos_embed = network.patch_embed, network.pos_embed
        self.cls_token, self.blocks, self.cls_attn_blocks = network.cls_token, network.blocks, network.cls_attn_blocks
        dim = network.num_features
        early = CONVNEXT_DIMS if isinstance(self.patch_embed, HybridStem) else ()
        self.channels = (*early, *(dim for _ in out_blocks), DETECTION_CHANNELS if downsample_last else dim)
        self.learnable_downsample = nn.Conv2d(dim, DETECTION_CHANNELS, 3, 2, 1) if downsample_last else None

    def forward(self, images: Tensor) -> list[Tensor]:
        stem = self.patch_embed
        check_images(images, self.in_chans, stem.least_side)
        found = stem.backbone(images) if isinstance(stem, HybridStem) else []
        maps = stem.proj(found[-1] if found else images)
        grid = maps.shape[2:]
        tokens = (maps + self.pos_embed(*grid)).flatten(2).transpose(1, 2)
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, *grid)
            if index in self.out_blocks:
                found.append(tokens.transpose(1, 2).unflatten(2, grid))
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1)
        for block in self.cls_attn_blocks:
            tokens = block(tokens)
        last = tokens[:, 1:].transpose(1, 2).unflatten(2, grid)
        return [*found, last if self.learnable_downsample is None else self.learnable_downsample(last)]


class _Projection(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, width)

    def forward(self, maps: Tensor) -> Tensor:
        return self.proj(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Fuse(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn(self.conv(maps)).relu()


class SegFormerHead(nn.Module):
    """Project four maps to one width, enlarge them to the first, concatenate from the last to the first, and classify each cell.

    Args:
        channels: of the four maps, the largest map first.
        num_classes: of the labels.
        width: of the projections.
    """

    def __init__(self, channels: Sequence[int], num_classes: int = 19, width: int = 768) -> None:
        super().__init__()
        self.linear_c1, self.linear_c2, self.linear_c3, self.linear_c4 = (_Projection(one, width) for one in channels)
        self.linear_fuse = _Fuse(4 * width, width)
        self.dropout = nn.Dropout2d(0.1)
        self.linear_pred = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        size = maps[0].shape[2:]
        parts = (self.linear_c1, self.linear_c2, self.linear_c3, self.linear_c4)
        same = [interpolate(part(one), size, mode="bilinear") for part, one in zip(parts, maps, strict=True)]
        return self.linear_pred(self.dropout(self.linear_fuse(torch.cat(same[::-1], 1))))


class FanSegmenter(nn.Module):
    """A backbone and the head of SegFormer: normalised images (B, 3, H, W) to logits (B, classes, H, W)."""

    def __init__(self, backbone: FanBackbone, num_classes: int = 19, width: int = 768) -> None:
        super().__init__()
        self.backbone = backbone
        self.decode_head = SegFormerHead(backbone.channels, num_classes, width)

    def forward(self, images: Tensor) -> Tensor:
        return interpolate(self.decode_head(self.backbone(images)), images.shape[2:], mode="bilinear")


def fan_segmenter(name: str, num_classes: int = 19, **overrides: object) -> FanSegmenter:
    """Return the published network of segmentation with the backbone of that name; its position encoding is not the classifiers'.

    Raises:
        ValueError: no such backbone was published.

    >>> network = fan_segmenter("fan_tiny_8_p4_hybrid")
    >>> network.backbone.channels
    (128, 256, 192, 192)
    """
    if name not in OUT_BLOCKS:
        raise ValueError(f"name must be one of {', '.join(OUT_BLOCKS)}, got {name!r}")
    network = VARIANTS[name](**{"num_classes": 0, "floored": False, **overrides})
    return FanSegmenter(FanBackbone(network, OUT_BLOCKS[name]), num_classes)


def load_official_segmenter(model: FanSegmenter, path: str | os.PathLike[str]) -> LoadReport:
    """Load a published file of segmentation by its names, ``backbone.*`` and ``decode_head.*``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or of another network.
    """
    return load_tensors(model, published_names(read_checkpoint(path)), IGNORED)


@torch.no_grad()
def sliding_logits(model: nn.Module, images: Tensor, window: int = WINDOW, stride: int = STRIDE) -> Tensor:
    """Return logits (B, classes, H, W), averaged where windows overlap; the last window of a row or column ends at the border.

    Args:
        model: maps (B, c, h, w) to (B, classes, h, w); call ``eval()`` first.
        images: (B, c, H, W).
        window, stride: sides in pixels; the published test has 1024 and 768.

    Raises:
        ValueError: the stride is not between 1 and the window.
    """
    if not 1 <= stride <= window:
        raise ValueError(f"stride must lie in 1 to {window}, got {stride}")
    rows, columns = (
        sorted({min(start, max(side - window, 0)) for start in range(0, max(side - window, 0) + stride, stride)})
        for side in images.shape[2:]
    )
    total, count = None, images.new_zeros(images.shape[2:])
    for row in rows:
        for column in columns:
            place = (..., slice(row, row + window), slice(column, column + window))
            logits = model(images[place])
            total = logits.new_zeros(*logits.shape[:2], *images.shape[2:]) if total is None else total
            total[place] += logits
            count[place[1:]] += 1
    return total / count
