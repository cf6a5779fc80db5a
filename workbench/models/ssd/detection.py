"""What SSD learns from, and what it finds: the loss of section 2.2 of the paper, and boxes of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss
from torchvision.ops import batched_nms, clip_boxes_to_image

from workbench.models.ssd.default_boxes import decode, default_boxes, targets_of
from workbench.models.ssd.network import SSD

NEGATIVES = 3
"""Background boxes a matched one that count in the loss: those that are hardest."""


def multibox_loss(offsets: Tensor, logits: Tensor, goal: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return ``"loss"`` and its parts ``"location"`` and ``"confidence"``, each over the matched boxes of an image, then averaged.

    ``(L_conf + L_loc) / N``: smooth L1 of the offsets of matched boxes; cross-entropy of matched boxes and of the three times as
    many background boxes of greatest loss (Liu et al., ECCV 2016, Eq. 1 to 3).  An image without a match counts as nothing.

    Args:
        offsets: (B, N, 4).
        logits: (B, N, num_classes).
        goal: (B, N, 4) offsets that matched boxes should have.
        labels: (B, N) int64, 0 for background.
    """
    matched = labels > 0
    count = matched.sum(1)
    location = (smooth_l1_loss(offsets, goal, reduction="none").sum(2) * matched).sum(1)
    entropy = cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    background = entropy.detach().masked_fill(matched, -1.0)
    rank = background.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    hard = ~matched & (rank < NEGATIVES * count[:, None])
    confidence = (entropy * (matched | hard)).sum(1)
    location, confidence = ((part / count.clamp(min=1)).mean() for part in (location, confidence))
    return {"loss": location + confidence, "location": location, "confidence": confidence}


@dataclass(frozen=True)
class Found:
    """What was found in an image, by falling score.

    Attributes:
        boxes: (n, 4) x0, y0, x1, y1 in pixels of the network's input.
        labels: (n,) int64 from 1.
        scores: (n,) from 0 to 1.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor


class DetectionLoss:
    """The loss as the training loop takes it: ``loss(model, (images, boxes and labels of each))``.

    Args:
        model: whose default boxes are matched.
    """

    def __init__(self, model: SSD) -> None:
        self.defaults = default_boxes(model.boxes)

    def __call__(self, model: SSD, batch: tuple[Tensor, Sequence[tuple[Tensor, Tensor]]]) -> dict[str, Tensor]:
        """Return the losses of a batch; boxes are in shares of the side."""
        images, things = batch
        goal, labels = targets_of(things, self.defaults.to(images.device))
        return multibox_loss(*model(images), goal, labels)


@torch.inference_mode()
def detect(
    model: torch.nn.Module,
    images: Tensor,
    defaults: Tensor,
    *,
    least_score: float = 0.01,
    overlap: float = 0.45,
    most: int = 200,
) -> list[Found]:
    """Return what a network finds in images, as published: per class non-maximum suppression, then the best of all classes.

    Args:
        model: an :class:`SSD`, or one shrunk from it, in evaluation mode.
        images: (B, 3, side, side), normalised.
        defaults: (N, 4) default boxes of the network.
        least_score: below it nothing is reported.
        overlap: intersection over union above which the lesser of two boxes of a class goes.
        most: boxes an image.

    Raises:
        ValueError: a share lies outside 0 to 1, or ``most`` is not positive.
    """
    for name, value in (("least_score", least_score), ("overlap", overlap)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in 0 to 1, got {value!r}")
    if most < 1:
        raise ValueError(f"most must be positive, got {most!r}")
    offsets, logits = model(images)
    boxes, scores = decode(offsets, defaults.to(images.device)), logits.softmax(2)
    height, width = images.shape[-2:]
    scale = boxes.new_tensor([width, height, width, height])
    return [
        _found(clip_boxes_to_image(one * scale, (height, width)), score, least_score, overlap, most)
        for one, score in zip(boxes, scores, strict=True)
    ]


def _found(boxes: Tensor, scores: Tensor, least_score: float, overlap: float, most: int) -> Found:
    place, label = torch.nonzero(scores[:, 1:] > least_score, as_tuple=True)
    label = label + 1
    score = scores[place, label]
    kept = batched_nms(boxes[place], score, label, overlap)[:most]
    return Found(boxes[place[kept]], label[kept], score[kept])
