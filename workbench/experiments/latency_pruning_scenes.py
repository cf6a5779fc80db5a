"""Small scenes to detect two-wheelers, vehicles and people in, as a detector takes them: emoji before a street, 64 x 64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.datasets.object_scenes import ObjectScene, ObjectSceneConfig, object_scene

SIDE = 64
SCENES = ObjectSceneConfig(side=SIDE, objects=(1, 4), area=(0.05, 0.3))
CLASSES = {
    "two-wheeler": ("bike", "motor_scooter", "motorcycle", "kick_scooter", "cyclist"),
    "vehicle": (
        "taxi",
        "police_car",
        "red_car",
        "blue_car",
        "bus",
        "truck",
        "ambulance",
        "fire_engine",
        "van",
        "tractor",
        "rickshaw",
    ),
    "person": ("pedestrian", "standing", "runner", "wheelchair_person"),
}
"""What is looked for; the other things of the road, such as dogs, barriers and traffic lights, are background."""
NAMES = tuple(CLASSES)
LABELS = {category: label for label, name in enumerate(NAMES, start=1) for category in CLASSES[name]}

Truth = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Scenes:
    """Images and what is in them.

    Attributes:
        images: (N, 3, 64, 64), from -1 to 1.
        things: of each image, boxes (n, 4) x0, y0, x1, y1 in shares of the side, and labels (n,) from 1, of :data:`NAMES`.
    """

    images: Tensor
    things: Sequence[Truth]

    def __len__(self) -> int:
        return len(self.images)


def as_input(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Return images (N, 3, H, W) from -1 to 1 of arrays (H, W, 3) of bytes."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def things_in(scene: ObjectScene) -> Truth:
    """Return boxes (n, 4) around what shows of each object that is looked for, in shares of the side, and labels (n,).

    >>> boxes, labels = things_in(object_scene(0, SCENES))
    >>> boxes.shape[1], labels.dtype
    (4, torch.int64)
    """
    boxes, labels = [], []
    for mask, category in zip(scene.masks, scene.categories, strict=True):
        if category in LABELS and mask.any():
            rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
            boxes.append((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
            labels.append(LABELS[category])
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4) / len(scene.image), torch.tensor(labels).long()


def detection_scenes(count: int, first_seed: int) -> Scenes:
    """Return scenes of consecutive seeds; the same seeds give the same scenes.

    Raises:
        ValueError: ``count`` is not positive, or ``first_seed`` negative.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count!r}")
    drawn = [object_scene(seed, SCENES) for seed in range(first_seed, first_seed + count)]
    return Scenes(as_input([scene.image for scene in drawn]), [things_in(scene) for scene in drawn])


def mirrored(images: Tensor, things: Sequence[Truth], flags: Tensor) -> tuple[Tensor, list[Truth]]:
    """Return images (N, 3, H, W) and their things, left and right exchanged where ``flags`` (N,) says so.

    >>> one = torch.tensor([[0, 0, 0.25, 1]]), torch.tensor([1])
    >>> images, things = mirrored(torch.eye(2)[None, None], [one], torch.tensor([True]))
    >>> images[0, 0].tolist(), things[0][0].tolist()
    ([[0.0, 1.0], [1.0, 0.0]], [[0.75, 0.0, 1.0, 1.0]])
    """
    turned = torch.where(flags[:, None, None, None], images.flip(3), images)
    return turned, [
        (torch.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], 1) if flag else boxes, labels)
        for flag, (boxes, labels) in zip(flags.tolist(), things, strict=True)
    ]
