"""Image features into a volume of voxels, all depths alike: each voxel takes what the nearest pixel of each camera has.

Xie et al., "M2BEV", 2022, section 3.2. Every voxel on a pixel's ray gets the same feature, so there is no depth to learn, and which
pixel a voxel sees follows from the calibration alone: it is worked out once, as a table, and used for every frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workbench.geometry.bev_grid import BevGrid

NEAR = 1e-3
"""Metres before a camera from which a voxel can be seen."""
_STRIDE_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class VoxelTable:
    """Which pixels each voxel takes the mean of.

    Attributes:
        pixels: int64 (p,), places in the features of all cameras, (cameras, rows, columns) flattened; voxel by voxel.
        starts: int64 (X * Y * Z,), where the pixels of each voxel begin.
        cells: X, Y, Z.
        feature_size: cameras, rows and columns of the features, without padding.
    """

    pixels: Tensor
    starts: Tensor
    cells: tuple[int, int, int]
    feature_size: tuple[int, int, int]

    @property
    def counts(self) -> Tensor:
        """How many cameras see each voxel, int64 (X, Y, Z)."""
        ends = torch.cat([self.starts[1:], self.starts.new_tensor([len(self.pixels)])])
        return (ends - self.starts).reshape(self.cells)

    def to(self, device: torch.device | str) -> VoxelTable:
        """Return the table on a device."""
        return VoxelTable(self.pixels.to(device), self.starts.to(device), self.cells, self.feature_size)


@torch.no_grad()
def voxel_table(
    intrinsics: Tensor,
    cam_from_ego: Tensor,
    image_size: tuple[int, int],
    grid: BevGrid,
    stride: int = 4,
    anchor: str = "centre",
) -> VoxelTable:
    """Return the table of a calibration; all in float64, for half precision would move pixels.

    With ``(a, b, d) = K' [R | t] (p, 1)`` of a voxel's point p, K' being K with its first two rows divided by the stride, a camera
    sees the voxel at ``round(a / d), round(b / d)`` when d is above 1 mm and that is inside the features of the image, padding not
    counted. Pixel k covers k - 0.5 to k + 0.5, a half going to the even one.

    Args:
        intrinsics: (cameras, 3, 3), of images of this size.
        cam_from_ego: (cameras, 4, 4).
        image_size: height and width without padding, pixels.
        grid: of voxels.
        stride: pixels of the image to one of the features.
        anchor: which point of a voxel is projected; ``"corner"`` for parity with published weights.

    Raises:
        ValueError: sides that are not multiples of the stride, shapes that do not fit, or matrices that are not finite.
    """
    cameras = len(intrinsics)
    if intrinsics.shape != (cameras, 3, 3) or cam_from_ego.shape != (cameras, 4, 4) or not cameras:
        raise ValueError(
            f"expected intrinsics (cameras, 3, 3) and poses (cameras, 4, 4), got {tuple(intrinsics.shape)} and "
            f"{tuple(cam_from_ego.shape)}"
        )
    if not (intrinsics.isfinite().all() and cam_from_ego.isfinite().all()):
        raise ValueError("intrinsics and cam_from_ego must be finite")
    rows, columns = (_multiple(side, stride, name) for side, name in zip(image_size, ("height", "width"), strict=True))
    scale = torch.tensor([1 / stride, 1 / stride, 1.0], dtype=torch.float64, device=intrinsics.device)
    matrices = (scale[:, None] * intrinsics.double()) @ cam_from_ego.double()[:, :3]
    axes = _axes(grid, anchor, intrinsics.device)
    places, seen = [], []
    for index, matrix in enumerate(matrices):
        a, b, d = (sum(row[axis] * values for axis, values in enumerate(axes)) + row[3] for row in matrix)
        front = d > NEAR
        d = torch.where(front, d, 1.0)
        u, v = (a / d).round(), (b / d).round()
        visible = front & (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
        place = torch.where(visible, (index * rows + v) * columns + u, 0)
        places.append(place.to(torch.int64).reshape(-1))
        seen.append(visible.reshape(-1))
    mask = torch.stack(seen, 1)
    counts = mask.sum(1)
    return VoxelTable(torch.stack(places, 1)[mask], counts.cumsum(0) - counts, grid.cells, (cameras, rows, columns))


def _axes(grid: BevGrid, anchor: str, device: torch.device) -> list[Tensor]:
    """Return x, y and z of the voxels, each to be broadcast over (X, Y, Z)."""
    grid_of_ones = BevGrid((1, 1, 1), grid.voxel, grid.low).points(anchor)[0, 0, 0]
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return [
        (float(first) + size * torch.arange(count, dtype=torch.float64, device=device)).reshape(shape)
        for first, size, count, shape in zip(grid_of_ones, grid.voxel, grid.cells, shapes, strict=True)
    ]


def _multiple(side: int, stride: int, name: str) -> int:
    count = round(side / stride)
    if count < 1 or abs(stride - side / count) > _STRIDE_TOLERANCE:
        raise ValueError(f"image {name} {side} is not a multiple of the feature stride {stride}")
    return count


def project_features(features: Tensor, tables: Sequence[VoxelTable]) -> Tensor:
    """Return the volumes (B, X, Y, Z, C): the mean over the cameras that see a voxel, 0 where none does.

    One gather in memory order; a voxel's channels lie side by side, so that folding height into channels costs nothing.

    Args:
        features: (B, cameras, C, rows, columns), maybe padded below and on the right.
        tables: one for each sample, or one for all.

    Raises:
        ValueError: as many tables as samples are wanted, or features smaller than a table's.
    """
    if features.ndim != 5 or len(tables) not in (1, len(features)):
        raise ValueError(
            f"features must be (B, cameras, C, rows, columns) with a table for each sample or one for all, got "
            f"{tuple(features.shape)} and {len(tables)} tables"
        )
    volumes = []
    for index, one in enumerate(features):
        table = tables[index if len(tables) > 1 else 0]
        cameras, rows, columns = table.feature_size
        if one.shape[0] != cameras or one.shape[2] < rows or one.shape[3] < columns:
            raise ValueError(
                f"features must be of {cameras} cameras, at least {rows} x {columns}, got {tuple(one.shape)} of sample {index}"
            )
        flat = one[:, :, :rows, :columns].permute(0, 2, 3, 1).reshape(-1, one.shape[1])
        mean = functional.embedding_bag(table.pixels, flat, table.starts, mode="mean")
        volumes.append(mean.reshape(*table.cells, one.shape[1]))
    return torch.stack(volumes)


def space_to_channel(volume: Tensor) -> Tensor:
    """Return volumes (B, X, Y, Z, C) as maps (B, Z * C, X, Y): height is folded into channels, channel = z * C + c.

    A view, in the memory order that is called channels last.

    >>> volume = torch.arange(6.0).reshape(1, 1, 1, 3, 2)
    >>> space_to_channel(volume).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    return volume.flatten(3).permute(0, 3, 1, 2)
