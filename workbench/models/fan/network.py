"""The fully attentional network: a stem, blocks that attend along tokens and along channels, and a class-attention head.

Zhou, Yu, Xie, Xiao, Anandkumar, Feng, Alvarez, "Understanding The Robustness in Vision Transformers", ICML 2022.  Tensors have the
names of the published checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from workbench.models.fan.blocks import BLOCK_EPSILON, Block, ClassAttentionBlock
from workbench.models.fan.channels import ChannelDesign
from workbench.models.fan.stems import ConvStem, FourierPositions, HybridStem


class Fan(nn.Module):
    """FAN-ViT and FAN-Hybrid; with another channel design, the networks that they are compared with, down to a plain ViT.

    Args:
        embed_dim, depth, num_heads: channels, blocks and heads.
        patch_size: 4, 8 or 16, of the convolution stem; a hybrid stem has 16.
        hybrid: blocks of the two ConvNeXt stages of a hybrid stem; None for the convolution stem.
        late: channels, blocks and heads of further blocks on a grid of half the sides, as the X-large network has.
        num_classes: 0 for no classifier: ``forward`` then gives features (B, C).
        in_chans: channels of the images.
        mlp_ratio: width of the MLPs over the channels.
        class_depth: class-attention blocks.
        drop_path_rate: of every block alike.
        design: parts of the channel half of a block.
        floored: which of the published position encodings, see :class:`FourierPositions`.
        head_scale: the classifier's weights are multiplied by it at the start.

    ``forward`` maps normalised images (B, in_chans, H, W) of any size to logits (B, num_classes). BatchNorm lies in every block:
    call ``eval()`` before single images.

    Raises:
        ValueError: channels do not divide into heads, or a size is not one that a stem has.

    >>> network = Fan(48, 2, 4, patch_size=4, num_classes=10, in_chans=1).eval()
    >>> network(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        embed_dim: int,
        depth: int,
        num_heads: int,
        *,
        patch_size: int = 16,
        hybrid: Sequence[int] | None = None,
        late: tuple[int, int, int] | None = None,
        num_classes: int = 1000,
        in_chans: int = 3,
        mlp_ratio: float = 4.0,
        class_depth: int = 2,
        drop_path_rate: float = 0.0,
        design: ChannelDesign | None = None,
        floored: bool = True,
        head_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.in_chans = in_chans
        stem = HybridStem(hybrid, in_chans, embed_dim) if hybrid else ConvStem(patch_size, in_chans, embed_dim)
        self.patch_embed = stem
        self.pos_embed = FourierPositions(embed_dim, floored)
        sizes = [(embed_dim, num_heads)] * depth + ([late[::2]] * late[1] if late else [])
        dims = [dim for dim, _ in sizes]
        changes = [after if after != dim else None for dim, after in zip(dims, [*dims[1:], dims[-1]], strict=True)]
        self.blocks = nn.ModuleList(
            Block(dim, heads, int(dim * mlp_ratio), design, drop_path_rate, change)
            for (dim, heads), change in zip(sizes, changes, strict=True)
        )
        dim, heads = sizes[-1]
        self.num_features = dim
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.cls_attn_blocks = nn.ModuleList(
            ClassAttentionBlock(dim, heads, int(dim * mlp_ratio)) for _ in range(class_depth)
        )
        self.norm = nn.LayerNorm(dim, eps=BLOCK_EPSILON)
        self.head = nn.Linear(dim, num_classes) if num_classes else nn.Identity()
        initialise(self)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        if num_classes:
            self.head.weight.data.mul_(head_scale)

    def embed(self, images: Tensor) -> tuple[Tensor, int, int]:
        """Return the tokens before the first block, (B, H*W, C) row by row, and the H and W of their grid.

        Raises:
            TypeError: the images are not floating-point.
            ValueError: they have another shape, are smaller than a patch, or hold NaN or infinity.
        """
        check_images(images, self.in_chans, self.patch_embed.least_side)
        maps = self.patch_embed(images)
        height, width = maps.shape[2:]
        return (maps + self.pos_embed(height, width)).flatten(2).transpose(1, 2), height, width

    def token_stages(self, images: Tensor) -> Iterator[tuple[Tensor, int, int]]:
        """Yield tokens (B, H*W, C), H and W: after the stem and its positions, and behind each block; ``depth + 1`` of them."""
        tokens, height, width = self.embed(images)
        yield tokens, height, width
        for block in self.blocks:
            tokens = block(tokens, height, width)
            if block.downsample is not None:
                tokens, height, width = block.downsample(tokens, height, width)
            yield tokens, height, width

    def attend_to_classes(self, tokens: Tensor) -> Tensor:
        """Return (B, 1 + N, C), the class token first, behind the class-attention blocks and before the last norm."""
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], 1)
        for block in self.cls_attn_blocks:
            tokens = block(tokens)
        return tokens

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the normalised class token, (B, C)."""
        tokens, height, width = self.embed(images)
        for block in self.blocks:
            tokens = block(tokens, height, width)
            if block.downsample is not None:
                tokens, height, width = block.downsample(tokens, height, width)
        return self.norm(self.attend_to_classes(tokens)[:, 0])

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.forward_features(images))

    def gates(self, images: Tensor) -> list[Tensor]:
        """Return the gate of each block, (B, C), divided by its head's temperature: for ``"eca"`` in (0.5, 0.7311).

        Raises:
            ValueError: the channel design has no gate.
        """
        found = []
        for (tokens, _, _), block in zip(self.token_stages(images), self.blocks, strict=False):
            tokens = tokens + block.gamma1 * block.attn(block.norm1(tokens))
            gate = block.mlp.gate(block.norm2(tokens))
            if block.mlp.form == "eca":
                gate = (gate.unflatten(1, (block.mlp.num_heads, -1)) / block.mlp.temperature[..., 0]).flatten(1)
            found.append(gate)
        return found


def initialise(module: nn.Module) -> None:
    """Draw linear weights from a truncated normal distribution of 0.02, depthwise 3x3 kernels from their fan-out; biases are 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
        elif isinstance(part, nn.Conv2d) and part.groups > 1 and part.kernel_size == (3, 3):
            nn.init.normal_(part.weight, std=(2 / 9) ** 0.5)
        else:
            continue
        if part.bias is not None:
            nn.init.zeros_(part.bias)


def check_images(images: Tensor, channels: int, least_side: int) -> None:
    """Raise what :meth:`Fan.embed` says of images that the network cannot take."""
    if not images.is_floating_point():
        raise TypeError(f"images is {images.dtype}, expected float tensor normalised with mean/std")
    if images.ndim != 4 or images.shape[1] != channels:
        raise ValueError(f"images has shape {tuple(images.shape)}, expected (B, {channels}, H, W)")
    if min(images.shape[2:]) < least_side:
        raise ValueError(
            f"images are {images.shape[2]}x{images.shape[3]}, expected sides of at least {least_side} pixels"
        )
    if not torch.compiler.is_compiling() and not bool(torch.isfinite(images).all()):
        raise ValueError("images holds NaN or infinity, expected finite values")
