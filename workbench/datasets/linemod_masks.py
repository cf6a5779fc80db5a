"""Masks of the objects of LINEMOD-Occlusion: its models, drawn in their annotated poses over the photographs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.datasets._annotation_fields import field, read_json
from workbench.datasets.coco_masks import MaskedImage, masked_image
from workbench.datasets.extras import LINEMOD_OCCLUSION
from workbench.datasets.linemod_occlusion import LINEMOD_OBJECTS, in_camera, model_vertices, read_linemod_occlusion

Float = NDArray[np.float64]
_SPACING = 0.6
"""Largest distance, in pixels, of the points with which a triangle is drawn."""
_LEAST_PIXELS = 30
"""An object of which fewer show is left out."""


def read_linemod_masks(
    frames: Sequence[int] | None = None, folder: str | os.PathLike[str] | None = None
) -> list[MaskedImage]:
    """Return photographs of LINEMOD-Occlusion with the mask of what shows of each of eight objects, drawn by a depth buffer.

    Things on the table without a pose hide objects and are not known to: some masks are larger than what shows, and whoever finds
    such a thing has found what the truth lacks. Poses are off by a pixel or a few.

    Args:
        frames: which of the 200, from 0; None for all, about half a second each.
        folder: as in :func:`~workbench.datasets.read_linemod_occlusion`.

    Raises:
        NotInstalledError: a FileNotFoundError; the folder lacks a file, and the message says how to get it.
        ValueError: a damaged file, or ``frames`` names one that there is not.
    """
    folder = LINEMOD_OCCLUSION.folder(folder)
    entries = read_linemod_occlusion(folder)
    path, poses = read_json(folder / "scene_gt.json")
    names = sorted(poses, key=int)
    chosen = range(len(entries)) if frames is None else frames
    if not all(0 <= index < len(entries) for index in chosen):
        raise ValueError(f"frames must lie in 0 to {len(entries) - 1}, got {list(chosen)!r:.60}")
    camera = read_json(folder / "camera.json")[1]
    focal, centre = (np.array([camera[name] for name in pair]) for pair in (("fx", "fy"), ("cx", "cy")))
    models = {number: _model(folder, number) for number in LINEMOD_OBJECTS}
    vertices = {number: one[0] for number, one in models.items()}
    found = []
    for index in chosen:
        entry, name = entries[index], names[index]
        where = f"{path}: frame {name}"
        size = (entry.size[1], entry.size[0])
        depths = []
        for number, seen in in_camera(field(poses, name, list, str(path)), vertices, where):
            pixels = seen[:, :2] / seen[:, 2:] * focal + centre
            depths.append(draw_depth(np.column_stack([pixels, seen[:, 2]]), models[number][1], size))
        masks = visible_masks(np.stack(depths)) if depths else np.zeros((0, *size), bool)
        masks = masks[masks.sum((1, 2)) >= _LEAST_PIXELS]
        found.append(masked_image(entry.id, folder, masks))
    return found


def draw_depth(points: Float, faces: NDArray[np.int64], size: tuple[int, int]) -> Float:
    """Return the depth (height, width) of the nearest surface at each pixel; infinity where there is none.

    A pixel belongs to the triangles that touch it; these are covered with points so dense that none whose centre lies inside is
    missed. Depth is linear between corners, which is true enough of triangles of a few pixels.

    Args:
        points: (V, 3) column, row (pixel centres are whole numbers) and depth of each vertex.
        faces: (F, 3) vertices of each triangle.
        size: height and width of the image.

    >>> corners = np.array([[0.0, 0, 5], [3, 0, 5], [0, 3, 5]])
    >>> np.isfinite(draw_depth(corners, np.array([[0, 1, 2]]), (4, 4))).astype(int)
    array([[1, 1, 1, 1],
           [1, 1, 1, 0],
           [1, 1, 1, 0],
           [1, 0, 0, 0]])
    """
    height, width = size
    nearest = np.full(height * width, np.inf)
    corners = points[faces]
    sides = np.linalg.norm(corners[:, [0, 1, 2], :2] - corners[:, [1, 2, 0], :2], axis=2).max(1)
    steps = np.maximum(np.ceil(sides / _SPACING), 1).astype(int)
    for count in np.unique(steps):
        weights = _grid(int(count))
        drawn = (weights @ corners[steps == count]).reshape(-1, 3)
        column, row = np.rint(drawn[:, :2]).astype(int).T
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        np.minimum.at(nearest, row[inside] * width + column[inside], drawn[inside, 2])
    return nearest.reshape(size)


def visible_masks(depths: Float) -> NDArray[np.bool_]:
    """Return which pixels (n, height, width) of each object lie before those of all others, of their depths.

    >>> visible_masks(np.array([[[1.0, 9.0, np.inf]], [[2.0, 2.0, np.inf]]])).astype(int).tolist()
    [[[1, 0, 0]], [[0, 1, 0]]]
    """
    front = depths.argmin(0)
    return (front[None] == np.arange(len(depths))[:, None, None]) & np.isfinite(depths)


def _grid(steps: int) -> Float:
    """Return barycentric weights (points, 3) of a regular grid of a triangle."""
    first, second = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    kept = first + second <= steps
    weights = np.stack([first[kept], second[kept], steps - first[kept] - second[kept]], 1)
    return weights / steps


@lru_cache(maxsize=16)
def _model(folder: Path, number: int) -> tuple[Float, NDArray[np.int64]]:
    """Return vertices (V, 3), millimetres, and triangles (F, 3) of a model."""
    vertices = model_vertices(folder, number)
    path = folder / f"models/obj_{number:06d}.ply"
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    start = lines.index("end_header") + 1 + len(vertices)
    counts = [line.split()[-1] for line in lines[:start] if line.startswith("element face ")]
    rows = [line.split() for line in lines[start:] if line.strip()]
    if not counts or len(rows) < int(counts[0]):
        raise ValueError(f"{path} holds {len(rows)} faces; its header says {counts[0] if counts else 'none'}")
    if any(len(row) < 4 or row[0] != "3" for row in rows):
        raise ValueError(f"{path} holds faces of other than three corners; expected triangles")
    faces = np.array([row[1:4] for row in rows], np.int64).reshape(-1, 3)
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError(f"{path} has a face with corner {faces.max()}; it has {len(vertices)} vertices")
    return vertices, faces
