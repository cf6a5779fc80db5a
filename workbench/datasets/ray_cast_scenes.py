"""Scenes with exact depth for multi-view stereo: photographs on spheres, boxes and thin bars before a wall, cast from a seed.

They are written in the folder layout of BlendedMVS, so that the reader of the real thing reads them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation
from sklearn.datasets import load_sample_images

from workbench.datasets._ray_casting import Solid, cast, pixels_of
from workbench.datasets.files import atomic_folder, cache_dir
from workbench.geometry.camera_text import MultiViewCamera, write_camera_text
from workbench.geometry.pfm import write_pfm

Array = NDArray[np.float64]
DEPTH_RANGE = (425.0, 905.0)
"""Millimetres, as of DTU."""
VIEWS = ((0, 0), (10, 3), (-10, -3), (3, -10), (-3, 10))
"""Azimuth and elevation of the cameras, degrees, the first being the reference."""
_DISTANCE = 650.0
_TEXTURE = 192
_PAIRS_VERSION = 1


@dataclass(frozen=True)
class RayCastConfig:
    """What scenes have in common.

    Attributes:
        width, height: of the images, pixels.
        views: how many of ``VIEWS``, at least 2.
        objects: fewest and most, beside the wall.
        samples: rays a side of a pixel for its colour; its depth comes from one ray through its centre.

    Raises:
        ValueError: a number that cannot be.
    """

    width: int = 192
    height: int = 128
    views: int = 3
    objects: tuple[int, int] = (5, 10)
    samples: int = 2

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 16:
            raise ValueError(f"width and height must be at least 16 pixels, got {self.width} x {self.height}")
        if not 2 <= self.views <= len(VIEWS):
            raise ValueError(f"views must lie in 2 to {len(VIEWS)}, got {self.views}")
        if not 0 <= self.objects[0] <= self.objects[1]:
            raise ValueError(f"objects must be 0 <= fewest <= most, got {self.objects}")
        if self.samples < 1:
            raise ValueError(f"samples must be at least 1, got {self.samples}")


@dataclass(frozen=True, eq=False)
class RayCastScene:
    """Views of one scene.

    Attributes:
        images: uint8 (H, W, 3) of each view.
        depths: float32 (H, W) of each view, mm; along the optical axis, exact.
        cameras: of each view.
        kinds: of the objects: ``"sphere"``, ``"box"`` or ``"bar"``.
    """

    images: tuple[NDArray[np.uint8], ...]
    depths: tuple[NDArray[np.float32], ...]
    cameras: tuple[MultiViewCamera, ...]
    kinds: tuple[str, ...]


def ray_cast_scene(seed: int, config: RayCastConfig | None = None) -> RayCastScene:
    """Return the scene of a seed; the same seed gives the same scene, at any size and number of views.

    >>> scene = ray_cast_scene(0, RayCastConfig(width=32, height=24, views=2))
    >>> scene.images[0].shape, scene.depths[1].dtype
    ((24, 32, 3), dtype('float32'))
    """
    config = config or RayCastConfig()
    solids, kinds = _solids(np.random.default_rng(seed), config.objects)
    images, depths, cameras = [], [], []
    for azimuth, elevation in VIEWS[: config.views]:
        camera = _camera(azimuth, elevation, config.width, config.height)
        colour, _ = _seen(solids, camera, config.height, config.width, config.samples)
        _, depth = _seen(solids, camera, config.height, config.width, 1)
        images.append((255 * np.clip(colour, 0, 1) + 0.5).astype(np.uint8))
        depths.append(np.where(np.isfinite(depth), depth, 0).astype(np.float32))
        cameras.append(camera)
    return RayCastScene(tuple(images), tuple(depths), tuple(cameras), kinds)


def write_blended_mvs(folder: str | os.PathLike[str], scene: RayCastScene) -> Path:
    """Write a scene as BlendedMVS keeps one: ``blended_images``, ``cams`` with ``pair.txt``, ``rendered_depth_maps``.

    Every view has all others as sources, the nearest camera first, with 1 / (1 + distance in metres) as their score.

    Args:
        folder: of the scene, made at once when all of it is written.
        scene: to write.

    Raises:
        FileExistsError: there is something in the folder already.
    """
    folder = Path(folder)
    with atomic_folder(folder) as temporary:
        for name in ("blended_images", "cams", "rendered_depth_maps"):
            (temporary / name).mkdir()
        for view, (image, depth, camera) in enumerate(zip(scene.images, scene.depths, scene.cameras, strict=True)):
            Image.fromarray(image).save(temporary / "blended_images" / f"{view:08d}.jpg", quality=95, subsampling=0)
            write_pfm(temporary / "rendered_depth_maps" / f"{view:08d}.pfm", depth)
            write_camera_text(temporary / "cams" / f"{view:08d}_cam.txt", camera)
        (temporary / "cams" / "pair.txt").write_text(_pair_text(scene.cameras))
    return folder


def ray_cast_folder(seeds: Sequence[int], config: RayCastConfig | None = None) -> list[Path]:
    """Return the folders of scenes in the person's cache, made where they are missing."""
    config = config or RayCastConfig()
    fewest, most = config.objects
    name = (
        f"{config.width}x{config.height}_{config.views}views_{fewest}-{most}objects_{config.samples}_v{_PAIRS_VERSION}"
    )
    folders = []
    for seed in seeds:
        folder = cache_dir("ray_cast_scenes", name) / f"scene{seed:06d}"
        if not folder.is_dir():
            write_blended_mvs(folder, ray_cast_scene(seed, config))
        folders.append(folder)
    return folders


def _pair_text(cameras: Sequence[MultiViewCamera]) -> str:
    lines = [str(len(cameras))]
    for view, camera in enumerate(cameras):
        distance = {
            other: float(np.linalg.norm(one.centre - camera.centre))
            for other, one in enumerate(cameras)
            if other != view
        }
        ranked = sorted(distance, key=distance.__getitem__)
        scores = " ".join(f"{other} {1 / (1 + distance[other] / 1000):.6f}" for other in ranked)
        lines += [str(view), f"{len(ranked)} {scores}"]
    return "\n".join(lines) + "\n"


def _camera(azimuth: float, elevation: float, width: int, height: int) -> MultiViewCamera:
    """Return the camera that looks at (0, 0, 650) from 650 mm away; at angles 0 it stands in the origin and looks along z."""
    a, e = np.deg2rad([azimuth, elevation])
    forward = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = [right, np.cross(forward, right), forward]
    pose[:3, 3] = -pose[:3, :3] @ (np.array([0, 0, _DISTANCE]) - _DISTANCE * forward)
    focal = 1.2 * width
    intrinsics = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return MultiViewCamera(intrinsics, pose, *DEPTH_RANGE)


def _seen(solids: list[Solid], camera: MultiViewCamera, height: int, width: int, samples: int) -> tuple[Array, Array]:
    """Return colours (H, W, 3), the mean of samples^2 rays a pixel, and depths (H, W), right for one ray."""
    fine = camera.intrinsics.copy()
    fine[:2] *= samples
    fine[:2, 2] += (samples - 1) / 2  # the centre of the first pixel lies amid its rays
    rows, columns = np.indices((samples * height, samples * width))
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(fine).T @ camera.cam_from_world[:3, :3]
    boxes = [pixels_of(solid, fine, camera.cam_from_world, *rays.shape[:2]) for solid in solids]
    colours, depth = cast(solids, camera.centre, rays, boxes)
    return colours.reshape(height, samples, width, samples, 3).mean((1, 3)), depth[::samples, ::samples]


def _solids(rng: np.random.Generator, objects: tuple[int, int]) -> tuple[list[Solid], tuple[str, ...]]:
    tilt = Rotation.from_euler("xyz", [*rng.uniform(-6, 6, 2), rng.uniform(0, 360)], degrees=True).as_matrix()
    wall = Solid("plane", np.array([0, 0, rng.uniform(765, 795)]), tilt, np.ones(3), _texture(rng), 2.2)
    solids, kinds = [wall], []
    for _ in range(int(rng.integers(objects[0], objects[1] + 1))):
        kind = str(rng.choice(["sphere", "box", "bar"], p=[0.3, 0.35, 0.35]))
        rotation = Rotation.from_quat(rng.normal(size=4)).as_matrix()  # uniform
        if kind == "sphere":
            half = np.full(3, rng.uniform(25, 65))
        elif kind == "box":
            half = rng.uniform(20, 70, 3)
        else:
            half = np.array([*rng.uniform(4, 9, 2), rng.uniform(90, 180)])
        centre = np.array([rng.uniform(-200, 200), rng.uniform(-160, 160), rng.uniform(520, 740)])
        extent = half[0] if kind == "sphere" else float(np.abs(rotation[2]) @ half)
        # Nothing comes nearer than the range of depths, nor far into the wall.
        centre[2] = np.clip(centre[2], DEPTH_RANGE[0] + 15 + extent, max(760 - extent, DEPTH_RANGE[0] + 15 + extent))
        shape = "sphere" if kind == "sphere" else "box"
        solids.append(Solid(shape, centre, rotation, half, _texture(rng), float(rng.uniform(1.2, 2.2))))
        kinds.append(kind)
    return solids, tuple(kinds)


def _texture(rng: np.random.Generator) -> Array:
    """Return a square of one of scikit-learn's photographs, turned and its channels exchanged, or noise in octaves; with fine
    grain."""
    if rng.random() < 0.75:
        photograph = _photographs()[int(rng.integers(2))]
        top, left = (int(rng.integers(side - _TEXTURE)) for side in photograph.shape[:2])
        texture = photograph[top : top + _TEXTURE, left : left + _TEXTURE][..., rng.permutation(3)]
        texture = np.rot90(texture, int(rng.integers(4)))
    else:
        texture = np.zeros((_TEXTURE, _TEXTURE, 3))
        for cells in (6, 12, 24, 48, 96):
            noise = rng.random((cells, cells, 3))
            texture += np.kron(noise, np.ones((_TEXTURE // cells, _TEXTURE // cells, 1))) / 5
        texture = np.clip(0.5 + 2.0 * (texture - 0.5), 0, 1)
    grain = rng.normal(0, 0.08, (_TEXTURE, _TEXTURE, 1)) + rng.normal(0, 0.03, (_TEXTURE, _TEXTURE, 3))
    return np.clip(0.1 + 0.8 * texture + grain, 0, 1)


@cache
def _photographs() -> tuple[Array, Array]:
    first, second = (image.astype(float) / 255 for image in load_sample_images().images)
    return first, second
