"""Free Mask beside classical proposals, normalised cuts and LOST, in the same scenes and from the same features.

Wang et al., "FreeSOLO: Learning to Segment Objects without Annotations", CVPR 2022, claims C2 and C3 of its abstract.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from workbench.experiments.free_masks_evaluation import QUALITIES, SceneConfig, quality, test_scenes, truth_masks
from workbench.experiments.free_masks_features import CHOICES, free_mask_instances, scene_keys
from workbench.experiments.free_masks_peers import CutConfig, lost, normalised_cut
from workbench.experiments.free_masks_regions import RegionConfig, region_proposals
from workbench.metrics.coco import InstanceSet
from workbench.training import CancelToken, Progress, no_progress

NO_FEATURES = "pixels"
FREE_MASK, TOKEN_CUT, MASK_CUT, MASK_CUT_HIGH = "Free Mask", "TokenCut", "three cuts", "three cuts, tau 0.4"
LOST, LOST_CENTRED = "LOST", "LOST, centred"
REGIONS, FEW_REGIONS = "merged regions", "merged regions, first 3"
METHODS: dict[str, Callable[[Tensor, tuple[int, int]], InstanceSet]] = {
    FREE_MASK: free_mask_instances,
    TOKEN_CUT: normalised_cut,
    MASK_CUT: lambda keys, size: normalised_cut(keys, size, CutConfig(tau=0.15, objects=3)),
    MASK_CUT_HIGH: lambda keys, size: normalised_cut(keys, size, CutConfig(tau=0.4, objects=3)),
    LOST: lost,
    LOST_CENTRED: lambda keys, size: lost(keys, size, centred=True),
}
"""From features. The published tau are those for keys of DINO; 0.4 is the better of 0.2 and 0.4 on 40 of the test scenes, and no
other was tried: features behind a ReLU have hardly a cosine below 0.2."""
CLASSICAL: dict[str, Callable[[NDArray[np.uint8]], InstanceSet]] = {
    REGIONS: region_proposals,
    FEW_REGIONS: lambda image: region_proposals(image, RegionConfig(keep=3)),
}
"""From pixels; the second has as many masks as the cuts."""
COLUMNS = ("features", "method", "seed", *QUALITIES, "seconds")
"""Columns of the table: ``seconds`` are CPU seconds of the method on an image, features apart."""


@dataclass(frozen=True)
class PeersConfig:
    """What is measured.

    Attributes:
        features: names in :data:`~workbench.experiments.free_masks_features.CHOICES`, or ``"pixels"`` for the classical proposals.
        scenes: test scenes; each seed has its own.
    """

    features: tuple[str, ...] = (
        NO_FEATURES,
        "Lab colour and edges",
        "ResNet-50, stride 16",
        "ViT-S/14, block 7",
        "ViT-S/14, block 11",
    )
    scenes: SceneConfig = field(default_factory=SceneConfig)


FULL = PeersConfig()


def measure_part(
    config: PeersConfig, features: str, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return the rows of every method on one kind of features, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: weights are not on this machine, and the message says how to get them.
        Cancelled: Stop was asked for.
    """
    rows = []
    for done, seed in enumerate(config.scenes.seeds):
        progress(done, len(config.scenes.seeds), f"{features}, seed {seed}")
        scenes = test_scenes(config.scenes, seed)
        size = scenes[0].image.shape[:2]
        if features == NO_FEATURES:
            methods, given = CLASSICAL, [(scene.image,) for scene in scenes]
        else:
            methods = METHODS
            given = [(keys, size) for keys in scene_keys(CHOICES[features].load(seed), scenes, cancel)]
        for name, method in methods.items():
            started, found = time.process_time(), []
            for one in given:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                found.append(method(*one))
            seconds = (time.process_time() - started) / len(scenes)
            scores = quality(found, map(truth_masks, scenes))
            rows.append({"features": features, "method": name, "seed": seed, **scores, "seconds": seconds})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def measure_peers(
    config: PeersConfig = FULL, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return the rows of every kind of features, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: weights are not on this machine.
        Cancelled: Stop was asked for.
    """
    return pd.concat([measure_part(config, name, progress, cancel) for name in config.features], ignore_index=True)
