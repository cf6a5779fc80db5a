"""The tables of a nuScenes folder: records by token, references that are checked where they are followed, and splits.

Caesar et al., "nuScenes: A Multimodal Dataset for Autonomous Driving", CVPR 2020, and the format of its release 1.0.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from workbench.datasets._annotation_fields import existing_folder, field, read_json

TABLES = (
    "category",
    "attribute",
    "instance",
    "sensor",
    "calibrated_sensor",
    "ego_pose",
    "log",
    "scene",
    "sample",
    "sample_data",
    "sample_annotation",
)
"""Tables that are read; ``visibility`` and ``map`` are not needed."""
CATEGORIES: Mapping[str, str] = {
    "movable_object.barrier": "barrier",
    "movable_object.trafficcone": "traffic_cone",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
}
"""Class of the detection task by category; the other nine categories have none."""
BICYCLE_RACK = "static_object.bicycle_rack"
_MINI = {
    "mini_train": "61,553,655,757,796,1077,1094,1100",
    "mini_val": "103,916",
}
_VAL = (
    "3,12-18,35-36,38-39,92-110,221,268-278,329-332,344-346,519-524,552-565,625-627,629-630,632-638,770-771,775,777-778,"
    "780-784,794-800,802,904-917,919-931,962-963,966-969,971-972,1059-1073"
)
"""Numbers of the 150 scenes of the split ``val``; ``train`` are the other scenes of v1.0-trainval."""


class NuScenesTables:
    """Records of one version of a folder, by table and token.

    Args:
        folder: with the folder of the version in it.
        version: such as ``"v1.0-mini"``; None when there is only one.

    Raises:
        FileNotFoundError: no such folder, no version in it, or a table is missing.
        ValueError: several versions, or a table that is not one.
    """

    def __init__(self, folder: str | os.PathLike[str], version: str | None = None) -> None:
        self.folder = existing_folder(folder)
        self.version = version or self._only_version()
        self.root = self.folder / self.version
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.folder} has no version {self.version!r}: there is no folder {self.root}")
        self.records = {name: self._table(name) for name in TABLES}
        self.annotations = self._by_sample("sample_annotation")
        self.key_frames = self._key_frames()

    def _only_version(self) -> str:
        found = sorted(path.parent.name for path in self.folder.glob("*/sample_data.json"))
        if len(found) != 1:
            raise (ValueError if found else FileNotFoundError)(
                f"{self.folder} holds {'the versions ' + ', '.join(found) if found else 'no version of nuScenes'}; expected a "
                "folder such as v1.0-mini with tables in it" + ("; choose by version=" if found else "")
            )
        return found[0]

    def _table(self, name: str) -> dict[str, dict[str, Any]]:
        path, rows = read_json(self.root / f"{name}.json")
        if not isinstance(rows, list):
            raise ValueError(f"{path} holds {rows!r:.60}; expected a list of records")
        found = {}
        for index, row in enumerate(rows):
            token = field(row, "token", str, f"{path}: record {index}")
            if token in found:
                raise ValueError(f"{path}: record {index} has the token {token} of an earlier one")
            found[token] = row
        return found

    def get(self, table: str, token: str, by: str = "") -> dict[str, Any]:
        """Return a record; ValueError naming the record ``by`` that refers to it when there is none."""
        try:
            return self.records[table][token]
        except KeyError:
            named = f"{by} refers to" if by else "there is no"
            raise ValueError(f"{named} {table} {token!r}, which is not in {self.root / table}.json") from None

    def follow(self, table: str, record: dict[str, Any], to: str, name: str = "") -> dict[str, Any]:
        """Return the record of table ``to`` that a field of a record, ``<to>_token`` by default, refers to."""
        where = f"{table} {record['token']}"
        return self.get(to, field(record, name or f"{to}_token", str, where), where)

    def _by_sample(self, table: str) -> dict[str, list[dict[str, Any]]]:
        found = defaultdict(list)
        for row in self.records[table].values():
            found[field(row, "sample_token", str, f"{table} {row['token']}")].append(row)
        return found

    def _key_frames(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the key frame of each sample and channel."""
        channels = {}
        for token, row in self.records["calibrated_sensor"].items():
            sensor = self.follow("calibrated_sensor", row, "sensor")
            channels[token] = field(sensor, "channel", str, f"sensor {sensor['token']}")
        found = defaultdict(dict)
        for token, row in self.records["sample_data"].items():
            if row.get("is_key_frame"):
                calibrated = field(row, "calibrated_sensor_token", str, f"sample_data {token}")
                if calibrated not in channels:
                    self.follow("sample_data", row, "calibrated_sensor")
                found[field(row, "sample_token", str, f"sample_data {token}")][channels[calibrated]] = row
        return found

    def split(self, name: str) -> list[str]:
        """Return the names of the scenes of a split: of ``splits.json`` beside the tables, or one of the benchmark's own.

        Raises:
            ValueError: there is no such split, or this version does not hold its scenes.
        """
        own = self.root / "splits.json"
        names = [row["name"] for row in self.records["scene"].values()]
        splits = read_json(own)[1] if own.is_file() else {}
        if name in splits:
            wanted = field(splits, name, list, str(own))
        elif name in _MINI:
            wanted = _scenes(_MINI[name])
        elif name == "val":
            wanted = _scenes(_VAL)
        elif name == "train" and self.version.endswith("trainval"):
            wanted = sorted(set(names) - set(_scenes(_VAL)))
        elif name == "test" and self.version.endswith("test"):
            wanted = names
        else:
            known = ", ".join([*splits, *_MINI, "val", "train", "test"])
            raise ValueError(f"{self.version} has no split {name!r}; expected one of {known}")
        missing = sorted(set(wanted) - set(names))
        if missing:
            raise ValueError(f"{self.root} lacks {len(missing)} scenes of the split {name!r}, such as {missing[0]}")
        return list(wanted)


def _scenes(numbers: str) -> list[str]:
    """Return names of scenes.

    >>> _scenes("3,12-14")
    ['scene-0003', 'scene-0012', 'scene-0013', 'scene-0014']
    """
    found = []
    for part in numbers.split(","):
        first, _, last = part.partition("-")
        found += [f"scene-{number:04d}" for number in range(int(first), int(last or first) + 1)]
    return found
