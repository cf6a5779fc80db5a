"""CIFAR-10 as a frozen network sees it: pooled MobileNetV2 features, reduced by principal components, kept in the cache.

On them a learner trains within a second, so that a learning curve of all 50 000 pictures costs seconds instead of days.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.datasets.cifar10 import load_cifar10
from workbench.datasets.files import atomic_write, cache_dir, sha256
from workbench.datasets.imagenet import IMAGENET_MEAN, IMAGENET_STD
from workbench.training.progress import CancelToken, Progress, no_progress

CHUNK = 2000
"""Pictures whose features are computed between two writes: some ten seconds on one core."""

BATCH = 32


@dataclass(frozen=True)
class FeatureConfig:
    """How pictures become features.

    Attributes:
        side: pixels to which the 32x32 pictures are enlarged.
        components: principal components that are kept of the 1 280 features.
    """

    side: int = 112
    components: int = 256


@dataclass(frozen=True)
class FeatureSet:
    """Features (N, components) float32 of the training and test pictures, and their labels (N,)."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def cifar10_features(
    config: FeatureConfig | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    folder: Path | None = None,
    weights: Path | None = None,
    cache: Path | None = None,
) -> FeatureSet:
    """Return the features of all 60 000 pictures: from the cache, or computed in chunks of which each is kept.

    Each picture is enlarged bilinearly and passed through the convolutions of MobileNetV2, whose last activations are averaged over
    places. The principal components are those of the training pictures, whose labels play no part; their common scale is
    chosen so that the features have mean variance 1 on the training pictures.

    Args:
        config: side and number of components.
        progress: called after each chunk.
        cancel: looked at before each chunk; what is computed so far is in the cache.
        folder: of CIFAR-10, see :func:`workbench.datasets.load_cifar10`.
        weights: checkpoint of MobileNetV2, see :func:`workbench.models.mobilenet_v2.load_mobilenet_v2`.
        cache: default in the person's cache directory; 184 MB.

    Raises:
        NotInstalledError: the pictures or the weights are missing, and the message says how to get them.
        Cancelled: Stop was asked for.
    """
    from workbench.models.mobilenet_v2 import mobilenet_v2_path  # torch takes seconds to import

    config, weights = config or FeatureConfig(), mobilenet_v2_path(weights)
    train, test = load_cifar10("train", folder), load_cifar10("test", folder)
    recipe = _recipe([sha256(weights), *(_digest(part.images) for part in (train, test)), config.side])
    cache = (cache or cache_dir("frozen-features")) / recipe
    reduced = cache / f"{config.components}-components.npz"
    if not reduced.exists():
        pictures = np.concatenate([train.images, test.images])
        pooled = _pooled(pictures, config.side, weights, cache, progress, cancel)
        kept = principal_components(pooled[: len(train)], pooled[len(train) :], config.components)
        with atomic_write(reduced) as temporary:
            np.savez(temporary, **dict(zip(("train", "test"), (part.astype(np.float16) for part in kept), strict=True)))
    with np.load(reduced) as stored:
        values = {name: stored[name].astype(np.float32) for name in ("train", "test")}
    return FeatureSet(values["train"], train.labels, values["test"], test.labels)


def principal_components(train: np.ndarray, test: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first ``count`` principal components of ``train`` (N, d), and those coordinates of ``test`` (M, d).

    All are divided by one number, such that the coordinates of ``train`` have mean variance 1.

    Raises:
        ValueError: ``train`` is constant.

    >>> first, _ = principal_components(np.array([[0.0, 0, 5], [2, 2, 5], [4, 4, 5]]), np.zeros((1, 3)), 1)
    >>> np.round(abs(first[:, 0]), 3).tolist()
    [1.225, 0.0, 1.225]
    """
    centre = train.mean(0, dtype=np.float64)
    centred = train - centre.astype(train.dtype)
    variances, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(train))
    if variances[-1] <= 0:
        raise ValueError("train has no variance: all its rows are equal")
    axes = axes[:, ::-1][:, :count] / np.sqrt(variances[::-1][:count].mean())
    return centred @ axes.astype(train.dtype), (test - centre.astype(train.dtype)) @ axes.astype(train.dtype)


def _pooled(
    pictures: np.ndarray, side: int, weights: Path, cache: Path, progress: Progress, cancel: CancelToken | None
) -> np.ndarray:
    """Return pooled features (N, 1280) float32, rounded to the float16 of the cache; computes the chunks that it lacks."""
    starts, model = range(0, len(pictures), CHUNK), None
    for start in starts:
        path = cache / f"pooled-{start:05d}.npy"
        progress(start, len(pictures), f"features of picture {start:,} on")
        if cancel is not None:
            cancel.raise_if_cancelled()
        if not path.exists():
            model = _trunk(weights) if model is None else model
            with atomic_write(path) as temporary:
                np.save(temporary, _forward(model, pictures[start : start + CHUNK], side).astype(np.float16))
    progress(len(pictures), len(pictures), "principal components")
    return np.concatenate([np.load(cache / f"pooled-{start:05d}.npy") for start in starts]).astype(np.float32)


def _trunk(weights: Path):
    import torch

    from workbench.models.mobilenet_v2 import load_mobilenet_v2

    return load_mobilenet_v2(weights).features.to(memory_format=torch.channels_last)


def _forward(trunk, pictures: np.ndarray, side: int) -> np.ndarray:
    import torch
    from torch.nn.functional import interpolate

    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    parts = []
    with torch.inference_mode():
        for part in torch.from_numpy(pictures).split(BATCH):
            images = (part.permute(0, 3, 1, 2).float() / 255 - mean) / std
            large = interpolate(images, size=(side, side), mode="bilinear", align_corners=False)
            parts.append(trunk(large.contiguous(memory_format=torch.channels_last)).mean((2, 3)))
    return torch.cat(parts).numpy()


def _digest(images: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(images)).hexdigest()


def _recipe(facts: list[object]) -> str:
    """Return a short hash of everything that decides the pooled features."""
    return hashlib.sha256(json.dumps([*facts, "version 1"]).encode()).hexdigest()[:10]
