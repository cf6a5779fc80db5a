"""Scenes that no method was trained on, and how good the masks found in them are, as every table of free masks says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.datasets import ObjectScene, ObjectSceneConfig, object_scene
from workbench.metrics.coco import InstanceSet, coco_scores, corloc
from workbench.models.freesolo.free_mask import tight_boxes

TEST_SEEDS = 1_000_000
"""Seeds of scenes from here on belong to tests."""
QUALITIES = ("AP", "AP50", "AP75", "AR1", "AR10", "AR100", "box AP", "box AP50", "CorLoc", "masks")


@dataclass(frozen=True)
class SceneConfig:
    """Test scenes.

    Attributes:
        seeds: of measurements; scenes are shared by none of them.
        count: scenes of each.
        scene: what they have in common.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    count: int = 120
    scene: ObjectSceneConfig = field(default_factory=ObjectSceneConfig)


def test_scenes(config: SceneConfig, seed: int) -> list[ObjectScene]:
    """Return the test scenes of a seed."""
    first = TEST_SEEDS * (1 + seed)
    return [object_scene(first + index, config.scene) for index in range(config.count)]


test_scenes.__test__ = False  # no test, whatever pytest makes of its name


def image_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Return an image uint8 (height, width, 3) as float (1, 3, height, width) in 0 to 1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def truth_masks(scene: ObjectScene) -> InstanceSet:
    """Return the objects that are there."""
    return InstanceSet(scene.masks)


def quality(found: Iterable[InstanceSet], truth: Iterable[InstanceSet]) -> dict[str, float]:
    """Return :data:`QUALITIES` of masks and of their tight boxes: percent, and the mean number of masks of an image.

    Raises:
        ValueError: not as many images in both.
    """
    found, truth = list(found), list(truth)
    scores = coco_scores(found, truth)
    mine, theirs = ([boxes_of(one) for one in part] for part in (found, truth))
    boxes = coco_scores(mine, theirs)
    values = {name: scores[name] for name in ("AP", "AP50", "AP75", "AR1", "AR10", "AR100")}
    values |= {"box AP": boxes["AP"], "box AP50": boxes["AP50"], "CorLoc": corloc(mine, theirs)}
    percent = {name: 100 * value for name, value in values.items()}
    return percent | {"masks": float(np.mean([len(one.shapes) for one in found]))}


def boxes_of(instances: InstanceSet) -> InstanceSet:
    """Return the tight boxes of masks, with their scores and the areas of the masks."""
    if instances.shapes.ndim != 3:
        return instances
    boxes = tight_boxes(torch.from_numpy(instances.shapes)).numpy() if len(instances.shapes) else np.zeros((0, 4))
    return InstanceSet(boxes, instances.scores, instances.crowd, instances.areas)
