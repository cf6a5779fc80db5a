"""A folder of images of any kind that the workbench reads: which kind it is, and what it holds."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.datasets._annotation_fields import existing_folder, read_json
from workbench.datasets.annotated_images import ImageEntry
from workbench.datasets.annotation_folders import read_image_folder, read_kitti, read_voc
from workbench.datasets.annotation_json import read_bdd100k, read_coco

PLAIN = "images"
_LOG = logging.getLogger(__name__)
_JSON_READERS = {"COCO": read_coco, "BDD100K": read_bdd100k}


@dataclass(frozen=True)
class AnnotatedFolder:
    """The images of a folder.

    Attributes:
        kind: ``"COCO"``, ``"BDD100K"``, ``"KITTI"``, ``"VOC"``, or ``"images"`` where nothing but images was found.
        entries: the images, with the boxes that are known.
    """

    kind: str
    entries: tuple[ImageEntry, ...]

    @property
    def boxes(self) -> int:
        """How many boxes are known."""
        return sum(len(entry.annotations) for entry in self.entries)


def read_annotated_folder(
    folder: str | os.PathLike[str], annotations: str | os.PathLike[str] | None = None
) -> AnnotatedFolder:
    """Return the images of a folder, with the boxes that it comes with; no image is opened yet.

    Without ``annotations`` the kind is seen from what is there: a folder ``image_2`` is KITTI's, XML files (in it or in
    ``Annotations``) are VOC's, and a single JSON file is looked into. A JSON file of another kind is passed over, and logged.

    Args:
        folder: of the images; the names in a JSON file are relative to it, or to its folder ``images``.
        annotations: JSON file of COCO or BDD100K.

    Raises:
        FileNotFoundError: the folder or file is missing, or holds no image.
        ValueError: the file is of no such kind or damaged, or there are several to choose from; the message says which and where.
    """
    folder = existing_folder(folder)
    if annotations is not None:
        path, content = read_json(annotations)
        kind = _json_kind(content)
        if kind is None:
            raise ValueError(
                f"{path} is neither COCO (an object with 'images', 'annotations', 'categories') nor BDD100K (a list of frames)"
            )
        return _from_json(kind, path, folder)
    if (folder / "image_2").is_dir():
        return AnnotatedFolder("KITTI", tuple(read_kitti(folder)))
    if any((folder / "Annotations").glob("*.xml")) or any(folder.glob("*.xml")):
        return AnnotatedFolder("VOC", tuple(read_voc(folder)))
    files = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    kinds = {path: kind for path in files if (kind := _kind_of_file(path)) is not None}
    if len(kinds) > 1:
        names = ", ".join(path.name for path in kinds)
        raise ValueError(f"{folder} has several files of annotations ({names}): say which one to read")
    for path, kind in kinds.items():
        return _from_json(kind, path, folder)
    return AnnotatedFolder(PLAIN, tuple(read_image_folder(folder)))


def _from_json(kind: str, path: Path, folder: Path) -> AnnotatedFolder:
    read = _JSON_READERS[kind]
    try:
        return AnnotatedFolder(kind, tuple(read(path, folder)))
    except FileNotFoundError:
        if not (folder / "images").is_dir():
            raise
        return AnnotatedFolder(kind, tuple(read(path, folder / "images")))


def _kind_of_file(path: Path) -> str | None:
    kind = _json_kind(read_json(path)[1])
    if kind is None:
        _LOG.warning("passed over %s, which is neither COCO nor BDD100K", path)
    return kind


def _json_kind(content: Any) -> str | None:
    """Return the kind of what a JSON file holds, None for another one."""
    if isinstance(content, dict):
        if "images" in content:
            return "COCO"
        return "BDD100K" if "frames" in content else None
    frames = isinstance(content, list) and bool(content)
    return "BDD100K" if frames and all(isinstance(one, dict) and "name" in one for one in content[:3]) else None
