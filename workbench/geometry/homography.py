"""Plane sweep: where a pixel of the reference image falls in a source image at each depth, and what is seen there.

Cameras are ``x_cam = R x_world + t`` with a pixel's centre at whole coordinates. Yao et al., "MVSNet", ECCV 2018, section 3.2; Yang
et al., "Non-parametric Depth Distribution Modelling based Depth Inference for Multi-view Stereo", CVPR 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_OUTSIDE = -4.0
"""A grid coordinate whose four neighbours all lie outside the image, so that 0 is sampled."""


def scale_intrinsics(intrinsics: Tensor, x: float, y: float | None = None) -> Tensor:
    """Return intrinsics (..., 3, 3) of images resized by ``x`` in width and ``y`` in height (as ``x`` by default).

    The first row is multiplied by ``x`` and the second by ``y``, principal point included: pixel i of the small image has its
    centre on pixel i / x of the large one, as convolutions of stride 1 / x with symmetric padding have it.

    >>> scale_intrinsics(torch.tensor([[100.0, 0, 32], [0, 80, 24], [0, 0, 1]]), 0.5, 0.25).tolist()
    [[50.0, 0.0, 16.0], [0.0, 20.0, 6.0], [0.0, 0.0, 1.0]]
    """
    if not (x > 0 and (y is None or y > 0)):
        raise ValueError(f"x and y must be above 0, got {x!r} and {y!r}")
    return intrinsics * intrinsics.new_tensor([x, x if y is None else y, 1.0])[:, None]


def relative_projection(
    reference_intrinsics: Tensor, reference_pose: Tensor, source_intrinsics: Tensor, source_pose: Tensor
) -> Tensor:
    """Return M (..., 4, 4), float64, from pixels of the reference at a depth to pixels of the source.

    It takes (x d, y d, d, 1), of the reference pixel (x, y) at depth d, to the source's (u q, v q, q, 1):
    ``M = P_source P_reference^-1`` with ``P = [K E; 0 0 0 1]``.

    Args:
        reference_intrinsics, source_intrinsics: (..., 3, 3).
        reference_pose, source_pose: camera from world, (..., 4, 4).
    """
    with torch.no_grad():
        source = _projection(source_intrinsics, source_pose)
        return source @ torch.linalg.inv(_projection(reference_intrinsics, reference_pose))


def _projection(intrinsics: Tensor, pose: Tensor) -> Tensor:
    full = pose.double().clone()
    full[..., :3, :] = intrinsics.double() @ pose.double()[..., :3, :]
    return full


def sweep(transform: Tensor, depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where pixels at depths fall in the source image: columns u, rows v, and whether they lie in front of its camera.

    ``q = M[:3, :3] (x, y, 1) d + M[:3, 3]``, ``u = q_x / q_z``, ``v = q_y / q_z``. At least float32, and without gradient.

    Args:
        transform: (B, 4, 4), of :func:`relative_projection`.
        depths: (B, D, h, w), one list of depths for each pixel of the reference.

    Returns:
        u, v, in_front: (B, D, h, w) each; u and v are 0 where the point is not in front.
    """
    if depths.ndim != 4 or transform.shape != (len(depths), 4, 4):
        raise ValueError(
            f"depths must be (B, D, h, w) and transform (B, 4, 4), got {tuple(depths.shape)} and {tuple(transform.shape)}"
        )
    with torch.no_grad(), torch.autocast(depths.device.type, enabled=False):
        dtype = torch.promote_types(depths.dtype, torch.float32)
        depths, matrix = depths.to(dtype), transform.to(depths.device, dtype)
        height, width = depths.shape[2:]
        row = torch.arange(height, device=depths.device, dtype=dtype)[None, :, None]
        column = torch.arange(width, device=depths.device, dtype=dtype)[None, None, :]
        ray = [
            matrix[:, axis, 0, None, None] * column
            + matrix[:, axis, 1, None, None] * row
            + matrix[:, axis, 2, None, None]
            for axis in range(3)
        ]
        x, y, z = (ray[axis][:, None] * depths + matrix[:, axis, 3, None, None, None] for axis in range(3))
        in_front = z > 0
        z = torch.where(in_front, z, torch.ones_like(z))
        zero = torch.zeros_like(z)
        return torch.where(in_front, x / z, zero), torch.where(in_front, y / z, zero), in_front


def plane_sweep_warp(
    features: Tensor, transform: Tensor, depths: Tensor, *, legacy_grid: bool = False
) -> tuple[Tensor, Tensor]:
    """Return what a source image shows where each reference pixel would fall at each depth; bilinear, 0 outside.

    A point behind the source camera counts as outside. The gradient goes to ``features`` alone.

    Args:
        features: (B, C, h', w') of the source image.
        transform: (B, 4, 4), of :func:`relative_projection`, for images of the features' size.
        depths: (B, D, h, w).
        legacy_grid: sample at ``u w / (w - 1) - 0.5``, as the released code does, which normalises for one convention of corners
            and samples by the other; its checkpoints were trained so. Up to half a pixel off at the borders.

    Returns:
        warped (B, C, D, h, w), and whether the sample lies in front of the source camera and between the centres of its border
        pixels, boolean (B, D, h, w).

    >>> image = torch.arange(4.0).reshape(1, 1, 1, 4)
    >>> shift = torch.eye(4)[None].clone()
    >>> shift[0, 0, 3] = 1.0  # by one pixel at depth 1, by half a pixel at depth 2
    >>> warped, valid = plane_sweep_warp(image, shift, torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 4))
    >>> warped[0, 0, :, 0].tolist(), valid[0, :, 0].tolist()
    ([[1.0, 2.0, 3.0, 0.0], [0.5, 1.5, 2.5, 1.5]], [[True, True, True, False], [True, True, True, False]])
    """
    if features.ndim != 4 or len(features) != len(depths):
        raise ValueError(f"features must be ({len(depths)}, C, h, w), got {tuple(features.shape)}")
    u, v, in_front = sweep(transform, depths)
    batch, count, height, width = depths.shape
    rows, columns = features.shape[2:]
    valid = in_front & (u >= 0) & (u <= columns - 1) & (v >= 0) & (v <= rows - 1)
    if legacy_grid:
        u, v = (value * size / max(size - 1, 1) - 0.5 for value, size in ((u, columns), (v, rows)))
    grid = torch.stack([(2 * u + 1) / columns - 1, (2 * v + 1) / rows - 1], -1)
    grid = torch.where(in_front[..., None], grid, grid.new_tensor(_OUTSIDE)).reshape(batch, count * height, width, 2)
    # Half precision would move the samples by whole pixels, so the grid keeps its type.
    warped = functional.grid_sample(
        features.to(grid.dtype), grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return warped.reshape(batch, features.shape[1], count, height, width).to(features.dtype), valid
