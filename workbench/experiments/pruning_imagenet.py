"""The published ImageNet runs of HALP, at full size: ResNet-50 and ResNet-101 on a TITAN V's latencies, or any other table.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), section 4 and the configuration published with it.

>>> recipe = RECIPES["resnet50_halp55"]
>>> recipe.halp.share, recipe.halp.steps, recipe.epochs, recipe.batch_size
(0.55, 30, 90, 1024)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.transforms import v2

from workbench.datasets import read_imagenet
from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.experiments.imagenet_training import TransformedFiles, top_1
from workbench.experiments.pruning_run import PrunedRun, Schedule, Task, prune_and_tune, reduced
from workbench.pruning import ChannelGraph, HALPConfig, LatencyTable, titan_v_table
from workbench.training import (
    CancelToken,
    Progress,
    TrainingConfig,
    load_tensors,
    no_progress,
    read_checkpoint,
    seed_everything,
)

STEM = "conv1"
INNER_SIZES = {1: (32, 32), 2: (32, 32), 3: (128, 32), 4: (32, 32)}
"""Channels an item in the first and second convolution of a block, by stage."""
FIRST_BLOCK = {3: (64, 64), 4: (64, 64)}
OUTPUT_SIZES = {1: 64, 2: 128, 3: 128, 4: 128}


@dataclass(frozen=True)
class ImageNetPruning:
    """How a network is pruned and fine-tuned on ImageNet-1k.

    Attributes:
        network: name of a torchvision network.
        halp: the pruning schedule; its group sizes are the published ones.
        table_batch: images in a batch of the latency table.
        batch_size: images a step, over all devices (8 of 128 each).
        learning_rate: the highest, of SGD with ``momentum``.
        warm_up: epochs in which the rate rises in equal parts; then it falls by a cosine, epoch by epoch.
        weight_decay: not of parameters with ``bn`` in their name; that of a shortcut has none, and is decayed, as published.
        side: of the images, in pixels.
        momentum, epochs, label_smoothing: as published.
    """

    network: str
    halp: HALPConfig
    table_batch: int = 256
    batch_size: int = 1024
    learning_rate: float = 1.024
    momentum: float = 0.875
    weight_decay: float = 2.0**-15
    epochs: int = 90
    warm_up: int = 8
    label_smoothing: float = 0.1
    side: int = 224

    def build(self, num_classes: int = 1000) -> nn.Module:
        """Return the untrained network."""
        return getattr(torchvision.models, self.network)(num_classes=num_classes)

    def trace(self, network: nn.Module) -> ChannelGraph:
        """Return the channel graph; the stem is not pruned."""
        return ChannelGraph.trace(network, torch.zeros(1, 3, self.side, self.side), protect=[STEM])

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, from 0.

        >>> recipe = RECIPES["resnet50_halp55"]
        >>> [round(recipe.rate(epoch), 3) for epoch in (0, 7, 8, 49, 89)]
        [0.128, 1.024, 1.024, 0.512, 0.0]
        """
        if epoch < self.warm_up:
            return self.learning_rate * (epoch + 1) / self.warm_up
        share = (epoch - self.warm_up) / (self.epochs - self.warm_up)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))

    def schedule(self) -> Schedule:
        """Return optimiser, learning rates and pruning schedule."""
        return Schedule(
            optimiser=lambda network: torch.optim.SGD(
                reduced(network, self.weight_decay, lambda name: "bn" in name),
                lr=self.learning_rate,
                momentum=self.momentum,
            ),
            rate=lambda epoch: self.rate(epoch) / self.learning_rate,
            epochs=self.epochs,
            halp=self.halp,
        )

    def training_config(self, devices: int = 1, nodes: int = 1, **overrides: object) -> TrainingConfig:
        """Return the options of the loop."""
        options = {"batch_size": self.batch_size, "workers": 8, "devices": devices, "nodes": nodes}
        return TrainingConfig(**options | overrides)

    def train_transform(self) -> Callable[[Tensor], Tensor]:
        """Return uint8 (3, H, W) -> normalised (3, side, side): a random part, mirrored half of the time."""
        return v2.Compose([v2.RandomResizedCrop(self.side, antialias=True), v2.RandomHorizontalFlip(), *_normalise()])

    def eval_transform(self) -> Callable[[Tensor], Tensor]:
        """Return uint8 (3, H, W) -> normalised (3, side, side): the middle 224 of 256 of the shorter side."""
        resize = v2.Resize(self.side * 256 // 224, antialias=True)
        return v2.Compose([resize, v2.CenterCrop(self.side), *_normalise()])


def prune_imagenet(
    root: str | os.PathLike[str],
    weights: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    recipe: ImageNetPruning,
    *,
    table: LatencyTable | None = None,
    config: TrainingConfig | None = None,
    class_names: Sequence[str] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> PrunedRun:
    """Prune a trained network on ``root/train/<wnid>/*``, and measure its accuracy on ``root/val/<wnid>/*`` after each epoch.

    Args:
        root: of ImageNet.
        weights: checkpoint of the trained network, with torchvision's names.
        folder: for masks, weights and checkpoints; a killed run goes on from there.
        recipe: of :data:`RECIPES`, or one of the person's.
        table: of the device; None for that of a TITAN V, as published.
        config: of the loop; None for ``recipe.training_config()``.
        class_names: all classes of the network, where the folders hold only some of them.
        progress: as :func:`workbench.training.fit` takes it, as is ``cancel``.
        cancel: see there.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: the weights are of another network, or the folders hold other classes.
    """
    config = config or recipe.training_config()
    train, val = (read_imagenet(root, split, class_names) for split in ("train", "val"))
    seed_everything(config.seed)
    network = recipe.build(len(train.class_names))
    tensors = read_checkpoint(Path(weights))
    report = load_tensors(network, {name.removeprefix("module."): value for name, value in tensors.items()})
    if report.missing:
        raise ValueError(
            f"{weights} lacks {report.missing[0]} of {recipe.network}, expected a trained network of this kind"
        )
    validation = TransformedFiles(val, recipe.eval_transform())
    task = Task(
        loss=lambda model, batch: cross_entropy(model(batch[0]), batch[1], label_smoothing=recipe.label_smoothing),
        data=TransformedFiles(train, recipe.train_transform()),
        validate=lambda model: {"accuracy": top_1(model, validation, config.workers)},
    )
    return prune_and_tune(
        network,
        recipe.trace(network),
        titan_v_table() if table is None else table,
        recipe.table_batch,
        task,
        recipe.schedule(),
        config,
        folder,
        progress=progress,
        cancel=cancel,
    )


def bottleneck_group_sizes(blocks: Sequence[int]) -> dict[str, int]:
    """Return the published channels an item of ResNets of bottlenecks, by layer.

    Args:
        blocks: of each of the four stages.

    >>> sizes = bottleneck_group_sizes((3, 4, 6, 3))
    >>> sizes["conv1"], sizes["layer3.0.conv1"], sizes["layer3.1.conv1"], sizes["layer4.2.conv3"]
    (2, 64, 128, 128)
    """
    sizes = {STEM: 2}
    for stage, count in enumerate(blocks, start=1):
        sizes[f"layer{stage}.0.downsample.0"] = OUTPUT_SIZES[stage]
        for block in range(count):
            inner = INNER_SIZES[stage] if block else FIRST_BLOCK.get(stage, INNER_SIZES[stage])
            for place, size in enumerate((*inner, OUTPUT_SIZES[stage]), start=1):
                sizes[f"layer{stage}.{block}.conv{place}"] = size
    return sizes


def _normalise() -> tuple[nn.Module, nn.Module]:
    return v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)


def _recipe(network: str, blocks: Sequence[int], share: float) -> ImageNetPruning:
    return ImageNetPruning(network, HALPConfig(share, group_size=bottleneck_group_sizes(blocks)))


RECIPES = MappingProxyType(
    {f"resnet50_halp{share}": _recipe("resnet50", (3, 4, 6, 3), share / 100) for share in (80, 55, 30)}
    | {f"resnet101_halp{share}": _recipe("resnet101", (3, 4, 23, 3), share / 100) for share in (55, 40, 30)}
)
"""Runs by the share of the table's latency that remains; 80, 55 and 30 % of ResNet-50 were published as networks."""
