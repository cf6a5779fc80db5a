"""The published networks by their published names; keywords of :class:`Fan` and :class:`FanSwin` may be overridden.

>>> network = fan_tiny_12_p16_224(num_classes=10)
>>> sum(parameter.numel() for parameter in network.parameters()) - 10 * 193 + 1000 * 193
7319920
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.models.fan.channels import PLAIN_VIT
from workbench.models.fan.network import Fan
from workbench.models.fan.swin import FanSwin


def fan_tiny_12_p16_224(**overrides: object) -> Fan:
    """Return FAN-T-ViT: 192 channels, 12 blocks, 4 heads, 7.3 million parameters."""
    return Fan(**{"embed_dim": 192, "depth": 12, "num_heads": 4, **overrides})


def fan_small_12_p16_224(**overrides: object) -> Fan:
    """Return FAN-S-ViT: 384 channels, 12 blocks, 8 heads, 28.3 million parameters."""
    return Fan(**{"embed_dim": 384, "depth": 12, "num_heads": 8, **overrides})


def fan_base_18_p16_224(**overrides: object) -> Fan:
    """Return FAN-B-ViT: 448 channels, 18 blocks, 8 heads, 54.4 million parameters."""
    return Fan(**{"embed_dim": 448, "depth": 18, "num_heads": 8, **overrides})


def fan_large_24_p16_224(**overrides: object) -> Fan:
    """Return FAN-L-ViT: 480 channels, 24 blocks, 10 heads, 80.6 million parameters."""
    return Fan(**{"embed_dim": 480, "depth": 24, "num_heads": 10, **overrides})


def fan_tiny_8_p4_hybrid(**overrides: object) -> Fan:
    """Return FAN-T-Hybrid: 192 channels, 8 blocks, 8 heads behind 3 + 3 ConvNeXt blocks, 7.5 million parameters."""
    return Fan(**{"embed_dim": 192, "depth": 8, "num_heads": 8, "hybrid": (3, 3), **overrides})


def fan_small_12_p4_hybrid(**overrides: object) -> Fan:
    """Return FAN-S-Hybrid: 384 channels, 10 blocks in spite of its name, 8 heads, 26.1 million parameters."""
    return Fan(**{"embed_dim": 384, "depth": 10, "num_heads": 8, "hybrid": (3, 3), **overrides})


def fan_base_16_p4_hybrid(**overrides: object) -> Fan:
    """Return FAN-B-Hybrid: 448 channels, 16 blocks, 8 heads, 50.5 million parameters."""
    return Fan(**{"embed_dim": 448, "depth": 16, "num_heads": 8, "hybrid": (3, 3), **overrides})


def fan_large_16_p4_hybrid(**overrides: object) -> Fan:
    """Return FAN-L-Hybrid: 480 channels, 22 blocks in spite of its name, 10 heads, 76.9 million parameters."""
    sizes = {"embed_dim": 480, "depth": 22, "num_heads": 10, "hybrid": (3, 5), "head_scale": 0.001}
    return Fan(**{**sizes, **overrides})


def fan_Xlarge_16_p4_hybrid(**overrides: object) -> Fan:  # noqa: N802  (the published name)
    """Return FAN-XL-Hybrid: 20 blocks of 528 channels, then 3 of 768 on half the grid, 120.4 million parameters."""
    sizes = {"embed_dim": 528, "depth": 20, "num_heads": 11, "hybrid": (3, 7), "late": (768, 3, 16)}
    return Fan(**{**sizes, **overrides})


def fan_swin_tiny_patch4_window7_224(**overrides: object) -> FanSwin:
    """Return FAN-Swin-T: 96 channels, 2, 2, 6, 2 blocks, 29.5 million parameters."""
    return FanSwin(**{"embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24), **overrides})


def fan_swin_small_patch4_window7_224(**overrides: object) -> FanSwin:
    """Return FAN-Swin-S: 96 channels, 2, 2, 18, 2 blocks, 53.1 million parameters."""
    return FanSwin(**{"embed_dim": 96, "depths": (2, 2, 18, 2), "num_heads": (3, 6, 12, 24), **overrides})


def fan_swin_base_patch4_window7_224(**overrides: object) -> FanSwin:
    """Return FAN-Swin-B: 128 channels, 2, 2, 18, 2 blocks, 93.6 million parameters."""
    return FanSwin(**{"embed_dim": 128, "depths": (2, 2, 18, 2), "num_heads": (4, 8, 16, 32), **overrides})


def fan_swin_large_patch4_window7_224(**overrides: object) -> FanSwin:
    """Return FAN-Swin-L: 192 channels, 2, 2, 18, 2 blocks, 208.9 million parameters."""
    return FanSwin(**{"embed_dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48), **overrides})


VARIANTS: dict[str, Callable[..., Fan | FanSwin]] = {
    make.__name__: make
    for make in (
        *(fan_tiny_12_p16_224, fan_small_12_p16_224, fan_base_18_p16_224, fan_large_24_p16_224),
        *(fan_tiny_8_p4_hybrid, fan_small_12_p4_hybrid, fan_base_16_p4_hybrid, fan_large_16_p4_hybrid),
        *(fan_Xlarge_16_p4_hybrid, fan_swin_tiny_patch4_window7_224, fan_swin_small_patch4_window7_224),
        *(fan_swin_base_patch4_window7_224, fan_swin_large_patch4_window7_224),
    )
}
"""What makes each published network, by its name."""


def plain_vit(embed_dim: int, depth: int, num_heads: int, **overrides: object) -> Fan:
    """Return a plain ViT of the same stem, positions and head as FAN: its blocks have an MLP with GELU and nothing else.

    >>> plain_vit(48, 2, 4, patch_size=4, num_classes=10).blocks[0].mlp.form
    'none'
    """
    return Fan(embed_dim, depth, num_heads, **{"design": PLAIN_VIT, **overrides})
