"""The small task that pruning is measured on: digits, turned, scaled, moved and with noise, and a residual network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample
from torchvision.models.resnet import BasicBlock

from workbench.datasets.files import cache_dir, data_dir
from workbench.training import CancelToken, Progress, load_weights, no_progress, save_weights

SIDE, CLASSES, BATCH = 16, 10, 100
BASE = 1200
"""Of the 1 797 digits, the first so many are trained on and the others tested on."""
TEST_SEED = 1000
"""Test images are drawn with seeds from here on, and training images with those below."""


@dataclass(frozen=True)
class TaskConfig:
    """What is trained.

    Attributes:
        train: images drawn from the first digits.
        test: images drawn from the others.
        widths: channels of the three stages, each of one basic block.
        epochs: of the whole network.
        rate: learning rate at the start, which falls to zero by a cosine.
    """

    train: int = 4000
    test: int = 2000
    widths: tuple[int, int, int] = (32, 64, 128)
    epochs: int = 8
    rate: float = 0.1


@dataclass(frozen=True)
class PruningTask:
    """A trained network and the images to prune, recalibrate and test it with.

    Attributes:
        model: in evaluation mode; pruning works on copies.
        images: (N, 1, 16, 16) to train with.
        labels: (N,) of them.
        test_images: (M, 1, 16, 16).
        test_labels: (M,) of them.
        seed: of images and weights.
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    seed: int

    def accuracy(self, model: nn.Module) -> float:
        """Return the share of test images, in percent, that a network gets right."""
        return accuracy(model, self.test_images, self.test_labels)


def digits(count: int, seed: int, *, held_out: bool = False) -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits, 16 x 16, turned by up to 0.45 rad, scaled 0.65 to 1, moved up to a quarter, noise of 0.2.

    Args:
        count: images drawn.
        seed: of the draw.
        held_out: from the 597 digits that are not trained on.

    Returns:
        Images (count, 1, 16, 16) and labels (count,).

    >>> images, labels = digits(5, seed=0)
    >>> images.shape, labels.shape
    (torch.Size([5, 1, 16, 16]), torch.Size([5]))
    """
    source = load_digits()
    part = slice(BASE, None) if held_out else slice(0, BASE)
    pixels, labels = torch.tensor(source.images[part], dtype=torch.float32) / 16, torch.tensor(source.target[part])
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(pixels), (count,), generator=rng)
    angle, scale = (torch.rand(2, count, generator=rng) - 0.5) * torch.tensor([[0.9], [0.35]])
    shift = (torch.rand(count, 2, 1, generator=rng) - 0.5) * 0.5
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).reshape(-1, 2, 2)
    grid = affine_grid(
        torch.cat([turn / (0.825 + scale)[:, None, None], shift], 2), [count, 1, SIDE, SIDE], align_corners=False
    )
    images = grid_sample(pixels[chosen][:, None], grid, align_corners=False)
    return images + 0.2 * torch.randn(images.shape, generator=rng), labels[chosen]


def residual_network(widths: tuple[int, ...] = TaskConfig.widths) -> nn.Module:
    """Return a residual network of one basic block a stage, for images (B, 1, 16, 16)."""
    layers: list[nn.Module] = [nn.Conv2d(1, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    inputs = widths[0]
    for place, width in enumerate(widths):
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, 2, bias=False), nn.BatchNorm2d(width)) if place else None
        layers.append(BasicBlock(inputs, width, 2 if place else 1, shortcut))
        inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def train(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int,
    rate: float,
    seed: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> None:
    """Train by SGD with momentum and a cosine down to zero, in place; the model ends in evaluation mode."""
    steps, rng = epochs * -(-len(images) // BATCH), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=5e-4)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for epoch in range(epochs):
        progress(epoch, epochs, "training")
        for chosen in torch.randperm(len(images), generator=rng).split(BATCH):
            if cancel is not None:
                cancel.raise_if_cancelled()
            optimiser.zero_grad()
            cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimiser.step()
            falling.step()
    model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images, in percent, that a network in evaluation mode gets right."""
    return 100 * float((model.eval()(images).argmax(1) == labels).float().mean())


def load_or_train(model: nn.Module, path: Path, train: Callable[[], None], command: str) -> None:
    """Give a network the weights of a file, which is written first, after training, where there is none.

    The file holds half precision, so that the weights are the same whether they were trained now or before.

    Args:
        model: gets the weights; it is what ``train`` trains.
        path: safetensors.
        train: called where there is no file.
        command: what makes the file, for its metadata.
    """
    if not path.is_file():
        train()
        save_weights(copy.deepcopy(model).half(), path, metadata={"command": command})
    load_weights(model, path)


def pruning_task(
    seed: int = 0,
    config: TaskConfig | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> PruningTask:
    """Return the trained network of a seed: that which ships, or that of the cache, or one trained now and put into the cache.

    Args:
        seed: of images and weights; 0 to 2 ship with the default configuration.
        config: what is trained.
        progress: called once an epoch.
        cancel: looked at in each step.

    Raises:
        Cancelled: Stop was asked for.
    """
    config = config or TaskConfig()
    images, labels = digits(config.train, seed)
    test_images, test_labels = digits(config.test, TEST_SEED + seed, held_out=True)
    torch.manual_seed(seed)
    model = residual_network(config.widths)
    name = "_".join(map(str, (config.train, *config.widths, config.epochs, config.rate, seed)))
    shipped = data_dir() / "weights" / f"pruning_digits_{seed}.safetensors"
    path = cache_dir("latency_pruning") / f"digits_{name}.safetensors"
    if config == TaskConfig() and shipped.is_file():
        path = shipped
    load_or_train(
        model,
        path,
        lambda: train(model, images, labels, config.epochs, config.rate, seed, progress, cancel),
        f"workbench.experiments.latency_pruning_task.pruning_task({seed}, {config})",
    )
    return PruningTask(model.eval(), images, labels, test_images, test_labels, seed)
