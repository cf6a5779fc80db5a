"""Bird's-eye view: the projection at the paper's size beside its formula and grid_sample; the metric beside the benchmark's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workbench.datasets import CAMERAS
from workbench.datasets.drives import CALIBRATION, CENTRE, camera_rotation
from workbench.geometry.bev_grid import BevGrid
from workbench.geometry.quaternions import rigid, rigid_inverse, yaw_quaternion
from workbench.metrics import ATTRIBUTE_NAMES, DETECTION_NAMES, DetectionBoxes, nuscenes_scores
from workbench.models.m2bev import project_features, voxel_table

from .side_by_side import BenchmarkConfig, Comparison, side_by_side


def compare(config: BenchmarkConfig) -> Iterator[Comparison]:
    """Yield the comparisons of this subject."""
    yield from projection(BevGrid(), (900, 1600), 64, replace(config, repeats=1))
    try:
        import nuscenes.eval.detection.algo  # noqa: F401 - whether it is there
    except ImportError as error:
        print(
            f"nuscenes-devkit cannot be imported ({error}): pip install --no-deps nuscenes-devkit pyquaternion cachetools"
        )
    else:
        yield metric(40, 300, replace(config, repeats=min(config.repeats, 2)))


def surround(image_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return intrinsics (6, 3, 3) and poses (6, 4, 4), float64, of a car's six cameras."""
    scale = np.array([image_size[1] / 1600, image_size[0] / 900])
    intrinsics, poses = [], []
    for channel in CAMERAS:
        place, direction, focal = CALIBRATION[channel]
        x, y = CENTRE * scale
        intrinsics.append([[focal * scale[0], 0, x], [0, focal * scale[1], y], [0, 0, 1]])
        poses.append(rigid_inverse(rigid(camera_rotation(direction), place)))
    return torch.tensor(intrinsics, dtype=torch.float64), torch.from_numpy(np.stack(poses))


def projection(
    grid: BevGrid, image_size: tuple[int, int], channels: int, config: BenchmarkConfig
) -> Iterator[Comparison]:
    """Fill the volume from features of all cameras, the calibration known: what each frame costs."""
    rows, columns = (side // 4 for side in image_size)
    features = torch.randn(1, 6, channels, rows, columns, generator=torch.Generator().manual_seed(0))
    table = voxel_table(*surround(image_size), image_size, grid)
    columns_at, rows_at, seen = _places(*surround(image_size), grid, rows, columns)

    def masks() -> Tensor:
        total, count = torch.zeros(channels, seen.shape[1]), torch.zeros(seen.shape[1])
        for camera in range(6):
            mask = seen[camera]
            total[:, mask] += features[0, camera][:, rows_at[camera][mask], columns_at[camera][mask]]
            count += mask
        return total / count.clamp(min=1)

    def sampled() -> Tensor:
        total = torch.zeros(channels, seen.shape[1])
        for camera in range(6):
            x, y = 2 * columns_at[camera] / (columns - 1) - 1, 2 * rows_at[camera] / (rows - 1) - 1
            place = torch.stack([x, y], -1).masked_fill(~seen[camera][:, None], 9.0).float()[None, None]
            total += functional.grid_sample(features[:, camera], place, mode="nearest", align_corners=True)[0, :, 0]
        return total / seen.sum(0).clamp(min=1)

    setting = f"{'x'.join(map(str, grid.cells))} voxels, C = {channels}, {image_size[1]}x{image_size[0]}, six cameras, CPU seconds"
    for peer, run in (
        ("the published formula, boolean masks", masks),
        ("grid_sample, nearest, for each camera", sampled),
    ):
        ours, theirs, timing = side_by_side(lambda: project_features(features, [table]), run, config.repeats)
        difference = (ours.reshape(-1, channels).T - theirs).abs().amax(0)
        yield Comparison(
            subject="image features into the volume",
            ours="project_features",
            peer=peer,
            setting=setting,
            timing=timing,
            agreement=(
                f"{(difference > 1e-5).float().mean().item():.1e} of the voxels differ by more than 1e-5, at most "
                f"{difference.max().item():.1g}"
            ),
        )


def _places(intrinsics: Tensor, poses: Tensor, grid: BevGrid, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return column, row and visibility (6, voxels) of each voxel's centre, by the formula."""
    points = torch.from_numpy(grid.points()).reshape(-1, 3).T
    scale = torch.tensor([0.25, 0.25, 1.0], dtype=torch.float64)[:, None]
    found = []
    for matrix, pose in zip(intrinsics, poses, strict=True):
        a, b, d = (scale * matrix) @ (pose[:3, :3] @ points + pose[:3, 3:])
        u, v = ((value / d.clamp(min=1e-3)).round() for value in (a, b))
        seen = (d > 1e-3) & (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
        found.append((u.where(seen, torch.zeros_like(u)).long(), v.where(seen, torch.zeros_like(v)).long(), seen))
    return tuple(torch.stack(part) for part in zip(*found, strict=True))  # type: ignore[return-value]


def metric(samples: int, boxes: int, config: BenchmarkConfig) -> Comparison:
    """Score seeded boxes of all classes, half of them near an object."""
    from nuscenes.eval.common.data_classes import EvalBoxes
    from nuscenes.eval.common.utils import center_distance
    from nuscenes.eval.detection.algo import accumulate, calc_ap
    from nuscenes.eval.detection.data_classes import DetectionBox

    truth, found = _random(samples, 40, 0, False), _random(samples, boxes, 1, True)
    moved = found.centre.copy()
    near = np.random.default_rng(2).permutation(len(found))[: len(truth)]
    moved[near] = truth.centre + np.random.default_rng(3).normal(0, 0.7, truth.centre.shape)
    found = DetectionBoxes(**vars(found) | {"centre": moved})

    def official(part: DetectionBoxes) -> EvalBoxes:
        every = EvalBoxes()
        for i in range(len(part)):
            box = DetectionBox(
                str(part.sample[i]),
                tuple(part.centre[i]),
                tuple(part.size[i]),
                tuple(part.rotation[i]),
                tuple(part.velocity[i]),
                detection_name=DETECTION_NAMES[part.label[i]],
                detection_score=float(part.score[i]),
                attribute_name=ATTRIBUTE_NAMES[part.attribute[i]],
            )
            every.add_boxes(box.sample_token, [box])
        return every

    theirs, mine = official(truth), official(found)

    def peer() -> float:
        aps = [
            calc_ap(accumulate(theirs, mine, name, center_distance, distance), 0.1, 0.1)
            for name in DETECTION_NAMES
            for distance in (0.5, 1.0, 2.0, 4.0)
        ]
        return float(np.mean(aps))

    ours, other, timing = side_by_side(lambda: nuscenes_scores(found, truth).mean_ap, peer, config.repeats)
    return Comparison(
        subject="nuScenes detection metric",
        ours="nuscenes_scores",
        peer="nuscenes-devkit, accumulate and calc_ap",
        setting=f"{samples} samples of {boxes} boxes, CPU seconds",
        timing=timing,
        agreement=f"mAP differs by {abs(ours - other):.1g}",
    )


def _random(samples: int, boxes: int, seed: int, scored: bool) -> DetectionBoxes:
    rng, count = np.random.default_rng(seed), samples * boxes
    return DetectionBoxes(
        np.repeat(np.arange(samples), boxes),
        rng.integers(0, 10, count),
        rng.uniform(-40, 40, (count, 3)),
        rng.uniform(0.5, 5, (count, 3)),
        yaw_quaternion(rng.uniform(-3, 3, count)),
        rng.normal(0, 3, (count, 2)),
        rng.integers(0, 8, count),
        rng.random(count) if scored else None,
    )
