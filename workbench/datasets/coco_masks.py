"""Masks of images in COCO's format, and of UVO, which has it too: read lazily, written with scores and embeddings.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, data format; ``emb`` is the field of FreeSOLO's free masks.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.datasets._annotation_fields import existing_folder, field, read_json
from workbench.datasets.files import atomic_write
from workbench.datasets.run_lengths import decode_mask, encode_mask


@dataclass(frozen=True)
class MaskedImage:
    """An image file and the objects in it, whatever their classes.

    Attributes:
        id: file name as the annotations have it, with forward slashes.
        path: of the image file.
        size: height and width, pixels.
        segmentations: of each object, as :func:`~workbench.datasets.run_lengths.decode_mask` takes them.
        crowd: whether each is a crowd.
        scores: of each; None where the file has none.
        embeddings: (n, size), ``emb`` of each; None where the file has none, as those that FreeSOLO's authors prepared.
        where: place in the file of each object, for messages.
    """

    id: str
    path: Path
    size: tuple[int, int]
    segmentations: tuple[Any, ...]
    crowd: tuple[bool, ...]
    scores: tuple[float, ...] | None = None
    embeddings: NDArray[np.float32] | None = None
    where: tuple[str, ...] = ()

    def masks(self) -> NDArray[np.bool_]:
        """Return the masks (n, height, width).

        Raises:
            ValueError: one cannot be decoded; the message names file, row and field.
        """
        masks = np.zeros((len(self.segmentations), *self.size), bool)
        for index, segmentation in enumerate(self.segmentations):
            try:
                masks[index] = decode_mask(segmentation, self.size)
            except ValueError as error:
                raise ValueError(f"{self.where[index]}: {error}") from None
        return masks


def read_coco_masks(annotations: str | os.PathLike[str], images: str | os.PathLike[str]) -> list[MaskedImage]:
    """Return the images of a COCO instances file with the masks of each, all of one class; nothing is decoded or opened yet.

    Boxes of the file are not read: those that FreeSOLO's code wrote are corners where COCO has width and height, so take the tight
    boxes of the masks.

    Args:
        annotations: such as ``instances_val2017.json`` or ``UVO_frame_val.json``, with ``images`` (id, file_name, height, width)
            and ``annotations`` (image_id, segmentation, and maybe iscrowd, score, emb).
        images: folder that the file names are relative to.

    Raises:
        FileNotFoundError: the file or the folder is missing.
        ValueError: not such a file; the message names the file, the row and the field.
    """
    path, content = read_json(annotations)
    folder = existing_folder(images)
    named: dict[Any, tuple[str, tuple[int, int]]] = {}
    for index, row in enumerate(field(content, "images", list, str(path))):
        where = f"{path}: images[{index}]"
        key = field(row, "id", (int, str), where)
        if key in named:
            raise ValueError(f"{where}: id {key!r} was given to an earlier image")
        named[key] = (
            field(row, "file_name", str, where),
            (field(row, "height", int, where), field(row, "width", int, where)),
        )
    rows: dict[Any, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for index, row in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        key = field(row, "image_id", (int, str), where)
        if key not in named:
            raise ValueError(f"{where}: image_id {key!r} is not among the images")
        field(row, "segmentation", (dict, list), where)
        rows[key].append((where, row))
    return [_image(name, folder / name, size, rows[key]) for key, (name, size) in named.items()]


def write_coco_masks(path: str | os.PathLike[str], images: Iterable[MaskedImage]) -> Path:
    """Write images and their masks, all of one class, to a COCO file; an interrupted write leaves no half file.

    Masks become compressed run lengths, boxes are tight x, y, width, height; images and annotations are numbered from 1.

    Raises:
        ValueError: a mask cannot be decoded.
    """
    listed, rows = [], []
    for number, image in enumerate(images, start=1):
        listed.append({"id": number, "file_name": image.id, "height": image.size[0], "width": image.size[1]})
        for index, mask in enumerate(image.masks()):
            row = {"id": len(rows) + 1, "image_id": number, "category_id": 1, "iscrowd": int(image.crowd[index])}
            row |= {"segmentation": encode_mask(mask), "bbox": _box(mask), "area": int(mask.sum())}
            if image.scores is not None:
                row["score"] = float(image.scores[index])
            if image.embeddings is not None:
                row["emb"] = [float(value) for value in image.embeddings[index]]
            rows.append(row)
    content = {"images": listed, "annotations": rows, "categories": [{"id": 1, "name": "object"}]}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
    return Path(path)


def masked_image(
    name: str,
    folder: str | os.PathLike[str],
    masks: NDArray[Any],
    scores: Iterable[float] | None = None,
    embeddings: NDArray[Any] | None = None,
) -> MaskedImage:
    """Return an image of masks (n, height, width) that were found or drawn, ready to be written.

    Raises:
        ValueError: masks of another shape, or not as many scores or embeddings.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"masks must be (n, height, width), got {masks.shape}")
    scores = None if scores is None else tuple(float(score) for score in scores)
    embeddings = None if embeddings is None else np.asarray(embeddings, np.float32)
    for argument, value in (("scores", scores), ("embeddings", embeddings)):
        if value is not None and len(value) != len(masks):
            raise ValueError(f"{len(masks)} masks need as many {argument}, got {len(value)}")
    texts = tuple(encode_mask(mask) for mask in masks)
    where = tuple(f"{name}: mask {index}" for index in range(len(masks)))
    crowd = (False,) * len(masks)
    return MaskedImage(name, Path(folder) / name, masks.shape[1:], texts, crowd, scores, embeddings, where)


def _image(name: str, path: Path, size: tuple[int, int], rows: list[tuple[str, dict[str, Any]]]) -> MaskedImage:
    return MaskedImage(
        name,
        path,
        size,
        tuple(row["segmentation"] for _, row in rows),
        tuple(bool(row.get("iscrowd", 0)) for _, row in rows),
        _scores(rows),
        _embeddings(rows),
        tuple(where for where, _ in rows),
    )


def _scores(rows: list[tuple[str, dict[str, Any]]]) -> tuple[float, ...] | None:
    if not any("score" in row for _, row in rows):
        return None
    return tuple(float(field(row, "score", (int, float), where)) for where, row in rows)


def _embeddings(rows: list[tuple[str, dict[str, Any]]]) -> NDArray[np.float32] | None:
    if not any("emb" in row for _, row in rows):
        return None
    found = [field(row, "emb", list, where) for where, row in rows]
    for (where, _), values in zip(rows, found, strict=True):
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        if len(values) != len(found[0]) or not numbers:
            raise ValueError(f"{where}: emb is {values!r:.60}; expected {len(found[0])} numbers")
    return np.asarray(found, np.float32)


def _box(mask: NDArray[np.bool_]) -> list[int]:
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return [0, 0, 0, 0]
    return [int(value) for value in (columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)]
