"""Pose distillation: divergences of a whole batch beside GeomLoss, ADD-S beside a table of all distances."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from workbench.distillation import Votes, joint_diameter, sinkhorn_divergence
from workbench.geometry.pnp import Pose
from workbench.geometry.rotations import random_rotations
from workbench.metrics.pose import add_s

from .side_by_side import BenchmarkConfig, Comparison, side_by_side

HOW_TO_INSTALL = "`make bench` installs it, or pip install --no-deps -r tests/benchmarks/peers.txt"


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    for backward in (False, True):
        yield from divergence(config, backward)
    for count in (1_000, 5_841):
        yield nearest_points(config, count)


def two_sets(seed: int, images: int = 16, most: int = 13) -> tuple[Votes, Votes]:
    """Return votes of two networks for 8 key points, in units of the image: some ten cells each, another number in each image."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for spread in (0.02, 0.005):
        counts = torch.randint(4, most + 1, (images,), generator=generator)
        corners = 0.3 + 0.3 * torch.rand(images, 1, 8, 2, generator=generator)
        rows = [
            one + spread * torch.randn(int(n), 8, 2, generator=generator)
            for n, one in zip(counts, corners, strict=True)
        ]
        found.append(Votes.pad(rows, [torch.rand(len(row), generator=generator) for row in rows]))
    return found[0], found[1]


def divergence(config: BenchmarkConfig, backward: bool, images: int = 16) -> Iterator[Comparison]:
    """Compare votes of a batch at the published settings: as one padded batch, and image by image with GeomLoss."""
    try:
        from geomloss import SamplesLoss
    except ImportError as error:
        print(f"geomloss cannot be imported ({error}): {HOW_TO_INSTALL}")
        return
    sets = two_sets(config.seed, images)
    loss = SamplesLoss("sinkhorn", p=2, blur=1e-3, reach=0.5, scaling=0.5, debias=True, backend="tensorized")

    def ours(student: Votes, teacher: Votes) -> torch.Tensor:
        x, a = (one.clone().requires_grad_(backward) for one in (student.positions.transpose(1, 2), student.scores))
        y, b = teacher.positions.transpose(1, 2), teacher.scores
        width = joint_diameter(x.flatten(1, 2), a.repeat(1, 8), y.flatten(1, 2), b.repeat(1, 8))
        return _answer(sinkhorn_divergence(x, a[:, None], y, b[:, None], diameter=width[:, None]), x, a)

    def peer(student: Votes, teacher: Votes) -> torch.Tensor:
        x, a = (one.clone().requires_grad_(backward) for one in (student.positions.transpose(1, 2), student.scores))
        values = []
        for image in range(images):
            few, many = (int((one.scores[image] > 0).sum()) for one in (student, teacher))
            y, b = teacher.positions[image, :many].transpose(0, 1).contiguous(), teacher.scores[image, :many]
            values.append(loss(a[image, :few].expand(8, -1), x[image, :, :few].contiguous(), b.expand(8, -1), y))
        return _answer(torch.stack(values), x, a)

    mine, theirs, timing = side_by_side(lambda: ours(*sets), lambda: peer(*sets), 3 * config.repeats)
    double = [Votes(one.positions.double(), one.scores.double()) for one in sets]
    exact = (ours(*double) - peer(*double)).abs().max().item()
    yield Comparison(
        subject="transport between the votes of two networks" + (", with its gradient" if backward else ""),
        ours="distillation.sinkhorn_divergence",
        peer="a loop over geomloss.SamplesLoss",
        setting=f"{images} images x 8 key points, 4 to 13 votes each, eps 1e-6, float32, one thread, CPU seconds",
        timing=timing,
        agreement=(
            f"largest difference {(mine - theirs).abs().max().item():.1e}, in float64 {exact:.1e}, of "
            f"{'gradients' if backward else 'values'} up to {theirs.abs().max().item():.2g}"
        ),
    )


def nearest_points(config: BenchmarkConfig, count: int) -> Comparison:
    """Compute ADD-S of one pose over ``count`` vertices: by a k-d tree, and by the smallest of each row of all distances."""
    generator = np.random.default_rng(config.seed)
    points = generator.normal(size=(count, 3))
    points *= 50 / np.linalg.norm(points, axis=1, keepdims=True)
    rotations = random_rotations(2, generator)
    estimate, truth = (Pose(one, np.array([0.0, 0, 800 + 10 * row])) for row, one in enumerate(rotations))

    def table() -> float:
        seen, true = (torch.from_numpy(pose.transform(points)) for pose in (estimate, truth))
        return float(torch.cdist(true, seen).amin(1).mean())

    mine, theirs, timing = side_by_side(lambda: add_s(points, estimate, truth), table, config.repeats)
    return Comparison(
        subject="ADD-S of one pose",
        ours="metrics.pose.add_s",
        peer="torch.cdist, then the least of each row",
        setting=f"{count:,} vertices, one thread, CPU seconds",
        timing=timing,
        agreement=f"differ by {abs(mine - theirs):.1e} mm of {theirs:.1f} mm",
    )


def _answer(values: torch.Tensor, positions: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Return the values, or, where they have one, their gradient by positions and by the scores above 0."""
    if not values.requires_grad:
        return values
    to_positions, to_scores = torch.autograd.grad(values.sum(), (positions, scores))
    return torch.cat([to_positions.flatten(), to_scores[scores > 0]])
