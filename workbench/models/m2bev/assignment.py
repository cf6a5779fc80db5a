"""Which anchors learn which box: learned matching (FreeAnchor in three dimensions), and fixed matching by overlap.

Xie et al., "M2BEV", 2022, section 3.4; Zhang et al., "FreeAnchor: Learning to Match Anchors for Visual Object Detection", NeurIPS
2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou, sigmoid_focal_loss

from workbench.models.m2bev.anchors import box_loss, decode_boxes, direction_bins, encode_boxes
from workbench.models.m2bev.heads import AnchorOutput
from workbench.ops.rotated_boxes import nearest_aligned

BOX_WEIGHT = 0.8
"""Of box and of direction inside the loss of a location."""


@dataclass(frozen=True)
class FreeAnchorConfig:
    """Constants of the learned matching.

    Attributes:
        bag: anchors that a box may choose from.
        overlap: of a predicted box, up to which it counts as background, the paper's t1.
        alpha: weight of the positive loss; the negative has the rest.
        gamma: exponent of the focal loss.

    Raises:
        ValueError: a bag below 1, or an overlap or alpha outside 0 to 1.
    """

    bag: int = 25
    overlap: float = 0.5
    alpha: float = 0.5
    gamma: float = 2.0

    def __post_init__(self) -> None:
        if self.bag < 1 or not 0 <= self.overlap < 1 or not 0 <= self.alpha <= 1:
            raise ValueError(
                f"bag must be at least 1, overlap and alpha in 0 to 1, got {self.bag}, {self.overlap}, {self.alpha}"
            )


@dataclass(frozen=True)
class MaxIouConfig:
    """Constants of the fixed matching.

    Attributes:
        positive: overlap with a box from which an anchor learns it.
        negative: overlap below which it learns that there is none.
        least: overlap from which a box takes its best anchors, even below ``positive``.
        alpha, gamma: of the focal loss.
    """

    positive: float = 0.6
    negative: float = 0.3
    least: float = 0.3
    alpha: float = 0.25
    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.negative <= self.positive <= 1:
            raise ValueError(f"expected 0 <= negative <= positive <= 1, got {self.negative} and {self.positive}")


@dataclass(frozen=True, eq=False)
class Bag:
    """How well each anchor of a box's bag fits it.

    Attributes:
        anchors: int64 (n, k), the k anchors with the largest overlap with each of n boxes.
        score: (n, k), ``P_cls * P_loc``.
        weight: (n, k), ``1 / (1 - score)``, normalised over the bag: the mean at first, the largest later.
    """

    anchors: Tensor
    score: Tensor
    weight: Tensor

    @property
    def matched(self) -> Tensor:
        """Mean-max of the scores, (n,)."""
        return (self.weight * self.score).sum(1)


def free_anchor_bag(
    output: AnchorOutput, index: int, anchors: Tensor, boxes: Tensor, labels: Tensor, config: FreeAnchorConfig
) -> Bag:
    """Return the bags of the boxes (n, 9) of one sample.

    ``P_cls`` is the sigmoid of the logit of the box's class, ``P_loc = exp(-L)``, ``L = 0.8`` (box loss + cross entropy of the
    direction). With fewer anchors than a bag holds, all are in it.
    """
    overlap = box_iou(nearest_aligned(boxes), nearest_aligned(anchors))
    chosen = overlap.topk(min(config.bag, len(anchors)), 1).indices
    logits = output.logits[index].float()[chosen, labels[:, None]]
    location = _location_loss(output, index, anchors, chosen, boxes[:, None])
    score = logits.sigmoid() * (-location).exp()
    weight = 1 / (1 - score).clamp(min=1e-12)
    return Bag(chosen, score, weight / weight.sum(1, keepdim=True))


def free_anchor_loss(
    output: AnchorOutput,
    anchors: Tensor,
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    config: FreeAnchorConfig | None = None,
) -> dict[str, Tensor]:
    """Return the terms ``positive`` and ``negative``.

    Positive: ``-alpha log(Mean-max)`` summed over all boxes, over their number. Negative: with ``q = P_cls (1 - P(an anchor matches
    a box of the class))``, ``(1 - alpha) q^gamma (-log(1 - q))`` summed over anchors and classes, over the boxes times the bag; the
    probability that an anchor matches grows from 0 to 1 as the overlap of its *predicted* box goes from t1 to the largest that the
    box has, and has no gradient. A batch without boxes has a positive loss of 0, and the negative is divided by 1.

    Args:
        output: of the head, of B samples.
        anchors: (a, 9).
        boxes: of each sample (n, 9); velocities may be NaN.
        labels: of each sample (n,).
        config: None for the paper's.

    Raises:
        ValueError: not as many boxes and labels as samples, labels that are no classes, or sizes that are not above 0.
    """
    config = config or FreeAnchorConfig()
    _check(output, anchors, boxes, labels)
    positive, negative = [output.codes.sum() * 0], []
    for index, (one, classes) in enumerate(zip(boxes, labels, strict=True)):
        free = torch.zeros_like(output.logits[index], dtype=torch.float32)
        if len(one):
            matched = free_anchor_bag(output, index, anchors, one, classes, config).matched.clamp(0, 1)
            # As a cross entropy, whose logarithm ends at -100.
            positive.append(functional.binary_cross_entropy(matched, torch.ones_like(matched), reduction="sum"))
            free = match_probability(output.codes[index], anchors, one, classes, output.logits.shape[2], config.overlap)
        q = output.logits[index].float().sigmoid() * (1 - free)
        background = functional.binary_cross_entropy(q, torch.zeros_like(q), reduction="none")
        negative.append((q**config.gamma * background).sum())
    count = sum(map(len, boxes))
    return {
        "positive": config.alpha * torch.stack(positive).sum() / max(1, count),
        "negative": (1 - config.alpha) * torch.stack(negative).sum() / max(1, count * config.bag),
    }


@torch.no_grad()
def match_probability(
    codes: Tensor, anchors: Tensor, boxes: Tensor, labels: Tensor, classes: int, overlap: float
) -> Tensor:
    """Return the probability (a, classes) that the box which an anchor predicts is one of a class.

    ``clamp((IoU - t1) / (t2 - t1), 0, 1)``, t2 the largest overlap with the box; of several boxes of a class the largest.
    """
    found = box_iou(nearest_aligned(boxes), nearest_aligned(decode_boxes(codes.float(), anchors)))
    most = found.amax(1, keepdim=True)
    share = ((found - overlap) / (most - overlap).clamp(min=1e-12)).clamp(0, 1)
    probability = share.new_zeros(classes, share.shape[1])
    for row, label in zip(share, labels.tolist(), strict=True):
        probability[label] = torch.maximum(probability[label], row)
    return probability.T


def assign_by_overlap(anchors: Tensor, boxes: Tensor, config: MaxIouConfig) -> Tensor:
    """Return for each anchor (a,) the place of its box, -1 for background, -2 for neither; seen from above, yaws snapped.

    Args:
        anchors: (a, 9).
        boxes: (n, 9).
        config: thresholds.
    """
    if not len(boxes):
        return torch.full((len(anchors),), -1, device=anchors.device)
    overlap = box_iou(nearest_aligned(boxes), nearest_aligned(anchors))
    most, owner = overlap.max(0)
    found = torch.full_like(owner, -2)
    found[most < config.negative] = -1
    found = torch.where(most >= config.positive, owner, found)
    best = overlap.amax(1)
    for index in range(len(boxes)):
        if best[index] >= config.least:
            found[overlap[index] == best[index]] = index
    return found


def max_iou_loss(
    output: AnchorOutput,
    anchors: Tensor,
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    config: MaxIouConfig | None = None,
) -> dict[str, Tensor]:
    """Return the terms ``class``, ``box`` and ``direction`` of fixed matching, each over the number of positive anchors.

    Args:
        output, anchors, boxes, labels: as :func:`free_anchor_loss` takes them.
        config: None for the published thresholds.
    """
    config = config or MaxIouConfig()
    _check(output, anchors, boxes, labels)
    terms = {"class": [], "box": [output.codes.sum() * 0], "direction": [output.directions.sum() * 0]}
    count = 0
    for index, (one, classes) in enumerate(zip(boxes, labels, strict=True)):
        owner = assign_by_overlap(anchors, one, config)
        positive = (owner >= 0).nonzero()[:, 0]
        target = torch.zeros_like(output.logits[index], dtype=torch.float32)
        target[positive, classes[owner[positive]]] = 1
        focal = sigmoid_focal_loss(output.logits[index].float(), target, config.alpha, config.gamma)
        terms["class"].append(focal[owner != -2].sum())
        if len(positive):
            count += len(positive)
            box, direction = _parts(output, index, anchors, positive, one[owner[positive]])
            terms["box"].append(BOX_WEIGHT * box.sum())
            terms["direction"].append(BOX_WEIGHT * direction.sum())
    return {name: torch.stack(values).sum() / max(1, count) for name, values in terms.items()}


def _parts(output: AnchorOutput, index: int, anchors: Tensor, chosen: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the box loss and the cross entropy of the direction of chosen anchors (..., k) against boxes (..., k or 1, 9)."""
    targets = encode_boxes(boxes, anchors[chosen])
    box = box_loss(output.codes[index].float()[chosen], targets)
    logits = output.directions[index].float()[chosen]
    bins = direction_bins(boxes[..., 6]).expand(chosen.shape)
    direction = functional.cross_entropy(logits.reshape(-1, 2), bins.reshape(-1), reduction="none")
    return box, direction.reshape(chosen.shape)


def _location_loss(output: AnchorOutput, index: int, anchors: Tensor, chosen: Tensor, boxes: Tensor) -> Tensor:
    return BOX_WEIGHT * sum(_parts(output, index, anchors, chosen, boxes))


def _check(output: AnchorOutput, anchors: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> None:
    count, places, classes = output.logits.shape
    if len(anchors) != places:
        raise ValueError(f"the head speaks of {places} anchors, got {len(anchors)}")
    if not len(boxes) == len(labels) == count:
        raise ValueError(f"expected boxes and labels of {count} samples, got {len(boxes)} and {len(labels)}")
    for index, (one, names) in enumerate(zip(boxes, labels, strict=True)):
        if one.shape != (len(names), 9):
            raise ValueError(f"boxes of sample {index} must be ({len(names)}, 9), got {tuple(one.shape)}")
        if len(names) and not (int(names.min()) >= 0 and int(names.max()) < classes):
            raise ValueError(f"labels of sample {index} must lie in 0 to {classes - 1}, got {names.tolist()}")
        if not bool((one[:, 3:6] > 0).all()):
            raise ValueError(f"boxes of sample {index} must have sizes above 0, got {one[:, 3:6].min().item():g}")
        if not bool(one[:, :7].isfinite().all()):
            raise ValueError(f"boxes of sample {index} must be finite but for velocities")
