"""Pictures of a street by casting a ray through each pixel: ground, sky, and boxes, with who is seen where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.datasets._drive_world import LANE, PAVEMENT, Scene, Thing
from workbench.geometry.boxes3d import NEAR, box_corners, image_boxes, project_points
from workbench.geometry.quaternions import rigid_inverse

MARK = 0.22
"""Width of a painted line, metres."""
_LIGHT = np.array([0.45, 0.3, 0.84])
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Look:
    """What differs from scene to scene: brightness by channel, and a tile (256, 256) of noise for the ground."""

    gain: Array
    tile: Array

    @classmethod
    def of(cls, rng: np.random.Generator) -> Look:
        return cls(rng.uniform(0.75, 1.15) * rng.uniform(0.94, 1.06, 3), rng.normal(0, 1, (256, 256)))


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, float64 (height, width, 3) in 0 to 255, and by thing the rays that reach it and those that would were it alone."""

    pixels: Array
    seen: NDArray[np.int64]
    alone: NDArray[np.int64]


def picture(
    scene: Scene, look: Look, seconds: float, world_from_cam: Array, intrinsics: Array, width: int, height: int
) -> Picture:
    """Return what a camera sees of a scene at a time; rays go through the middle of each pixel, (column + .5, row + .5)."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(intrinsics).T @ world_from_cam[:3, :3].T
    eye = world_from_cam[:3, 3]
    pixels, depth = _ground(scene, look, eye, rays)
    owner = np.full((height, width), -1)
    cam_from_world = rigid_inverse(world_from_cam)
    alone = np.zeros(len(scene.things), np.int64)
    for index, thing in enumerate(scene.things):
        centre = scene.street.to_world(np.array(thing.place(seconds)))
        yaw = thing.yaw + scene.street.heading
        corners = box_corners([[*centre, thing.size[2] / 2]], [thing.size], [yaw])
        part = _window(corners, intrinsics, cam_from_world, width, height)
        if part is None:
            continue
        cosine, sine = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        inside = (eye - [*centre, thing.size[2] / 2]) @ turn
        at, face, spot = _box(inside, rays[part] @ turn, np.array(thing.size)[[1, 0, 2]] / 2)
        alone[index] = np.isfinite(at).sum()
        nearer = at < depth[part]
        if nearer.any():
            colours = _paint(thing, face[nearer], spot[nearer]) * _shade(face[nearer], turn)[:, None] * look.gain
            pixels[part][nearer], depth[part][nearer], owner[part][nearer] = colours, at[nearer], index
    seen = np.bincount(owner[owner >= 0], minlength=len(scene.things))
    return Picture(pixels.clip(0, 255), seen, alone)


def _window(
    corners: Array, intrinsics: Array, cam_from_world: Array, width: int, height: int
) -> tuple[slice, slice] | None:
    """Return the part of the image that a box may cover: everything when it reaches behind the camera."""
    depth = project_points(corners, intrinsics, cam_from_world)[1][0]
    if depth.max() <= NEAR:
        return None
    if depth.min() <= NEAR:
        return slice(0, height), slice(0, width)
    box = image_boxes(corners, intrinsics, cam_from_world, width, height, least=0.0)[0]
    if np.isnan(box).any():
        return None
    (x0, y0), (x1, y1) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    return slice(y0, y1), slice(x0, x1)


def _box(eye: Array, rays: Array, half: Array) -> tuple[Array, NDArray[np.int64], Array]:
    """Return where rays enter a box around the origin: the depth (infinite for none), the face, and the point in -1 to 1.

    Faces: 0 and 1 back and front, 2 and 3 right and left, 4 and 5 below and above. The slab test.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (-half - eye) / rays, (half - eye) / rays
    enters, leaves = np.fmin(first, second), np.fmax(first, second)
    axis = enters.argmax(-1)
    at = np.take_along_axis(enters, axis[..., None], -1)[..., 0]
    hit = (at < leaves.min(-1)) & (at > NEAR)
    direction = np.take_along_axis(rays, axis[..., None], -1)[..., 0]
    spot = (eye + np.where(hit, at, 0)[..., None] * rays) / half
    return np.where(hit, at, np.inf), 2 * axis + (direction < 0), spot


def _shade(face: NDArray[np.int64], turn: Array) -> Array:
    normals = np.repeat(turn.T, 2, 0) * np.array([-1, 1] * 3)[:, None]
    return 0.55 + 0.45 * np.maximum(normals @ _LIGHT, 0)[face]


def _paint(thing: Thing, face: NDArray[np.int64], spot: Array) -> Array:
    """Return colours (n, 3) of points on a thing's faces."""
    along, across, up = spot.T
    colour = np.tile(np.array(thing.colour, float), (len(face), 1))
    sides, ends = face >= 2, face < 2
    flat = np.where(ends, across, along)
    if thing.kind in ("car", "truck", "bus", "construction_vehicle"):
        glass = (up > 0.15) & (up < 0.8) & (np.abs(flat) < 0.85) & (face < 4)
        if thing.kind == "truck":
            glass &= along > 0.4
        colour[glass] = (45, 60, 75)
        colour[(up < -0.75) & (face < 4)] = (35, 35, 38)
        lamps = ends & (np.abs(across) > 0.6) & (up > -0.55) & (up < -0.15)
        colour[lamps & (face == 1)] = (250, 250, 225)
        colour[lamps & (face == 0)] = (210, 20, 20)
    elif thing.kind == "trailer":
        colour[(np.abs(np.mod(4 * along, 1) - 0.5) < 0.08) & sides] *= 0.8
        colour[(up < -0.7) & (face < 4)] = (40, 40, 42)
        colour[ends & (face == 0) & (np.abs(across) > 0.6) & (up < -0.3)] = (190, 25, 25)
    elif thing.kind == "pedestrian":
        colour[up > 0.72] = (205, 160, 130)
        colour[up < -0.05] = (45, 50, 80)
    elif thing.kind in ("motorcycle", "bicycle"):
        colour[(up > 0.2) & (np.abs(along) < 0.35)] = (150, 110, 90) if thing.speed else (60, 60, 60)
        colour[up < -0.3] = (28, 28, 30)
    elif thing.kind == "traffic_cone":
        colour[(up > -0.1) & (up < 0.4)] = (240, 240, 240)
    elif thing.kind == "barrier":
        colour[np.mod(2.5 * flat + up, 1) < 0.5] = (240, 240, 235)
    elif thing.kind == "building":
        window = (np.mod(thing.size[1] / 3 * (flat + 1), 1) > 0.5) & (np.mod(thing.size[2] / 3 * (up + 1), 1) > 0.5)
        colour[window & (face < 4)] *= 0.55
    return colour


def _ground(scene: Scene, look: Look, eye: Array, rays: Array) -> tuple[Array, Array]:
    """Return colours and depths of ground and sky."""
    with np.errstate(divide="ignore"):
        at = np.where(rays[..., 2] < -1e-4, -eye[2] / rays[..., 2], np.inf)
    height = np.clip(rays[..., 2] / np.linalg.norm(rays, axis=-1), 0, 1)[..., None]
    pixels = np.array([205.0, 215, 225]) * (1 - height) + np.array([110.0, 150, 205]) * height
    below = np.isfinite(at)
    point = eye[:2] + at[below][:, None] * rays[below][:, :2]
    pixels[below] = _surface(scene, look, scene.street.from_world(point), at[below])
    return pixels * look.gain, at


def _surface(scene: Scene, look: Look, point: Array, depth: Array) -> Array:
    """Return colours of points (n, 2) of the road frame: grass, pavement, asphalt, paint."""
    street = scene.street
    s, d = point.T
    colour = np.tile(np.array([95.0, 120, 70]), (len(s), 1))
    main, cross = np.abs(d) < street.half, np.zeros(len(s), bool)
    paved = np.abs(d) < street.half + PAVEMENT
    if street.crossing is not None:
        cross = np.abs(s - street.crossing) < street.cross_half
        paved |= np.abs(s - street.crossing) < street.cross_half + PAVEMENT
    colour[paved] = (165, 160, 152)
    colour[main | cross] = (92, 92, 96)
    colour[main & (np.abs(d) > street.lane_edge) & ~cross] = (104, 102, 102)
    if street.island:
        green = (s > street.island[0]) & (s < street.island[1]) & (np.abs(d) < street.island_half)
        colour[green] = (120, 135, 95)
    plain = main & ~cross
    colour[plain & (np.abs(d) < MARK / 2 + 0.08) & (colour[:, 1] < 110)] = (225, 185, 60)
    dashes = np.mod(s, 6) < 3.5
    for lane in range(1, street.lanes + 1):
        line = plain & (np.abs(np.abs(d) - lane * LANE) < MARK / 2)
        colour[line & (dashes | (lane == street.lanes))] = (235, 235, 230)
    if street.crossing is not None:
        colour[cross & ~main & (np.abs(s - street.crossing) < MARK / 2 + 0.08)] = (225, 185, 60)
    grain = look.tile[np.mod(4 * s, 256).astype(int), np.mod(4 * d, 256).astype(int)]
    return colour + (6 * grain * np.exp(-depth / 25))[:, None]
