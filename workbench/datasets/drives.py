"""Toy drives in nuScenes' own schema: streets with all ten classes, six cameras, boxes and a map, from a seed.

What is written is read by :func:`~workbench.datasets.read_nuscenes` and by the official devkit alike. Blocks on a plane are not
streets: sizes and colours give classes away, and scores on them say nothing about nuScenes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.datasets._drive_camera import Look, picture
from workbench.datasets._drive_tables import LOCATION, TableWriter, token
from workbench.datasets._drive_world import Scene, make_scene
from workbench.datasets.files import atomic_folder
from workbench.datasets.nuscenes import CAMERAS
from workbench.geometry.quaternions import matrix_quaternion, rigid, yaw_quaternion

VERSION = "v1.0-mini"
CALIBRATION = {
    "CAM_FRONT": ((1.70, 0.02, 1.51), 0.0, 1266.0),
    "CAM_FRONT_LEFT": ((1.52, 0.49, 1.51), 55.0, 1266.0),
    "CAM_FRONT_RIGHT": ((1.55, -0.49, 1.50), -55.0, 1266.0),
    "CAM_BACK": ((0.03, 0.0, 1.58), 180.0, 810.0),
    "CAM_BACK_LEFT": ((1.04, 0.48, 1.59), 110.0, 1266.0),
    "CAM_BACK_RIGHT": ((1.01, -0.48, 1.56), -110.0, 1266.0),
}
"""Place in the car's frame (metres), direction (degrees to the left) and focal length (pixels of a 1600 x 900 image)."""
CENTRE = (816.0, 492.0)
"""Principal point, pixels of a 1600 x 900 image."""
STEP, FIRST = 0.5, 1_600_000_000_000_000
"""Seconds from sample to sample; microseconds of the first."""
_DELAY = {channel: 0.012 * (place - 2) for place, channel in enumerate(CAMERAS)}
"""Seconds by which a camera looks later than the lidar."""
_APART = 400.0
_MINI_TRAIN = tuple(f"scene-{number:04d}" for number in (61, 553, 655, 757, 796, 1077, 1094, 1100))
_MINI_VAL = ("scene-0103", "scene-0916")


@dataclass(frozen=True)
class DriveConfig:
    """What is written.

    Attributes:
        train, val: scenes of the splits ``toy_train`` and ``toy_val``; the first 8 and 2 have the names of ``mini_train`` and
            ``mini_val``.
        samples: of each scene, half a second apart.
        width, height: of the images, pixels.
        extras: fewest and most objects of a scene besides one of each class.
        reach: metres along the road, ahead and behind, within which they are.
        rays: a side of a pixel, averaged.
        noise: standard deviation of the camera's, of 255.
        quality: of the JPEG files, 1 to 100.
        seed: of everything.

    Raises:
        ValueError: a field lies outside what it says here.
    """

    train: int = 8
    val: int = 2
    samples: int = 6
    width: int = 176
    height: int = 96
    extras: tuple[int, int] = (6, 14)
    reach: float = 30.0
    rays: int = 2
    noise: float = 3.0
    quality: int = 92
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("train", 0),
            ("val", 0),
            ("samples", 2),
            ("width", 16),
            ("height", 16),
            ("rays", 1),
            ("seed", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)!r}")
        if not self.train + self.val:
            raise ValueError("train and val are both 0; expected a scene")
        if not 0 <= self.extras[0] <= self.extras[1]:
            raise ValueError(f"extras must be 0 <= fewest <= most, got {self.extras}")
        if not (self.reach > 0 and self.noise >= 0 and 1 <= self.quality <= 100):
            raise ValueError(
                f"reach must be above 0, noise at least 0 and quality 1 to 100, got {self.reach}, {self.noise}, {self.quality}"
            )

    def intrinsics(self, channel: str) -> np.ndarray:
        """Return the (3, 3) of a camera, for images of this size."""
        scale = np.array([self.width / 1600, self.height / 900])
        focal, (x, y) = CALIBRATION[channel][2] * scale[0], CENTRE * scale
        return np.array([[focal, 0, x], [0, focal, y], [0, 0, 1.0]])

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of the scenes of both splits."""
        train = [_MINI_TRAIN[index] if index < 8 else f"scene-{2000 + index}" for index in range(self.train)]
        val = [_MINI_VAL[index] if index < 2 else f"scene-{6000 + index}" for index in range(self.val)]
        return train, val


def write_drives(
    folder: str | os.PathLike[str],
    config: DriveConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write toy drives into a new folder and return it; the same configuration gives the same bytes.

    Scenes of 8 + 2 at 176 x 96 are a few megabytes. An interrupted run leaves nothing behind.

    Args:
        folder: that does not exist yet, or is empty.
        config: None for 8 + 2 scenes of 6 samples.
        progress: called with scenes done and scenes in all.

    Raises:
        FileExistsError: there is something in the folder.
    """
    config, folder = config or DriveConfig(), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already")
    train, val = config.names()
    names = [*train, *val]
    with atomic_folder(folder) as root:
        writer = TableWriter(root, VERSION, {"toy_train": train, "toy_val": val})
        for channel in CAMERAS:
            place, direction, _ = CALIBRATION[channel]
            writer.sensor(channel, place, camera_rotation(direction), config.intrinsics(channel))
        writer.sensor("LIDAR_TOP", (0.94, 0.0, 1.84), yaw_quaternion(-np.pi / 2))
        side = int(np.ceil(len(names) ** 0.5))
        for index, name in enumerate(names):
            origin = (_APART * (index % side + 0.5), _APART * (index // side + 0.5))
            # A scene depends on its place in its own split, so that more training scenes leave the validation as it was.
            seed = (config.seed, *((1, index) if index < len(train) else (2, index - len(train))))
            _write_scene(writer, root, config, name, make_scene(seed, origin, config.extras, config.reach), seed)
            if progress is not None:
                progress(index + 1, len(names))
        writer.close(canvas=(_APART * side, _APART * side))
    return folder


def camera_rotation(direction: float) -> np.ndarray:
    """Return the quaternion (4,) of a level camera in the car's frame, whose axis points ``direction`` degrees to the left.

    >>> camera_rotation(0.0).tolist()  # z forward, x right, y down
    [0.5, -0.5, 0.5, -0.5]
    """
    angle = np.deg2rad(direction)
    cosine, sine = np.cos(angle), np.sin(angle)
    return matrix_quaternion([[sine, 0, cosine], [-cosine, 0, sine], [0, -1, 0]]).round(12)


def _write_scene(
    writer: TableWriter, root: Path, config: DriveConfig, name: str, scene: Scene, seed: tuple[int, ...]
) -> None:
    look = Look.of(np.random.default_rng([*seed, 1]))
    noise = np.random.default_rng([*seed, 2])
    writer.scene(name, scene, config.samples)
    start = FIRST + 1_000_000_000 * int(token(name)[:4], 16)
    seen, alone = (np.zeros((config.samples, len(scene.things)), np.int64) for _ in range(2))
    for index in range(config.samples):
        seconds = STEP * index
        writer.sample(name, index, start + round(1e6 * seconds))
        for channel in CAMERAS:
            at = seconds + _DELAY[channel]
            pose = _pose(scene, at)
            place, direction, _ = CALIBRATION[channel]
            world_from_cam = pose @ rigid(camera_rotation(direction), place)
            shot = picture(
                scene,
                look,
                at,
                world_from_cam,
                config.intrinsics(channel) * [[config.rays], [config.rays], [1]],
                config.width * config.rays,
                config.height * config.rays,
            )
            seen[index] += shot.seen
            alone[index] += shot.alone
            path = f"samples/{channel}/{name}__{channel}__{index:02d}.jpg"
            _save(root / path, shot.pixels, config, noise)
            writer.frame(
                name, index, channel, path, start + round(1e6 * at), pose, (config.width, config.height), config.samples
            )
        path = f"samples/LIDAR_TOP/{name}__LIDAR_TOP__{index:02d}.pcd.bin"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(np.zeros(5, "<f4").tobytes())
        writer.frame(
            name, index, "LIDAR_TOP", path, start + round(1e6 * seconds), _pose(scene, seconds), (0, 0), config.samples
        )
    pixels = -(-seen // config.rays**2)  # at least one for whatever is seen
    writer.annotations(name, scene, pixels, seen / np.maximum(alone, 1), STEP)


def _pose(scene: Scene, seconds: float) -> np.ndarray:
    place, heading = scene.ego(seconds)
    return rigid(yaw_quaternion(heading), [*place, 0.0])


def _save(path: Path, pixels: np.ndarray, config: DriveConfig, noise: np.random.Generator) -> None:
    rays = config.rays
    image = pixels.reshape(config.height, rays, config.width, rays, 3).mean((1, 3))
    image += config.noise * noise.standard_normal(image.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.round().clip(0, 255).astype(np.uint8)).save(path, quality=config.quality)


__all__ = ["CALIBRATION", "LOCATION", "VERSION", "DriveConfig", "camera_rotation", "write_drives"]
