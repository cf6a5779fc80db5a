"""Measure learning curves for real: several learners, several seeds, nested class-stratified subsets, cached point by point."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from workbench.datasets.files import atomic_write, cache_dir
from workbench.datasets.images import load_digits_set, load_fashion_mnist
from workbench.datasets.subsets import nested_stratified_subsets
from workbench.experiments.frozen_features import cifar10_features
from workbench.training.progress import CancelToken, Progress, no_progress

FRACTIONS = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 1.00)
"""The paper's schedule of subsets: 2, 4, ..., 20 %, then 30, ..., 100 % of the training data."""

LEARNERS = ("ridge", "logistic regression", "RBF-SVC", "3-NN", "random forest", "MLP", "CNN")

CIFAR10 = "cifar-10 (frozen MobileNetV2)"
DATASETS = ("digits", "fashion-mnist", CIFAR10)


@dataclass(frozen=True)
class CurveConfig:
    """Which learning curves to measure.

    Attributes:
        dataset: ``"digits"`` (1 300 training images, 8x8), ``"fashion-mnist"`` (the 20 000 that ship, 28x28; the whole test
            set) or, where it is installed, ``"cifar-10 (frozen MobileNetV2)"`` (all 50 000 and 10 000, as 256 features).
        learners: names of ``LEARNERS``.
        seeds: one curve each: the seed draws the subsets and the learner's own randomness.
        fractions: subset sizes as shares of the training data, increasing.
        epochs: of the CNN.
    """

    dataset: str = "digits"
    learners: tuple[str, ...] = ("logistic regression", "RBF-SVC", "3-NN", "random forest", "MLP")
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    fractions: tuple[float, ...] = FRACTIONS
    epochs: int = 8


STORED_CURVES = (
    CurveConfig(),
    CurveConfig("fashion-mnist", ("3-NN", "logistic regression", "random forest", "CNN"), (0, 1, 2)),
)
"""The learning curves of ``data/results/learning_curves.csv``: about an hour on one core."""

CIFAR10_CURVES = CurveConfig(CIFAR10, ("ridge", "logistic regression", "3-NN"))
"""The learning curves of ``data/results/cifar10_curves.csv``: five minutes on one core once the features are there."""


@dataclass(frozen=True)
class Split:
    """Training and test data: images (N, d) float in [0, 1] or features (N, d), labels (N,), and the image side in pixels."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    side: int


def measure_learning_curves(
    config: CurveConfig, progress: Progress = no_progress, cancel: CancelToken | None = None, cache: Path | None = None
) -> pd.DataFrame:
    """Train every learner on every subset and score it on the held-out test images.

    Each point is written to the cache when it is measured, so that a run that was stopped or killed goes on where it was.

    Args:
        config: what to measure.
        progress: called after each point.
        cancel: looked at before each point.
        cache: folder of the points, default in the person's cache directory.

    Returns:
        One row a point: ``task``, ``learner``, ``seed``, ``n``, ``score`` (test accuracy in percent), ``seconds`` (of fitting).

    Raises:
        ValueError: an unknown data set or learner.
        NotInstalledError: CIFAR-10 or the frozen network is missing.
        Cancelled: Stop was asked for; the points so far are in the cache.
    """
    unknown = [name for name in config.learners if name not in LEARNERS]
    if unknown:
        raise ValueError(f"learner must be one of {LEARNERS}, got {unknown[0]!r}")
    split = load_split(config.dataset, progress, cancel)
    sizes = [round(len(split.train) * fraction) for fraction in config.fractions]
    cache = cache or cache_dir("learning-curves")
    points = [(learner, seed, k) for learner in config.learners for seed in config.seeds for k in range(len(sizes))]
    rows = []
    for done, (learner, seed, k) in enumerate(points):
        progress(done, len(points), f"{learner}, seed {seed}, n = {sizes[k]:,}")
        if cancel is not None:
            cancel.raise_if_cancelled()
        path = cache / _slug(config.dataset) / _slug(learner) / f"{_recipe(config, learner)}-{seed}-{sizes[k]}.json"
        if not path.exists():
            subset = nested_stratified_subsets(split.train_labels, sizes, seed)[k]
            score, seconds = _score(split, subset, learner, seed, config)
            point = {
                "task": config.dataset,
                "learner": learner,
                "seed": seed,
                "n": sizes[k],
                "score": score,
                "seconds": seconds,
            }
            with atomic_write(path) as temporary:
                temporary.write_text(json.dumps(point))
        rows.append(json.loads(path.read_text()))
    progress(len(points), len(points), "done")
    return pd.DataFrame(rows)


def load_split(dataset: str, progress: Progress = no_progress, cancel: CancelToken | None = None) -> Split:
    """Return the training and test data of a data set by name; the digits are split 1 300 / 497, class-stratified.

    The features of CIFAR-10 are computed on the first call, which takes minutes, and kept in the cache.
    """
    if dataset == "digits":
        digits = load_digits_set()
        images = digits.images.reshape(len(digits.images), -1) / np.float32(16)
        train, test, train_labels, test_labels = train_test_split(
            images, digits.labels, train_size=1300, stratify=digits.labels, random_state=0
        )
        return Split(train, train_labels, test, test_labels, 8)
    if dataset == "fashion-mnist":
        train, test = load_fashion_mnist("train"), load_fashion_mnist("test")
        flat = [part.images.reshape(len(part.images), -1) / np.float32(255) for part in (train, test)]
        return Split(flat[0], train.labels, flat[1], test.labels, 28)
    if dataset == CIFAR10:
        features = cifar10_features(progress=progress, cancel=cancel)
        return Split(features.train, features.train_labels, features.test, features.test_labels, 32)
    raise ValueError(f"dataset must be one of {DATASETS}, got {dataset!r}")


def _score(split: Split, subset: np.ndarray, learner: str, seed: int, config: CurveConfig) -> tuple[float, float]:
    started = time.perf_counter()
    images, labels = split.train[subset], split.train_labels[subset]
    if learner == "CNN":
        predicted = _train_cnn(split, images, labels, seed, config.epochs)
    else:
        predicted = _classical(learner, seed).fit(images, labels).predict(split.test)
    return 100 * float(np.mean(predicted == split.test_labels)), time.perf_counter() - started


def _classical(learner: str, seed: int) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "ridge": lambda: RidgeClassifier(20.0),
        "logistic regression": lambda: LogisticRegression(C=0.1, max_iter=200),
        "RBF-SVC": lambda: SVC(C=10.0, gamma="scale"),
        "3-NN": lambda: KNeighborsClassifier(3),
        "random forest": lambda: RandomForestClassifier(100, random_state=seed),
        "MLP": lambda: MLPClassifier((64,), max_iter=1000, random_state=seed),
    }
    return makers[learner]()


def _train_cnn(split: Split, images: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> np.ndarray:
    import torch  # seconds that a person who trains no network need not wait for
    from torch.nn.functional import cross_entropy
    from torch.utils.data import TensorDataset

    from workbench.models.small_cnn import SmallCNN
    from workbench.training import TrainingConfig, fit

    torch.manual_seed(seed)
    model = SmallCNN(split.side, num_classes=int(split.train_labels.max()) + 1)

    def as_tensor(flat: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(flat, np.float32)).reshape(-1, 1, split.side, split.side)

    data = TensorDataset(as_tensor(images), torch.from_numpy(np.asarray(labels, np.int64)))
    fit(
        model,
        lambda network, batch: cross_entropy(network(batch[0]), batch[1]),
        data,
        optimizer=torch.optim.Adam(model.parameters(), lr=1e-3),
        config=TrainingConfig(epochs=epochs, batch_size=64, seed=seed),
    )
    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = [model(part.to(device)).argmax(1).cpu() for part in as_tensor(split.test).split(1000)]
    return torch.cat(parts).numpy()


def _recipe(config: CurveConfig, learner: str) -> str:
    """Return a short hash of everything that decides a point besides its seed and size."""
    facts = asdict(replace(config, learners=(learner,), seeds=(), epochs=config.epochs if learner == "CNN" else 0))
    return hashlib.sha256(json.dumps([facts, "version 1"]).encode()).hexdigest()[:10]


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
