"""Small inputs for the tests of multi-view stereo: a step between two textured planes, in true perspective."""

from __future__ import annotations

import torch

from workbench.geometry.homography import plane_sweep_warp, relative_projection


def cameras(batch=1, views=3, height=64, width=64, baseline=60.0):
    """Return intrinsics and poses of views that look the same way from places beside and above each other, mm."""
    k = torch.tensor([[1.2 * width, 0, (width - 1) / 2], [0, 1.2 * width, (height - 1) / 2], [0, 0, 1]])
    poses = torch.eye(4).repeat(views, 1, 1)
    for view in range(1, views):
        poses[view, (view - 1) % 2, 3] = -baseline * (1 if view % 4 < 2 else -1)
    return k.expand(batch, views, 3, 3).clone(), poses.expand(batch, views, 4, 4).clone()


def stepped_scene(height=16, width=64, left=500.0, right=800.0, seed=0):
    """Return images (1, 2, 3, H, W), cameras, and the true depth (1, H, W), one for the left half and one for the right.

    The reference is the source image warped by the true depth, so that correspondence is exact.
    """
    k, poses = cameras(1, 2, height, width, baseline=120.0)
    generator = torch.Generator().manual_seed(seed)
    texture = torch.rand(1, 3, height, width, generator=generator)
    depth = torch.full((1, height, width), right)
    depth[:, :, : width // 2] = left
    transform = relative_projection(k[:, 0], poses[:, 0], k[:, 1], poses[:, 1])
    reference, _ = plane_sweep_warp(texture, transform, depth[:, None])
    return torch.stack([reference[:, :, 0], texture], 1), k, poses, depth


def random_inputs(batch=1, views=3, height=64, width=64, seed=0):
    """Return what the network takes: images, cameras and the range of depths."""
    images = torch.rand(batch, views, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return images, *cameras(batch, views, height, width), torch.full((batch,), 425.0), torch.full((batch,), 905.0)
