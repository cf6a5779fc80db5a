"""Distillation of dense predictions: codes of pixels, as a distribution in code space, weighted by the mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.distillation.keypoints import DistillationLoss
from workbench.distillation.sinkhorn import sinkhorn_divergence


@dataclass(frozen=True)
class DenseConfig:
    """What is compared; the paper names neither the grid nor the least mass.

    Attributes:
        p, blur, reach, scaling: of :func:`~workbench.distillation.sinkhorn.sinkhorn_divergence`, in units of code probabilities.
        pool: side, in pixels, of the squares that codes and masks are averaged over, which bounds the number of points.
        least_mass: squares whose averaged mask is below it, all background, are left out.
        detach_scores, detach_positions: leave out the gradient by the student's mask, or by its codes.
        weight: of the loss in the student's total; the loss itself is not multiplied by it.
    """

    p: float = 2
    blur: float = 1e-3
    reach: float | None = 0.5
    scaling: float = 0.5
    pool: int = 8
    least_mass: float = 1e-3
    detach_scores: bool = False
    detach_positions: bool = False
    weight: float = 5.0

    def __post_init__(self) -> None:
        if self.pool < 1:
            raise ValueError(f"pool must be at least 1, got {self.pool!r}")
        if not 0 < self.least_mass < 1:
            raise ValueError(f"least_mass must be between 0 and 1, got {self.least_mass!r}")


def dense_distillation_loss(
    student_codes: Tensor,
    student_mask: Tensor,
    teacher_codes: Tensor,
    teacher_mask: Tensor,
    config: DenseConfig | None = None,
) -> DistillationLoss:
    """Return the divergence between the codes of student and teacher, averaged over images: one problem in R^bits of each.

    A local prediction is the vector of code probabilities of a square of pixels, its mass the probability of the mask. Codes are
    averaged with the mask as weight, so that what lies beside the object does not blur its border. An image in which no
    square of a network has mass is skipped. Guo et al., CVPR 2023, section 3.3.

    Args:
        student_codes, teacher_codes: (B, bits, H, W), probabilities.
        student_mask, teacher_mask: (B, H, W), probabilities.
        config: the published transport by default.

    Raises:
        ValueError: shapes that do not fit, or sides that are no multiples of ``pool``.

    >>> codes, mask = torch.rand(2, 16, 16, 16), torch.ones(2, 16, 16)
    >>> same = dense_distillation_loss(codes, mask, codes, mask)
    >>> abs(round(same.loss.item(), 4)), same.kd_images
    (0.0, 2)
    """
    config = config or DenseConfig()
    if student_codes.shape != teacher_codes.shape:
        raise ValueError(f"codes differ in shape: {tuple(student_codes.shape)} and {tuple(teacher_codes.shape)}")
    x, a = _squares("student", student_codes, student_mask, config)
    y, b = (one.detach() for one in _squares("teacher", teacher_codes, teacher_mask, config))
    x, a = x.detach() if config.detach_positions else x, a.detach() if config.detach_scores else a
    kept = (a > 0).any(1) & (b > 0).any(1)
    per_image = torch.full((len(a),), torch.nan, dtype=a.dtype, device=a.device)
    if not bool(kept.any()):
        return DistillationLoss(0 * (student_codes.sum() + student_mask.sum()), 0, per_image)
    values = sinkhorn_divergence(
        x[kept], a[kept], y[kept], b[kept], p=config.p, blur=config.blur, reach=config.reach, scaling=config.scaling
    )
    per_image[kept] = values.detach()
    return DistillationLoss(values.mean(), len(values), per_image)


def _squares(name: str, codes: Tensor, mask: Tensor, config: DenseConfig) -> tuple[Tensor, Tensor]:
    """Return the codes (B, N, bits) and masses (B, N) of squares."""
    if codes.ndim != 4 or mask.shape != (codes.shape[0], *codes.shape[2:]):
        raise ValueError(
            f"{name}_codes must be (images, bits, height, width) and {name}_mask (images, height, width), got "
            f"{tuple(codes.shape)} and {tuple(mask.shape)}"
        )
    if any(side % config.pool or not side for side in codes.shape[2:]):
        raise ValueError(f"{name}_codes is {tuple(codes.shape[2:])} high and wide, expected multiples of {config.pool}")
    masses = functional.avg_pool2d(mask[:, None], config.pool)
    averaged = functional.avg_pool2d(codes * mask[:, None], config.pool) / masses.clamp(min=config.least_mass)
    masses = masses.flatten(1)
    return averaged.flatten(2).transpose(1, 2), torch.where(masses >= config.least_mass, masses, 0)
