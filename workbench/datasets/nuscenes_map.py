"""nuScenes' map expansion -> drivable area and lane boundaries around the car, seen from above."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.datasets._annotation_fields import existing_folder, field, read_json
from workbench.geometry.bev_grid import BevGrid
from workbench.geometry.quaternions import rigid_inverse
from workbench.ops.polygon_fill import draw_line, fill_polygon

MAP_LAYERS = ("road", "lane")
"""Drivable area, and road and lane dividers."""
DIVIDERS = ("road_divider", "lane_divider")
THICKNESS = 2
"""Cells that a divider is wide."""
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Shape:
    """Rings of a polygon, or the points of a line, with their bounds (low x, low y, high x, high y), metres in the world."""

    rings: tuple[Array, ...]
    bounds: Array

    @classmethod
    def of(cls, rings: Iterable[Array]) -> _Shape:
        rings = tuple(rings)
        points = np.concatenate(rings)
        return cls(rings, np.concatenate([points.min(0), points.max(0)]))


class RoadMap:
    """Drivable areas and dividers of one location.

    Args:
        areas: polygons with holes, each a list of rings (n, 2), metres in the world.
        dividers: lines (n, 2).
    """

    def __init__(self, areas: Iterable[Iterable[ArrayLike]], dividers: Iterable[ArrayLike]) -> None:
        self.areas = [_Shape.of(np.asarray(ring, float) for ring in rings) for rings in areas]
        self.dividers = [_Shape.of([np.asarray(line, float)]) for line in dividers]
        self._bounds = {
            name: np.array([shape.bounds for shape in shapes]).reshape(-1, 4)
            for name, shapes in (("areas", self.areas), ("dividers", self.dividers))
        }

    def around(self, world_from_ego: ArrayLike, grid: BevGrid) -> NDArray[np.bool_]:
        """Return the layers (2, rows, columns) of ``MAP_LAYERS`` on the cells of a grid in the car's frame.

        Drivable: the centre of the cell lies in an area and in none of its holes. A divider: it lies within a cell of one.
        Only shapes whose bounds meet the square around the grid are looked at.

        Args:
            world_from_ego: (4, 4) of the car.
            grid: whose x and y the cells are.
        """
        pose = np.asarray(world_from_ego, float)
        ego_from_world = rigid_inverse(pose)
        corners = np.array([[x, y, 0] for x in (grid.low[0], grid.high[0]) for y in (grid.low[1], grid.high[1])])
        world = corners @ pose[:3, :3].T + pose[:3, 3]
        low, high = world[:, :2].min(0), world[:, :2].max(0)

        def cells(points: Array) -> Array:
            return grid.map_coordinates(points @ ego_from_world[:2, :2].T + ego_from_world[:2, 3])

        rows, columns = grid.shape
        found = np.zeros((2, rows, columns), bool)
        for shape in self._near("areas", low, high):
            found[0] |= fill_polygon([cells(ring) for ring in shape.rings], rows, columns)
        for shape in self._near("dividers", low, high):
            found[1] |= draw_line(cells(shape.rings[0]), rows, columns, THICKNESS)
        return found

    def _near(self, name: str, low: Array, high: Array) -> list[_Shape]:
        bounds = self._bounds[name]
        meets = (bounds[:, :2] <= high).all(1) & (bounds[:, 2:] >= low).all(1)
        return [getattr(self, name)[index] for index in np.flatnonzero(meets)]


def read_nuscenes_map(folder: str | os.PathLike[str], location: str) -> RoadMap:
    """Return the map of a location, from ``maps/expansion/<location>.json``.

    Args:
        folder: of nuScenes, with ``maps/`` in it.
        location: as the log of a scene names it, such as ``boston-seaport``.

    Raises:
        FileNotFoundError: the folder or the map is missing: the map expansion is a download of its own.
        ValueError: the file is damaged: the message names the record.
    """
    path = existing_folder(folder) / "maps" / "expansion" / f"{location}.json"
    if not path.is_file():
        raise FileNotFoundError(f"no map at {path}: unpack nuScenes' map expansion (1.3) into maps/")
    _, content = read_json(path)
    layers = {name: _layer(content, name, path) for name in ("node", "line", "polygon")}
    nodes = {
        token: np.array([field(row, axis, (int, float), f"{path}: node {token}") for axis in ("x", "y")], float)
        for token, row in layers["node"].items()
    }

    def points(tokens: list[str], where: str) -> Array:
        missing = [token for token in tokens if token not in nodes]
        if missing:
            raise ValueError(f"{where} refers to node {missing[0]!r}, which is not there")
        return np.array([nodes[token] for token in tokens]).reshape(-1, 2)

    areas = []
    for token, area in _layer(content, "drivable_area", path).items():
        where = f"{path}: drivable_area {token}"
        for name in field(area, "polygon_tokens", list, where):
            polygon = _record(layers["polygon"], name, "polygon", where)
            at = f"{path}: polygon {name}"
            holes = [field(hole, "node_tokens", list, at) for hole in field(polygon, "holes", list, at)]
            rings = [points(ring, at) for ring in (field(polygon, "exterior_node_tokens", list, at), *holes)]
            areas.append([ring for ring in rings if len(ring) >= 3])
    dividers = []
    for layer in DIVIDERS:
        for token, divider in _layer(content, layer, path).items():
            where = f"{path}: {layer} {token}"
            name = field(divider, "line_token", str, where)
            line = points(field(_record(layers["line"], name, "line", where), "node_tokens", list, where), where)
            if len(line) > 1:
                dividers.append(line)
    return RoadMap([rings for rings in areas if rings], dividers)


def _layer(content: Any, name: str, path: Path) -> dict[str, dict[str, Any]]:
    rows = field(content, name, list, str(path))
    return {field(row, "token", str, f"{path}: {name}[{index}]"): row for index, row in enumerate(rows)}


def _record(records: dict[str, dict[str, Any]], token: str, layer: str, where: str) -> dict[str, Any]:
    if token not in records:
        raise ValueError(f"{where} refers to {layer} {token!r}, which is not there")
    return records[token]
