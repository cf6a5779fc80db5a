"""What the readers of annotations share: checked fields, boxes, and folders of images."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.datasets.annotated_images import Annotation, ImageEntry

_LOG = logging.getLogger(__name__)
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    int: "a whole number",
    (int, str): "a whole number or a text",
    (int, float): "a number",
    (dict, list): "an object or a list",
}


def existing_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the folder; FileNotFoundError if it is none."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise FileNotFoundError(f"no folder at {path}")
    return path


def read_json(path: str | os.PathLike[str]) -> tuple[Path, Any]:
    """Return the path and what the file holds; FileNotFoundError without it, ValueError when it is not JSON."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    try:
        return path, json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: it is truncated or damaged ({error})") from None


def field(record: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return ``record[name]``; ValueError naming ``where`` when the record is no object, lacks it, or it is of another kind."""
    if not isinstance(record, dict):
        raise ValueError(f"{where} is {record!r:.60}; expected an object")
    if name not in record:
        raise ValueError(f"{where} has no {name!r}")
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{where}: {name} is {value!r:.60}; expected {_KINDS[kind]}")
    return value


def annotation(category: str, corners: Sequence[Any], where: str, visible: float = 1.0) -> Annotation | None:
    """Return the annotation with corners x0, y0, x1, y1; None, logged, for a box without area, as real sets have a few.

    Raises:
        ValueError: a corner is not a finite number.
    """
    for name, value in zip(("x0", "y0", "x1", "y1"), corners, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{where}: {name} of the box is {value!r:.60}; expected a finite number")
    x0, y0, x1, y1 = (float(value) for value in corners)
    if x0 >= x1 or y0 >= y1:
        _LOG.warning("%s: left out a %s whose box %s has no area", where, category, (x0, y0, x1, y1))
        return None
    return Annotation(category, (x0, y0, x1, y1), visible)


def checked_entries(entries: list[ImageEntry], images: Path, named_by: Path) -> list[ImageEntry]:
    """Return ``entries`` when there are any and at least one of their files exists, for else the folder is the wrong one."""
    if not entries:
        raise ValueError(f"{named_by} names no image")
    if not any(entry.path.is_file() for entry in entries):
        raise FileNotFoundError(
            f"{images} has none of the {len(entries)} images that {named_by} names, such as {entries[0].id}"
        )
    return entries
