"""Boxes that were found, written as a COCO file that every labelling tool opens."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.datasets.annotated_images import Annotation, Box
from workbench.datasets.files import atomic_write


@dataclass(frozen=True)
class ScoredBox:
    """A box that was found, and how well it scored.

    Attributes:
        image_id: name of the image, as the file shall name it.
        category: name of the class.
        box: x0, y0, x1, y1 in pixels of the image, half-open.
        score: higher is better.

    Raises:
        ValueError: the box is empty or not finite, or the score is not finite.
    """

    image_id: str
    category: str
    box: Box
    score: float

    def __post_init__(self) -> None:
        Annotation(self.category, self.box)
        if not math.isfinite(self.score):
            raise ValueError(f"score of {self.image_id} must be finite, got {self.score}")


def coco_dataset(found: Iterable[ScoredBox], sizes: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """Return boxes as a COCO detection dataset: images, annotations with a ``score`` each, and categories.

    The file lists every image of ``sizes``, in that order, whether it has a box or not; categories in the order of their first box.
    Both are numbered from 1.
    Format: Lin et al., "Microsoft COCO", ECCV 2014; the field ``score`` is that of COCO's results format.

    Args:
        found: the boxes, best first.
        sizes: (width, height) in pixels of each image of the file.

    Raises:
        ValueError: a box is of another image.

    >>> dataset = coco_dataset([ScoredBox("a.png", "bike", (2, 3, 10, 12), 1.5)], {"a.png": (20, 15)})
    >>> dataset["images"], dataset["annotations"][0]["bbox"]
    ([{'id': 1, 'file_name': 'a.png', 'width': 20, 'height': 15}], [2.0, 3.0, 8.0, 9.0])
    """
    images = {name: number for number, name in enumerate(sizes, start=1)}
    categories: dict[str, int] = {}
    rows = []
    for number, one in enumerate(found, start=1):
        if one.image_id not in images:
            raise ValueError(f"sizes has no image {one.image_id!r}, which box {number} names")
        x0, y0, x1, y1 = (float(value) for value in one.box)
        rows.append(
            {
                "id": number,
                "image_id": images[one.image_id],
                "category_id": categories.setdefault(one.category, len(categories) + 1),
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "iscrowd": 0,
                "score": float(one.score),
            }
        )
    return {
        "images": [
            {"id": number, "file_name": name, "width": int(sizes[name][0]), "height": int(sizes[name][1])}
            for name, number in images.items()
        ],
        "annotations": rows,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }


def coco_bytes(found: Iterable[ScoredBox], sizes: Mapping[str, tuple[int, int]]) -> bytes:
    """Return :func:`coco_dataset` as JSON; arguments and errors as there."""
    return json.dumps(coco_dataset(found, sizes), indent=1, allow_nan=False).encode()


def write_coco(path: str | os.PathLike[str], found: Iterable[ScoredBox], sizes: Mapping[str, tuple[int, int]]) -> Path:
    """Write boxes to a COCO file, which :func:`~workbench.datasets.read_coco` reads; an interrupted write leaves no half file.

    Arguments and errors are those of :func:`coco_dataset`.
    """
    content = coco_bytes(found, sizes)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)
