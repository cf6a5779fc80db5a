"""Folders and files a person points at -> typed samples, tensors, DataFrames; and the small data that ships with the workbench."""

from workbench.datasets.cifar10 import CIFAR10_CLASSES, load_cifar10
from workbench.datasets.extras import NotInstalledError
from workbench.datasets.files import atomic_write, cache_dir, data_dir, sha256
from workbench.datasets.idx import idx_bytes, read_idx
from workbench.datasets.images import (
    FASHION_MNIST_CLASSES,
    FASHION_MNIST_PACKAGE_FOLDER,
    ImageSet,
    load_digits_set,
    load_fashion_mnist,
)
from workbench.datasets.learning_curve_reader import LearningCurveFormatError, read_learning_curves
from workbench.datasets.learning_curves import FULL_SIZES, lcdb_curves, published_curves
from workbench.datasets.source_scores import read_source_scores
from workbench.datasets.subsets import nested_stratified_subsets

__all__ = [
    "CIFAR10_CLASSES",
    "FASHION_MNIST_CLASSES",
    "FASHION_MNIST_PACKAGE_FOLDER",
    "FULL_SIZES",
    "ImageSet",
    "LearningCurveFormatError",
    "NotInstalledError",
    "atomic_write",
    "cache_dir",
    "data_dir",
    "idx_bytes",
    "lcdb_curves",
    "load_cifar10",
    "load_digits_set",
    "load_fashion_mnist",
    "nested_stratified_subsets",
    "published_curves",
    "read_idx",
    "read_learning_curves",
    "read_source_scores",
    "sha256",
]
