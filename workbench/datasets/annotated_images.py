"""Images with boxes: what retrieval and detection read, whether drawn by a generator or named by a folder of a person's."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from workbench.datasets.image_files import UnreadableImageError, read_image

Box = tuple[float, float, float, float]
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Annotation:
    """One object of an image.

    Attributes:
        category: name of its class.
        box: x0, y0, x1, y1 in pixels from the upper left corner, half-open.
        visible: share of the object that shows, 0 to 1; 1 where the source does not say.
        style: how it is drawn, in generated scenes; otherwise empty.
        difficult: whether VOC leaves it out of account, found or not.

    Raises:
        ValueError: the box is empty or not finite, or ``visible`` lies outside 0 to 1.

    >>> Annotation("bike", (60, 17, 36, 37))
    Traceback (most recent call last):
    ValueError: box (60, 17, 36, 37) is empty; expected x0 < x1 and y0 < y1
    """

    category: str
    box: Box
    visible: float = 1.0
    style: str = ""
    difficult: bool = False

    def __post_init__(self) -> None:
        if not np.isfinite(self.box).all():
            raise ValueError(f"box {self.box} is not finite")
        if not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"box {self.box} is empty; expected x0 < x1 and y0 < y1")
        if not 0 <= self.visible <= 1:
            raise ValueError(f"visible must lie in 0 to 1, got {self.visible}")


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """An image and its objects.

    Attributes:
        id: its name in the pool: a path relative to the folder, or the number of a scene.
        image: uint8 (height, width, 3), red first.
        annotations: the objects; empty where nobody has looked.

    Raises:
        ValueError: the image is not uint8 (height, width, 3).
    """

    id: str
    image: np.ndarray
    annotations: tuple[Annotation, ...] = ()

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"image must be uint8 (height, width, 3), got {self.image.dtype} {self.image.shape}")

    def shows(self, category: str, visible: float = 0.0) -> bool:
        """Return whether an object of ``category`` is there with more than ``visible`` of it in sight."""
        return any(one.category == category and one.visible > visible for one in self.annotations)


class Entry(Protocol):
    """One image of a pool, not yet in memory: small, picklable, and loaded where the work is done."""

    @property
    def id(self) -> str:
        """Name in the pool."""

    def load(self) -> AnnotatedImage:
        """Return the image; raises UnreadableImageError."""


@dataclass(frozen=True)
class ImageEntry:
    """An image file and what is known of it; nothing is read before :meth:`load`.

    Attributes:
        id: path relative to its folder, with forward slashes.
        path: of the file.
        annotations: its objects, in pixels of the upright image.
        size: width and height that the annotations were made on, where the source says.
    """

    id: str
    path: Path
    annotations: tuple[Annotation, ...] = ()
    size: tuple[int, int] | None = None

    def load(self) -> AnnotatedImage:
        """Return the image, upright, with boxes clipped to it.

        Raises:
            UnreadableImageError: the file is missing, damaged, no image, or of another size than the annotations say.
        """
        image = read_image(self.path)
        height, width = image.shape[:2]
        if self.size is not None and self.size != (width, height):
            raise UnreadableImageError(
                f"{self.path} is {width}x{height} pixels upright, but its annotations were made on {self.size[0]}x{self.size[1]}"
            )
        return AnnotatedImage(self.id, image, tuple(clipped(self.annotations, width, height, self.id)))


@dataclass(frozen=True)
class SkippedImage:
    """An image that could not be read: its id and the reason."""

    id: str
    reason: str


def load_images(entries: Iterable[Entry], skipped: list[SkippedImage]) -> Iterator[AnnotatedImage]:
    """Yield the images of ``entries`` one by one; a file that cannot be read is logged, listed in ``skipped``, and passed over.

    >>> skipped = []
    >>> list(load_images([ImageEntry("a.png", Path("nowhere/a.png"))], skipped)), skipped
    ([], [SkippedImage(id='a.png', reason='no image at nowhere/a.png')])
    """
    for entry in entries:
        try:
            image = entry.load()
        except UnreadableImageError as error:
            skipped.append(SkippedImage(entry.id, str(error)))
            _LOG.warning("skipped %s: %s", entry.id, error)
        else:
            yield image


def clipped(annotations: Iterable[Annotation], width: int, height: int, name: str) -> Iterator[Annotation]:
    """Yield the annotations cut to an image of that size; one that lies outside it is logged and left out."""
    for one in annotations:
        x0, y0, x1, y1 = one.box
        box = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
        if box[0] >= box[2] or box[1] >= box[3]:
            _LOG.warning(
                "%s: left out a %s whose box %s lies outside the %dx%d image",
                name,
                one.category,
                one.box,
                width,
                height,
            )
        else:
            yield one if box == one.box else replace(one, box=box)
