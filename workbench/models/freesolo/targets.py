"""What Self-Supervised SOLO is taught: which cells are objects, of which mask and embedding.

Wang et al., "SOLO: Segmenting Objects by Locations", ECCV 2020, section 3.2; "FreeSOLO", CVPR 2022, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.models.freesolo.free_mask import tight_boxes
from workbench.models.freesolo.network import SoloConfig


@dataclass(frozen=True, eq=False)
class CoarseMasks:
    """The coarse masks of one image, that teach.

    Attributes:
        masks: boolean (n, height, width), at the size of the network's input.
        embeddings: (n, size); zeros where none is known.
        boxes: (n, 4) x0, y0, x1, y1 that choose levels and centre regions; None for the tight ones of the masks.
    """

    masks: Tensor
    embeddings: Tensor
    boxes: Tensor | None = None

    def __post_init__(self) -> None:
        if self.masks.ndim != 3 or self.masks.dtype != torch.bool:
            raise ValueError(
                f"masks must be boolean (n, height, width), got {self.masks.dtype} {tuple(self.masks.shape)}"
            )
        if self.embeddings.ndim != 2 or len(self.embeddings) != len(self.masks):
            raise ValueError(
                f"embeddings must be ({len(self.masks)}, size) for the masks, got {tuple(self.embeddings.shape)}"
            )

    def to(self, device: torch.device | str) -> CoarseMasks:
        """Return the same on a device."""
        boxes = None if self.boxes is None else self.boxes.to(device)
        return CoarseMasks(self.masks.to(device), self.embeddings.to(device), boxes)

    def mirrored(self) -> CoarseMasks:
        """Return the same of the image mirrored left to right."""
        boxes = self.boxes
        if boxes is not None:
            left, top, right, bottom = boxes.T
            width = self.masks.shape[2]
            boxes = torch.stack([width - right, top, width - left, bottom], 1)
        return CoarseMasks(self.masks.flip(2), self.embeddings, boxes)

    def with_corner_boxes(self) -> CoarseMasks:
        """Return the same with the boxes that the published code takes: corners read as place and size, cut at the image.

        Its free masks are written as x0, y0, x1, y1 and its loader takes them for x, y, width, height.
        """
        left, top, right, bottom = tight_boxes(self.masks).T
        height, width = self.masks.shape[1:]
        wrong = torch.stack([left, top, (left + right).clamp(max=width), (top + bottom).clamp(max=height)], 1)
        return CoarseMasks(self.masks, self.embeddings, wrong)


@dataclass(frozen=True, eq=False)
class LevelTargets:
    """What the cells of one grid of one image are taught.

    Attributes:
        positive: boolean (S, S).
        cells: (k,) row-major cells, one entry for each cell of each object; where objects share a cell it stands in there twice.
        objects: (k,) which mask each of them has.
        owners: (S, S) the mask whose embedding a positive cell has: the latest; -1 elsewhere.
    """

    positive: Tensor
    cells: Tensor
    objects: Tensor
    owners: Tensor


def level_targets(
    masks: Tensor, config: SoloConfig, level: int, stride: int, boxes: Tensor | None = None
) -> LevelTargets:
    """Return the targets of one grid.

    An object belongs to each level whose range holds the square root of the area of its tight box. Its centre of mass chooses a
    cell; positive are the cells under ``config.centre`` of the box's sides around the centre, at most the 3x3 around that cell.

    Args:
        masks: boolean (n, height, width), at the size of the network's input.
        config: of the network.
        level: 0 to 4.
        stride: of the mask features; objects that vanish at it are left out.
        boxes: (n, 4) x0, y0, x1, y1; None for the tight ones.
    """
    side, (least, most) = config.grids[level], config.ranges[level]
    height, width = masks.shape[1:]
    boxes = tight_boxes(masks) if boxes is None else boxes
    sizes = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
    kept = (sizes >= least) & (sizes <= most) & small_masks(masks, stride).flatten(1).any(1)
    owners = torch.full((side, side), -1, dtype=torch.long)
    cells, objects = [], []
    for index in torch.nonzero(kept)[:, 0].tolist():
        rows, columns = torch.nonzero(masks[index], as_tuple=True)
        left, top, right, bottom = boxes[index].tolist()
        down = _cells(rows.float().mean().item() + 0.5, 0.5 * config.centre * (bottom - top), height, side)
        across = _cells(columns.float().mean().item() + 0.5, 0.5 * config.centre * (right - left), width, side)
        for row in down:
            for column in across:
                cells.append(row * side + column)
                objects.append(index)
                owners[row, column] = index
    positive = owners >= 0
    return LevelTargets(
        positive, torch.tensor(cells, dtype=torch.long), torch.tensor(objects, dtype=torch.long), owners
    )


def small_masks(masks: Tensor, stride: int) -> Tensor:
    """Return boolean masks at 1 / ``stride`` of their size: bilinear, and set where at least half is."""
    size = [side // stride for side in masks.shape[1:]]
    if not len(masks):
        return masks.new_zeros(0, *size)
    return functional.interpolate(masks[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0] >= 0.5


def _cells(centre: float, reach: float, length: int, side: int) -> range:
    """Return the cells along an axis that ``reach`` pixels around the centre touch, at most one beside the centre's."""
    first, middle, last = (
        min(max(int(place / length * side), 0), side - 1) for place in (centre - reach, centre, centre + reach)
    )
    return range(max(first, middle - 1), min(last, middle + 1) + 1)
