"""A nuScenes folder -> samples: surround cameras with their calibration, and boxes in the car's frame.

The car's frame is that of the moment at which the lidar looks: x forward, y left, z up, metres. Each camera looked a little earlier
or later, from elsewhere, and its pose takes that into account.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.datasets._annotation_fields import field
from workbench.datasets.image_files import read_image
from workbench.datasets.nuscenes_tables import BICYCLE_RACK, CATEGORIES, NuScenesTables
from workbench.geometry.quaternions import check_quaternions, quaternion_yaw, rigid, rigid_inverse
from workbench.metrics.nuscenes_boxes import ATTRIBUTE_NAMES, DETECTION_NAMES, BicycleRacks, DetectionBoxes

CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_FRONT_LEFT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_BACK_RIGHT")
LIDAR = "LIDAR_TOP"
_LONGEST = 1.5
"""Seconds between neighbouring annotations above which no velocity is told; twice that from before to after."""


@dataclass(frozen=True, eq=False)
class NuScenesCamera:
    """One camera of a sample.

    Attributes:
        channel: such as ``CAM_FRONT``.
        token: of its ``sample_data``.
        path: of the image.
        width, height: pixels.
        intrinsics: float64 (3, 3).
        cam_from_ego: float64 (4, 4), from the car's frame of the sample; x right, y down, z forward.
    """

    channel: str
    token: str
    path: Path
    width: int
    height: int
    intrinsics: np.ndarray
    cam_from_ego: np.ndarray

    def image(self) -> np.ndarray:
        """Return the image, uint8 (height, width, 3), red first.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or of another size than the table says.
        """
        if not self.path.is_file():
            raise FileNotFoundError(f"no image at {self.path} ({self.channel}, sample_data {self.token})")
        pixels = read_image(self.path)
        if pixels.shape[:2] != (self.height, self.width):
            raise ValueError(
                f"{self.path} is {pixels.shape[1]}x{pixels.shape[0]}, expected {self.width}x{self.height} as sample_data "
                f"{self.token} says"
            )
        return pixels


@dataclass(frozen=True, eq=False)
class NuScenesSample:
    """One moment of a scene.

    Attributes:
        token: of the ``sample``.
        scene: its name.
        location: of the map.
        timestamp: microseconds.
        world_from_ego: float64 (4, 4), of the car when the lidar looked.
        cameras: by channel.
        boxes: float64 (n, 9) in the car's frame: x, y, z of the centre, width, length, height, yaw, and velocity x, y (NaN where it
            is not known); of the ten classes only.
        labels: int64 (n,) in ``DETECTION_NAMES``.
        attributes: int64 (n,) in ``ATTRIBUTE_NAMES``, -1 for none.
        points: int64 (n,) of lidar and radar in each box.
        annotations: tokens (n,).
    """

    token: str
    scene: str
    location: str
    timestamp: int
    world_from_ego: np.ndarray
    cameras: dict[str, NuScenesCamera]
    boxes: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray
    points: np.ndarray
    annotations: tuple[str, ...]


class NuScenesFolder:
    """Samples of a folder in nuScenes' schema; tables are read at once, images when they are asked for."""

    def __init__(self, tables: NuScenesTables) -> None:
        self.tables = tables
        self.folder = tables.folder
        self._attributes = {}
        for token, row in tables.records["attribute"].items():
            name = field(row, "name", str, f"attribute {token}")
            self._attributes[token] = ATTRIBUTE_NAMES.index(name) if name in ATTRIBUTE_NAMES else -1
        self._scenes = {row["name"]: row for row in tables.records["scene"].values()}

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of all scenes, in the order of the table."""
        return tuple(self._scenes)

    def tokens(self, split: str | None = None) -> list[str]:
        """Return the samples of a split, or of all scenes, scene by scene in the order of time.

        Raises:
            ValueError: there is no such split, or a scene's chain of samples is broken.
        """
        found = []
        for name in self.scenes if split is None else self.tables.split(split):
            scene = self._scenes[name]
            record = self.tables.follow("scene", scene, "sample", "first_sample_token")
            while True:
                found.append(record["token"])
                if not record.get("next"):
                    break
                record = self.tables.follow("sample", record, "sample", "next")
        return found

    def sample(self, token: str, cameras: Sequence[str] = CAMERAS) -> NuScenesSample:
        """Return a sample with the cameras asked for.

        Raises:
            KeyError: the sample lacks one of the channels.
            ValueError: there is no such sample, or a record is damaged: the message names the table and the token.
        """
        record = self.tables.get("sample", token)
        frames = self.tables.key_frames[token]
        for channel in (*cameras, LIDAR):
            if channel not in frames:
                raise KeyError(f"sample {token} has no {channel}; it has {', '.join(sorted(frames)) or 'no key frame'}")
        world_from_ego = self._ego(frames[LIDAR])
        scene = self.tables.follow("sample", record, "scene")
        boxes = self._boxes(token)
        return NuScenesSample(
            token=token,
            scene=scene["name"],
            location=self.tables.follow("scene", scene, "log")["location"],
            timestamp=field(record, "timestamp", int, f"sample {token}"),
            world_from_ego=world_from_ego,
            cameras={channel: self._camera(channel, frames[channel], world_from_ego) for channel in cameras},
            boxes=ego_boxes(boxes["world"], world_from_ego),
            labels=boxes["world"].label,
            attributes=boxes["world"].attribute,
            points=boxes["points"],
            annotations=boxes["tokens"],
        )

    def truth(self, tokens: Sequence[str]) -> tuple[DetectionBoxes, np.ndarray, BicycleRacks, np.ndarray]:
        """Return what :func:`~workbench.metrics.judged` asks of samples: boxes in the world, points in each, racks, and the car.

        Returns:
            Boxes, whose ``sample`` is the place in ``tokens``; int64 (n,); bicycle racks; (samples, 3) metres.

        Raises:
            ValueError: there are no tokens, or a record is damaged.
        """
        if not tokens:
            raise ValueError("tokens is empty; expected samples")
        parts = [self._boxes(token, place) for place, token in enumerate(tokens)]
        worlds = [part["world"] for part in parts]
        truth = DetectionBoxes(
            **{name: np.concatenate([getattr(world, name) for world in worlds]) for name in vars(worlds[0])}
        )
        racks = [
            (place, *self._placed(row)[:3])
            for place, token in enumerate(tokens)
            for row in self.tables.annotations[token]
            if self._category(row) == BICYCLE_RACK
        ]
        ego = np.stack([self._ego(self.tables.key_frames[token][LIDAR])[:3, 3] for token in tokens])
        points = np.concatenate([part["points"] for part in parts])
        return truth, points, BicycleRacks(*zip(*racks, strict=True)) if racks else BicycleRacks(), ego

    def _ego(self, frame: dict[str, Any]) -> np.ndarray:
        pose = self.tables.follow("sample_data", frame, "ego_pose")
        where = f"ego_pose {pose['token']}"
        return rigid(field(pose, "rotation", list, where), field(pose, "translation", list, where), where)

    def _camera(self, channel: str, frame: dict[str, Any], world_from_ego: np.ndarray) -> NuScenesCamera:
        sensor = self.tables.follow("sample_data", frame, "calibrated_sensor")
        where, at = f"sample_data {frame['token']}", f"calibrated_sensor {sensor['token']}"
        intrinsics = np.asarray(field(sensor, "camera_intrinsic", list, at), float)
        if intrinsics.shape != (3, 3) or not np.isfinite(intrinsics).all():
            raise ValueError(f"{at}: camera_intrinsic must be finite (3, 3), got {intrinsics.tolist()}")
        if not (intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0):
            raise ValueError(f"{at}: focal lengths must be above 0, got {intrinsics[0, 0]:g} and {intrinsics[1, 1]:g}")
        ego_from_cam = rigid(field(sensor, "rotation", list, at), field(sensor, "translation", list, at), at)
        world_from_cam = self._ego(frame) @ ego_from_cam
        return NuScenesCamera(
            channel=channel,
            token=frame["token"],
            path=self.folder / field(frame, "filename", str, where),
            width=field(frame, "width", int, where),
            height=field(frame, "height", int, where),
            intrinsics=intrinsics,
            cam_from_ego=rigid_inverse(world_from_cam) @ world_from_ego,
        )

    def _category(self, row: dict[str, Any]) -> str:
        instance = self.tables.follow("sample_annotation", row, "instance")
        return self.tables.follow("instance", instance, "category")["name"]

    def _placed(self, row: dict[str, Any]) -> tuple[list[float], list[float], np.ndarray]:
        """Return centre, size and rotation of an annotation."""
        where = f"sample_annotation {row['token']}"
        centre, size = (np.asarray(field(row, name, list, where), float) for name in ("translation", "size"))
        if centre.shape != (3,) or size.shape != (3,) or not np.isfinite(centre).all() or not (size > 0).all():
            raise ValueError(
                f"{where}: translation must be three finite numbers and size above 0, got {centre.tolist()} and {size.tolist()}"
            )
        return centre.tolist(), size.tolist(), check_quaternions(field(row, "rotation", list, where), where)

    def _boxes(self, token: str, place: int = 0) -> dict[str, Any]:
        rows = [(CATEGORIES.get(self._category(row)), row) for row in self.tables.annotations[token]]
        rows = [(DETECTION_NAMES.index(name), row) for name, row in rows if name is not None]
        placed = [self._placed(row) for _, row in rows]
        world = DetectionBoxes(
            sample=np.full(len(rows), place),
            label=[label for label, _ in rows],
            centre=[one[0] for one in placed],
            size=[one[1] for one in placed],
            rotation=[one[2] for one in placed],
            velocity=[self._velocity(row) for _, row in rows],
            attribute=[self._attribute(row) for _, row in rows],
        )
        points = [int(row["num_lidar_pts"]) + int(row["num_radar_pts"]) for _, row in rows]
        return {"world": world, "points": np.array(points, np.int64), "tokens": tuple(row["token"] for _, row in rows)}

    def _attribute(self, row: dict[str, Any]) -> int:
        where = f"sample_annotation {row['token']}"
        tokens = field(row, "attribute_tokens", list, where)
        if len(tokens) > 1:
            raise ValueError(f"{where} has {len(tokens)} attributes; expected at most one")
        if tokens and tokens[0] not in self._attributes:
            self.tables.get("attribute", tokens[0], where)
        return self._attributes[tokens[0]] if tokens else -1

    def _velocity(self, row: dict[str, Any]) -> tuple[float, float]:
        """Return the velocity from the annotation before to the one after, m/s; NaN when both are missing or far away."""
        first, last = (
            self.tables.follow("sample_annotation", row, "sample_annotation", name) if row.get(name) else row
            for name in ("prev", "next")
        )
        start, end = (
            1e-6 * self.tables.follow("sample_annotation", one, "sample")["timestamp"] for one in (first, last)
        )
        both = first is not row and last is not row
        if first is last or not 0 < end - start <= _LONGEST * (2 if both else 1):
            return float("nan"), float("nan")
        moved = np.subtract(last["translation"], first["translation"]) / (end - start)
        return float(moved[0]), float(moved[1])


def read_nuscenes(folder: str | os.PathLike[str], version: str | None = None) -> NuScenesFolder:
    """Return the samples of a folder in nuScenes' schema: its own, or one written by :func:`~workbench.datasets.write_drives`.

    Args:
        folder: with ``samples/``, ``maps/`` and the folder of a version, such as ``v1.0-mini``, in it. It is never changed.
        version: None when there is only one.

    Raises:
        FileNotFoundError: the folder, the version or a table is missing.
        ValueError: several versions, or a table is damaged: the message names the file and the record.
    """
    return NuScenesFolder(NuScenesTables(folder, version))


def ego_boxes(boxes: DetectionBoxes, world_from_ego: np.ndarray) -> np.ndarray:
    """Return boxes in the world as (n, 9) in the car's frame, as :class:`NuScenesSample` has them."""
    ego_from_world = rigid_inverse(world_from_ego)
    turn = ego_from_world[:3, :3]
    centre = boxes.centre @ turn.T + ego_from_world[:3, 3]
    heading = quaternion_yaw(boxes.rotation)
    nose = np.stack([np.cos(heading), np.sin(heading), np.zeros(len(boxes))], -1) @ turn.T
    velocity = np.pad(boxes.velocity, ((0, 0), (0, 1))) @ turn.T
    yaw = np.arctan2(nose[:, 1], nose[:, 0])
    return np.concatenate([centre, boxes.size, yaw[:, None], velocity[:, :2]], 1)
