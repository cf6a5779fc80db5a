"""A street and what stands and moves on it: the world that the toy drives show. Road frame: s along the road, d to its left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.metrics.nuscenes_boxes import DETECTION_NAMES

LANE, PARKING, PAVEMENT = 3.5, 2.6, 3.0
"""Widths, metres."""
SIZES = {
    "car": (1.9, 4.6, 1.6),
    "truck": (2.5, 7.0, 3.0),
    "bus": (2.9, 11.0, 3.4),
    "trailer": (2.6, 9.0, 3.6),
    "construction_vehicle": (2.7, 6.0, 3.1),
    "pedestrian": (0.7, 0.7, 1.75),
    "motorcycle": (0.8, 2.1, 1.5),
    "bicycle": (0.6, 1.7, 1.3),
    "traffic_cone": (0.4, 0.4, 1.0),
    "barrier": (0.5, 2.5, 1.0),
}
"""Width, length, height, metres; each object differs by up to 12 % a side."""
CATEGORIES = {
    "car": "vehicle.car",
    "truck": "vehicle.truck",
    "bus": "vehicle.bus.rigid",
    "trailer": "vehicle.trailer",
    "construction_vehicle": "vehicle.construction",
    "pedestrian": "human.pedestrian.adult",
    "motorcycle": "vehicle.motorcycle",
    "bicycle": "vehicle.bicycle",
    "traffic_cone": "movable_object.trafficcone",
    "barrier": "movable_object.barrier",
}
PLACES = {
    "car": ("lane", "lane", "parking", "side"),
    "truck": ("lane", "parking"),
    "bus": ("lane",),
    "trailer": ("lane", "parking"),
    "construction_vehicle": ("parking",),
    "pedestrian": ("pavement", "pavement", "kerb"),
    "motorcycle": ("lane", "parking"),
    "bicycle": ("kerb", "pavement"),
    "traffic_cone": ("kerb", "parking"),
    "barrier": ("kerb", "pavement"),
}
"""Where each class may be; a place named twice is twice as likely."""
COLOURS = {
    "car": ((180, 30, 30), (40, 60, 150), (215, 215, 220), (40, 40, 45), (90, 100, 110)),
    "truck": ((230, 230, 225), (60, 110, 60), (170, 120, 50)),
    "bus": ((235, 190, 40), (200, 60, 50), (60, 130, 180)),
    "trailer": ((190, 190, 200), (120, 130, 170)),
    "construction_vehicle": ((240, 170, 20), (225, 140, 30)),
    "pedestrian": ((150, 40, 60), (40, 90, 140), (60, 120, 70), (200, 200, 190), (60, 50, 80)),
    "motorcycle": ((50, 50, 55), (150, 20, 30)),
    "bicycle": ((30, 130, 120), (110, 60, 130)),
    "traffic_cone": ((245, 110, 20),),
    "barrier": ((225, 60, 50), (230, 140, 40)),
}
_MORE = (
    "car",
    "car",
    "car",
    "car",
    "pedestrian",
    "pedestrian",
    "pedestrian",
    "truck",
    "motorcycle",
    "bicycle",
    "traffic_cone",
    "barrier",
)
_GAP = 1.2
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Thing:
    """Something with a box.

    Attributes:
        name: within the scene.
        kind: one of the ten classes, ``"rack"`` or ``"building"``.
        size: width, length, height, metres.
        start: s, d of its centre at time 0, metres.
        yaw: of its length, in the road frame.
        speed: along its length, m/s.
        attribute: nuScenes' name, or ``""``.
        colour: RGB in 0 to 255.
    """

    name: str
    kind: str
    size: tuple[float, float, float]
    start: tuple[float, float]
    yaw: float
    speed: float = 0.0
    attribute: str = ""
    colour: tuple[int, int, int] = (150, 140, 130)

    def place(self, seconds: float) -> tuple[float, float]:
        """Return s and d of the centre at a time."""
        way = self.speed * seconds
        return self.start[0] + way * np.cos(self.yaw), self.start[1] + way * np.sin(self.yaw)

    @property
    def category(self) -> str:
        """nuScenes' name of the category; empty for what is not annotated."""
        return "static_object.bicycle_rack" if self.kind == "rack" else CATEGORIES.get(self.kind, "")


@dataclass(frozen=True, eq=False)
class Street:
    """Roads of a scene, in the road frame.

    Attributes:
        lanes: to the right and to the left of the middle.
        crossing: s at which another road crosses; None for none.
        cross_lanes: lanes of that road each way.
        island: s from and to of a traffic island in the middle; None for none.
        origin, heading: of the road frame in the world, metres and radians.
    """

    lanes: int
    crossing: float | None
    cross_lanes: int
    island: tuple[float, float] | None
    origin: tuple[float, float]
    heading: float

    half_length: float = 90.0
    island_half: float = 0.6

    @property
    def lane_edge(self) -> float:
        """Distance from the middle to where parking begins."""
        return self.lanes * LANE

    @property
    def half(self) -> float:
        """Half of the drivable width."""
        return self.lane_edge + PARKING

    @property
    def cross_half(self) -> float:
        """Half of the drivable width of the road that crosses."""
        return self.cross_lanes * LANE

    def areas(self) -> list[list[Array]]:
        """Return drivable polygons with holes."""
        along, rings = self.half_length, []
        rings.append([_rectangle(-along, along, -self.half, self.half)])
        if self.island:
            rings[0].append(_rectangle(*self.island, -self.island_half, self.island_half))
        if self.crossing is not None:
            low, high = self.crossing - self.cross_half, self.crossing + self.cross_half
            rings.append([_rectangle(low, high, -along, along)])
        return rings

    def dividers(self) -> tuple[list[Array], list[Array]]:
        """Return road dividers and lane dividers: none inside the crossing."""
        along = self.half_length
        spans = [(-along, along)]
        if self.crossing is not None:
            spans = [(-along, self.crossing - self.cross_half), (self.crossing + self.cross_half, along)]
        between = [side * lane * LANE for lane in range(1, self.lanes + 1) for side in (-1, 1)]
        road = [np.array([[start, 0.0], [end, 0.0]]) for start, end in spans]
        lane = [np.array([[start, d], [end, d]]) for start, end in spans for d in between]
        if self.crossing is not None:
            for start, end in ((-along, -self.half), (self.half, along)):
                road.append(np.array([[self.crossing, start], [self.crossing, end]]))
        return road, lane

    def to_world(self, points: Array) -> Array:
        """Return points (..., 2) of the road frame in the world."""
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        return points @ np.array([[cosine, sine], [-sine, cosine]]) + self.origin

    def from_world(self, points: Array) -> Array:
        """Return points (..., 2) of the world in the road frame."""
        cosine, sine = np.cos(self.heading), np.sin(self.heading)
        return (points - self.origin) @ np.array([[cosine, -sine], [sine, cosine]])


def _rectangle(s0: float, s1: float, d0: float, d1: float) -> Array:
    return np.array([[s0, d0], [s1, d0], [s1, d1], [s0, d1]])


@dataclass(frozen=True, eq=False)
class Scene:
    """A street, what is on it, and how the car drives: from s and d at a speed, its nose off the lane by ``yaw``."""

    street: Street
    things: tuple[Thing, ...]
    start: tuple[float, float]
    speed: float
    yaw: float

    def ego(self, seconds: float) -> tuple[Array, float]:
        """Return the car's place in the world, metres, and its heading, radians."""
        place = np.array([self.start[0] + self.speed * seconds, self.start[1]])
        return self.street.to_world(place), self.street.heading + self.yaw


@dataclass
class _Strips:
    """Intervals of s that are taken on each strip of the street. All of a lane share a speed, so that none runs into another."""

    taken: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def free(self, strip: str, s: float, length: float) -> bool:
        low, high = s - length / 2 - _GAP, s + length / 2 + _GAP
        return all(high < start or low > end for start, end in self.taken.get(strip, []))

    def take(self, strip: str, s: float, length: float) -> None:
        self.taken.setdefault(strip, []).append((s - length / 2, s + length / 2))


def make_scene(seed: Sequence[int], origin: tuple[float, float], extras: tuple[int, int], reach: float) -> Scene:
    """Return a scene with every class at least once, and ``extras`` objects more, within ``reach`` metres along the road.

    The first of each class are nearer, within six tenths of it.
    """
    rng = np.random.default_rng(list(seed))
    street = _street(rng, origin)
    speed = float(rng.choice([0.0, rng.uniform(2, 9)], p=[0.2, 0.8]))
    lane = int(rng.integers(street.lanes))
    start = (-speed * 1.2, -(lane + 0.5) * LANE + rng.uniform(-0.5, 0.5))
    yaw = float(rng.normal(0, 0.06))
    speeds = {f"lane {d}": float(rng.choice([0.0, rng.uniform(3, 9)])) for d in _lanes(street)}
    speeds[f"lane {-(lane + 0.5) * LANE}"] = speed
    strips = _Strips()
    strips.take(f"lane {-(lane + 0.5) * LANE}", start[0], 6.0)
    names = [*DETECTION_NAMES, *rng.choice(_MORE, rng.integers(extras[0], extras[1] + 1))]
    things = _buildings(rng, street)
    if rng.random() < 0.4:
        things += _rack(rng, street, strips, reach)
    for index, name in enumerate(names):
        near = 0.6 * reach if index < len(DETECTION_NAMES) else reach
        thing = _thing(f"{name}-{index}", str(name), rng, street, strips, speeds, near)
        if thing is not None:
            things.append(thing)
    return Scene(street, tuple(things), start, speed, yaw)


def _street(rng: np.random.Generator, origin: tuple[float, float]) -> Street:
    crossing = float(rng.uniform(-25, 25)) if rng.random() < 0.5 else None
    middle = float(rng.uniform(-25, 15))
    island = (middle, middle + float(rng.uniform(6, 14))) if crossing is None and rng.random() < 0.5 else None
    lanes, cross_lanes = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    return Street(lanes, crossing, cross_lanes, island, origin, float(rng.uniform(-np.pi, np.pi)))


def _lanes(street: Street) -> list[float]:
    return [side * (lane + 0.5) * LANE for lane in range(street.lanes) for side in (-1, 1)]


def _thing(
    name: str,
    kind: str,
    rng: np.random.Generator,
    street: Street,
    strips: _Strips,
    speeds: dict[str, float],
    reach: float,
) -> Thing | None:
    """Return an object at a free place of its class; None when forty tries found none."""
    size = tuple(float(side * factor) for side, factor in zip(SIZES[kind], rng.uniform(0.88, 1.12, 3), strict=True))
    shade = rng.uniform(0.75, 1.15)
    colours = COLOURS[kind]
    colour = tuple(int(min(255, shade * part)) for part in colours[rng.integers(len(colours))])
    for _ in range(40):
        where = str(rng.choice(PLACES[kind]))
        s, side = float(rng.uniform(-reach, reach)), float(rng.choice([-1, 1]))
        strip, d, yaw, speed = _spot(where, side, kind, size, rng, street, speeds)
        if where == "side":
            if street.crossing is None:
                continue
            s, d = street.crossing + side * 0.5 * LANE, side * (street.half + 1 + size[1] / 2 + rng.uniform(0, 8))
        elif street.crossing is not None and abs(s - street.crossing) < street.cross_half + size[1] / 2 and speed == 0:
            continue
        if strips.free(strip, s if where != "side" else d, size[1]):
            strips.take(strip, s if where != "side" else d, size[1])
            return Thing(name, kind, size, (s, d), yaw, speed, _attribute(kind, speed, where), colour)
    return None


def _spot(
    where: str,
    side: float,
    kind: str,
    size: tuple[float, ...],
    rng: np.random.Generator,
    street: Street,
    speeds: dict[str, float],
) -> tuple[str, float, float, float]:
    """Return the strip, d, yaw and speed of an object; traffic keeps to the right, so lanes of negative d lead along s."""
    wobble = float(rng.normal(0, 0.04))
    along = 0.0 if side < 0 else np.pi
    if where == "lane":
        d = side * (rng.integers(street.lanes) + 0.5) * LANE
        return f"lane {d}", d + rng.uniform(-0.4, 0.4), along + wobble, speeds[f"lane {d}"]
    if where == "parking":
        return f"parking {side}", side * (street.lane_edge + PARKING / 2), along + wobble, 0.0
    if where == "side":
        return f"side {side}", 0.0, -side * np.pi / 2 + wobble, 0.0
    walking = kind in ("pedestrian", "bicycle") and rng.random() < 0.6
    speed = float(rng.uniform(0.8, 1.8) * (2.5 if kind == "bicycle" else 1)) if walking else 0.0
    yaw = float(rng.uniform(-np.pi, np.pi)) if kind == "pedestrian" and not walking else along + 2 * wobble
    if where == "kerb":
        return f"kerb {side}", side * (street.lane_edge - 0.1 - size[0] / 2 * (kind != "barrier")), yaw, speed
    return f"pavement {side}", side * (street.half + rng.uniform(0.8, PAVEMENT)), yaw, speed


def _attribute(kind: str, speed: float, where: str) -> str:
    if kind in ("traffic_cone", "barrier"):
        return ""
    if kind == "pedestrian":
        return "pedestrian.moving" if speed else "pedestrian.standing"
    if kind in ("motorcycle", "bicycle"):
        return "cycle.with_rider" if speed else "cycle.without_rider"
    return "vehicle.moving" if speed else ("vehicle.parked" if where == "parking" else "vehicle.stopped")


def _buildings(rng: np.random.Generator, street: Street) -> list[Thing]:
    """Return houses along both sides of the road, with a gap where another crosses."""
    found = []
    for side in (-1, 1):
        s = -70.0
        while s < 70:
            length, depth, height = rng.uniform(8, 18), rng.uniform(6, 10), rng.uniform(4, 14)
            centre = s + length / 2
            d = side * (street.half + PAVEMENT + 2.5 + rng.uniform(0, 4) + depth / 2)
            clear = street.crossing is None or abs(centre - street.crossing) > street.cross_half + length / 2 + 2
            if clear and rng.random() < 0.75:
                colour = tuple(int(part) for part in rng.uniform(90, 200) * rng.uniform(0.85, 1.1, 3))
                found.append(
                    Thing(f"house-{len(found)}", "building", (depth, length, height), (centre, d), 0.0, colour=colour)
                )
            s += length + rng.uniform(1, 8)
    return found


def _rack(rng: np.random.Generator, street: Street, strips: _Strips, reach: float) -> list[Thing]:
    """Return a bicycle rack on the pavement with two bicycles in it, which the benchmark does not judge."""
    s, side = float(rng.uniform(-reach, reach)), float(rng.choice([-1, 1]))
    if street.crossing is not None and abs(s - street.crossing) < street.cross_half + 3:
        return []
    d = side * (street.half + PAVEMENT / 2)
    strips.take(f"pavement {side}", s, 3.4)
    bikes = [
        Thing(
            f"racked-{index}",
            "bicycle",
            SIZES["bicycle"],
            (s + offset, d),
            np.pi / 2,
            0.0,
            "cycle.without_rider",
            (90, 90, 120),
        )
        for index, offset in enumerate((-0.7, 0.6))
    ]
    return [Thing("rack-0", "rack", (2.2, 3.2, 1.6), (s, d), 0.0, colour=(120, 125, 130)), *bikes]
