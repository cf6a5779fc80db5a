"""What a level is taught: the histogram of the true depths inside each of its pixels, over the hypotheses of that pixel.

Yang, Alvarez, Liu, CVPR 2022, section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from workbench.models.mvs.hypotheses import Hypotheses

VOTES = ("soft", "hard")


def patch_depths(depth: Tensor, factor: int) -> Tensor:
    """Return the true depths of each coarse pixel, (B, factor^2, h, w), of a map (B, H, W).

    >>> patch_depths(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).flatten().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    if depth.ndim != 3 or factor < 1 or any(side % factor for side in depth.shape[1:]):
        raise ValueError(f"depth must be (B, H, W), H and W multiples of {factor}, got {tuple(depth.shape)}")
    batch, height, width = depth.shape
    parts = depth.view(batch, height // factor, factor, width // factor, factor)
    return parts.permute(0, 2, 4, 1, 3).reshape(batch, factor * factor, height // factor, width // factor)


def valid_patches(patches: Tensor, depth_min: Tensor, depth_max: Tensor) -> Tensor:
    """Return where all depths (B, n, h, w) of a patch lie strictly inside the range, boolean (B, h, w); NaN and 0 do not."""
    least, most = (value[:, None, None, None] for value in (depth_min, depth_max))
    return ((patches > least) & (patches < most)).all(1)


def patch_distribution(
    depth: Tensor, hypotheses: Hypotheses, depth_min: Tensor, depth_max: Tensor, vote: str = "soft"
) -> tuple[Tensor, Tensor]:
    """Return the true distribution over each pixel's hypotheses and where it is known.

    Each of the depths d_j inside a pixel votes on its hypotheses h_i of interval s: ``max(0, 1 - |h_i - d_j| / s)`` if ``soft``,
    1 for ``|h_i - d_j| <= s / 2`` if ``hard``; the votes are divided by their sum. A pixel whose depths no hypothesis covers is
    not known.

    The released code loses the mask of valid pixels and leaves out the very bins around the truth; this is what the paper
    describes.

    Args:
        depth: (B, H, W) true depths, 0 or not finite for none.
        hypotheses: (B, D, h, w), H and W the same multiple of h and w.
        depth_min, depth_max: (B,).
        vote: ``"soft"`` or ``"hard"``.

    Returns:
        target (B, D, h, w), summing to 1 where it is known and 0 elsewhere; known, boolean (B, h, w).

    Raises:
        ValueError: sizes that do not fit, or another vote.
    """
    if vote not in VOTES:
        raise ValueError(f"vote must be one of {', '.join(VOTES)}, got {vote!r}")
    height, width = hypotheses.cells.shape[2:]
    factor = depth.shape[-1] // width
    if depth.ndim != 3 or tuple(depth.shape[1:]) != (factor * height, factor * width) or not factor:
        raise ValueError(f"depth {tuple(depth.shape)} is no whole multiple of hypotheses ({height}, {width})")
    patches = patch_depths(depth, factor)
    valid = valid_patches(patches, depth_min, depth_max)
    votes = sum(_votes(patches, hypotheses, vote))
    total = votes.sum(1)
    known = valid & (total > 0)
    target = torch.where(known[:, None], votes / torch.where(known, total, torch.ones_like(total))[:, None], 0.0)
    return target, known


def _votes(patches: Tensor, hypotheses: Hypotheses, vote: str) -> Iterator[Tensor]:
    depths, interval = hypotheses.depths, hypotheses.interval[:, None, None, None]
    for index in range(patches.shape[1]):
        distance = (depths - patches[:, index : index + 1]).abs() / interval
        distance = torch.where(torch.isfinite(distance), distance, 2.0)
        yield (1 - distance).clamp(min=0) if vote == "soft" else (distance <= 0.5).to(depths.dtype)


def kept_of_coarse(keep: Tensor, factor: int) -> Tensor:
    """Return where every pixel (B, H, W) of a coarse one counts, boolean (B, H / factor, W / factor)."""
    return patch_depths(keep.float(), factor).bool().all(1)


def not_white(images: Tensor) -> Tensor:
    """Return where images (B, 3, H, W) in 0 to 1 are not saturated white, as the table of DTU is: red + green + blue < 3."""
    return images.sum(1) < 3


def smooth_surroundings(depth: Tensor, depth_min: Tensor, radius: int = 2) -> Tensor:
    """Return where all depths within ``radius`` (a square, cut off at the border) exceed the least one, boolean (B, H, W)."""
    size = 2 * radius + 1
    known = torch.where(torch.isfinite(depth), depth, torch.zeros_like(depth))
    least = -functional.max_pool2d(-known[:, None], size, stride=1, padding=radius)[:, 0]
    return least > depth_min[:, None, None]


def high_frequency(depth: Tensor, depth_min: Tensor, depth_max: Tensor, share: float = 0.001) -> Tensor:
    """Return where half the resolution cannot hold the depth.

    There it differs from ``up2(down2(depth))``, both bilinear, by more than a share of the range.

    Args:
        depth: (B, H, W), H and W even.
        depth_min, depth_max: (B,).
        share: of the range.
    """
    half = functional.interpolate(depth[:, None], scale_factor=0.5, mode="bilinear", align_corners=False)
    back = functional.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False)[:, 0]
    return (depth - back).abs() > share * (depth_max - depth_min)[:, None, None]
