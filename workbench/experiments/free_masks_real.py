"""Free masks in photographs with true masks: what is hit, what is missed, and how many masks hit nothing, by features and method.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, claims C1, C3 and C5 of its abstract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from workbench.datasets.cutout_scenes import CutoutSceneConfig, cutout_pool
from workbench.datasets.image_files import read_image
from workbench.datasets.linemod_masks import read_linemod_masks
from workbench.experiments.free_masks_comparison import CLASSICAL, METHODS, NO_FEATURES
from workbench.experiments.free_masks_evaluation import QUALITIES, image_tensor, quality
from workbench.experiments.free_masks_features import CHOICES
from workbench.metrics.coco import InstanceSet
from workbench.ops.matrix_nms import mask_iou
from workbench.training import CancelToken, Progress, no_progress

CUTOUTS, TABLE = "cut-outs before rooms", "crowded table"
COLUMNS = ("dataset", "features", "method", "seed", *QUALITIES, "hit", "wrong")
"""Columns of the table: ``hit`` is the share of objects in percent, ``wrong`` the number of masks of an image, that overlap by at
least :data:`HIT` with a mask, and with no object."""
HIT = 0.5
PART = (240, 320)
"""Height and width of the part of a photograph of the table that is looked at, pixels."""
ROOM_CONFIG = CutoutSceneConfig(
    width=192, height=192, prevalence=0.0, object_area=(0.04, 0.2), clutter=(1, 4), clutter_area=(0.04, 0.2)
)
"""One to four things of 4 to 20 % of the picture, as in the scenes of emoji."""


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture and its objects.

    Attributes:
        image: uint8 (height, width, 3).
        masks: boolean (n, height, width).
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]


@dataclass(frozen=True)
class RealMasksConfig:
    """What is measured.

    Attributes:
        datasets: some of ``"cut-outs before rooms"`` and ``"crowded table"``.
        features: names in :data:`~workbench.experiments.free_masks_features.CHOICES`, or ``"pixels"`` for classical proposals.
        seeds: each has its own photographs.
        count: photographs of each seed and data set, at most 60.
    """

    datasets: tuple[str, ...] = (CUTOUTS, TABLE)
    features: tuple[str, ...] = (
        NO_FEATURES,
        "random weights",
        "Lab colour and edges",
        "ResNet-50, stride 16",
        "ViT-S/14, block 7",
        "ViT-S/14, block 11",
    )
    seeds: tuple[int, ...] = (0, 1, 2)
    count: int = 50


FULL = RealMasksConfig()


def cutout_photographs(seed: int, count: int) -> list[Photograph]:
    """Return photographs of one to four cut-out things before photographs of rooms; other things in the rooms have no mask.

    Raises:
        NotInstalledError: one of the extras ``photo_cutouts`` and ``room_photos`` is missing.
    """
    scenes = [scene.load_with_masks() for scene in cutout_pool(count, 10_000 * (1 + seed), ROOM_CONFIG)]
    return [Photograph(picture.image, masks) for picture, masks in scenes]


@lru_cache(maxsize=3)
def table_photographs(seed: int, count: int) -> list[Photograph]:
    """Return parts of every third photograph of LINEMOD-Occlusion, around its objects, from the ``seed``-th on.

    Objects of which more than half lies outside the part are left out. Drawing the masks takes half a second a photograph; the last
    three sets are kept.

    Raises:
        NotInstalledError: the extra ``linemod_occlusion`` is missing.
    """
    found = []
    for entry in read_linemod_masks([3 * index + seed % 3 for index in range(count)]):
        masks = entry.masks()
        part = part_around(masks)
        inside = masks[(slice(None), *part)]
        found.append(Photograph(read_image(entry.path)[part], inside[inside.sum((1, 2)) > masks.sum((1, 2)) / 2]))
    return found


DATASETS: dict[str, Callable[[int, int], list[Photograph]]] = {CUTOUTS: cutout_photographs, TABLE: table_photographs}


def part_around(masks: NDArray[np.bool_], size: tuple[int, int] = PART) -> tuple[slice, slice]:
    """Return rows and columns of the part of ``size`` that lies around the mean centre of masks, as far as the image goes.

    >>> masks = np.zeros((1, 480, 640), bool)
    >>> masks[0, 10:20, 300:320] = True
    >>> part_around(masks)
    (slice(0, 240, None), slice(150, 470, None))
    """
    centre = np.mean([np.argwhere(mask).mean(0) for mask in masks], 0)
    starts = [
        int(np.clip(round(middle + 0.5 - length / 2), 0, whole - length))
        for middle, length, whole in zip(centre, size, masks.shape[1:], strict=True)
    ]
    return tuple(slice(start, start + length) for start, length in zip(starts, size, strict=True))


def hits(found: Sequence[InstanceSet], truth: Sequence[InstanceSet]) -> dict[str, float]:
    """Return ``hit``, percent of the objects that some mask overlaps by :data:`HIT`, and ``wrong``, masks of an image without any.

    >>> mask = np.zeros((2, 4, 4), bool)
    >>> mask[0, :2], mask[1, 2:] = True, True
    >>> hits([InstanceSet(mask[:1])], [InstanceSet(mask)])
    {'hit': 50.0, 'wrong': 0.0}
    """
    hit = wrong = objects = 0
    for mine, theirs in zip(found, truth, strict=True):
        objects += len(theirs.shapes)
        if len(mine.shapes) and len(theirs.shapes):
            near = mask_iou(torch.from_numpy(theirs.shapes), torch.from_numpy(mine.shapes)) >= HIT
            hit += int(near.any(1).sum())
            wrong += int((~near.any(0)).sum())
        else:
            wrong += len(mine.shapes)
    return {"hit": 100 * hit / max(objects, 1), "wrong": wrong / max(len(truth), 1)}


def measure_part(
    config: RealMasksConfig,
    dataset: str,
    features: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> pd.DataFrame:
    """Return the rows of one data set seen by one kind of features, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: the data set or the weights are not on this machine, and the message says how to get them.
        Cancelled: Stop was asked for.
    """
    rows = []
    for done, seed in enumerate(config.seeds):
        progress(done, len(config.seeds), f"{dataset}, {features}, seed {seed}")
        photographs = DATASETS[dataset](seed, config.count)
        found = found_in(photographs, features, seed, cancel)
        truth = [InstanceSet(one.masks) for one in photographs]
        for method, instances in found.items():
            labels = {"dataset": dataset, "features": features, "method": method, "seed": seed}
            rows.append(labels | quality(instances, truth) | hits(instances, truth))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def found_in(
    photographs: Sequence[Photograph], features: str, seed: int = 0, cancel: CancelToken | None = None
) -> dict[str, list[InstanceSet]]:
    """Return what every method finds in each photograph.

    Raises:
        NotInstalledError: the weights of the features are not on this machine.
        Cancelled: Stop was asked for.
    """
    if features == NO_FEATURES:
        return {name: [method(one.image) for one in photographs] for name, method in CLASSICAL.items()}
    keys, found = CHOICES[features].load(seed), {name: [] for name in METHODS}
    for one in photographs:
        if cancel is not None:
            cancel.raise_if_cancelled()
        seen = keys(image_tensor(one.image))[0]
        for name, method in METHODS.items():
            found[name].append(method(seen, one.image.shape[:2]))
    return found


def measure_real(
    config: RealMasksConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return all rows, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: a data set or weights are not on this machine.
        Cancelled: Stop was asked for.
    """
    parts = [
        measure_part(config, dataset, features, progress, cancel)
        for dataset in config.datasets
        for features in config.features
    ]
    return pd.concat(parts, ignore_index=True)
