"""A small detector pruned to half its latency while it is trained: mean average precision and measured latency.

Shen et al., NeurIPS 2022 (arXiv 2210.06659), Table 8, small: SSD for images of 64 x 64, two feature maps, three classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from workbench.datasets.files import cache_dir, data_dir
from workbench.experiments.latency_pruning import HERE, measured_in_turn, platform_table
from workbench.experiments.latency_pruning_methods import HALP, LAYERS, UNIFORM
from workbench.experiments.latency_pruning_scenes import NAMES, SIDE, Scenes, detection_scenes, mirrored
from workbench.experiments.latency_pruning_steps import minibatches, prune_while_training
from workbench.experiments.latency_pruning_task import load_or_train
from workbench.metrics import BoxSet, voc_average_precision
from workbench.models.ssd import SMALL, SSD, DetectionLoss, default_boxes, detect, small_ssd
from workbench.pruning import ChannelPlan, HALPConfig, LatencyTable
from workbench.training import CancelToken, Progress, no_progress

MINIBATCH, AT_ONCE = 32, 100
DEFAULTS = default_boxes(SMALL)
WHOLE, WHOLE_TUNED = "whole network", "whole network, tuned alike"
SEEDS_APART = 10_000
"""Scenes of the next network's seed begin so many further; those to test with, beyond all of them."""
FIRST_TEST = 1_000_000


@dataclass(frozen=True)
class DetectorConfig:
    """What is trained, pruned and measured.

    Attributes:
        seeds: of networks and scenes.
        train: scenes to train with.
        test: scenes to test with.
        epochs: of the whole network.
        rate: of SGD with momentum at the start of them, which falls to zero by a cosine.
        share: of the latency that remains.
        methods: that choose.
        steps: of pruning.
        between: minibatches of training before each.
        tuning: epochs after it.
        tuning_rate: at their start, and constant while it is pruned.
        batch: images at once on the device.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    train: int = 2400
    test: int = 500
    epochs: int = 20
    rate: float = 0.05
    share: float = 0.5
    methods: tuple[str, ...] = (HALP, LAYERS, UNIFORM)
    steps: int = 8
    between: int = 8
    tuning: int = 4
    tuning_rate: float = 0.02
    batch: int = 16


@dataclass(frozen=True, eq=False)
class DetectorTask:
    """A trained detector and the scenes to prune and test it with.

    Attributes:
        model: in evaluation mode; pruning works on copies.
        train: scenes.
        test: scenes.
        seed: of scenes and weights.
    """

    model: SSD
    train: Scenes = field(repr=False)
    test: Scenes = field(repr=False)
    seed: int = 0


def detector_task(
    seed: int = 0,
    config: DetectorConfig | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> DetectorTask:
    """Return the trained detector of a seed: that which ships, or that of the cache, or one trained now and put into the cache.

    Args:
        seed: of scenes and weights; 0 ships with the default configuration.
        config: what is trained.
        progress: called once an epoch.
        cancel: looked at in each step.

    Raises:
        Cancelled: Stop was asked for.
    """
    config = config or DetectorConfig()
    train = detection_scenes(config.train, SEEDS_APART * seed)
    torch.manual_seed(seed)
    model = small_ssd(1 + len(NAMES))
    load_or_train(
        model,
        _weights_path(seed, config),
        lambda: train_detector(model, train, config.epochs, config.rate, seed, progress, cancel),
        f"workbench.experiments.latency_pruning_detector.detector_task({seed}, {config})",
    )
    return DetectorTask(model.eval(), train, detection_scenes(config.test, FIRST_TEST), seed)


def _weights_path(seed: int, config: DetectorConfig) -> Path:
    shipped, usual = data_dir() / "weights" / f"pruning_detector_{seed}.safetensors", DetectorConfig()
    recipe = (config.train, config.epochs, config.rate)
    if recipe == (usual.train, usual.epochs, usual.rate) and shipped.is_file():
        return shipped
    return cache_dir("latency_pruning") / f"detector_{'_'.join(map(str, (*recipe, seed)))}.safetensors"


def train_detector(
    model: nn.Module,
    scenes: Scenes,
    epochs: int,
    rate: float,
    seed: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Train by SGD with momentum and a cosine down to zero on scenes mirrored at random, in place; ends in evaluation mode.

    Args:
        model: :func:`workbench.models.ssd.small_ssd`, or one shrunk from it.
        scenes: to train with.
        epochs: passes.
        rate: of learning at the start.
        seed: of the order and the mirrors.
        progress: called once an epoch.
        cancel: looked at in each step.
    """
    loss, steps = scene_loss(scenes, seed), -(-len(scenes) // MINIBATCH)
    optimiser = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
    drawn = minibatches(len(scenes), MINIBATCH, seed)
    model.train()
    for epoch in range(epochs):
        progress(epoch, epochs, "training the detector")
        for _ in range(steps):
            if cancel is not None:
                cancel.raise_if_cancelled()
            optimiser.zero_grad()
            loss(model, next(drawn)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()
            falling.step()
    model.eval()


def scene_loss(scenes: Scenes, seed: int) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return ``loss(model, indices)`` of scenes mirrored at random: the multibox loss of SSD."""
    rng, loss = torch.Generator().manual_seed(seed), DetectionLoss(small_ssd())

    def of(model: nn.Module, chosen: Tensor) -> Tensor:
        flags = torch.rand(len(chosen), generator=rng) < 0.5
        things = [scenes.things[place] for place in chosen.tolist()]
        return loss(model, mirrored(scenes.images[chosen], things, flags))["loss"]

    return of


def mean_average_precision(model: nn.Module, scenes: Scenes) -> float:
    """Return the mean over the classes of VOC's average precision at half overlap, area under the curve, in percent."""
    found = []
    for images in scenes.images.split(AT_ONCE):
        for one in detect(model.eval(), images, DEFAULTS):
            found.append(BoxSet(one.boxes.numpy() / SIDE, one.labels.numpy(), one.scores.numpy()))
    truth = [BoxSet(boxes.numpy(), labels.numpy()) for boxes, labels in scenes.things]
    return 100 * float(np.mean(list(voc_average_precision(found, truth).values())))


def pruned_detector(
    task: DetectorTask,
    table: LatencyTable,
    method: str = LAYERS,
    config: DetectorConfig | None = None,
    cancel: CancelToken | None = None,
) -> tuple[nn.Module, ChannelPlan]:
    """Return a detector pruned to a share of its latency while it was trained, then tuned, and what was kept.

    Args:
        task: a trained detector, which is not changed.
        table: of the device.
        method: of :data:`workbench.experiments.latency_pruning_steps.IN_STEPS`.
        config: share, steps and tuning.
        cancel: looked at in each iteration.

    Raises:
        ValueError: there is no such method, or the latency cannot be reached.
        Cancelled: Stop was asked for.
    """
    config = config or DetectorConfig()
    schedule = HALPConfig(
        config.share, interval=config.between, steps=config.steps, allow_ragged=True, keep_one=method == LAYERS
    )
    drawn, loss = minibatches(len(task.train), MINIBATCH, task.seed), scene_loss(task.train, task.seed)
    example, options = task.train.images[:1], {"batch": config.batch, "rate": config.tuning_rate, "cancel": cancel}
    small, plan = prune_while_training(task.model, example, loss, drawn, table, method, schedule, **options)
    train_detector(small, task.train, config.tuning, config.tuning_rate, task.seed, cancel=cancel)
    return small, plan


def measure_detectors(
    config: DetectorConfig | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    on_pruned: Callable[[DetectorTask, str, nn.Module, ChannelPlan], None] | None = None,
    table: LatencyTable | None = None,
) -> pd.DataFrame:
    """Prune each seed's detector by each method to a share of its latency by a table, and measure it on this machine.

    Args:
        config: what is trained and measured.
        progress: called for each network.
        cancel: looked at in each step.
        on_pruned: called with the task, the method, the network and its plan of each that was pruned.
        table: None for one that is measured on this machine.

    Returns:
        One row a detector: ``seed``, ``method`` (:data:`WHOLE`, :data:`WHOLE_TUNED` for as many more epochs, or what chose),
        ``reached`` (share of the latency by the table), ``ms`` and ``whole_ms`` (an image on this machine, of it and of the whole
        one, in turn), ``parameters``, and ``precision``, the mean average precision in percent.

    Raises:
        Cancelled: Stop was asked for.
    """
    config, rows = config or DetectorConfig(), []
    table = table or platform_table(HERE)
    names = (WHOLE, WHOLE_TUNED, *config.methods)
    for seed in config.seeds:
        task = detector_task(seed, config, progress, cancel)
        for method in names:
            progress(len(rows), len(names) * len(config.seeds), f"seed {seed}, {method}")
            model, reached = task.model, 1.0
            if method == WHOLE_TUNED:
                model = copy.deepcopy(task.model)
                train_detector(model, task.train, config.tuning, config.tuning_rate, seed, cancel=cancel)
            elif method != WHOLE:
                model, plan = pruned_detector(task, table, method, config, cancel)
                reached = plan.latency / plan.graph.latency(table, config.batch)
                if on_pruned is not None:
                    on_pruned(task, method, model, plan)
            ms = measured_in_turn((model, task.model), torch.zeros(config.batch, 3, SIDE, SIDE))
            ms, whole = (value / config.batch for value in ms)
            parameters = sum(weight.numel() for weight in model.parameters())
            precision = mean_average_precision(model, task.test)
            rows.append((seed, method, reached, ms, whole, parameters, precision))
    return pd.DataFrame(rows, columns=["seed", "method", "reached", "ms", "whole_ms", "parameters", "precision"])
