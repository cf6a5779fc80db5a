"""Train a published network on ImageNet-1k, or on any folder of class folders, by the shared loop.

>>> from workbench.experiments.imagenet_recipes import RECIPES
>>> sorted(RECIPES)[0]
'fan_base_16_p4_hybrid'
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, default_collate

from workbench.datasets import LabelledFiles, read_class_folders
from workbench.experiments.imagenet_recipes import ImageNetRecipe
from workbench.training import (
    CancelToken,
    Progress,
    TrainingConfig,
    TrainingResult,
    fit,
    no_progress,
    seed_everything,
)

VALIDATION_BATCH = 128


class TransformedFiles(Dataset):
    """Image files as a network takes them: ``[i]`` is a tensor (3, side, side) and a label.

    Args:
        files: images and labels.
        transform: uint8 (3, H, W) -> (3, side, side).
    """

    def __init__(self, files: LabelledFiles, transform: Callable[[Tensor], Tensor]) -> None:
        self.files, self.transform = files, transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = np.ascontiguousarray(self.files.read(index).transpose(2, 0, 1))
        return self.transform(torch.from_numpy(image)), int(self.files.labels[index])


def train_imagenet(
    root: str | os.PathLike[str],
    recipe: ImageNetRecipe,
    config: TrainingConfig | None = None,
    *,
    side: int = 224,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> tuple[nn.Module, TrainingResult]:
    """Train a network on ``root/train/<class>/*`` and measure its accuracy on ``root/val/<class>/*`` after each epoch.

    The same script runs on one device, on several, or under ``torchrun`` and SLURM: ``config`` says how many.

    Args:
        root: folder with ``train`` and ``val``, each with the same class folders.
        recipe: of :data:`workbench.experiments.imagenet_recipes.RECIPES`, or one of the person's.
        config: of the loop, default ``recipe.training_config()``; ``checkpoint_path`` makes a killed run go on where it was.
        side: of the images, in pixels.
        progress, cancel: as :func:`workbench.training.fit` takes them.

    Returns:
        The network with the averaged weights of the best epoch, and the history.

    Raises:
        FileNotFoundError: a folder is missing.
        ValueError: class folders of ``train`` and ``val`` differ, or there is no image.
    """
    config = config or recipe.training_config()
    train, val = (read_class_folders(Path(root) / part) for part in ("train", "val"))
    if train.class_names != val.class_names:
        other = sorted(set(train.class_names) ^ set(val.class_names))[0]
        raise ValueError(f"{root} has {other!r} in only one of train and val, expected the same class folders in both")
    classes = len(train.class_names)
    seed_everything(config.seed)
    network = recipe.build(classes)
    optimizer, mix = recipe.optimizer(network), recipe.mix(classes)

    def collate(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
        return mix(*default_collate(samples))

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1], label_smoothing=recipe.label_smoothing)

    validation = TransformedFiles(val, recipe.eval_transform(side))
    result = fit(
        network,
        loss,
        TransformedFiles(train, recipe.train_transform(side)),
        optimizer=optimizer,
        scheduler=recipe.scheduler(optimizer, config.epochs),
        validate=lambda model: {"accuracy": top_1(model, validation, config.workers)},
        collate=collate,
        config=config,
        progress=progress,
        cancel=cancel,
    )
    return network, result


@torch.no_grad()
def top_1(network: nn.Module, data: Dataset, workers: int = 0) -> float:
    """Return the share of images whose largest logit is their label's; call ``eval()`` first."""
    device, right = next(network.parameters()).device, 0
    for images, labels in DataLoader(data, VALIDATION_BATCH, num_workers=workers):
        right += int((network(images.to(device)).argmax(1).cpu() == labels).sum())
    return right / len(data)
