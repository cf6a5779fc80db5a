"""LINEMOD-Occlusion from a folder of the person's: photographs of a crowded table, with boxes of eight objects from their poses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from workbench.datasets._annotation_fields import annotation, field, read_json
from workbench.datasets.annotated_images import Annotation, ImageEntry
from workbench.datasets.extras import LINEMOD_OCCLUSION

LINEMOD_OBJECTS = {
    1: "ape",
    5: "can",
    6: "cat",
    8: "driller",
    9: "duck",
    10: "egg_box",
    11: "glue",
    12: "hole_puncher",
}
"""Name of each object by its number in the benchmark."""
CELL = 4
"""Side of the squares, in pixels, in which it is told which object is in front."""
_IN_FRONT = 5.0
_MARGIN = 40
"""Squares around the image: what lies there belongs to an object and is not seen."""


def read_linemod_occlusion(folder: str | os.PathLike[str] | None = None) -> list[ImageEntry]:
    """Return the 200 test images of LINEMOD-Occlusion, 640x480, with the boxes of eight objects; no image is opened yet.

    A box spans the projected vertices of the object's model in its annotated pose, also where it is hidden. ``visible`` is the
    share of its 4 x 4 pixel squares in which it lies in front of the other seven, or at most 5 mm behind; what else stands on
    the table has no pose, so that some objects show less than it says.
    Nothing of it ships with the workbench. ``python -m workbench.datasets.build linemod_occlusion`` fetches it into the cache.
    Source: Brachmann et al., "Learning 6D Object Pose Estimation using 3D Object Coordinates", ECCV 2014, as the BOP challenge 2019
    selects it.

    Args:
        folder: with ``camera.json``, ``scene_gt.json``, ``models/obj_*.ply`` and ``rgb/*.png``. None for
            ``WORKBENCH_LINEMOD_OCCLUSION``, and without that the cache.

    Raises:
        NotInstalledError: a FileNotFoundError; the folder lacks a file, and the message says how to get it.
        ValueError: a damaged file; the message names the file, the row and the field.
    """
    folder = LINEMOD_OCCLUSION.folder(folder)
    for name in ("camera.json", "scene_gt.json", "rgb"):
        if not (folder / name).exists():
            raise LINEMOD_OCCLUSION.missing(folder, name)
    path, camera = read_json(folder / "camera.json")
    focal, centre = (
        np.array([field(camera, name, (int, float), str(path)) for name in names])
        for names in (("fx", "fy"), ("cx", "cy"))
    )
    size = field(camera, "width", int, str(path)), field(camera, "height", int, str(path))
    path, frames = read_json(folder / "scene_gt.json")
    if not isinstance(frames, dict) or not all(frame.isdigit() for frame in frames):
        raise ValueError(f"{path} holds {frames!r:.60}; expected an object with the poses of each frame by its number")
    vertices = {number: model_vertices(folder, number) for number in LINEMOD_OBJECTS}
    entries = []
    for frame in sorted(frames, key=int):
        name = _image(frame)
        where = f"{path}: frame {frame}"
        points = {
            number: np.column_stack([seen[:, :2] / seen[:, 2:] * focal + centre, seen[:, 2]])
            for number, seen in in_camera(field(frames, frame, list, str(path)), vertices, where)
        }
        entries.append(ImageEntry(name, folder / name, _annotations(points, size, where), size))
    return entries


def linemod_rotations(folder: str | os.PathLike[str] | None = None) -> dict[tuple[str, str], np.ndarray]:
    """Return the rotation (3, 3) of each object in each image, ``X_camera = R X_object + t``, by the image's id and the category.

    Two of them tell how far apart the object was seen from: ``cos(angle) = (trace(R R'^T) - 1) / 2``.

    Raises:
        NotInstalledError, ValueError: as :func:`read_linemod_occlusion`.
    """
    path, frames = read_json(LINEMOD_OCCLUSION.file("scene_gt.json", folder))
    rotations = {}
    for frame, poses in frames.items():
        for index, pose in enumerate(poses):
            where = f"{path}: frame {frame}, object {index}"
            category = LINEMOD_OBJECTS[field(pose, "obj_id", int, where)]
            rotations[_image(frame), category] = _numbers(pose, "cam_R_m2c", 9, where).reshape(3, 3)
    return rotations


def _image(frame: str) -> str:
    return f"rgb/{int(frame):06d}.png"


def in_camera(poses: list[Any], vertices: dict[int, np.ndarray], where: str) -> list[tuple[int, np.ndarray]]:
    """Return object and vertices (V, 3) in the camera's frame, millimetres, of each pose: X' = R X + t."""
    found = []
    for index, pose in enumerate(poses):
        row = f"{where}, object {index}"
        number = field(pose, "obj_id", int, row)
        if number not in vertices:
            raise ValueError(f"{row}: obj_id is {number}; expected one of {sorted(vertices)}")
        rotation, shift = (_numbers(pose, name, count, row) for name, count in (("cam_R_m2c", 9), ("cam_t_m2c", 3)))
        seen = vertices[number] @ rotation.reshape(3, 3).T + shift
        if seen[:, 2].min() <= 0:
            raise ValueError(f"{row}: cam_t_m2c is {shift.tolist()}; expected the object in front of the camera")
        found.append((number, seen))
    return found


def _annotations(points: dict[int, np.ndarray], size: tuple[int, int], where: str) -> tuple[Annotation, ...]:
    """Return the boxes and visible shares of objects from their projected vertices u, v, depth (V, 3)."""
    nearest = {number: _depths(seen, size) for number, seen in points.items()}
    front = np.minimum.reduce(list(nearest.values())) if nearest else None
    found = []
    for number, seen in points.items():
        drawn = np.isfinite(nearest[number])
        shown = (drawn & (nearest[number] <= front + _IN_FRONT))[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        visible = int(shown.sum()) / int(drawn.sum())
        corners = [*seen[:, :2].min(axis=0).tolist(), *seen[:, :2].max(axis=0).tolist()]
        found.append(annotation(LINEMOD_OBJECTS[number], corners, where, visible))
    return tuple(one for one in found if one)


def _depths(seen: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the depth of the nearest vertex in each square of the image and a margin around it, infinite where there is none."""
    columns, rows = (-(-side // CELL) + 2 * _MARGIN for side in size)
    column, row = (seen[:, :2] // CELL).astype(int).T + _MARGIN
    depths = np.full((rows, columns), np.inf)
    np.minimum.at(depths, (row.clip(0, rows - 1), column.clip(0, columns - 1)), seen[:, 2])
    return depths


def model_vertices(folder: Path, number: int) -> np.ndarray:
    """Return the vertices (V, 3) of an ASCII PLY model, millimetres."""
    name = f"models/obj_{number:06d}.ply"
    path = folder / name
    if not path.is_file():
        raise LINEMOD_OCCLUSION.missing(folder, name)
    with path.open(encoding="ascii", errors="replace") as file:
        header = []
        for line in file:
            header.append(line.strip())
            if header[-1] == "end_header":
                break
        counts = [line.split()[-1] for line in header if line.startswith("element vertex ")]
        if header[:2] != ["ply", "format ascii 1.0"] or not counts or not counts[0].isdigit():
            raise ValueError(f"{path} is not an ASCII PLY model with vertices")
        try:
            vertices = np.loadtxt(file, usecols=(0, 1, 2), max_rows=int(counts[0]), ndmin=2)
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error})") from None
    if len(vertices) != int(counts[0]):
        raise ValueError(f"{path} holds {len(vertices)} vertices; its header says {counts[0]}: the file is truncated")
    return vertices


def _numbers(record: Any, name: str, count: int, where: str) -> np.ndarray:
    values = field(record, name, list, where)
    if len(values) != count or not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"{where}: {name} is {values!r:.60}; expected {count} numbers")
    return np.array(values, float)
