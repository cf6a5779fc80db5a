"""What the network demands of its inputs, and the padding that meets its demand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from workbench.geometry.camera_text import check_camera


def check_inputs(
    images: Tensor, intrinsics: Tensor, cam_from_world: Tensor, depth_min: Tensor, depth_max: Tensor, multiple: int
) -> None:
    """Raise a ValueError that says what does not fit."""
    if images.ndim != 5 or images.shape[2] != 3 or not images.is_floating_point():
        raise ValueError(
            f"images must be floating point (B, V, 3, H, W), the reference first, got {images.dtype} {tuple(images.shape)}"
        )
    batch, views, _, height, width = images.shape
    if views < 2:
        raise ValueError(f"at least one source view is needed beside the reference, got {views} view")
    if height % multiple or width % multiple or not height * width:
        raise ValueError(
            f"height and width must be multiples of {multiple}, got {height} x {width}; pad_to_multiple(images, {multiple}) pads "
            "on the right and below, the cameras stay as they are, and the result is cropped"
        )
    for name, value, shape in (
        ("intrinsics", intrinsics, (batch, views, 3, 3)),
        ("cam_from_world", cam_from_world, (batch, views, 4, 4)),
        ("depth_min", depth_min, (batch,)),
        ("depth_max", depth_max, (batch,)),
    ):
        if value.shape != shape:
            raise ValueError(f"{name} must be {shape}, got {tuple(value.shape)}")
    bad = ~((depth_min > 0) & (depth_max > depth_min) & torch.isfinite(depth_max))
    if bool(bad.any()):
        sample = int(bad.nonzero()[0, 0])
        raise ValueError(
            f"sample {sample}: depth range must satisfy 0 < min < max, got {depth_min[sample].item():g} and "
            f"{depth_max[sample].item():g}"
        )
    matrices = intrinsics.detach().cpu().numpy(), cam_from_world.detach().cpu().numpy()
    for sample in range(batch):
        for view in range(views):
            check_camera(matrices[0][sample, view], matrices[1][sample, view], f"sample {sample}, view {view}")


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Return images (..., H, W) with zeros on the right and below, so that both sides are multiples; cameras need no change.

    >>> pad_to_multiple(torch.ones(1, 3, 30, 64), 32).shape
    torch.Size([1, 3, 32, 64])
    """
    if multiple < 1:
        raise ValueError(f"multiple must be at least 1, got {multiple}")
    height, width = images.shape[-2:]
    return functional.pad(images, (0, -width % multiple, 0, -height % multiple))
