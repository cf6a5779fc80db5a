"""The thirteen tables, the map and the splits of a folder in nuScenes' schema, written for toy drives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from workbench.datasets._drive_world import CATEGORIES, Scene
from workbench.geometry.quaternions import matrix_quaternion, yaw_quaternion
from workbench.metrics.nuscenes_boxes import ATTRIBUTE_NAMES

LOCATION = "boston-seaport"
"""One of the four that the devkit accepts."""
_LEVELS = ((0.4, "1", "v0-40"), (0.6, "2", "v40-60"), (0.8, "3", "v60-80"), (np.inf, "4", "v80-100"))
_POLYGON_LAYERS = (
    "road_segment",
    "road_block",
    "lane",
    "ped_crossing",
    "walkway",
    "stop_line",
    "carpark_area",
    "lane_connector",
)
_EMPTY_LAYERS = (*_POLYGON_LAYERS, "traffic_light")


def token(*parts: object) -> str:
    """Return the 32 hexadecimal digits that name a record, always the same for the same parts."""
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


class TableWriter:
    """Collects records and writes them, all numbers rounded to 1e-9, when it is closed."""

    def __init__(self, root: Path, version: str, splits: Mapping[str, Sequence[str]]) -> None:
        self.root, self.version, self.splits = root, version, splits
        names = (
            "sensor",
            "calibrated_sensor",
            "ego_pose",
            "log",
            "scene",
            "sample",
            "sample_data",
            "sample_annotation",
            "instance",
        )
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        self.layers: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("node", "line", "polygon", "drivable_area", "road_divider", "lane_divider")
        }
        categories = [*CATEGORIES.values(), "static_object.bicycle_rack"]
        self.tables["category"] = [_record("category", name, name=name, description="") for name in categories]
        self.tables["attribute"] = [_record("attribute", name, name=name, description="") for name in ATTRIBUTE_NAMES]
        self.tables["visibility"] = [{"token": name, "level": level, "description": ""} for _, name, level in _LEVELS]

    def sensor(self, channel: str, place: ArrayLike, rotation: ArrayLike, intrinsics: ArrayLike = ()) -> None:
        """Add a sensor with its calibration."""
        modality = "camera" if np.size(intrinsics) else "lidar"
        self.tables["sensor"].append(_record("sensor", channel, channel=channel, modality=modality))
        self.tables["calibrated_sensor"].append(
            _record(
                "calibrated_sensor",
                channel,
                sensor_token=token("sensor", channel),
                translation=_plain(place),
                rotation=_plain(rotation),
                camera_intrinsic=_plain(intrinsics),
            )
        )

    def scene(self, name: str, scene: Scene, samples: int) -> None:
        """Add a scene with its log, and its street to the map."""
        self.tables["log"].append(
            _record("log", name, logfile=name, vehicle="toy", date_captured="2026-01-01", location=LOCATION)
        )
        self.tables["scene"].append(
            _record(
                "scene",
                name,
                name=name,
                description="",
                log_token=token("log", name),
                nbr_samples=samples,
                first_sample_token=token("sample", name, 0),
                last_sample_token=token("sample", name, samples - 1),
            )
        )
        street = scene.street
        polygons = [
            self._polygon(f"{name}-{index}", [street.to_world(ring) for ring in rings])
            for index, rings in enumerate(street.areas())
        ]
        self.layers["drivable_area"].append(_record("drivable_area", name, polygon_tokens=polygons))
        for layer, lines in zip(("road_divider", "lane_divider"), street.dividers(), strict=True):
            for index, line in enumerate(lines):
                key = f"{name}-{layer}-{index}"
                self.layers["line"].append(_record("line", key, node_tokens=self._nodes(key, street.to_world(line))))
                self.layers[layer].append(
                    _record(layer, key, line_token=token("line", key), road_segment_token="", lane_divider_segments=[])
                )

    def _polygon(self, key: str, rings: list[np.ndarray]) -> str:
        outline, *holes = (self._nodes(f"{key}-{index}", ring) for index, ring in enumerate(rings))
        record = _record("polygon", key, exterior_node_tokens=outline, holes=[{"node_tokens": hole} for hole in holes])
        self.layers["polygon"].append(record)
        return record["token"]

    def _nodes(self, key: str, points: np.ndarray) -> list[str]:
        records = [_record("node", key, index, x=x, y=y) for index, (x, y) in enumerate(_plain(points))]
        self.layers["node"] += records
        return [record["token"] for record in records]

    def sample(self, name: str, index: int, timestamp: int) -> None:
        """Add a sample, linked to its neighbours."""
        count = self.tables["scene"][-1]["nbr_samples"]
        self.tables["sample"].append(
            _record(
                "sample",
                name,
                index,
                timestamp=timestamp,
                scene_token=token("scene", name),
                **_links(("sample", name), index, count),
            )
        )

    def frame(
        self,
        name: str,
        index: int,
        channel: str,
        path: str,
        timestamp: int,
        world_from_ego: np.ndarray,
        size: tuple[int, int],
        count: int,
    ) -> None:
        """Add what a sensor recorded, and where the car was then."""
        self.tables["ego_pose"].append(
            _record(
                "ego_pose",
                name,
                index,
                channel,
                timestamp=timestamp,
                translation=_plain(world_from_ego[:3, 3]),
                rotation=_plain(matrix_quaternion(world_from_ego[:3, :3])),
            )
        )
        before, after = (token("sample_data", name, place, channel) for place in (index - 1, index + 1))
        self.tables["sample_data"].append(
            _record(
                "sample_data",
                name,
                index,
                channel,
                sample_token=token("sample", name, index),
                ego_pose_token=token("ego_pose", name, index, channel),
                calibrated_sensor_token=token("calibrated_sensor", channel),
                timestamp=timestamp,
                fileformat=path.rsplit(".", 1)[-1] if channel != "LIDAR_TOP" else "pcd",
                is_key_frame=True,
                width=size[0],
                height=size[1],
                filename=path,
                prev=before if index else "",
                next=after if index + 1 < count else "",
            )
        )

    def annotations(self, name: str, scene: Scene, pixels: np.ndarray, visible: np.ndarray, step: float) -> None:
        """Add boxes of what at least one camera sees, by sample.

        Args:
            name: of the scene.
            scene: what is in it.
            pixels: (samples, things) that show each.
            visible: (samples, things) share of it that nothing hides.
            step: seconds from sample to sample.
        """
        attributes = {row["name"]: row["token"] for row in self.tables["attribute"]}
        for place, thing in enumerate(scene.things):
            shown = np.flatnonzero(pixels[:, place]).tolist() if thing.category else []
            if not shown:
                continue
            instance = token("instance", name, thing.name)
            keys = [token("sample_annotation", name, index, thing.name) for index in shown]
            self.tables["instance"].append(
                {
                    "token": instance,
                    "category_token": token("category", thing.category),
                    "nbr_annotations": len(shown),
                    "first_annotation_token": keys[0],
                    "last_annotation_token": keys[-1],
                }
            )
            for order, index in enumerate(shown):
                centre = scene.street.to_world(np.array(thing.place(step * index)))
                level = next(key for most, key, _ in _LEVELS if visible[index, place] < most)
                self.tables["sample_annotation"].append(
                    {
                        "token": keys[order],
                        "sample_token": token("sample", name, index),
                        "instance_token": instance,
                        "visibility_token": level,
                        "attribute_tokens": [attributes[thing.attribute]] if thing.attribute else [],
                        "translation": _plain([*centre, thing.size[2] / 2]),
                        "size": _plain(thing.size),
                        "rotation": _plain(yaw_quaternion(thing.yaw + scene.street.heading)),
                        "prev": keys[order - 1] if order else "",
                        "next": keys[order + 1] if order + 1 < len(keys) else "",
                        "num_lidar_pts": int(pixels[index, place]),
                        "num_radar_pts": 0,
                    }
                )

    def close(self, canvas: tuple[float, float]) -> None:
        """Write everything: tables, splits, the map's mask and its expansion."""
        mask = f"maps/{token('map', LOCATION)}.png"
        self.tables["map"] = [
            _record(
                "map",
                LOCATION,
                category="semantic_prior",
                filename=mask,
                log_tokens=[row["token"] for row in self.tables["log"]],
            )
        ]
        for name, rows in self.tables.items():
            _write(self.root / self.version / f"{name}.json", rows)
        _write(self.root / self.version / "splits.json", {name: list(scenes) for name, scenes in self.splits.items()})
        expansion = {"version": "1.3", "canvas_edge": list(canvas), "connectivity": {}, "arcline_path_3": {}}
        expansion |= {name: [] for name in _EMPTY_LAYERS} | self.layers
        _write(self.root / "maps" / "expansion" / f"{LOCATION}.json", expansion)
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(self.root / mask)


def _record(table: str, *key: object, **values: Any) -> dict[str, Any]:
    return {"token": token(table, *key), **values}


def _links(key: tuple[object, ...], index: int, count: int) -> dict[str, str]:
    return {
        "prev": token(*key, index - 1) if index else "",
        "next": token(*key, index + 1) if index + 1 < count else "",
    }


def _plain(values: ArrayLike) -> Any:
    return (np.asarray(values, float).round(9) + 0.0).tolist()


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=0, separators=(",", ":")))
