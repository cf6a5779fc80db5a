"""Vision transformer with LayerScale, as DINOv2 publishes it: a network whose patch tokens are a dense feature map.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; Touvron et al., "Going Deeper with Image Transformers", ICCV 2021
(LayerScale); Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024.  Tensors have the names of
the published ``dinov2_vits14_pretrain.pth`` and its larger siblings.

>>> network = dinov2_vits14(depth=2, embed_dim=12, num_heads=2).eval()
>>> [tuple(values.shape) for values in network.get_intermediate_layers(torch.rand(1, 3, 28, 56), [0, 1])]
[(1, 12, 2, 4), (1, 12, 2, 4)]
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.training.official_checkpoints import LoadReport, load_tensors, read_checkpoint

LAYER_NORM_EPSILON = 1e-6
IGNORED = ("mask_token",)
"""What the published files hold for pre-training alone."""


class PatchEmbed(nn.Module):
    """Non-overlapping patches, each projected to a token: (B, 3, H, W) -> (B, H/p, W/p, D)."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Multi-head self-attention ``softmax(Q K^T / sqrt(d)) V`` over all tokens: (B, N, D) -> (B, N, D)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        heads = self.qkv(tokens).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with GELU between them, on each token."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(tokens)))


class LayerScale(nn.Module):
    """A learned factor per channel on a residual branch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.gamma * tokens


class Block(nn.Module):
    """``x + ls1(attn(norm1(x)))``, then ``x + ls2(mlp(norm2(x)))``."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=LAYER_NORM_EPSILON)
        self.attn = Attention(dim, num_heads)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=LAYER_NORM_EPSILON)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.ls2 = LayerScale(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class DinoVisionTransformer(nn.Module):
    """A class token and patch tokens with learned positions, through ``depth`` blocks.

    Args:
        image_size: side in pixels of the square images that the position embedding was learned on.
        patch_size: pixels per side of a patch: the stride of the feature map.
        embed_dim, depth, num_heads, mlp_ratio: of the transformer.
        interpolate_offset: added to the rows and columns of another grid before the position embedding is scaled to it. The
            published code has 0.1; 0 scales to exactly that grid.

    ``forward`` maps images (B, 3, H, W), in [0, 1] and normalised with ``IMAGENET_MEAN`` and ``IMAGENET_STD``, H and W multiples
    of ``patch_size``, to normalised class tokens (B, embed_dim).

    Raises:
        ValueError: a size is no multiple of another that it must be.
    """

    def __init__(
        self,
        image_size: int = 518,
        patch_size: int = 14,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        interpolate_offset: float = 0.1,
    ) -> None:
        super().__init__()
        for name, value, of in (
            ("image_size", image_size, patch_size),
            ("embed_dim", embed_dim, num_heads),
        ):
            if value % of:
                raise ValueError(f"{name} must be a multiple of {of}, got {value}")
        self.patch_size, self.interpolate_offset = patch_size, interpolate_offset
        self.side = image_size // patch_size
        self.patch_embed = PatchEmbed(patch_size, embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.side**2, embed_dim))
        self.blocks = nn.ModuleList(Block(embed_dim, num_heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(embed_dim, eps=LAYER_NORM_EPSILON)
        for parameter in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(parameter, std=0.02)

    def positions(self, rows: int, columns: int) -> Tensor:
        """Return the position embedding of a grid, (1, rows, columns, D): the learned one, scaled bicubically."""
        learned = self.pos_embed[:, 1:].float().unflatten(1, (self.side, self.side))
        if (rows, columns) == (self.side, self.side):
            return learned
        grid = learned.permute(0, 3, 1, 2)
        if self.interpolate_offset:
            scale = [(count + self.interpolate_offset) / self.side for count in (rows, columns)]
            scaled = interpolate(grid, scale_factor=scale, mode="bicubic")
        else:
            scaled = interpolate(grid, size=(rows, columns), mode="bicubic")
        return scaled.permute(0, 2, 3, 1)

    def embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens before the first block, (B, 1 + rows * columns, D), the class token first, and (rows, columns).

        Raises:
            ValueError: the images are not (B, 3, H, W) with H and W multiples of the patch size.
        """
        if images.ndim != 4 or images.shape[1] != 3 or any(side % self.patch_size for side in images.shape[2:]):
            came = tuple(images.shape)
            raise ValueError(f"images has shape {came}, expected (B, 3, H, W), H and W multiples of {self.patch_size}")
        patches = self.patch_embed(images)
        grid = tuple(patches.shape[1:3])
        patches = (patches + self.positions(*grid).to(patches.dtype)).flatten(1, 2)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        return torch.cat([first, patches], 1), grid

    def get_intermediate_layers(self, images: Tensor, blocks: Sequence[int], norm: bool = True) -> list[Tensor]:
        """Return the patch tokens behind each of ``blocks`` (from 0) as maps (B, D, H/p, W/p); later blocks are not run.

        Args:
            images: as ``forward`` takes them.
            blocks: whose outputs are wanted, in any order.
            norm: apply the final LayerNorm to each, as the published method does.

        Raises:
            ValueError: there is no such block, or the images have another shape.
        """
        if not len(blocks) or not all(0 <= block < len(self.blocks) for block in blocks):
            raise ValueError(f"blocks must lie in 0 to {len(self.blocks) - 1}, got {list(blocks)}")
        tokens, grid = self.embed(images)
        found = {}
        for index, block in enumerate(self.blocks[: max(blocks) + 1]):
            tokens = block(tokens)
            if index in blocks:
                kept = (self.norm(tokens) if norm else tokens)[:, 1:]
                found[index] = kept.unflatten(1, grid).permute(0, 3, 1, 2)
        return [found[block] for block in blocks]

    def forward(self, images: Tensor) -> Tensor:
        tokens, _ = self.embed(images)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]


def dinov2_vits14(**overrides: object) -> DinoVisionTransformer:
    """Return ViT-S/14: 384 channels, 12 blocks, 6 heads, 22 million parameters; arguments of the class may be overridden."""
    return DinoVisionTransformer(**{"embed_dim": 384, "depth": 12, "num_heads": 6, **overrides})


def dinov2_vitb14(**overrides: object) -> DinoVisionTransformer:
    """Return ViT-B/14: 768 channels, 12 blocks, 12 heads, 87 million parameters."""
    return DinoVisionTransformer(**{"embed_dim": 768, "depth": 12, "num_heads": 12, **overrides})


def dinov2_vitl14(**overrides: object) -> DinoVisionTransformer:
    """Return ViT-L/14: 1024 channels, 24 blocks, 16 heads, 304 million parameters."""
    return DinoVisionTransformer(**{"embed_dim": 1024, "depth": 24, "num_heads": 16, **overrides})


def load_official_checkpoint(model: DinoVisionTransformer, path: str | os.PathLike[str]) -> LoadReport:
    """Load a published file, such as ``dinov2_vits14_pretrain.pth``, by its names; ``mask_token`` is ignored.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or of another network.
    """
    return load_tensors(model, read_checkpoint(path), IGNORED)


class PatchFeatures(nn.Module):
    """The patch tokens of one block as feature maps by stride, for what works with any backbone.

    Args:
        network: its weights are shared, not copied.
        block: whose output is taken, from 0.
        enlarge: whole numbers by which images are enlarged first, one map each: a cell covers ``patch_size / enlarge`` pixels.
        norm: apply the final LayerNorm, which was trained for the last block; tokens of earlier ones match better without it.

    ``forward`` maps images (B, 3, H, W) in [0, 1], RGB, to ``{stride: (B, D, H / stride, W / stride)}``.

    Raises:
        ValueError: ``patch_size`` is no multiple of a number in ``enlarge``, or there is no such block.

    >>> module = PatchFeatures(dinov2_vits14(depth=1, embed_dim=12, num_heads=2), block=0, enlarge=(1, 2))
    >>> {stride: tuple(values.shape) for stride, values in module(torch.rand(1, 3, 14, 28)).items()}
    {14: (1, 12, 1, 2), 7: (1, 12, 2, 4)}
    """

    def __init__(
        self, network: DinoVisionTransformer, block: int, enlarge: Sequence[int] = (1,), norm: bool = False
    ) -> None:
        super().__init__()
        for factor in enlarge:
            if factor < 1 or network.patch_size % factor:
                raise ValueError(f"enlarge must hold divisors of the patch size {network.patch_size}, got {factor}")
        if not 0 <= block < len(network.blocks):
            raise ValueError(f"block must lie in 0 to {len(network.blocks) - 1}, got {block}")
        self.network, self.block, self.enlarge, self.norm = network, block, tuple(enlarge), norm
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        found = {}
        for factor in self.enlarge:
            seen = images
            if factor > 1:
                seen = interpolate(images, scale_factor=factor, mode="bicubic").clamp(0, 1)
            seen = (seen - self.mean) / self.std
            (maps,) = self.network.get_intermediate_layers(seen, [self.block], self.norm)
            found[self.network.patch_size // factor] = maps
        return found
