"""Boxes of the nuScenes detection task, by columns, and which of them are judged.

Caesar et al., "nuScenes: A Multimodal Dataset for Autonomous Driving", CVPR 2020, and its configuration ``detection_cvpr_2019``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.geometry.quaternions import check_quaternions, quaternion_matrix

DETECTION_NAMES = (
    "car",
    "truck",
    "bus",
    "trailer",
    "construction_vehicle",
    "pedestrian",
    "motorcycle",
    "bicycle",
    "traffic_cone",
    "barrier",
)
CLASS_RANGE = (50.0, 50.0, 50.0, 50.0, 50.0, 40.0, 40.0, 40.0, 30.0, 30.0)
"""Metres from the car within which boxes of each class are judged."""
ATTRIBUTE_NAMES = (
    "pedestrian.moving",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "cycle.with_rider",
    "cycle.without_rider",
    "vehicle.moving",
    "vehicle.parked",
    "vehicle.stopped",
)
MOST_BOXES = 500
"""Boxes of a sample that a result may have."""
_RACKED = [DETECTION_NAMES.index(name) for name in ("motorcycle", "bicycle")]
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DetectionBoxes:
    """Boxes of many samples, found or there.

    Attributes:
        sample: int (n,), which sample each lies in.
        label: int (n,), place in ``DETECTION_NAMES``.
        centre: (n, 3) metres, in the world.
        size: (n, 3) width, length, height, metres.
        rotation: (n, 4) w, x, y, z; made unit.
        velocity: (n, 2) m/s in the world; NaN where it is not known; None for nowhere.
        attribute: int (n,), place in ``ATTRIBUTE_NAMES``, -1 for none; None for all none.
        score: (n,) of boxes that were found; None for boxes that are there.

    Raises:
        ValueError: columns are of different lengths, a size is not above 0, a label or attribute is none, a rotation is not a unit
            quaternion, or a number is not finite that must be.
    """

    sample: ArrayLike
    label: ArrayLike
    centre: ArrayLike
    size: ArrayLike
    rotation: ArrayLike
    velocity: ArrayLike | None = None
    attribute: ArrayLike | None = None
    score: ArrayLike | None = None

    def __post_init__(self) -> None:
        count = len(np.asarray(self.sample).reshape(-1))
        defaults = {
            "velocity": np.full((count, 2), np.nan),
            "attribute": np.full(count, -1),
            "score": np.full(count, -1.0),
        }
        widths = {"centre": 3, "size": 3, "rotation": 4, "velocity": 2}
        for name in (part.name for part in fields(self)):
            value = getattr(self, name)
            kind = np.int64 if name in ("sample", "label", "attribute") else np.float64
            value = np.asarray(defaults[name] if value is None else value, kind)
            shape = (count, widths[name]) if name in widths else (count,)
            if value.size == 0 and count == 0:
                value = value.reshape(shape)
            if value.shape != shape:
                raise ValueError(f"{name} must be of shape {shape}, got {value.shape}")
            object.__setattr__(self, name, value)
        self._check()

    def _check(self) -> None:
        for name in ("centre", "size", "score"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} must be finite, got NaN or infinity")
        if not (self.size > 0).all():
            raise ValueError(f"size must be above 0, got {self.size[(self.size <= 0).any(1)][0].tolist()}")
        for name, names in (("label", DETECTION_NAMES), ("attribute", ATTRIBUTE_NAMES)):
            values, least = getattr(self, name), 0 if name == "label" else -1
            wrong = (values < least) | (values >= len(names))
            if wrong.any():
                raise ValueError(f"{name} must lie in {least} to {len(names) - 1}, got {values[wrong][0]}")
        object.__setattr__(self, "rotation", check_quaternions(self.rotation))

    def __len__(self) -> int:
        return len(self.sample)

    def take(self, index: ArrayLike) -> DetectionBoxes:
        """Return the boxes of an index or a mask, in that order."""
        return DetectionBoxes(**{part.name: getattr(self, part.name)[np.asarray(index)] for part in fields(self)})


@dataclass(frozen=True, eq=False)
class BicycleRacks:
    """Boxes in which bicycles and motorcycles are not judged: sample (r,), centre (r, 3), size (r, 3), rotation (r, 4)."""

    sample: ArrayLike = ()
    centre: ArrayLike = ()
    size: ArrayLike = ()
    rotation: ArrayLike = ()


def judged(
    boxes: DetectionBoxes,
    ego: ArrayLike,
    points: ArrayLike | None = None,
    racks: BicycleRacks | None = None,
    ranges: Sequence[float] = CLASS_RANGE,
) -> DetectionBoxes:
    """Return the boxes that the benchmark judges, in their order.

    Those strictly nearer to the car than the range of their class, seen by at least one point of a lidar or radar, and, of bicycles
    and motorcycles, with their centre outside of every bicycle rack of the sample.

    Args:
        boxes: found, or there.
        ego: (samples, 2) or (samples, 3), where the car is when the lidar looks, in the world, metres.
        points: (n,) points in each box that is there; None for boxes that were found.
        racks: None for none.
        ranges: metres by class.
    """
    ego = np.asarray(ego, float)
    offset = boxes.centre[:, :2] - ego[boxes.sample, :2]
    keep = np.sqrt((offset**2).sum(1)) < np.asarray(ranges, float)[boxes.label]
    if points is not None:
        keep &= np.asarray(points) != 0
    if racks is not None and len(np.asarray(racks.sample)):
        keep &= ~_in_rack(boxes, racks)
    return boxes.take(keep)


def _in_rack(boxes: DetectionBoxes, racks: BicycleRacks) -> NDArray[np.bool_]:
    found = np.zeros(len(boxes), bool)
    turns = quaternion_matrix(racks.rotation, "bicycle rack")
    where = np.asarray(racks.sample)
    for sample, centre, size, turn in zip(where, np.asarray(racks.centre), np.asarray(racks.size), turns, strict=True):
        near = np.flatnonzero((boxes.sample == sample) & np.isin(boxes.label, _RACKED))
        inside = np.abs((boxes.centre[near] - centre) @ turn) <= np.asarray(size)[[1, 0, 2]] / 2
        found[near] |= inside.all(1)
    return found
