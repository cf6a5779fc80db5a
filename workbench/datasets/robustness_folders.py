"""Benchmarks of robustness from a folder of the person's: ImageNet, ImageNet-C, -A, -R, CIFAR-10-C, Cityscapes and Cityscapes-C."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.datasets.cifar10 import CIFAR10_CLASSES
from workbench.datasets.image_files import IMAGE_ENDINGS, UnreadableImageError, read_image
from workbench.datasets.images import ImageSet

SEVERITIES = (1, 2, 3, 4, 5)
IMAGENET_CLASSES, SUBSET_CLASSES, CITYSCAPES_CLASSES, CITYSCAPES_IGNORED = 1000, 200, 19, 255


@dataclass(frozen=True)
class LabelledFiles:
    """Image files with one label each; nothing is read before it is asked for.

    Attributes:
        paths: of the files, by class and then by name.
        labels: int64 (N,), indices into ``class_names``.
        class_names: names of the class folders, sorted, such as WordNet ids.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> np.ndarray:
        """Return one image, uint8 (H, W, 3), red first; UnreadableImageError names a damaged file."""
        return read_image(self.paths[index])


@dataclass(frozen=True)
class LabelMapFiles:
    """A photograph and its label map, uint8 with classes 0 to 18 and 255 for what does not count."""

    image: Path
    label: Path

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the image, uint8 (H, W, 3), and its label map, uint8 (H, W).

        Raises:
            UnreadableImageError: a file is missing or damaged.
            ValueError: the sizes differ, or the map holds other values, as the files of all 34 labels do.
        """
        image = read_image(self.image)
        try:
            with Image.open(self.label) as file:
                label = np.array(file)
        except (OSError, SyntaxError, ValueError) as error:
            raise UnreadableImageError(f"{self.label} is not a whole image ({error})") from None
        if label.shape != image.shape[:2]:
            raise ValueError(f"{self.label} has shape {label.shape}, and its image {image.shape[:2]}")
        other = np.unique(label[(label >= CITYSCAPES_CLASSES) & (label != CITYSCAPES_IGNORED)])
        if len(other):
            raise ValueError(
                f"{self.label} holds {other[:5].tolist()}, expected 0 to 18 and 255: are these no train ids?"
            )
        return image, label


def read_class_folders(
    root: str | os.PathLike[str], expected: int | None = None, class_names: Sequence[str] | None = None
) -> LabelledFiles:
    """Return the images of ``root/<class>/*``; labels follow the sorted names of the folders.

    Args:
        root: the folder of class folders.
        expected: how many class folders there must be, so that labels mean what a network means by them.
        class_names: all names in the network's order, where ``root`` holds only some of them.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: another number of class folders, one that ``class_names`` lacks, or no image at all.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}")
    folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    names = tuple(folders if class_names is None else class_names)
    if unknown := sorted(set(folders) - set(names)):
        raise ValueError(f"{root} has a folder {unknown[0]!r} that class_names lacks")
    if class_names is None and expected is not None and len(folders) != expected:
        raise ValueError(
            f"{root} has {len(folders)} class folders, expected {expected}; give class_names in the network's order to read some "
            "of them"
        )
    place = {name: index for index, name in enumerate(names)}
    found = [
        (path, place[name])
        for name in folders
        for path in sorted((root / name).iterdir())
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".")
    ]
    if not found:
        raise ValueError(f"{root} has no image in any of its {len(folders)} class folders")
    paths, labels = zip(*found, strict=True)
    return LabelledFiles(paths, np.array(labels, np.int64), names)


def read_imagenet(
    root: str | os.PathLike[str], split: str = "val", class_names: Sequence[str] | None = None
) -> LabelledFiles:
    """Return ImageNet-1k from ``root/<split>/<wnid>/*``; arguments and errors as :func:`read_class_folders`."""
    return read_class_folders(Path(root) / split, IMAGENET_CLASSES, class_names)


def read_imagenet_subset(root: str | os.PathLike[str], class_names: Sequence[str] | None = None) -> LabelledFiles:
    """Return ImageNet-A or ImageNet-R from ``root/<wnid>/*``: 200 classes, labels as ``subset_accuracy`` takes them."""
    return read_class_folders(root, SUBSET_CLASSES, class_names)


def read_imagenet_c(
    root: str | os.PathLike[str], corruption: str, severity: int, class_names: Sequence[str] | None = None
) -> LabelledFiles:
    """Return one of the 75 sets of ImageNet-C from ``root/<corruption>/<severity>/<wnid>/*``.

    Raises:
        FileNotFoundError: there is no such corruption or severity in the folder; the message names the corruptions it has.
        ValueError: a severity other than 1 to 5, or as :func:`read_class_folders`.
    """
    folder = _corrupted(Path(root).expanduser(), corruption, severity)
    return read_class_folders(folder, IMAGENET_CLASSES, class_names)


def read_cifar10_c(root: str | os.PathLike[str], corruption: str, severity: int) -> ImageSet:
    """Return one severity of ``root/<corruption>.npy`` with ``root/labels.npy``; the file is mapped, not read.

    The file holds the five severities one after the other, uint8 (5 n, 32, 32, 3), n being 10 000 as published.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: another severity, a damaged file, or one of another shape.
    """
    _check_severity(severity)
    root = Path(root).expanduser()
    images, labels = (_mapped(root / f"{name}.npy", root) for name in (corruption, "labels"))
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or len(images) % 5 or not len(images):
        raise ValueError(f"{root / corruption}.npy is {images.dtype} {images.shape}, expected uint8 (5 n, 32, 32, 3)")
    count = len(images) // 5
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) not in (count, 5 * count):
        raise ValueError(
            f"labels.npy is {labels.dtype} {labels.shape}, expected whole numbers ({count},) or ({5 * count},)"
        )
    part = slice((severity - 1) * count, severity * count)
    return ImageSet(
        images[part], labels[part if len(labels) > count else slice(None)].astype(np.int64), CIFAR10_CLASSES
    )


def read_cityscapes(
    root: str | os.PathLike[str], split: str = "val", corruption: str | None = None, severity: int | None = None
) -> tuple[LabelMapFiles, ...]:
    """Return the photographs of Cityscapes or, with a corruption and a severity, of Cityscapes-C, and their label maps.

    Photographs lie in ``leftImg8bit/<split>/<city>/*_leftImg8bit.png`` (or ``leftImg8bit/clean/<split>``), corrupted ones in
    ``leftImg8bit/<corruption>/<severity>/<split>``, label maps in ``gtFine/<split>/<city>/*_gtFine_labelTrainIds.png``.

    Raises:
        FileNotFoundError: a folder is missing, or a photograph has no label map.
        ValueError: only one of corruption and severity, a severity other than 1 to 5, or no photograph.
    """
    root = Path(root).expanduser()
    if (corruption is None) != (severity is None):
        raise ValueError(f"give both corruption and severity, or none; got {corruption!r} and {severity!r}")
    pictures = root / "leftImg8bit"
    if corruption is not None and severity is not None:
        folder = _corrupted(pictures, corruption, severity) / split
    else:
        folder = pictures / "clean" / split if (pictures / "clean").is_dir() else pictures / split
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found = []
    for image in sorted(folder.glob("*/*_leftImg8bit.png")):
        name = image.name.replace("_leftImg8bit.png", "_gtFine_labelTrainIds.png")
        label = root / "gtFine" / split / image.parent.name / name
        if not label.is_file():
            raise FileNotFoundError(f"{image} has no label map {label}")
        found.append(LabelMapFiles(image, label))
    if not found:
        raise ValueError(f"{folder} has no <city>/*_leftImg8bit.png")
    return tuple(found)


def _corrupted(root: Path, corruption: str, severity: int) -> Path:
    _check_severity(severity)
    folder = root / corruption / str(severity)
    if not folder.is_dir():
        held = sorted(entry.name for entry in root.iterdir() if entry.is_dir()) if root.is_dir() else []
        raise FileNotFoundError(f"there is no folder {folder}; {root} has {', '.join(held) or 'nothing'}")
    return folder


def _check_severity(severity: int) -> None:
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise ValueError(f"severity must be 1, 2, 3, 4 or 5, got {severity!r}")


def _mapped(path: Path, root: Path) -> np.ndarray:
    if not path.is_file():
        held = sorted(entry.stem for entry in root.glob("*.npy"))
        raise FileNotFoundError(f"there is no {path}; the folder has {', '.join(held) or 'no *.npy'}")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is truncated, damaged or no array ({error})") from None
