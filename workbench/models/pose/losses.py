"""The losses of WDRNet: focal for which cells vote, and in space, not in the image, for what they vote for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.models.pose.cells import to_image
from workbench.models.pose.network import WdrOutput
from workbench.models.pose.targets import BACKGROUND, IGNORED, PoseTargets

_FLOOR = 1e-4
_LINEAR_FROM = 50.0
"""One over the share of the diameter, 0.02, above which an error counts linearly."""


@dataclass(frozen=True, eq=False)
class WdrLoss:
    """Losses of a batch, sums over cells and images; nothing divides by their number, as published.

    Attributes:
        classification: focal loss of cells that are not ignored.
        regression: of positive cells.
        positives: how many these are.
    """

    classification: Tensor
    regression: Tensor
    positives: int

    @property
    def total(self) -> Tensor:
        """``0.1 L_cls + L_reg``."""
        return 0.1 * self.classification + self.regression


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    """Return the sum over cells that are not ignored, and over classes, of the sigmoid focal loss.

    ``-alpha (1 - p)^gamma log p`` where it is the class and ``-(1 - alpha) p^gamma log(1 - p)`` where not, ``p`` clamped to
    [1e-4, 1 - 1e-4]. Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5.

    Args:
        logits: (..., C).
        labels: (...), 0 background, class + 1, or -1 to ignore.

    >>> round(focal_loss(torch.zeros(2, 1), torch.tensor([1, -1])).item(), 4)  # 0.25 * 0.25 * log 2
    0.0433
    """
    probability = torch.sigmoid(logits).clamp(_FLOOR, 1 - _FLOOR)
    classes = torch.arange(1, logits.shape[-1] + 1, device=logits.device)
    is_class, counts = labels[..., None] == classes, labels[..., None] != IGNORED
    hit = -alpha * (1 - probability) ** gamma * probability.log()
    miss = -(1 - alpha) * probability**gamma * (1 - probability).log()
    return torch.where(counts, torch.where(is_class, hit, miss), 0).sum()


def object_space_loss(pixels: Tensor, corners: Tensor, intrinsics: Tensor, diameters: Tensor) -> Tensor:
    """Return the loss (M,) of each cell: how far key points lie from the rays through the pixels that it votes for.

    With ``v = K^-1 (u, 1)`` the foot of P on the ray is ``Q = v v^T P / v^T v``; smooth L1 of (Q - P) over the diameter, quadratic
    below 0.02, averaged over 8 x 3 coordinates. The same error in pixels counts more for an object far away. Hu et al., CVPR
    2021, section 3.3.

    Args:
        pixels: (M, 8, 2), of the original image.
        corners: (M, 8, 3), in the camera's frame.
        intrinsics: (M, 3, 3).
        diameters: (M,).
    """
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    rays = torch.einsum("mij,mkj->mki", torch.linalg.inv(intrinsics), homogeneous)
    along = (rays * corners).sum(-1, keepdim=True) / (rays * rays).sum(-1, keepdim=True)
    foot = rays * along
    scale = _LINEAR_FROM / diameters[:, None, None]
    losses = torch.nn.functional.smooth_l1_loss(foot * scale, corners * scale, reduction="none")
    return losses.mean((1, 2)) / _LINEAR_FROM


def wdrnet_loss(output: WdrOutput, targets: PoseTargets, labels: Tensor) -> WdrLoss:
    """Return the losses of a batch, from the labels (B, N) of :func:`~workbench.models.pose.targets.cell_labels`.

    Raises:
        ValueError: a class is beyond the network's.
    """
    if int(labels.max()) > output.logits.shape[-1]:
        raise ValueError(f"targets have class {int(labels.max()) - 1}; the network has {output.logits.shape[-1]}")
    classification = focal_loss(output.logits, labels)
    image = (labels > BACKGROUND).nonzero()[:, 0]
    if not len(image):
        return WdrLoss(classification, 0 * output.offsets.sum(), 0)
    votes = positive_votes(output, targets, labels)
    losses = object_space_loss(votes, targets.corners[image], targets.intrinsics[image], targets.diameters[image])
    return WdrLoss(classification, losses.sum(), len(image))


def positive_votes(output: WdrOutput, targets: PoseTargets, labels: Tensor) -> Tensor:
    """Return what the positive cells vote for, (M, 8, 2) pixels of the original images, image after image."""
    image, cell = (labels > BACKGROUND).nonzero(as_tuple=True)
    offsets = output.offsets[image, cell, targets.classes[image]]
    cells = output.cells
    points = torch.stack(offsets.split(offsets.shape[-1] // 2, -1), -1)
    points = points * cells.sizes[cell, None, None] + cells.centres[cell, None]
    return to_image(points, targets.affine[image])
