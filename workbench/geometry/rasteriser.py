"""Which triangle of a mesh a camera sees at each pixel, and how far away: a z-buffer in NumPy, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.geometry.cameras import Array, project

_PIXELS_AT_ONCE = 4_000_000
"""Of the boxes of triangles, so that many large triangles do not fill the memory."""
_SLACK = 1e-6
"""Pixels by which a row is listed beyond its crossings with the edges, whose rounding then decides nothing."""


@dataclass(frozen=True, eq=False)
class Raster:
    """What is seen at each pixel of an image.

    Attributes:
        face: int32 (H, W), -1 where there is nothing.
        depth: float64 (H, W), z of the surface; 0 where there is nothing, as depth images of BOP have it.
        weights: float64 (H, W, 3), the point as a mean of the triangle's corners in space; 0 where there is nothing.
    """

    face: NDArray[np.int32]
    depth: Array
    weights: Array

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where something is seen, (H, W)."""
        return self.face >= 0

    def interpolate(self, corners: ArrayLike) -> Array:
        """Return values (P, ...) at the pixels of :attr:`mask`, row by row, from those (F, 3, ...) at the corners of faces."""
        corners = np.asarray(corners)
        return np.einsum("pk,pk...->p...", self.weights[self.mask], corners[self.face[self.mask]])


def rasterise(
    vertices: ArrayLike,
    faces: ArrayLike,
    intrinsics: ArrayLike,
    size: tuple[int, int],
    *,
    near: float = 1e-6,
    cull: bool = False,
) -> Raster:
    """Return what a camera sees of a mesh.

    The pixels of each row of each triangle are listed as one ragged array; a pixel belongs to the triangle when its centre, at
    whole coordinates, lies in it, border included; 1/z is linear over the image, and of all triangles of a pixel the nearest
    stays. Between equals the first face stays.

    Args:
        vertices: (V, 3), in the camera's frame.
        faces: (F, 3).
        intrinsics: (3, 3).
        size: width and height of the image.
        near: triangles with a corner nearer than this are not drawn.
        cull: leave out faces seen from behind; only for closed meshes.

    Raises:
        ValueError: a size below 1, or intrinsics that are none.

    >>> triangle = np.array([[-1, -1, 2], [3, -1, 2], [-1, 3, 2]], float)
    >>> rasterise(triangle, [[0, 1, 2]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], (3, 2)).face.tolist()
    [[0, 0, -1], [0, -1, -1]]
    """
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f"size must be at least 1 x 1 pixels, got {width} x {height}")
    vertices, faces = np.asarray(vertices, float), np.asarray(faces)
    pixels = project(vertices, intrinsics)
    drawn = np.flatnonzero((vertices[faces, 2] > near).all(1)) if len(faces) else np.zeros(0, int)
    corners = pixels[faces[drawn]]
    area = _cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    least = np.maximum(np.ceil(corners.min(1)), 0)
    most = np.minimum(np.floor(corners.max(1)), (width - 1, height - 1))
    kept = (area != 0) & (least <= most).all(1)
    if cull:  # counter-clockwise from outside is clockwise in an image whose y points down
        kept &= area < 0
    drawn, corners, area = drawn[kept], corners[kept], area[kept]
    least, most = least[kept].astype(np.int64), most[kept].astype(np.int64)
    planes = _planes(corners, area, 1 / vertices[faces[drawn], 2])
    return _nearest(drawn, planes, least, most, (height, width))


def _cross(first: Array, second: Array) -> Array:
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def _planes(corners: Array, area: Array, inverse_depth: Array) -> Array:
    """Return, for each triangle, a, b, c (F, 3, 3) with ``a x + b y + c`` the share of each corner over its depth at a pixel."""
    following, last = np.roll(corners, -1, 1), np.roll(corners, -2, 1)
    x = following[..., 1] - last[..., 1]
    y = last[..., 0] - following[..., 0]
    c = following[..., 0] * last[..., 1] - last[..., 0] * following[..., 1]
    return np.stack([x, y, c], -1) * (inverse_depth / area[:, None])[..., None]


def _nearest(
    drawn: NDArray[np.int64],
    planes: Array,
    least: NDArray[np.int64],
    most: NDArray[np.int64],
    shape: tuple[int, int],
) -> Raster:
    """Return the raster of triangles ``drawn`` whose boxes of pixels go from ``least`` to ``most`` (F, 2)."""
    best = np.zeros(shape[0] * shape[1])  # the greatest 1/z so far
    owner = np.full(len(best), -1, np.int64)
    shares = np.zeros((len(best), 3))
    for part in _parts((most - least + 1).prod(1)):
        triangle, x, y, share = _pixels(planes[part], least[part], most[part])
        inside = np.flatnonzero((share >= 0).all(0))
        share, triangle, place = share[:, inside], triangle[inside] + part.start, (y * shape[1] + x)[inside]
        nearness = share.sum(0)
        before = best[place]
        np.maximum.at(best, place, nearness)
        # Of what is equally near the last one written stays, so that the first face must come last.
        won = np.flatnonzero((nearness == best[place]) & (nearness > before))[::-1]
        place = place[won]
        owner[place], shares[place] = triangle[won], share[:, won].T
    seen = owner >= 0
    face, depth = np.full(len(best), -1, np.int32), np.zeros(len(best))
    face[seen], depth[seen] = drawn[owner[seen]], 1 / best[seen]
    return Raster(face.reshape(shape), depth.reshape(shape), (shares * depth[:, None]).reshape(*shape, 3))


def _parts(counts: NDArray[np.int64]) -> list[slice]:
    """Return runs of triangles whose boxes hold at most some million pixels together, or one triangle each."""
    ends, parts, start = np.cumsum(counts), [], 0
    while start < len(counts):
        passed = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, passed + _PIXELS_AT_ONCE, side="right")), start + 1)
        parts.append(slice(start, stop))
        start = stop
    return parts


def _pixels(
    planes: Array, least: NDArray[np.int64], most: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    """Return triangle, x, y (P,) and shares (3, P) of the pixels of every triangle, and of a few beside its edges.

    In a row a share is ``slope x + base``, at least 0 on one side of ``-base / slope``; where the three overlap lie the pixels.
    """
    rows = most[:, 1] - least[:, 1] + 1
    triangle, within = _ragged(rows)
    y = least[triangle, 1] + within
    slope = planes[:, :, 0].T[:, triangle]
    base = planes[:, :, 1].T[:, triangle] * y + planes[:, :, 2].T[:, triangle]
    crossing = np.divide(-base, slope, out=np.full_like(base, np.nan), where=slope != 0)
    first = np.where(slope > 0, crossing, -np.inf).max(0) - _SLACK
    last = np.where(slope < 0, crossing, np.inf).min(0) + _SLACK
    first = np.ceil(np.maximum(first, least[triangle, 0])).astype(np.int64)
    last = np.floor(np.minimum(last, most[triangle, 0])).astype(np.int64)
    row, within = _ragged(np.maximum(last - first + 1, 0))
    x = first[row] + within
    return triangle[row], x, y[row], slope[:, row] * x + base[:, row]


def _ragged(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for rows of ``counts`` items one after the other, the row of each item and its place in the row."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
