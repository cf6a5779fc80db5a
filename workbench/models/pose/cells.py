"""Cells of a pyramid: where they lie, how a key point is written relative to one, and how many of each level an object gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KEY_POINTS = 8
"""Corners of the box around the object's model."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The N cells of all levels of one size of image, level after level, each in rows.

    Attributes:
        centres: (N, 2), pixels of the crop: ``(stride / 2 + stride j, stride / 2 + stride i)``.
        sizes: (N,), the level's reference size, pixels.
        levels: (N,), which level.
    """

    centres: Tensor
    sizes: Tensor
    levels: Tensor

    @classmethod
    def of(
        cls,
        grids: Sequence[tuple[int, int]],
        strides: Sequence[int],
        sizes: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> Cells:
        """Return the cells of maps of ``grids`` (rows, columns).

        >>> Cells.of([(1, 2)], [8], [32]).centres.tolist()
        [[4.0, 4.0], [12.0, 4.0]]
        """
        centres, spans, levels = [], [], []
        for level, ((rows, columns), stride, size) in enumerate(zip(grids, strides, sizes, strict=True)):
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            centres.append(torch.stack([x, y], -1).reshape(-1, 2) * float(stride) + stride / 2)
            spans.append(torch.full((rows * columns,), float(size)))
            levels.append(torch.full((rows * columns,), level))
        return cls(*(torch.cat(parts).to(device) for parts in (centres, spans, levels)))

    def __len__(self) -> int:
        return len(self.levels)

    def decode(self, offsets: Tensor) -> Tensor:
        """Return key points (..., N, 8, 2), pixels of the crop, from offsets (..., N, 16), all x before all y: ``u = r a + g``."""
        points = torch.stack(offsets.split(KEY_POINTS, -1), -1)
        return points * self.sizes[:, None, None] + self.centres[:, None]

    def encode(self, points: Tensor) -> Tensor:
        """Return offsets (..., N, 16) of key points (..., N, 8, 2): the inverse of :meth:`decode`."""
        relative = (points - self.centres[:, None]) / self.sizes[:, None, None]
        return torch.cat(relative.unbind(-1), -1)


def quota(spans: Tensor, sizes: Sequence[float] | Tensor, number: int = 10, sharpness: float = 1.0) -> Tensor:
    """Return how many cells of each level (B, L) objects of ``spans`` (B,) pixels get, about ``number`` in all.

    ``n_l = floor(number w_l / sum w + 1/2)`` with ``w_l = exp(-sharpness log2(S / a_l)^2)``. Hu et al., "Wide-Depth-Range 6D Object
    Pose Estimation in Space", CVPR 2021, section 3.2.

    >>> quota(torch.tensor([170.67, 100.0, 20.0]), [32, 64, 128, 256]).tolist()
    [[0, 1, 5, 4], [0, 4, 5, 1], [9, 1, 0, 0]]
    """
    if not bool((spans > 0).all() & spans.isfinite().all()):
        raise ValueError(f"spans must be positive pixels, got {spans.tolist()!r:.60}")
    sizes = torch.as_tensor(sizes, dtype=spans.dtype, device=spans.device)
    weights = torch.exp(-sharpness * torch.log2(spans[:, None] / sizes).square())
    return torch.floor(number * weights / weights.sum(1, keepdim=True) + 0.5).long()


def span_of(points: Tensor) -> Tensor:
    """Return the longer side (...,) of the box around points (..., K, 2), plus the pixel that both ends are."""
    return (points.amax(-2) - points.amin(-2)).amax(-1) + 1


def to_image(points: Tensor, affine: Tensor) -> Tensor:
    """Return points (B, ..., 2) of crops as pixels of the original images, whose maps to the crop are ``affine`` (B, 2, 3)."""
    shape = (len(affine), *[1] * (points.ndim - 2))
    inverse = torch.linalg.inv(affine[:, :, :2])
    moved = points - affine[:, :, 2].view(*shape, 2)
    return torch.einsum("bij,b...j->b...i", inverse, moved)


def to_crop(points: Tensor, affine: Tensor) -> Tensor:
    """Return pixels (B, ..., 2) of original images as points of crops: the inverse of :func:`to_image`."""
    shape = (len(affine), *[1] * (points.ndim - 2))
    return torch.einsum("bij,b...j->b...i", affine[:, :, :2], points) + affine[:, :, 2].view(*shape, 2)
