"""The losses of Self-Supervised SOLO: coarse masks teach where an object is, colours teach where it ends.

Wang et al., "FreeSOLO", CVPR 2022, section 3.2; the pairwise term is of Tian et al., "BoxInst: High-Performance Instance
Segmentation with Box Annotations", CVPR 2021, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

NEIGHBOURS = 8
_DICE_EPSILON = 1e-5
_LEAST_NORM = 1e-12


def dice_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return 1 - 2 sum(ab) / (sum a^2 + sum b^2), (n,), over all but the first axis; in [0, 1] for values in [0, 1].

    >>> round(dice_loss(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0]])).item(), 3)  # 1 - 2 / 3
    0.333
    """
    a, b = predicted.flatten(1), target.flatten(1)
    return 1 - 2 * (a * b).sum(1) / ((a * a).sum(1) + (b * b).sum(1) + _DICE_EPSILON)


def max_projection_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the Dice loss of the greatest value of each column plus that of each row, (n,): it fits the box of the target.

    Args:
        predicted, target: (n, height, width) in [0, 1].
    """
    return sum(dice_loss(predicted.amax(axis), target.amax(axis)) for axis in (1, 2))


def average_projection_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the same of means: it fits how much of each column and row the target fills, whatever lies where."""
    return sum(dice_loss(predicted.mean(axis), target.mean(axis)) for axis in (1, 2))


def neighbours(values: Tensor, dilation: int = 2) -> Tensor:
    """Return the eight neighbours (n, channels, 8, height, width) of each place of (n, channels, height, width); 0 outside.

    In reading order of a 3x3 window whose places lie ``dilation`` apart.

    >>> neighbours(torch.arange(9.0).reshape(1, 1, 3, 3), dilation=1)[0, 0, :, 1, 1].tolist()
    [0.0, 1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0]
    """
    count, channels, height, width = values.shape
    window = functional.unfold(values, 3, dilation=dilation, padding=dilation)
    window = window.reshape(count, channels, 9, height, width)
    return torch.cat([window[:, :, :4], window[:, :, 5:]], 2)


def pairwise_log_disagreement(logits: Tensor, dilation: int = 2) -> Tensor:
    """Return -log P(same) of each place with its neighbours, (n, 8, height, width), of logits (n, height, width).

    P(same) = p_i p_j + (1 - p_i)(1 - p_j), summed in log space, so that it stays finite, and its gradient, at any logit.

    >>> round(pairwise_log_disagreement(torch.zeros(1, 3, 3), dilation=1)[0, 0, 1, 1].item(), 4)  # log 2
    0.6931
    """
    on, off = functional.logsigmoid(logits)[:, None], functional.logsigmoid(-logits)[:, None]
    both_on = on + neighbours(on, dilation)[:, 0]
    both_off = off + neighbours(off, dilation)[:, 0]
    return -torch.logaddexp(both_on, both_off)


def colour_similarity(lab: Tensor, valid: Tensor | None = None, dilation: int = 2) -> Tensor:
    """Return exp(-|Lab_i - Lab_j| / 2), (8, height, width), of each place and its neighbours; 0 across the border.

    Args:
        lab: (3, height, width), CIE L*a*b*, L in 0 to 100.
        valid: boolean (height, width), False where the image is padded; a pair needs both; None for everywhere.
        dilation: distance of a neighbour.
    """
    inside = torch.ones_like(lab[0], dtype=torch.bool) if valid is None else valid
    distance = (lab[:, None] - neighbours(lab[None], dilation)[0]).norm(dim=0)
    beside = neighbours(inside[None, None].to(lab), dilation)[0, 0]
    return torch.exp(-distance / 2) * beside * inside


def pairwise_loss(
    logits: Tensor, similarity: Tensor, boxes: Tensor, threshold: float = 0.3, dilation: int = 2
) -> Tensor:
    """Return the mean of -log P(same) over pairs of like colour inside the box of the coarse mask, a scalar.

    Args:
        logits: (n, height, width) of masks.
        similarity: (n, 8, height, width) or (8, height, width) for all, of :func:`colour_similarity`.
        boxes: (n, height, width), 1 inside; the outer product of a mask's projections.
        threshold: least similarity of a pair that counts.
        dilation: distance of a neighbour.
    """
    weights = (similarity >= threshold).to(logits) * boxes[:, None]
    return (pairwise_log_disagreement(logits, dilation) * weights).sum() / weights.sum().clamp(min=1)


def box_of(masks: Tensor) -> Tensor:
    """Return 1 inside the box of each mask, (n, height, width): the outer product of the greatest of columns and of rows."""
    return masks.amax(1)[:, None, :] * masks.amax(2)[:, :, None]


def focal_loss(logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the focal loss summed over all cells, divided by the number of positive cells plus one, a scalar.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    missed = torch.where(target > 0.5, torch.sigmoid(-logits), torch.sigmoid(logits))
    weight = torch.where(target > 0.5, alpha, 1 - alpha)
    return (weight * missed**gamma * entropy).sum() / (target.sum() + 1)


def semantic_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean of 1 - cosine of embeddings (n, size); 0, with its gradient, where there is none.

    A target of length 0, as of masks that were stored without embedding, teaches nothing and is left out.
    """
    known = target.norm(dim=1) > _LEAST_NORM
    cosine = functional.cosine_similarity(predicted[known], target[known], dim=1, eps=_LEAST_NORM)
    return (1 - cosine).sum() / known.sum().clamp(min=1)


def rgb_to_lab(image: Tensor) -> Tensor:
    """Return CIE L*a*b* (3, height, width), float32, of an sRGB image (3, height, width); white is D65.

    Raises:
        ValueError: another shape, or a float image outside 0 to 1; uint8 is read as 0 to 255.

    >>> rgb_to_lab(torch.ones(3, 1, 1)).flatten().round(decimals=1)[0]
    tensor(100.)
    """
    if image.ndim != 3 or len(image) != 3:
        raise ValueError(f"image must be RGB (3, height, width), got {tuple(image.shape)}")
    if image.dtype == torch.uint8:
        image = image.float() / 255
    if not image.is_floating_point() or not bool(((image >= 0) & (image <= 1)).all()):
        raise ValueError(
            f"image must be uint8, or float in 0 to 1, got {image.dtype} {image.min().item():g} to {image.max().item():g}"
        )
    linear = torch.where(image > 0.04045, ((image + 0.055) / 1.055).clamp(min=0) ** 2.4, image / 12.92)
    matrix = linear.new_tensor(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    )
    white = linear.new_tensor([0.95047, 1.0, 1.08883])[:, None, None]
    xyz = torch.einsum("ij,jhw->ihw", matrix, linear) / white
    x, y, z = torch.where(xyz > 0.008856, xyz.clamp(min=1e-9) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])
