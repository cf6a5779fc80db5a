"""Detections in the official result file of nuScenes, and from the car's frame to the world's."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workbench.datasets._annotation_fields import field, read_json
from workbench.datasets.files import atomic_write
from workbench.geometry.quaternions import yaw_quaternion
from workbench.metrics.nuscenes_boxes import ATTRIBUTE_NAMES, DETECTION_NAMES, MOST_BOXES, DetectionBoxes

SENSORS = ("camera", "lidar", "radar", "map", "external")
STANDING = 0.2
"""Speed from which something moves, m/s."""


def world_boxes(
    boxes: ArrayLike, labels: ArrayLike, scores: ArrayLike, world_from_ego: ArrayLike, sample: int = 0
) -> DetectionBoxes:
    """Return detections of one sample in the world, each with the attribute that its class and speed suggest.

    Moving faster than 0.2 m/s: vehicles ``moving``, cycles ``with_rider``, pedestrians ``moving``; else vehicles ``parked`` (a bus
    ``stopped``), cycles ``without_rider``, pedestrians ``standing``; cones and barriers have none.

    Args:
        boxes: (n, 9) in the car's frame: x, y, z, width, length, height, yaw, velocity x, y.
        labels: (n,) in ``DETECTION_NAMES``.
        scores: (n,).
        world_from_ego: (4, 4).
        sample: place of the sample.
    """
    boxes, pose = np.asarray(boxes, float).reshape(-1, 9), np.asarray(world_from_ego, float)
    labels = np.asarray(labels, np.int64).reshape(-1)
    centre = boxes[:, :3] @ pose[:3, :3].T + pose[:3, 3]
    nose = np.stack([np.cos(boxes[:, 6]), np.sin(boxes[:, 6])], -1) @ pose[:2, :2].T
    velocity = boxes[:, 7:] @ pose[:2, :2].T
    moving = np.hypot(*boxes[:, 7:].T) > STANDING
    return DetectionBoxes(
        sample=np.full(len(boxes), sample),
        label=labels,
        centre=centre,
        size=boxes[:, 3:6],
        rotation=yaw_quaternion(np.arctan2(nose[:, 1], nose[:, 0])),
        velocity=velocity,
        attribute=[_attribute(DETECTION_NAMES[label], moves) for label, moves in zip(labels, moving, strict=True)],
        score=scores,
    )


def _attribute(name: str, moves: bool) -> int:
    if name in ("traffic_cone", "barrier"):
        return -1
    if name == "pedestrian":
        return ATTRIBUTE_NAMES.index("pedestrian.moving" if moves else "pedestrian.standing")
    if name in ("bicycle", "motorcycle"):
        return ATTRIBUTE_NAMES.index("cycle.with_rider" if moves else "cycle.without_rider")
    standing = "vehicle.stopped" if name == "bus" else "vehicle.parked"
    return ATTRIBUTE_NAMES.index("vehicle.moving" if moves else standing)


def write_detections(
    path: str | os.PathLike[str],
    boxes: DetectionBoxes,
    tokens: Sequence[str],
    sensors: Sequence[str] = ("camera",),
) -> Path:
    """Write the result file that the official evaluation and its server take; every sample is a key, also one without boxes.

    Args:
        path: of the file.
        boxes: in the world, whose ``sample`` is the place in ``tokens``.
        tokens: of all samples of the split.
        sensors: what the method uses, of ``SENSORS``.

    Raises:
        ValueError: more than 500 boxes of a sample, a sample that is not among the tokens, or an unknown sensor.
    """
    if unknown := set(sensors) - set(SENSORS):
        raise ValueError(f"sensors must be of {', '.join(SENSORS)}, got {sorted(unknown)[0]!r}")
    if len(boxes) and not (boxes.sample.min() >= 0 and boxes.sample.max() < len(tokens)):
        raise ValueError(f"sample must lie in 0 to {len(tokens) - 1}, got {boxes.sample.min()} to {boxes.sample.max()}")
    counts = np.bincount(boxes.sample, minlength=len(tokens))
    if len(tokens) and counts.max() > MOST_BOXES:
        raise ValueError(f"sample {tokens[counts.argmax()]} has {counts.max()} boxes; at most {MOST_BOXES} are allowed")
    results: dict[str, list[dict[str, Any]]] = {token: [] for token in tokens}
    for index in range(len(boxes)):
        token = tokens[boxes.sample[index]]
        attribute = boxes.attribute[index]
        results[token].append(
            {
                "sample_token": token,
                "translation": boxes.centre[index].tolist(),
                "size": boxes.size[index].tolist(),
                "rotation": boxes.rotation[index].tolist(),
                "velocity": boxes.velocity[index].tolist(),
                "detection_name": DETECTION_NAMES[boxes.label[index]],
                "detection_score": float(boxes.score[index]),
                "attribute_name": "" if attribute < 0 else ATTRIBUTE_NAMES[attribute],
            }
        )
    meta = {f"use_{name}": name in sensors for name in SENSORS}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps({"meta": meta, "results": results}))
    return Path(path)


def read_detections(path: str | os.PathLike[str], tokens: Sequence[str]) -> DetectionBoxes:
    """Return the boxes of a result file, whose ``sample`` is the place in ``tokens``.

    Boxes of equal score are judged in the order of the file's samples by the official program, and of ``tokens`` here.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a sample is missing or too many, more than 500 boxes of one, an unknown name, or a field that is not what it
            should be: the message names the sample and the box.
    """
    path, content = read_json(path)
    results = field(content, "results", dict, str(path))
    for missing, what in (
        (set(tokens) - set(results), "lacks"),
        (set(results) - set(tokens), "has, besides the split,"),
    ):
        if missing:
            raise ValueError(f"{path} {what} {len(missing)} samples, such as {min(missing)}")
    rows = []
    for place, token in enumerate(tokens):
        boxes = field(results, token, list, str(path))
        if len(boxes) > MOST_BOXES:
            raise ValueError(f"{path}: sample {token} has {len(boxes)} boxes; at most {MOST_BOXES} are allowed")
        rows += [_row(box, place, f"{path}: sample {token}, box {index}") for index, box in enumerate(boxes)]
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in range(8)]
    return DetectionBoxes(*columns)


def _row(box: Any, place: int, where: str) -> tuple[Any, ...]:
    name = field(box, "detection_name", str, where)
    attribute = field(box, "attribute_name", str, where)
    if name not in DETECTION_NAMES:
        raise ValueError(f"{where}: detection_name is {name!r}; expected one of {', '.join(DETECTION_NAMES)}")
    if attribute and attribute not in ATTRIBUTE_NAMES:
        raise ValueError(
            f"{where}: attribute_name is {attribute!r}; expected '' or one of {', '.join(ATTRIBUTE_NAMES)}"
        )
    score = float(field(box, "detection_score", (int, float), where))
    if not np.isfinite(score):
        raise ValueError(f"{where}: detection_score is {score}; expected a finite number")
    vectors = []
    for key, count in (("translation", 3), ("size", 3), ("rotation", 4), ("velocity", 2)):
        values = field(box, key, list, where)
        if len(values) != count or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"{where}: {key} is {values!r:.60}; expected {count} numbers")
        vectors.append(values)
    label = ATTRIBUTE_NAMES.index(attribute) if attribute else -1
    return place, DETECTION_NAMES.index(name), *vectors, label, score
