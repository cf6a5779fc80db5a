"""Drawings of thirty things of the road in three art styles, of which the scenes of emoji street are made."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from workbench.datasets.files import data_dir

CODE_POINTS = {
    "bike": "1f6b2",
    "motor_scooter": "1f6f5",
    "motorcycle": "1f3cd-fe0f",
    "kick_scooter": "1f6f4",
    "pedestrian": "1f6b6",
    "standing": "1f9cd",
    "wheelchair": "1f9bd",
    "dog": "1f415",
    "barrier": "1f6a7",
    "traffic_light": "1f6a6",
    "stop_sign": "1f6d1",
    "bus_stop": "1f68f",
    "taxi": "1f695",
    "police_car": "1f693",
    "red_car": "1f697",
    "blue_car": "1f699",
    "bus": "1f68c",
    "truck": "1f69a",
    "ambulance": "1f691",
    "fire_engine": "1f692",
    "van": "1f690",
    "tractor": "1f69c",
    "rickshaw": "1f6fa",
    "tree": "1f333",
    "conifer": "1f332",
    "mailbox": "1f4ee",
    "fuel_pump": "26fd",
    "runner": "1f3c3",
    "cyclist": "1f6b4",
    "wheelchair_person": "1f468-200d-1f9bd",
}
"""Unicode sequence of each class, as the packages name its file; the order is that of the cells of a sheet."""

ROAD_CLASSES = tuple(CODE_POINTS)
STYLES = ("noto", "twemoji", "fluent")
"""Noto Emoji (Google), Twemoji (Twitter), Fluent Emoji 3D (Microsoft): ``data/emoji/<style>.png``."""

SIDE = 64
COLUMNS = 10


@lru_cache(maxsize=1)
def emoji_sprites() -> dict[tuple[str, str], np.ndarray]:
    """Return the drawing of each (class, style): uint8 (height, width, 4), RGBA with straight alpha, cut to what is drawn.

    A class is the same thing in every style, in other colours, outlines and shading: "semantically similar" without "the same
    pixels". No side is longer than 64 pixels. Sources and licences: ``data/README.md``.

    Raises:
        FileNotFoundError: a sheet is missing.
        ValueError: a sheet is not a picture of 10 x 3 cells.

    >>> sprites = emoji_sprites()
    >>> len(sprites), sprites["bike", "noto"].shape
    (90, (44, 62, 4))
    """
    rows = -(-len(ROAD_CLASSES) // COLUMNS)
    sprites = {}
    for style in STYLES:
        path = data_dir() / "emoji" / f"{style}.png"
        if not path.is_file():
            raise FileNotFoundError(
                f"no sprites at {path}: rebuild with 'python -m workbench.datasets.build emoji_{style}'"
            )
        with Image.open(path) as sheet:
            if sheet.size != (COLUMNS * SIDE, rows * SIDE) or sheet.mode != "RGBA":
                raise ValueError(
                    f"{path} is {sheet.mode} of {sheet.size[0]}x{sheet.size[1]} pixels; a sheet is RGBA of "
                    f"{COLUMNS * SIDE}x{rows * SIDE}"
                )
            pixels = np.asarray(sheet)
        cells = pixels.reshape(rows, SIDE, COLUMNS, SIDE, 4).swapaxes(1, 2).reshape(-1, SIDE, SIDE, 4)
        for name, cell in zip(ROAD_CLASSES, cells, strict=False):
            sprites[name, style] = _cut(cell)
    return sprites


def sprite_sheet(cells: dict[str, Image.Image]) -> Image.Image:
    """Return one sheet of a picture per class, each reduced to 64 x 64 and clean (0) where it is transparent."""
    stack = np.zeros((-(-len(ROAD_CLASSES) // COLUMNS) * COLUMNS, SIDE, SIDE, 4), np.uint8)
    for place, name in enumerate(ROAD_CLASSES):
        cell = cells[name].convert("RGBA")
        stack[place] = cell if cell.size == (SIDE, SIDE) else cell.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    stack[stack[..., 3] == 0] = 0
    rows = len(stack) // COLUMNS
    return Image.fromarray(
        stack.reshape(rows, COLUMNS, SIDE, SIDE, 4).swapaxes(1, 2).reshape(rows * SIDE, COLUMNS * SIDE, 4)
    )


def _cut(cell: np.ndarray) -> np.ndarray:
    """Return the rectangle that holds every pixel of at least half opacity."""
    drawn = cell[..., 3] >= 128
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return np.ascontiguousarray(cell[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
