"""Free masks of a folder of pictures: nothing to train, nothing in the folder is changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from workbench.datasets import MaskedImage, UnreadableImageError, cache_dir, masked_image, object_scene, read_image
from workbench.datasets import read_image_folder as read_folder
from workbench.experiments.free_masks_evaluation import TEST_SEEDS, image_tensor
from workbench.experiments.free_masks_features import CHOICES
from workbench.models.freesolo import FreeMaskConfig, free_masks
from workbench.training import CancelToken, Progress, no_progress

LEAST_SIDE, MOST_STRETCHED = 16, 8
"""Pixels that a side must have, and times that one side may be the other, for four keys on the shorter."""
SAMPLE = 6


def find_in_folder(
    folder: str | os.PathLike[str],
    features: str,
    config: FreeMaskConfig | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[list[MaskedImage], list[str]]:
    """Return the masks found in each picture of a folder, and what was left out and why.

    A picture is seen with 24 keys along its shorter side, whatever its size; masks come at the picture's own size. Stop ends the
    search and keeps what is done.

    Args:
        folder: searched for pictures, with its subfolders.
        features: a name of :data:`~workbench.experiments.free_masks_features.CHOICES`.
        config: None for the published constants.
        progress: called before each picture.
        cancel: looked at before each picture.

    Raises:
        FileNotFoundError: there is no such folder, or no picture in it.
        NotInstalledError: the weights of the features are not on this machine, and the message says how to get them.
        ValueError: there are no such features.
    """
    if features not in CHOICES:
        raise ValueError(f"features must be one of {', '.join(map(repr, CHOICES))}, got {features!r}")
    entries = read_folder(folder)
    keys, found, skipped = CHOICES[features].load(0), [], []
    for done, entry in enumerate(entries):
        if cancel is not None and cancel.cancelled:
            skipped.append(f"stopped before {entry.id}")
            break
        progress(done, len(entries), entry.id)
        try:
            image = read_image(entry.path)
            height, width = image.shape[:2]
            if min(height, width) < LEAST_SIDE or max(height, width) > MOST_STRETCHED * min(height, width):
                raise ValueError(
                    f"{entry.id} is {width} x {height} pixels; expected at least {LEAST_SIDE}, and no side {MOST_STRETCHED} times "
                    "the other"
                )
        except (UnreadableImageError, ValueError) as error:
            skipped.append(str(error))
            continue
        with torch.no_grad():
            masks = free_masks(keys(image_tensor(image))[0], (height, width), config)
        found.append(
            masked_image(entry.id, folder, masks.masks.numpy(), masks.scores.tolist(), masks.embeddings.numpy())
        )
    return found, skipped


def sample_pictures(folder: str | os.PathLike[str] | None = None, count: int = SAMPLE) -> Path:
    """Write test scenes as picture files to try with; return the folder, by default one in the cache."""
    folder = cache_dir("free_masks_sample") if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(np.array(object_scene(TEST_SEEDS + index).image)).save(folder / f"scene-{index + 1}.png")
    return folder
