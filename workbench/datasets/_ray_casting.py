"""Rays against planes, spheres and boxes with textures on them; exact depth, no mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SHAPES = ("plane", "sphere", "box")
_AMBIENT = 0.55
_LIGHT = np.array([-0.4, -0.6, -0.7]) / np.linalg.norm([-0.4, -0.6, -0.7])
"""Direction to the light, fixed in the world."""


@dataclass(frozen=True, eq=False)
class Solid:
    """One textured thing.

    Attributes:
        shape: of ``SHAPES``.
        centre: (3,) mm.
        rotation: (3, 3), columns are the thing's own axes; a plane's normal is its third.
        half: (3,) half sides of a box; the first is the radius of a sphere; unused for a plane.
        texture: (side, side, 3) in 0 to 1, repeated by reflection.
        texel: mm of the surface that a texel covers.
    """

    shape: str
    centre: Array
    rotation: Array
    half: Array
    texture: Array
    texel: float

    @property
    def reach(self) -> float:
        """Radius of a ball that holds the thing, infinite for a plane."""
        if self.shape == "plane":
            return float("inf")
        return float(self.half[0] if self.shape == "sphere" else np.linalg.norm(self.half))


def cast(
    solids: list[Solid], origin: Array, rays: Array, boxes: list[tuple[int, int, int, int]]
) -> tuple[Array, Array]:
    """Return colours (h, w, 3) in 0 to 1 and lengths (h, w) along rays (h, w, 3), in units of the rays, infinite where nothing
    is hit.

    Args:
        solids: what is there.
        origin: (3,) of all rays.
        rays: (h, w, 3).
        boxes: top, bottom, left, right of the pixels that each solid may cover.
    """
    colours, nearest = np.zeros(rays.shape), np.full(rays.shape[:2], np.inf)
    for solid, (top, bottom, left, right) in zip(solids, boxes, strict=True):
        part = (slice(top, bottom), slice(left, right))
        length, local = _hit(solid, origin, rays[part])
        front = length < nearest[part]
        if front.any():
            nearest[part][front] = length[front]
            points = local[0] + length[front][:, None] * local[1][front]
            colours[part][front] = _shade(solid, points)
    return colours, nearest


def pixels_of(solid: Solid, intrinsics: Array, pose: Array, height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, bottom, left, right of the pixels that may see a solid: those of the cube around its ball."""
    if not np.isfinite(solid.reach):
        return 0, height, 0, width
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
    corners = (pose[:3, :3] @ solid.centre + pose[:3, 3]) + solid.reach * signs
    if corners[:, 2].min() <= 0:
        return 0, height, 0, width
    image = corners @ intrinsics.T
    x, y = image[:, 0] / image[:, 2], image[:, 1] / image[:, 2]
    left, right = np.clip([np.floor(x.min()) - 1, np.ceil(x.max()) + 2], 0, width).astype(int)
    top, bottom = np.clip([np.floor(y.min()) - 1, np.ceil(y.max()) + 2], 0, height).astype(int)
    return int(top), int(bottom), int(left), int(right)


def _hit(solid: Solid, origin: Array, rays: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return lengths to the first hit and the rays in the solid's own axes: origin (3,) and directions (h, w, 3)."""
    start, direction = (origin - solid.centre) @ solid.rotation, rays @ solid.rotation
    with np.errstate(divide="ignore", invalid="ignore"):
        if solid.shape == "plane":
            length = -start[2] / direction[..., 2]
        elif solid.shape == "sphere":
            a, b = (direction**2).sum(-1), direction @ start
            root = b**2 - a * (start @ start - solid.half[0] ** 2)
            length = np.where(root >= 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        else:
            sides = np.stack([(-solid.half - start) / direction, (solid.half - start) / direction])
            enter, leave = sides.min(0).max(-1), sides.max(0).min(-1)
            length = np.where(enter <= leave, enter, np.inf)
    return np.where(length > 0, length, np.inf), (start, direction)


def _shade(solid: Solid, points: Array) -> Array:
    """Return the colours of points (n, 3) in the solid's own axes: texture times Lambert's cosine with a light of the world."""
    if solid.shape == "plane":
        normal = np.broadcast_to([0.0, 0.0, -1.0], points.shape)
        place = points[:, :2]
    elif solid.shape == "sphere":
        normal = points / solid.half[0]
        # Angles times the radius: a texel is as long everywhere along a meridian.
        place = solid.half[0] * np.stack(
            [np.arctan2(normal[:, 0], -normal[:, 2]), np.arcsin(np.clip(normal[:, 1], -1, 1))], 1
        )
    else:
        face = (np.abs(points) / solid.half).argmax(1)
        rows = np.arange(len(points))
        normal = np.zeros_like(points)
        normal[rows, face] = np.sign(points[rows, face])
        place = np.stack([points[rows, (face + 1) % 3], points[rows, (face + 2) % 3]], 1) + 1000.0 * face[:, None]
    light = np.maximum(normal @ solid.rotation.T @ _LIGHT, 0)
    return _texture_at(solid.texture, place / solid.texel) * (_AMBIENT + (1 - _AMBIENT) * light)[:, None]


def _texture_at(texture: Array, place: Array) -> Array:
    """Return bilinear samples of a texture at texels (n, 2), which is continued by reflection."""
    side = len(texture)
    lower = np.floor(place).astype(int)
    share = (place - lower)[..., None]
    (x0, y0), (x1, y1) = (_reflected(lower + step, side).T for step in (0, 1))
    top = texture[y0, x0] * (1 - share[:, 0]) + texture[y0, x1] * share[:, 0]
    bottom = texture[y1, x0] * (1 - share[:, 0]) + texture[y1, x1] * share[:, 0]
    return top * (1 - share[:, 1]) + bottom * share[:, 1]


def _reflected(index: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    index = index % (2 * side)
    return np.where(index < side, index, 2 * side - 1 - index)
