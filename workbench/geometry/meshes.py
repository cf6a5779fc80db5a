"""Triangle meshes: their extent, their corners, and points on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of triangles.

    Attributes:
        vertices: float64 (V, 3).
        faces: int (F, 3), rows of ``vertices``, counter-clockwise seen from outside.
        colours: uint8 (V, 3), or None.
        normals: float64 (V, 3), or None.
        texture_coordinates: float64 (F, 3, 2), of each corner of each face, 0 to 1, v upwards from the bottom row; or None.
        texture: uint8 (H, W, 3), or None.

    Raises:
        ValueError: shapes that do not fit, vertices that are not finite, or faces that name vertices which are not there.
    """

    vertices: Array
    faces: NDArray[np.int64]
    colours: NDArray[np.uint8] | None = None
    normals: Array | None = None
    texture_coordinates: Array | None = None
    texture: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3 or not np.isfinite(self.vertices).all():
            raise ValueError(f"vertices must be finite numbers (V, 3), got {self.vertices.shape}")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise ValueError(f"faces must be (F, 3), got {self.faces.shape}")
        count = len(self.vertices)
        if self.faces.size and not 0 <= self.faces.min() <= self.faces.max() < count:
            raise ValueError(f"faces name vertices {self.faces.min()} to {self.faces.max()}, expected 0 to {count - 1}")
        for name, value, shape in (
            ("colours", self.colours, (count, 3)),
            ("normals", self.normals, (count, 3)),
            ("texture_coordinates", self.texture_coordinates, (len(self.faces), 3, 2)),
        ):
            if value is not None and value.shape != shape:
                raise ValueError(f"{name} must be {shape}, got {value.shape}")

    def scaled(self, factor: float) -> Mesh:
        """Return the mesh with all lengths multiplied."""
        return Mesh(
            self.vertices * factor,
            self.faces,
            self.colours,
            self.normals,
            self.texture_coordinates,
            self.texture,
        )


def diameter(points: ArrayLike) -> float:
    """Return the greatest distance between two of points (N, 3), found among those of their convex hull.

    >>> diameter([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.1, 0.1, 0.1]])
    1.4142135623730951
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2:
        raise ValueError(f"points must be at least two, (N, 3), got {points.shape}")
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # all on a plane or a line: no hull in space
        hull = np.unique(points, axis=0)
    return float(pdist(hull).max(initial=0.0))


def box_corners(points: ArrayLike) -> Array:
    """Return the eight corners (8, 3) of the box around points (N, 3) along their axes, x slowest and z fastest.

    >>> box_corners([[0, 0, 0], [1, 2, 3]])[[0, 1, 7]].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]]
    """
    points = np.asarray(points, float)
    least, most = points.min(0), points.max(0)
    return np.stack(np.meshgrid(*zip(least, most, strict=True), indexing="ij"), -1).reshape(8, 3)


def vertex_normals(mesh: Mesh) -> Array:
    """Return unit normals (V, 3): the mean of the normals of the faces around each vertex, weighted by area."""
    corners = mesh.vertices[mesh.faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(summed, mesh.faces[:, corner], across)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.divide(summed, length, out=np.zeros_like(summed), where=length > 0)


def sample_surface(mesh: Mesh, count: int, generator: np.random.Generator) -> Array:
    """Return points (count, 3) drawn uniformly from the surface."""
    corners = mesh.vertices[mesh.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not areas.sum() > 0:
        raise ValueError("the mesh has no surface to sample from")
    face = generator.choice(len(areas), count, p=areas / areas.sum())
    root, second = np.sqrt(generator.random(count)), generator.random(count)
    weights = np.stack([1 - root, root * (1 - second), root * second], -1)
    return np.einsum("nk,nkd->nd", weights, corners[face])
