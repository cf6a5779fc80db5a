"""Train small networks on Fashion-MNIST, keep each when it is trained, and corrupt the test images."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

from workbench.datasets import ImageSet, cache_dir, load_fashion_mnist, nested_stratified_subsets
from workbench.experiments.robust_transformers_config import Recipe, build_network
from workbench.ops.corruptions import corrupt
from workbench.training import CancelToken, Progress, TrainingConfig, fit, load_weights, no_progress, save_weights

MEAN, STD = 0.2860, 0.3530
"""Of the pixels of Fashion-MNIST's training images, in [0, 1]."""
CORRUPTION_SEED = 0


def trained_network(
    name: str,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    cache: Path | None = None,
) -> nn.Module:
    """Return a trained network in evaluation mode, from the cache where it was trained before.

    Raises:
        ValueError: an unknown name.
        Cancelled: Stop was asked for; a network that is not trained to the end is not kept.
    """
    recipe = recipe or Recipe()
    network = build_network(name, recipe, seed)
    path = (cache or cache_dir("robust-transformers")) / recipe_key(recipe) / f"{slug(name)}-{seed}.safetensors"
    if path.is_file():
        load_weights(network, path)
    else:
        train_network(network, recipe, seed, progress, cancel)
        save_weights(network, path, metadata={"network": name, "seed": str(seed), "recipe": json.dumps(asdict(recipe))})
    return network.eval()


def recipe_key(recipe: Recipe) -> str:
    """Return a short hash of everything that decides a trained network besides its name and seed."""
    return hashlib.sha256(json.dumps([asdict(recipe), "version 1"]).encode()).hexdigest()[:10]


def train_network(
    network: nn.Module,
    recipe: Recipe,
    seed: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Train a network in place by the recipe, on one thread.

    Raises:
        Cancelled: Stop was asked for.
    """
    train = load_fashion_mnist("train")
    order = np.random.default_rng(0).permutation(len(train))[: recipe.train]  # the same images for every seed
    data = TensorDataset(as_input(train.images[order]), torch.from_numpy(train.labels[order]))
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed}, {"params": others, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    steps = recipe.epochs * math.ceil(len(data) / recipe.batch_size)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step / steps, recipe.warm_up))

    def loss(model: nn.Module, batch: list[Tensor]) -> Tensor:
        images = augment(batch[0], recipe)
        return cross_entropy(model(images), batch[1], label_smoothing=recipe.label_smoothing)

    config = TrainingConfig(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=seed,
        device="cpu",
        num_threads=1,
        gradient_clip=1.0,
        scheduler_step="step",
        restore_best=False,
    )
    result = fit(
        network, loss, data, optimizer=optimizer, scheduler=scheduler, config=config, progress=progress, cancel=cancel
    )
    if result.status == "cancelled" and cancel is not None:
        cancel.raise_if_cancelled()


def warm_cosine(done: float, warm_up: float) -> float:
    """Return the share of the highest learning rate after a share ``done`` of the steps: a line up, half a cosine down to 0.

    >>> [round(warm_cosine(done, 0.1), 3) for done in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if done < warm_up:
        return done / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


def augment(images: Tensor, recipe: Recipe) -> Tensor:
    """Mirror, shift and jitter normalised images (B, 1, H, W), each by itself, from torch's generator."""
    count, _, height, width = images.shape
    images = torch.where(torch.rand(count, 1, 1, 1) < 0.5, images.flip(3), images)
    padded = torch.nn.functional.pad(images[:, 0], [recipe.shift] * 4, value=-MEAN / STD)
    rows, columns = (
        torch.randint(2 * recipe.shift + 1, (count, 1)) + torch.arange(side)[None] for side in (height, width)
    )
    moved = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None]][:, None]
    scale, offset = torch.empty(2, count, 1, 1, 1).uniform_(0, 1)
    jittered = ((moved * STD + MEAN) * (0.5 + 0.9 * scale) + (0.4 * offset - 0.1)).clamp(0, 1)
    return torch.where(torch.rand(count, 1, 1, 1) < recipe.jitter, (jittered - MEAN) / STD, moved)


def as_input(images: np.ndarray) -> Tensor:
    """Return grey uint8 images (N, H, W) as the networks take them, (N, 1, H, W)."""
    return (torch.from_numpy(np.ascontiguousarray(images))[:, None].float() / 255 - MEAN) / STD


@lru_cache(maxsize=8)
def held_out_images(count: int) -> ImageSet:
    """Return test images of Fashion-MNIST, as many of each class, at least ten; do not write to them."""
    test = load_fashion_mnist("test")
    return test.subset(nested_stratified_subsets(test.labels, [count], seed=0)[0])


@lru_cache(maxsize=160)
def corrupted_images(corruption: str, severity: int, count: int) -> np.ndarray:
    """Return :func:`held_out_images` corrupted with the constants for small images, uint8 (count, 28, 28); do not write to it."""
    return corrupt(held_out_images(count).images, corruption, severity, seed=CORRUPTION_SEED, constants="cifar")


def slug(name: str) -> str:
    """Return a network's name as a file is called."""
    return name.lower().replace(", ", "-").replace(" + ", "-").replace(" ", "-")
