"""Non-maximum suppression of masks in one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor

KERNELS = ("gaussian", "linear")
_LEAST_COMPENSATION = 1e-6
"""Of the linear kernel: two equal masks would divide 0 by 0."""


def mask_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union (n, m), float32, of boolean masks (n, height, width) and (m, height, width).

    Two empty masks have 0. Counts are exact up to 2^24 pixels a mask.

    >>> mask_iou(torch.tensor([[[1, 1, 0]]]).bool(), torch.tensor([[[0, 1, 1]]]).bool()).round(decimals=3)
    tensor([[0.3330]])
    """
    if a.ndim != 3 or b.ndim != 3 or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"masks must be (n, height, width) of one size, got {tuple(a.shape)} and {tuple(b.shape)}")
    first, second = a.flatten(1).float(), b.flatten(1).float()
    common = first @ second.T
    union = first.sum(1)[:, None] + second.sum(1)[None] - common
    return common / union.clamp(min=1)


def matrix_nms(
    masks: Tensor, scores: Tensor, labels: Tensor | None = None, *, kernel: str = "gaussian", sigma: float = 2.0
) -> Tensor:
    """Return the scores, each lowered by the better mask that overlaps it most, in the order given.

    By falling score, with ``iou[k, i]`` of masks of one label and ``c[i] = max(iou[k, i] for k < i)``::

        decay[j] = min over i < j of f(iou[i, j]) / f(c[i]),  f(x) = exp(-sigma x^2) or 1 - x

    Dividing by ``f(c[i])`` takes back what a suppressor does that is itself suppressed. Equal scores keep their order.
    Wang et al., "SOLOv2: Dynamic and Fast Instance Segmentation", NeurIPS 2020, section 3.3.

    Args:
        masks: boolean (n, height, width).
        scores: (n,), at least 0.
        labels: (n,); None when all are of one class.
        kernel: ``"gaussian"`` or ``"linear"``.
        sigma: of the Gaussian.

    Raises:
        ValueError: another kernel, shapes that do not fit, a ``sigma`` that is not above 0, or scores that are NaN or below 0.

    >>> twice = torch.ones(2, 2, 2, dtype=torch.bool)
    >>> matrix_nms(twice, torch.tensor([0.5, 1.0]), kernel="linear")
    tensor([0., 1.])
    """
    _check(masks, scores, labels, kernel, sigma)
    if len(scores) < 2:
        return scores.clone()
    order = torch.argsort(scores, descending=True, stable=True)
    overlap = mask_iou(masks[order], masks[order]).triu(1)
    if labels is not None:
        overlap = overlap * (labels[order][:, None] == labels[order][None])
    covered = overlap.amax(0)[:, None]
    if kernel == "gaussian":
        decay = torch.exp(-sigma * (overlap**2 - covered**2))
    else:
        decay = (1 - overlap) / (1 - covered).clamp(min=_LEAST_COMPENSATION)
    lowered = torch.empty_like(scores)
    lowered[order] = scores[order] * decay.amin(0).clamp(0, 1).to(scores)
    return lowered


def _check(masks: Tensor, scores: Tensor, labels: Tensor | None, kernel: str, sigma: float) -> None:
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0, got {sigma!r}")
    if masks.ndim != 3 or masks.dtype != torch.bool:
        raise ValueError(f"masks must be boolean (n, height, width), got {masks.dtype} {tuple(masks.shape)}")
    for name, value in (("scores", scores), ("labels", labels)):
        if value is not None and value.shape != (len(masks),):
            raise ValueError(f"{name} must be of shape ({len(masks)},), got {tuple(value.shape)}")
    if not bool((scores >= 0).all()):
        raise ValueError(f"scores must be at least 0, got {scores.min().item()}")
