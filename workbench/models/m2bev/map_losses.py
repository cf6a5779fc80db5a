"""BEV centerness, and the loss of layers of the ground.

Xie et al., "M2BEV", 2022, section 3.5: what is far from the car is seen by few pixels and weighs more.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def bev_centerness(rows: int, columns: int) -> Tensor:
    """Return the weight of each cell (rows, columns), float32: 1 at the car, which is in the middle, to 2 in the corner.

    ``1 + sqrt(((x - xc)^2 + (y - yc)^2) / ((max x - xc)^2 + (max y - yc)^2))``, by the places of cells as the published code counts
    them: exactly 1 at (rows / 2, columns / 2), 2 at (0, 0).

    >>> weight = bev_centerness(200, 200)
    >>> weight[100, 100].item(), weight[0, 0].item(), round(weight[199, 199].item(), 2)
    (1.0, 2.0, 1.99)
    """
    y = (torch.arange(rows) - rows / 2) / (rows / 2)
    x = (torch.arange(columns) - columns / 2) / (columns / 2)
    return 1 + ((y[:, None] ** 2 + x[None] ** 2) / 2).sqrt()


def map_loss(logits: Tensor, target: Tensor, centerness: bool = True) -> dict[str, Tensor]:
    """Return the terms ``bce`` and ``dice``: means over layers.

    The binary cross entropy has the weights of :func:`bev_centerness`, mean over cells; ``Dice = 1 - 2 sum(p t) / (sum p^2 +
    sum t^2 + 2e-6)`` of each sample has none. Logits of another size are resized, bilinearly, to the target's.

    Args:
        logits: (B, layers, rows, columns).
        target: 0 or 1, (B, layers, rows, columns).
        centerness: whether far cells weigh more.

    Raises:
        ValueError: another number of samples or layers, or targets outside 0 to 1.
    """
    if target.ndim != 4 or logits.shape[:2] != target.shape[:2]:
        raise ValueError(
            f"target must be (B, layers, rows, columns) of {tuple(logits.shape[:2])}, got {tuple(target.shape)}"
        )
    target = target.to(logits.device, torch.float32)
    if not bool(((target >= 0) & (target <= 1)).all()):
        raise ValueError(f"target must lie in 0 to 1, got {target.min().item():g} to {target.max().item():g}")
    logits = logits.float()
    if logits.shape[2:] != target.shape[2:]:
        logits = functional.interpolate(logits, size=target.shape[2:], mode="bilinear", align_corners=False)
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if centerness:
        each = each * bev_centerness(*target.shape[2:]).to(each.device)
    soft = logits.sigmoid()
    common, total = (soft * target).sum((2, 3)), (soft**2).sum((2, 3)) + (target**2).sum((2, 3))
    return {"bce": each.mean(), "dice": (1 - 2 * common / (total + 2e-6)).mean()}
