"""Small labelled images that need no download: Fashion-MNIST and scikit-learn's digits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from workbench.datasets.files import data_dir
from workbench.datasets.idx import read_idx

FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FASHION_MNIST_PACKAGE_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` puts the complete set."""

_PREFIX = {"train": "train", "test": "t10k"}


@dataclass(frozen=True)
class ImageSet:
    """Images with one label each.

    Attributes:
        images: uint8 array, grey (N, height, width) or colour (N, height, width, 3), red first.
        labels: int64 array (N,), indices into ``class_names``.
        class_names: one name per class.

    Raises:
        ValueError: shapes or dtypes differ from these, or a label names no class.

    >>> ImageSet(np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), ("cat", "dog")).subset([1]).labels
    array([1])
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        grey_or_colour = self.images.ndim == 3 or (self.images.ndim == 4 and self.images.shape[3] == 3)
        if not grey_or_colour or self.images.dtype != np.uint8:
            came = f"{self.images.dtype} {self.images.shape}"
            raise ValueError(f"images must be uint8 (N, height, width) or (N, height, width, 3), got {came}")
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels must be int64 ({len(self.images)},), got {self.labels.dtype} {self.labels.shape}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            span = f"{self.labels.min()} to {self.labels.max()}"
            raise ValueError(f"labels must lie in 0 to {len(self.class_names) - 1}, got {span}")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: ArrayLike) -> ImageSet:
        """Return the images at ``indices`` (N',), in that order."""
        return ImageSet(self.images[indices], self.labels[indices], self.class_names)


def load_fashion_mnist(split: str = "train", folder: str | os.PathLike[str] | None = None) -> ImageSet:
    """Return Fashion-MNIST: 28x28 grey photographs of ten kinds of clothing, uint8 0 (background) to 255.

    The workbench ships the whole test split (10 000) and a third of the training split: the first 2 000 images of each class,
    in the original order. The complete 60 000 come from a folder with the original idx files, such as the one that Debian's
    package ``dataset-fashion-mnist`` installs (``FASHION_MNIST_PACKAGE_FOLDER``).
    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv 1708.07747; MIT licence, Zalando SE.

    Args:
        split: ``"train"`` or ``"test"``.
        folder: folder with ``train-images-idx3-ubyte`` and its companions, plain, ``.gz`` or ``.xz``; None for the shipped ones.

    Raises:
        FileNotFoundError: the folder or one of the two files is missing.
        ValueError: another split, a damaged file, or images and labels that do not match.

    >>> test = load_fashion_mnist("test")
    >>> test.images.shape, test.class_names[test.labels[0]]
    ((10000, 28, 28), 'Ankle boot')
    """
    if split not in _PREFIX:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    folder = data_dir() / "fashion_mnist" if folder is None else Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder of Fashion-MNIST at {folder}")
    image_path = _find(folder, f"{_PREFIX[split]}-images-idx3-ubyte")
    label_path = _find(folder, f"{_PREFIX[split]}-labels-idx1-ubyte")
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(f"{image_path} holds {images.dtype} {images.shape}; expected uint8 (N, 28, 28)")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(f"{label_path} holds {labels.dtype} {labels.shape}; expected uint8 (N,)")
    if len(images) != len(labels):
        raise ValueError(f"{image_path} holds {len(images)} images but {label_path} {len(labels)} labels")
    if len(labels) and labels.max() > 9:
        raise ValueError(f"{label_path} holds label {labels.max()}; Fashion-MNIST has classes 0 to 9")
    return ImageSet(images, labels.astype(np.int64), FASHION_MNIST_CLASSES)


def load_digits_set() -> ImageSet:
    """Return scikit-learn's bundled digits: 1 797 handwritten digits, 8x8, uint8 0 (background) to 16.

    Source: UCI Optical Recognition of Handwritten Digits, test part (Alpaydin and Kaynak, 1998), as scikit-learn ships it.

    >>> digits = load_digits_set()
    >>> digits.images.shape, digits.labels[:5].tolist()
    ((1797, 8, 8), [0, 1, 2, 3, 4])
    """
    from sklearn.datasets import load_digits  # a second of import that readers of tables need not wait for

    digits = load_digits()
    names = tuple(str(name) for name in digits.target_names)
    return ImageSet(digits.images.astype(np.uint8), digits.target.astype(np.int64), names)


def _find(folder: Path, name: str) -> Path:
    """Return the file of that name, plain, gzip or xz; some copies write a dot for the hyphen before ``idx``."""
    names = [stem + ending for stem in (name, name.replace("-idx", ".idx")) for ending in ("", ".gz", ".xz")]
    found = [folder / one for one in names if (folder / one).is_file()]
    if not found:
        raise FileNotFoundError(f"{folder} has no {name} (nor with .gz or .xz)")
    return found[0]
