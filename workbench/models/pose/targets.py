"""What the cells of a crop are taught: which of them vote, and for what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.models.pose.cells import KEY_POINTS, Cells, quota, span_of, to_crop

BACKGROUND, IGNORED = 0, -1
"""Labels of cells beside the object, and of cells on it that were not drawn; a class c is c + 1."""


@dataclass(frozen=True, eq=False)
class PoseTargets:
    """One object in each crop of a batch.

    Attributes:
        masks: (B, H, W) bool, where the object is visible in the crop.
        classes: (B,) from 0.
        corners: (B, 8, 3), the key points in the camera's frame, in the unit of the diameter.
        intrinsics: (B, 3, 3), of the original image.
        affine: (B, 2, 3), from pixels of the original image to those of the crop.
        diameters: (B,) of the objects.

    Raises:
        ValueError: shapes do not fit, or a key point lies behind the camera.
    """

    masks: Tensor
    classes: Tensor
    corners: Tensor
    intrinsics: Tensor
    affine: Tensor
    diameters: Tensor

    def __post_init__(self) -> None:
        count = len(self.classes)
        for name, shape in (
            ("classes", (count,)),
            ("corners", (count, KEY_POINTS, 3)),
            ("intrinsics", (count, 3, 3)),
            ("affine", (count, 2, 3)),
            ("diameters", (count,)),
        ):
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name} must be {shape}, got {tuple(getattr(self, name).shape)}")
        if self.masks.ndim != 3 or len(self.masks) != count or self.masks.dtype != torch.bool:
            raise ValueError(
                f"masks must be boolean ({count}, height, width), got {self.masks.dtype} {tuple(self.masks.shape)}"
            )
        if not bool((self.corners[..., 2] > 0).all()):
            raise ValueError("corners must lie in front of the camera, got one with z <= 0")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def pixels(self) -> Tensor:
        """The key points (B, 8, 2) in pixels of the original images."""
        rows = torch.einsum("bij,bkj->bki", self.intrinsics, self.corners)
        return rows[..., :2] / rows[..., 2:]

    @property
    def spans(self) -> Tensor:
        """The longer side (B,) of the box around the key points, pixels of the crop."""
        return span_of(to_crop(self.pixels, self.affine))

    def to(self, device: torch.device | str) -> PoseTargets:
        """Return the targets on a device."""
        return PoseTargets(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def cell_labels(
    cells: Cells,
    targets: PoseTargets,
    sizes: tuple[int, ...],
    generator: torch.Generator | None = None,
    *,
    number: int = 10,
    sharpness: float = 1.0,
) -> Tensor:
    """Return the label (B, N) of each cell: its class + 1, :data:`BACKGROUND`, or :data:`IGNORED`.

    A cell is a candidate where its centre, cut to whole pixels, lies in the visible mask. Of each level as many candidates as
    :func:`~workbench.models.pose.cells.quota` says are drawn without replacement; the others are ignored.

    Args:
        cells: of the network.
        targets: of the batch.
        sizes: reference sizes of the network's levels.
        generator: of the draw, on the CPU.
        number, sharpness: of the quota.
    """
    height, width = targets.masks.shape[1:]
    column, row = cells.centres.long().unbind(1)
    inside = targets.masks[:, row.clamp(0, height - 1), column.clamp(0, width - 1)]
    wanted = quota(targets.spans, sizes, number, sharpness)[:, cells.levels]
    draw = torch.rand(inside.shape, generator=generator).to(inside.device)
    # Its place in the order of the draw among the candidates of its level: levels do not mix, others come last.
    order = torch.argsort(torch.where(inside, draw, 2.0) + 4.0 * cells.levels, 1)
    place = torch.empty_like(order).scatter_(1, order, torch.arange(len(cells), device=order.device).expand_as(order))
    begins = torch.searchsorted(cells.levels, cells.levels)
    chosen = inside & (place - begins < wanted)
    labels = torch.where(inside, IGNORED, BACKGROUND)
    return torch.where(chosen, targets.classes[:, None] + 1, labels)
