"""Readers of annotations that stand in one JSON file for a folder of images: COCO and BDD100K."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any

from workbench.datasets._annotation_fields import annotation, checked_entries, existing_folder, field, read_json
from workbench.datasets.annotated_images import Annotation, ImageEntry


def read_coco(annotations: str | os.PathLike[str], images: str | os.PathLike[str]) -> list[ImageEntry]:
    """Return the images of a COCO detection file, with the boxes of each; no image is opened yet.

    COCO's ``bbox`` is x, y, width, height from the corner 0, 0; crowd boxes are kept. A box without area is logged and left out.
    Format: Lin et al., "Microsoft COCO", ECCV 2014, data format of the detection task.

    Args:
        annotations: JSON file with ``images`` (id, file_name, and maybe width, height), ``annotations`` (image_id, category_id,
            bbox) and ``categories`` (id, name).
        images: folder that the file names are relative to.

    Raises:
        FileNotFoundError: the file or folder is missing, or the folder has none of the images.
        ValueError: not such a file; the message names the file, the row and the field.
    """
    path, content = read_json(annotations)
    folder = existing_folder(images)
    names = {}
    for index, row in enumerate(field(content, "categories", list, str(path))):
        where = f"{path}: categories[{index}]"
        names[field(row, "id", (int, str), where)] = field(row, "name", str, where)
    sizes, files = {}, {}
    for index, row in enumerate(field(content, "images", list, str(path))):
        where = f"{path}: images[{index}]"
        key = field(row, "id", (int, str), where)
        if key in files:
            raise ValueError(f"{where}: id {key!r} was given to an earlier image")
        files[key] = field(row, "file_name", str, where)
        sizes[key] = _size(row, where)
    boxes: dict[Any, list[Annotation]] = defaultdict(list)
    for index, row in enumerate(field(content, "annotations", list, str(path))):
        where = f"{path}: annotations[{index}]"
        image, category = (field(row, name, (int, str), where) for name in ("image_id", "category_id"))
        if image not in files:
            raise ValueError(f"{where}: image_id {image!r} is not among the images")
        if category not in names:
            raise ValueError(f"{where}: category_id {category!r} is not among the categories")
        boxes[image] += _coco_box(names[category], field(row, "bbox", list, where), where)
    entries = [ImageEntry(file, folder / file, tuple(boxes[key]), sizes[key]) for key, file in files.items()]
    return checked_entries(entries, folder, path)


def read_bdd100k(annotations: str | os.PathLike[str], images: str | os.PathLike[str]) -> list[ImageEntry]:
    """Return the images of a BDD100K detection file (``det_20/det_val.json``), with the boxes of each; no image is opened yet.

    Labels without ``box2d`` (lanes, drivable area) are passed over. BDD100K says only whether an object is occluded, not how
    much, so ``visible`` stays 1.
    Format: Yu et al., "BDD100K", CVPR 2020, in the Scalabel format.

    Args:
        annotations: JSON list of frames ``{"name", "labels": [{"category", "box2d": {"x1", "y1", "x2", "y2"}}]}``, or an object
            whose ``frames`` is that list; ``labels`` may be absent or null.
        images: folder that holds the named images.

    Raises:
        FileNotFoundError: the file or folder is missing, or the folder has none of the images.
        ValueError: not such a file; the message names the file, the row and the field.
    """
    path, content = read_json(annotations)
    folder = existing_folder(images)
    frames = field(content, "frames", list, str(path)) if isinstance(content, dict) else content
    if not isinstance(frames, list):
        raise ValueError(f"{path} holds {frames!r:.60}; expected a list of frames")
    entries = []
    for index, frame in enumerate(frames):
        where = f"{path}: frame {index}"
        name = field(frame, "name", str, where)
        labels = field(frame, "labels", list, where) if frame.get("labels") is not None else []
        found = [_bdd_box(label, f"{where}, label {place}") for place, label in enumerate(labels)]
        entries.append(ImageEntry(name, folder / name, tuple(one for one in found if one)))
    return checked_entries(entries, folder, path)


def _size(row: dict[str, Any], where: str) -> tuple[int, int] | None:
    if "width" not in row or "height" not in row:
        return None
    return field(row, "width", int, where), field(row, "height", int, where)


def _coco_box(category: str, bbox: list[Any], where: str) -> list[Annotation]:
    if len(bbox) != 4 or not all(isinstance(value, int | float) for value in bbox):
        raise ValueError(f"{where}: bbox is {bbox!r:.60}; expected four numbers, x, y, width, height")
    x, y, width, height = bbox
    found = annotation(category, (x, y, x + width, y + height), where)
    return [found] if found else []


def _bdd_box(label: Any, where: str) -> Annotation | None:
    category = field(label, "category", str, where)
    if label.get("box2d") is None:
        return None
    box = field(label, "box2d", dict, where)
    missing = [name for name in ("x1", "y1", "x2", "y2") if name not in box]
    if missing:
        raise ValueError(f"{where}: box2d has no {missing[0]!r}")
    return annotation(category, [box[name] for name in ("x1", "y1", "x2", "y2")], where)
