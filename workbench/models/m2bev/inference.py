"""From what the network says to boxes and maps.

Xie et al., "M2BEV", 2022, with the constants of the published code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.models.m2bev.anchors import decode_boxes, resolve_yaw
from workbench.models.m2bev.network import M2Bev, M2BevOutput
from workbench.ops.rotated_boxes import rectangles_of, rotated_nms


@dataclass(frozen=True)
class InferenceConfig:
    """Thresholds of inference.

    Attributes:
        candidates: anchors of the best score that are decoded; 3 000 for the test submission.
        score: least score of a box.
        overlap: intersection over union, seen from above, from which the better box of a class suppresses the other.
        keep: most boxes of a sample.

    Raises:
        ValueError: a threshold outside 0 to 1, or a number below 1.
    """

    candidates: int = 1000
    score: float = 0.05
    overlap: float = 0.2
    keep: int = 500

    def __post_init__(self) -> None:
        if not (0 <= self.score <= 1 and 0 <= self.overlap <= 1):
            raise ValueError(f"score and overlap must lie in 0 to 1, got {self.score} and {self.overlap}")
        if self.candidates < 1 or self.keep < 1:
            raise ValueError(f"candidates and keep must be at least 1, got {self.candidates} and {self.keep}")


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of a sample, the surest first.

    Attributes:
        boxes: (n, 9) in the car's frame: x, y, z of the centre, width, length, height, yaw, velocity x and y.
        labels: int64 (n,).
        scores: (n,).
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor


@torch.no_grad()
def detections(model: M2Bev, output: M2BevOutput, index: int = 0, config: InferenceConfig | None = None) -> Detections:
    """Return the boxes of one sample of a batch.

    The anchors of the best scores are decoded, the direction settles which way a box faces, and each class is thinned by rotated
    suppression.

    Raises:
        ValueError: the network has no box head.
    """
    config = config or InferenceConfig()
    if output.boxes is None:
        raise ValueError("the network has no box head: its tasks lack 'detection'")
    scores = output.boxes.logits[index].float().sigmoid()
    best = scores.amax(1).topk(min(config.candidates, len(scores))).indices
    boxes = decode_boxes(output.boxes.codes[index].float()[best], model.anchors[best])
    bins = output.boxes.directions[index][best].argmax(1)
    boxes = torch.cat([boxes[:, :6], resolve_yaw(boxes[:, 6], bins)[:, None], boxes[:, 7:]], 1)
    scores = scores[best]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for label in range(scores.shape[1]):
        sure = (scores[:, label] >= config.score).nonzero()[:, 0]
        own = scores[sure, label]
        kept = rotated_nms(rectangles_of(boxes[sure]), own, config.overlap)
        found.append((boxes[sure][kept], torch.full_like(kept, label), own[kept]))
    every, labels, sureness = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.argsort(sureness, descending=True, stable=True)[: config.keep]
    return Detections(every[order], labels[order], sureness[order])


@torch.no_grad()
def ground(output: M2BevOutput) -> Tensor:
    """Return the probabilities (B, layers, rows, columns) of layers of the ground.

    Raises:
        ValueError: the network has no head for it.
    """
    if output.ground is None:
        raise ValueError("the network has no map head: its tasks lack 'segmentation'")
    return output.ground.float().sigmoid()
