"""Depth maps of several views to one point cloud: a depth is kept where other views agree with it.

The geometric check of the MVSNet family: project into the other view, take its depth there, project back, and compare. Merrell et
al., "Real-Time Visibility-Based Fusion of Depth Maps", ICCV 2007; Yao et al., "MVSNet", ECCV 2018, section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FusionConfig:
    """When a depth is kept.

    Attributes:
        confidence: least confidence of a pixel.
        pixels: greatest distance, in pixels, between a pixel and where it comes back to.
        relative_depth: greatest ``|d' - d| / d`` of the depth that comes back.
        views: other views that must agree; 3 on DTU, 5 is PatchmatchNet's default.

    Raises:
        ValueError: a tolerance that is not above 0, a confidence outside 0 to 1, or fewer than one view.
    """

    confidence: float = 0.8
    pixels: float = 1.0
    relative_depth: float = 0.01
    views: int = 3

    def __post_init__(self) -> None:
        if not (self.pixels > 0 and self.relative_depth > 0):
            raise ValueError(f"tolerances must be above 0, got {self.pixels!r} pixels and {self.relative_depth!r}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence must lie in 0 to 1, got {self.confidence!r}")
        if self.views < 1:
            raise ValueError(f"views must be at least 1, got {self.views!r}")


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points that views agree on.

    Attributes:
        points: float64 (N, 3), in the world's frame and unit.
        colours: uint8 (N, 3), or None.
        view: (N,) the view whose pixel gave each point.
        agreeing: (N,) how many other views agree with it.
    """

    points: Array
    colours: NDArray[np.uint8] | None
    view: NDArray[np.int64]
    agreeing: NDArray[np.int64]


def unproject(depth: ArrayLike, intrinsics: ArrayLike, cam_from_world: ArrayLike) -> Array:
    """Return the world points (height, width, 3) of a depth map's pixels; a pixel's centre is at whole coordinates."""
    depth = np.asarray(depth, float)
    rows, columns = np.indices(depth.shape)
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(np.asarray(intrinsics, float)).T
    pose = np.asarray(cam_from_world, float)
    return (rays * depth[..., None] - pose[:3, 3]) @ pose[:3, :3]


def project(points: Array, intrinsics: ArrayLike, cam_from_world: ArrayLike) -> tuple[Array, Array, Array]:
    """Return columns, rows and depths of world points (..., 3); columns and rows are NaN for points that are not in front."""
    pose = np.asarray(cam_from_world, float)
    seen = points @ pose[:3, :3].T + pose[:3, 3]
    image = seen @ np.asarray(intrinsics, float).T
    depth = np.where(seen[..., 2] > 0, seen[..., 2], np.nan)
    return image[..., 0] / depth, image[..., 1] / depth, seen[..., 2]


def sample_depth(depth: Array, columns: Array, rows: Array) -> Array:
    """Return bilinear samples of a depth map; NaN outside, and where a pixel that counts has none (0 or not finite)."""
    height, width = depth.shape
    known = np.isfinite(columns) & np.isfinite(rows)
    known &= (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    x, y = np.where(known, columns, 0), np.where(known, rows, 0)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    holes = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    total = np.zeros_like(x)
    for row, share_row in ((top, 1 - (y - top)), (bottom, y - top)):
        for column, share in ((left, 1 - (x - left)), (right, x - left)):
            weight = share_row * share
            total += np.where(weight > 0, weight * holes[row, column], 0)
    return np.where(known, total, np.nan)


def check_consistency(
    depth: ArrayLike,
    intrinsics: ArrayLike,
    cam_from_world: ArrayLike,
    other_depth: ArrayLike,
    other_intrinsics: ArrayLike,
    other_cam_from_world: ArrayLike,
    config: FusionConfig | None = None,
) -> tuple[NDArray[np.bool_], Array]:
    """Return where another view agrees with a depth map, and the depth that comes back from it (0 where it does not agree).

    Args:
        depth, other_depth: (height, width), 0 for none.
        intrinsics, other_intrinsics: (3, 3).
        cam_from_world, other_cam_from_world: (4, 4).
        config: tolerances in pixels and relative depth; those of :class:`FusionConfig` by default.
    """
    config = config or FusionConfig()
    depth = np.asarray(depth, float)
    have = np.isfinite(depth) & (depth > 0)
    points = unproject(np.where(have, depth, 1.0), intrinsics, cam_from_world)
    columns, rows, _ = project(points, other_intrinsics, other_cam_from_world)
    there = sample_depth(np.asarray(other_depth, float), columns, rows)
    pose = np.asarray(other_cam_from_world, float)
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(np.asarray(other_intrinsics, float)).T
    back = (rays * there[..., None] - pose[:3, 3]) @ pose[:3, :3]
    back_columns, back_rows, back_depth = project(back, intrinsics, cam_from_world)
    own_rows, own_columns = np.indices(depth.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        near = np.hypot(back_columns - own_columns, back_rows - own_rows) < config.pixels
        agrees = have & near & (np.abs(back_depth - depth) / depth < config.relative_depth)
    return agrees, np.where(agrees, back_depth, 0)


def fuse_depth_maps(
    depths: Sequence[ArrayLike],
    confidences: Sequence[ArrayLike],
    intrinsics: ArrayLike,
    cam_from_world: ArrayLike,
    *,
    images: Sequence[ArrayLike] | None = None,
    sources: Mapping[int, Sequence[int]] | None = None,
    config: FusionConfig | None = None,
) -> PointCloud:
    """Return the points that enough views agree on, each at the mean of its depth and those that came back.

    Args:
        depths: V maps (height, width), 0 for none.
        confidences: V maps of the same sizes, in 0 to 1.
        intrinsics: (V, 3, 3).
        cam_from_world: (V, 4, 4).
        images: V uint8 images (height, width, 3) for the colours.
        sources: which other views each view is checked against; all others by default.
        config: tolerances.

    Raises:
        ValueError: not equally many of each, or a view with fewer others than must agree.
    """
    config = config or FusionConfig()
    intrinsics, poses = np.asarray(intrinsics, float), np.asarray(cam_from_world, float)
    counts = {len(depths), len(confidences), len(intrinsics), len(poses), *([] if images is None else [len(images)])}
    if len(counts) != 1:
        raise ValueError(f"depths, confidences, cameras and images must be equally many, got {sorted(counts)}")
    found = []
    for view, depth in enumerate(np.asarray(one, float) for one in depths):
        others = [other for other in range(len(depths)) if other != view] if sources is None else list(sources[view])
        if len(others) < config.views:
            raise ValueError(f"view {view} has {len(others)} other views; config asks {config.views} to agree")
        total, agreeing = np.zeros_like(depth), np.zeros(depth.shape, np.int64)
        for other in others:
            agrees, back = check_consistency(
                depth, intrinsics[view], poses[view], depths[other], intrinsics[other], poses[other], config
            )
            total += back
            agreeing += agrees
        keep = (agreeing >= config.views) & (np.asarray(confidences[view]) > config.confidence)
        points = unproject((total + depth) / (agreeing + 1), intrinsics[view], poses[view])[keep]
        colours = None if images is None else np.asarray(images[view])[keep]
        found.append((points, colours, np.full(len(points), view), agreeing[keep]))
    points, colours, views, agreeing = zip(*found, strict=True)
    return PointCloud(
        np.concatenate(points),
        None if images is None else np.concatenate(colours),
        np.concatenate(views),
        np.concatenate(agreeing),
    )
