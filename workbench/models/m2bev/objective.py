"""What the network learns from, and the sum of its losses.

Xie et al., "M2BEV", 2022, section 3.6: L = detection + segmentation + boxes in the images, all of weight 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workbench.models.m2bev.assignment import FreeAnchorConfig, MaxIouConfig, free_anchor_loss, max_iou_loss
from workbench.models.m2bev.image_boxes import image_box_loss
from workbench.models.m2bev.map_losses import map_loss
from workbench.models.m2bev.network import M2Bev, M2BevOutput


@dataclass(frozen=True, eq=False)
class M2BevTargets:
    """What is there, of B samples.

    Attributes:
        boxes: of each sample (n, 9) in the car's frame; velocities may be NaN.
        labels: of each sample int64 (n,).
        ground: 0 or 1, (B, layers, rows, columns).
        image_boxes: of each of the B * cameras images (n, 4) x0, y0, x1, y1, pixels; None without auxiliary head.
        image_labels: of each of these images int64 (n,).
    """

    boxes: Sequence[Tensor]
    labels: Sequence[Tensor]
    ground: Tensor
    image_boxes: Sequence[Tensor] | None = None
    image_labels: Sequence[Tensor] | None = None

    def to(self, device: torch.device | str) -> M2BevTargets:
        """Return the targets on a device."""

        def move(values: Sequence[Tensor] | None) -> list[Tensor] | None:
            return None if values is None else [value.to(device) for value in values]

        parts = [move(values) for values in (self.boxes, self.labels, self.image_boxes, self.image_labels)]
        return M2BevTargets(parts[0], parts[1], self.ground.to(device), *parts[2:])


@dataclass(frozen=True)
class LossConfig:
    """How the network is taught.

    Attributes:
        matching: learned, or fixed by overlap.
        centerness: whether far cells of the ground weigh more.
        detection, segmentation, auxiliary: weights of the three parts.
    """

    matching: FreeAnchorConfig | MaxIouConfig = field(default_factory=FreeAnchorConfig)
    centerness: bool = True
    detection: float = 1.0
    segmentation: float = 1.0
    auxiliary: float = 1.0


def m2bev_loss(
    model: M2Bev, output: M2BevOutput, targets: M2BevTargets, config: LossConfig | None = None
) -> dict[str, Tensor]:
    """Return the terms of the loss, weighted; their sum is to be minimised. A head that was not asked has none.

    Args:
        model: for its anchors and the strides of its auxiliary head.
        output: of the model.
        targets: on the same device.
        config: None for the paper's.

    Raises:
        ValueError: targets that do not fit the output.
    """
    config = config or LossConfig()
    terms: dict[str, Tensor] = {}
    if output.boxes is not None:
        learned = isinstance(config.matching, FreeAnchorConfig)
        loss = free_anchor_loss if learned else max_iou_loss
        found = loss(output.boxes, model.anchors, targets.boxes, targets.labels, config.matching)
        terms |= {f"detection {name}": config.detection * value for name, value in found.items()}
    if output.ground is not None:
        found = map_loss(output.ground, targets.ground, config.centerness)
        terms |= {f"segmentation {name}": config.segmentation * value for name, value in found.items()}
    if output.image_boxes is not None:
        if targets.image_boxes is None or targets.image_labels is None:
            raise ValueError("the auxiliary head was asked, but targets have no image_boxes and image_labels")
        found = image_box_loss(model.bbox_head_2d, output.image_boxes, targets.image_boxes, targets.image_labels)
        terms |= {f"auxiliary {name}": config.auxiliary * value for name, value in found.items()}
    return terms
