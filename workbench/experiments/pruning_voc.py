"""Prune SSD with ResNet-50 on Pascal VOC, as HALP's detection experiment does: trained on 2007 and 2012, tested on 2007.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), Table 8.  Its training is that of Liu et al., "SSD", ECCV 2016, section 3.1: SGD of
batches of 32, 80 000 + 20 000 + 20 000 iterations, the rate a tenth in each part of the one before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from workbench.datasets import ImageEntry, read_voc
from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.experiments.pruning_run import PrunedRun, Schedule, Task, prune_and_tune, reduced
from workbench.metrics import BoxSet, voc_average_precision
from workbench.models.ssd import SSD, DetectionLoss, default_boxes, detect, ssd512_resnet50
from workbench.pruning import ChannelGraph, HALPConfig, LatencyTable
from workbench.training import (
    CancelToken,
    Progress,
    TrainingConfig,
    load_tensors,
    no_progress,
    read_checkpoint,
    seed_everything,
)

VOC_NAMES = (
    *(
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
    ),
    *("motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
STEM = "feature_extractor.0"
TRAINED_ON, TESTED_ON = (("VOC2007", "trainval"), ("VOC2012", "trainval")), ("VOC2007", "test")
TEST_BATCH = 16


@dataclass(frozen=True)
class VocPruning:
    """How SSD is pruned and fine-tuned on Pascal VOC.

    Attributes:
        halp: the pruning schedule.
        build: of the network, from the number of classes with the background.
        names: of the classes, in the order of their labels from 1.
        table_batch: images in a batch of the latency table.
        batch_size: images a step.
        learning_rate: of SGD with ``momentum``, at first.
        falls: epochs from which on it is a tenth of what it was.
        epochs: of the run; 232 of 16 551 images are 120 000 iterations.
        weight_decay: not of norms.
        momentum: as in SSD's paper.
    """

    halp: HALPConfig
    build: Callable[[int], SSD] = ssd512_resnet50
    names: tuple[str, ...] = VOC_NAMES
    table_batch: int = 1
    batch_size: int = 32
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    epochs: int = 232
    falls: tuple[int, ...] = (155, 194)

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 0.

        >>> [VocPruning(HALPConfig(0.5)).rate(epoch) for epoch in (0, 155, 194)]
        [0.001, 0.0001, 1e-05]
        """
        return round(self.learning_rate * 0.1 ** sum(epoch >= fall for fall in self.falls), 15)

    def schedule(self) -> Schedule:
        """Return optimiser, learning rates and pruning schedule."""

        def optimiser(network: nn.Module) -> torch.optim.SGD:
            norms = {f"{name}." for name, part in network.named_modules() if isinstance(part, nn.BatchNorm2d)}
            groups = reduced(network, self.weight_decay, lambda name: f"{name.rpartition('.')[0]}." in norms)
            return torch.optim.SGD(groups, lr=self.learning_rate, momentum=self.momentum)

        return Schedule(optimiser, lambda epoch: self.rate(epoch) / self.learning_rate, self.epochs, self.halp)

    def training_config(self, devices: int = 1, nodes: int = 1, **overrides: object) -> TrainingConfig:
        """Return the options of the loop."""
        options = {"batch_size": self.batch_size, "workers": 8, "devices": devices, "nodes": nodes}
        return TrainingConfig(**options | overrides)


class DetectionImages(Dataset):
    """Images as a detector takes them: ``[i]`` is a tensor (3, side, side), boxes in shares of the side, labels from 1.

    In training colours are distorted, the image is put on a larger grey ground or cut to a part that shows an object, and mirrored
    (section 2.2 of SSD); in evaluation it is resized.

    Args:
        entries: of the images; objects of other classes and, in training, difficult ones are left out.
        names: of the classes.
        side: of the images.
        training: whether they are changed at random.

    Raises:
        ValueError: no image shows an object of these classes.
    """

    def __init__(self, entries: Sequence[ImageEntry], names: Sequence[str], side: int, *, training: bool) -> None:
        self.label = {name: place for place, name in enumerate(names, start=1)}
        self.entries, self.side = tuple(entries), side
        if not any(one.category in self.label for entry in self.entries for one in entry.annotations):
            raise ValueError(f"none of {len(self.entries)} images shows an object of {', '.join(names)[:80]}")
        self.training = training
        self.transform = v2.Compose([*(_augmentation() if training else ()), *_fitting(side)])

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        loaded = self.entries[index].load()
        things = [
            one for one in loaded.annotations if one.category in self.label and not (self.training and one.difficult)
        ]
        height, width = loaded.image.shape[:2]
        sample = {
            "image": tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(loaded.image.transpose(2, 0, 1)))),
            "boxes": tv_tensors.BoundingBoxes(
                torch.tensor([one.box for one in things], dtype=torch.float32).reshape(-1, 4),
                format="XYXY",
                canvas_size=(height, width),
            ),
            "labels": torch.tensor([self.label[one.category] for one in things], dtype=torch.long),
        }
        sample = self.transform(sample)
        boxes = sample["boxes"].as_subclass(Tensor) / self.side
        return sample["image"].as_subclass(Tensor), (boxes, sample["labels"])

    def truth(self, index: int) -> BoxSet:
        """Return the objects of an image, in pixels of the image as it is."""
        things = [one for one in self.entries[index].load().annotations if one.category in self.label]
        return BoxSet(
            [one.box for one in things],
            [self.label[one.category] for one in things],
            difficult=[one.difficult for one in things],
        )


def prune_voc(
    root: str | os.PathLike[str],
    weights: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    recipe: VocPruning,
    table: LatencyTable,
    *,
    config: TrainingConfig | None = None,
    trained_on: Sequence[tuple[str, str]] = TRAINED_ON,
    tested_on: tuple[str, str] = TESTED_ON,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> PrunedRun:
    """Prune a trained detector on Pascal VOC and measure its mean average precision after each epoch.

    Args:
        root: with ``VOC2007`` and ``VOC2012``, as they are unpacked (``VOCdevkit``).
        weights: checkpoint of the trained detector.
        folder: for masks, weights and checkpoints; a killed run goes on from there.
        recipe: sizes and schedules.
        table: of the device.
        config: of the loop; None for ``recipe.training_config()``.
        trained_on: folders and splits.
        tested_on: folder and split.
        progress: as :func:`workbench.training.fit` takes it, as is ``cancel``.
        cancel: see there.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: the weights are of another network, or an annotation is damaged.
    """
    config = config or recipe.training_config()
    seed_everything(config.seed)
    network = recipe.build(len(recipe.names) + 1)
    report = load_tensors(network, read_checkpoint(Path(weights)))
    if report.missing:
        raise ValueError(f"{weights} lacks {report.missing[0]}, expected a trained detector of this kind")
    side = network.boxes.side
    train = [entry for year, split in trained_on for entry in read_voc(Path(root) / year, split)]
    test = DetectionImages(read_voc(Path(root) / tested_on[0], tested_on[1]), recipe.names, side, training=False)
    task = Task(
        loss=DetectionLoss(network),
        data=DetectionImages(train, recipe.names, side, training=True),
        validate=lambda model: {"mAP": mean_average_precision(model, test, default_boxes(network.boxes))},
        collate=collate,
    )
    graph = ChannelGraph.trace(network, torch.zeros(1, 3, side, side), protect=[STEM])
    return prune_and_tune(
        network,
        graph,
        table,
        recipe.table_batch,
        task,
        recipe.schedule(),
        config,
        folder,
        progress=progress,
        cancel=cancel,
    )


def mean_average_precision(
    network: nn.Module, data: DetectionImages, defaults: Tensor, interpolation: str = "11 points"
) -> float:
    """Return VOC's mean average precision at half overlap, in 0 to 1; call ``eval()`` first.

    Args:
        network: SSD, or one shrunk from it.
        data: for evaluation.
        defaults: (N, 4) default boxes.
        interpolation: ``"11 points"``, VOC2007's own, or ``"area"``.
    """
    device, found = next(network.parameters()).device, []
    for start in range(0, len(data), TEST_BATCH):
        places = range(start, min(start + TEST_BATCH, len(data)))
        images = torch.stack([data[place][0] for place in places]).to(device)
        for place, one in zip(places, detect(network, images, defaults), strict=True):
            height, width = data.entries[place].load().image.shape[:2]
            scale = np.array([width, height, width, height]) / data.side
            found.append(BoxSet(one.boxes.cpu().numpy() * scale, one.labels.cpu().numpy(), one.scores.cpu().numpy()))
    truth = [data.truth(place) for place in range(len(data))]
    precisions = voc_average_precision(found, truth, interpolation=interpolation)
    return float(np.mean(list(precisions.values())))


def collate(samples: list[tuple[Tensor, tuple[Tensor, Tensor]]]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return images (B, 3, side, side), and boxes and labels of each."""
    images, things = zip(*samples, strict=True)
    return torch.stack(images), list(things)


def _augmentation() -> list[Any]:
    grey = {tv_tensors.Image: tuple(round(255 * value) for value in IMAGENET_MEAN), "others": 0}
    return [
        v2.RandomPhotometricDistort(p=0.5),
        v2.RandomZoomOut(fill=grey),
        v2.RandomIoUCrop(),
        v2.RandomHorizontalFlip(),
    ]


def _fitting(side: int) -> list[nn.Module]:
    return [
        v2.Resize((side, side), antialias=True),
        v2.SanitizeBoundingBoxes(),
        v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
        v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
