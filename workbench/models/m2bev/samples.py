"""Samples of a nuScenes folder as tensors: images, the table of their calibration, and what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workbench.datasets.nuscenes import NuScenesSample
from workbench.datasets.nuscenes_map import RoadMap
from workbench.geometry.boxes3d import box_corners, image_boxes
from workbench.models.m2bev.network import M2Bev
from workbench.models.m2bev.objective import M2BevTargets
from workbench.models.m2bev.projection import VoxelTable

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
"""Of RGB in 0 to 255, that images are normalised with."""


@dataclass(frozen=True, eq=False)
class M2BevSample:
    """One sample, ready for the network.

    Attributes:
        images: uint8 (cameras, 3, height, width), without padding.
        table: of its calibration.
        targets: of this sample alone.
        token: its name.
    """

    images: Tensor
    table: VoxelTable
    targets: M2BevTargets
    token: str


def prepare(
    model: M2Bev, sample: NuScenesSample, roads: RoadMap, image_size: tuple[int, int] | None = None
) -> M2BevSample:
    """Return a sample for a network.

    Images are resized to ``image_size``, each row of the intrinsics by its own ratio. Boxes whose centre lies outside the grid are
    left out of the map's targets, but not of the images': their 2D boxes come from all boxes.

    Args:
        model: for its grid and stride.
        sample: its cameras must be as many as those of the others in a batch.
        roads: of the sample's location.
        image_size: height and width, multiples of the stride; None for the size of the images.

    Raises:
        FileNotFoundError: an image is missing.
        ValueError: an image is damaged, or its side is not a multiple of the stride.
    """
    images, intrinsics, poses, seen = [], [], [], []
    corners = box_corners(sample.boxes[:, :3], sample.boxes[:, 3:6], sample.boxes[:, 6])
    for camera in sample.cameras.values():
        height, width = image_size or (camera.height, camera.width)
        pixels = camera.image()
        if pixels.shape[:2] != (height, width):
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        ratio = np.array([[width / camera.width], [height / camera.height], [1.0]])
        images.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
        intrinsics.append(camera.intrinsics * ratio)
        poses.append(camera.cam_from_ego)
        seen.append(image_boxes(corners, intrinsics[-1], camera.cam_from_ego, width, height))
    grid = model.config.grid
    x, y = sample.boxes[:, 0], sample.boxes[:, 1]
    near = (x >= grid.low[0]) & (x < grid.high[0]) & (y >= grid.low[1]) & (y < grid.high[1])
    labels = torch.from_numpy(sample.labels)
    shown = [np.isfinite(one).all(1) for one in seen]
    targets = M2BevTargets(
        [torch.from_numpy(sample.boxes[near]).float()],
        [labels[torch.from_numpy(near)]],
        torch.from_numpy(roads.around(sample.world_from_ego, model.config.map_grid))[None].float(),
        [torch.from_numpy(one[mask]).float() for one, mask in zip(seen, shown, strict=True)],
        [labels[torch.from_numpy(mask)] for mask in shown],
    )
    matrices = [torch.from_numpy(np.stack(part)) for part in (intrinsics, poses)]
    return M2BevSample(torch.stack(images), model.table(*matrices, (height, width)), targets, sample.token)


def collate(
    samples: Sequence[M2BevSample], divisor: int = M2Bev.divisor
) -> tuple[Tensor, list[VoxelTable], M2BevTargets]:
    """Return images (B, cameras, 3, H, W), normalised and padded with 0, their tables, and their targets.

    Raises:
        ValueError: no sample, or images of different sizes.
    """
    sizes = {tuple(sample.images.shape) for sample in samples}
    if len(sizes) != 1:
        raise ValueError(f"samples must have images of one size and number, got {sorted(sizes) or 'no sample'}")
    height, width = samples[0].images.shape[2:]
    images = normalised(torch.stack([sample.images for sample in samples]))
    images = functional.pad(images, (0, -width % divisor, 0, -height % divisor))
    joined = M2BevTargets(
        [one for sample in samples for one in sample.targets.boxes],
        [one for sample in samples for one in sample.targets.labels],
        torch.cat([sample.targets.ground for sample in samples]),
        [one for sample in samples for one in sample.targets.image_boxes or ()],
        [one for sample in samples for one in sample.targets.image_labels or ()],
    )
    return images, [sample.table for sample in samples], joined


def normalised(images: Tensor) -> Tensor:
    """Return images (..., 3, H, W), RGB in 0 to 255, less the mean and over the deviation that the network expects, float32."""
    images = images.float()
    mean, deviation = (images.new_tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    return (images - mean) / deviation
