"""Readers of folders that hold a file of annotations for each image, KITTI and VOC, or none at all."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from workbench.datasets._annotation_fields import annotation, checked_entries, existing_folder
from workbench.datasets.annotated_images import Annotation, ImageEntry
from workbench.datasets.image_files import IMAGE_ENDINGS

_KITTI_FIELDS = (*("type", "truncated", "occluded", "alpha", "x1", "y1", "x2", "y2"),)
_KITTI_OCCLUDED = {"0": 1.0, "1": 2 / 3, "2": 1 / 3, "3": 1.0, "-1": 1.0}
"""Visible share of KITTI's levels fully visible, partly and largely occluded, unknown; the thirds are ours."""


def read_image_folder(folder: str | os.PathLike[str]) -> list[ImageEntry]:
    """Return every image below ``folder``, by path, without annotations; no image is opened yet.

    Raises:
        FileNotFoundError: no such folder, or no file in it whose ending is that of an image.
    """
    folder = existing_folder(folder)
    entries = [ImageEntry(path.relative_to(folder).as_posix(), path) for path in _images_in(folder, recursive=True)]
    if not entries:
        raise FileNotFoundError(f"{folder} holds no image; expected files that end in {', '.join(IMAGE_ENDINGS)}")
    return entries


def read_kitti(folder: str | os.PathLike[str]) -> list[ImageEntry]:
    """Return the images of a KITTI split, with the boxes of each; no image is opened yet.

    ``DontCare`` regions are left out. ``visible`` is (1 - truncated) times 1, 2/3 or 1/3 for fully visible, partly or largely
    occluded (the thirds are ours; KITTI states no share).
    Format: Geiger, Lenz, Urtasun, "Are we ready for Autonomous Driving?", CVPR 2012, object development kit.

    Args:
        folder: with ``image_2/*.png`` and ``label_2/*.txt``, such as ``training``; without ``label_2``, as ``testing``, the images
            have no annotations.

    Raises:
        FileNotFoundError: a folder is missing, or the labels of an image.
        ValueError: a line is no such label; the message names the file, the line and the field.
    """
    images, labels = existing_folder(existing_folder(folder) / "image_2"), Path(folder).expanduser() / "label_2"
    entries = []
    for path in _images_in(images):
        found = _kitti_labels(labels / f"{path.stem}.txt") if labels.is_dir() else []
        entries.append(ImageEntry(path.name, path, tuple(found)))
    return checked_entries(entries, images, images)


def read_voc(folder: str | os.PathLike[str], split: str | None = None) -> list[ImageEntry]:
    """Return the images of a Pascal VOC folder, with the boxes of each; no image is opened yet.

    VOC counts pixels from 1 and its boxes include their last pixel, so x0 = xmin - 1 and x1 = xmax. Boxes of body parts are
    left out; those marked difficult are kept.
    Format: Everingham et al., "The Pascal Visual Object Classes Challenge", IJCV 2010, development kit.

    Args:
        folder: with ``Annotations/*.xml`` and ``JPEGImages``, such as ``VOC2007``; or one that holds both side by side.
        split: only the images that ``ImageSets/Main/<split>.txt`` names, such as ``"trainval"`` or ``"test"``.

    Raises:
        FileNotFoundError: a folder is missing, there is no XML file, no such split, or none of the images that they name.
        ValueError: a file is no such XML; the message names the file, the object and the field.
    """
    folder = existing_folder(folder)
    notes = folder / "Annotations" if (folder / "Annotations").is_dir() else folder
    images = folder / "JPEGImages" if (folder / "JPEGImages").is_dir() else folder
    paths = sorted(notes.glob("*.xml")) if split is None else _split_paths(folder, split, notes)
    if not paths:
        raise FileNotFoundError(f"{notes} holds no .xml file of annotations")
    return checked_entries([_voc_entry(path, images) for path in paths], images, notes)


def _split_paths(folder: Path, split: str, notes: Path) -> list[Path]:
    listing = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not listing.is_file():
        raise FileNotFoundError(f"no list of the split {split!r} at {listing}")
    paths = [
        notes / f"{line.split()[0]}.xml" for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{listing} names {path.stem}, but there is no {path}")
    return paths


def _images_in(folder: Path, recursive: bool = False) -> list[Path]:
    found = folder.rglob("*") if recursive else folder.iterdir()
    return sorted(
        path
        for path in found
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".") and path.is_file()
    )


def _kitti_labels(path: Path) -> list[Annotation]:
    if not path.is_file():
        raise FileNotFoundError(f"no labels at {path}")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        values, where = line.split(), f"{path}, line {number}"
        if not values or values[0] == "DontCare":
            continue
        if len(values) < len(_KITTI_FIELDS):
            raise ValueError(f"{where} has {len(values)} fields; expected at least 8: {' '.join(_KITTI_FIELDS)}")
        row = dict(zip(_KITTI_FIELDS, values, strict=False))
        if row["occluded"] not in _KITTI_OCCLUDED:
            raise ValueError(f"{where}: occluded is {row['occluded']!r}; expected 0, 1, 2 or 3")
        truncated = _number(row["truncated"], "truncated", where)
        if truncated != -1 and not 0 <= truncated <= 1:
            raise ValueError(f"{where}: truncated is {truncated:g}; expected 0 to 1, or -1 where it is not known")
        corners = [_number(row[name], name, where) for name in ("x1", "y1", "x2", "y2")]
        visible = (1 - max(truncated, 0)) * _KITTI_OCCLUDED[row["occluded"]]
        found.append(annotation(row["type"], corners, where, visible))
    return [one for one in found if one]


def _voc_entry(path: Path, images: Path) -> ImageEntry:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError, LookupError) as error:
        raise ValueError(f"{path} is not XML: it is truncated or damaged ({error})") from None
    name = _text(root, "filename", str(path))
    found = []
    for place, element in enumerate(root.findall("object"), 1):
        where = f"{path}, object {place}"
        xmin, ymin, xmax, ymax = (
            _number(_text(element, f"bndbox/{edge}", where), edge, where) for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        box = annotation(_text(element, "name", where), (xmin - 1, ymin - 1, xmax, ymax), where)
        difficult = (element.findtext("difficult") or "0").strip() == "1"
        found.append(replace(box, difficult=difficult) if box else None)
    size = None
    if root.find("size") is not None:
        width, height = (
            int(_number(_text(root, f"size/{side}", str(path)), side, str(path))) for side in ("width", "height")
        )
        size = (width, height) if width and height else None  # some tools write 0 for "not known"
    return ImageEntry(name, images / name, tuple(one for one in found if one), size)


def _text(element: ElementTree.Element, path: str, where: str) -> str:
    text = (element.findtext(path) or "").strip()
    if not text:
        raise ValueError(f"{where} has no <{path}>")
    return text


def _number(text: str, name: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{where}: {name} is {text!r:.60}; expected a number") from None
