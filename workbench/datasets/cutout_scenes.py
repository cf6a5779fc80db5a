"""Scenes of real pixels: photographs of things, cut out, before photographs of rooms, with exact boxes; composed from a seed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workbench.datasets._cutout_files import KINDS, MEMBERS, TARGETS
from workbench.datasets._street_objects import Placed, paint, photographed, visible_shares
from workbench.datasets.annotated_images import AnnotatedImage, Annotation
from workbench.datasets.annotation_folders import read_image_folder
from workbench.datasets.extras import PHOTO_CUTOUTS, ROOM_PHOTOS
from workbench.datasets.image_files import read_image

CUTOUT_TARGETS = tuple(TARGETS)
"""Kinds of things that are looked for, three or four photographs each; everything else is clutter."""
_ROOM_SIDE = 1440
"""Longest side at which rooms are kept in memory, pixels."""


@dataclass(frozen=True)
class CutoutSceneConfig:
    """What the scenes of one pool have in common.

    Attributes:
        width, height: of the canvas, pixels.
        prevalence: probability that a scene shows a kind, independently of the others.
        object_area: smallest and largest area of a target's box before occlusion, as a share of the canvas.
        clutter: fewest and most other things.
        clutter_area: like ``object_area``, of them.
        rooms: ``"pool"``, or ``"queries"`` for the quarter of the rooms that no pool shows.
        noise, blur: of the camera, as in :class:`~workbench.datasets.EmojiStreetConfig`.

    Raises:
        ValueError: a field lies outside what it says here.
    """

    width: int = 512
    height: int = 320
    prevalence: float = 0.1
    object_area: tuple[float, float] = (0.004, 0.01)
    clutter: tuple[int, int] = (7, 15)
    clutter_area: tuple[float, float] = (0.004, 0.02)
    rooms: str = "pool"
    noise: float = 2.0
    blur: float = 0.5

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 64:
            raise ValueError(f"width and height must be at least 64 pixels, got {self.width}x{self.height}")
        if not 0 <= self.prevalence <= 1:
            raise ValueError(f"prevalence must lie in 0 to 1, got {self.prevalence}")
        for name in ("object_area", "clutter_area"):
            least, most = getattr(self, name)
            if not 0 < least <= most <= 0.5:
                raise ValueError(f"{name} must be two shares, 0 < smallest <= largest <= 0.5, got {least, most}")
        if not 0 <= self.clutter[0] <= self.clutter[1]:
            raise ValueError(f"clutter must be 0 <= fewest <= most, got {self.clutter}")
        if self.rooms not in ("pool", "queries"):
            raise ValueError(f"rooms must be 'pool' or 'queries', got {self.rooms!r}")


@dataclass(frozen=True)
class CutoutScene:
    """A scene that is not yet composed.

    Attributes:
        seed: of everything in it.
        config: of the pool.
        cutouts, rooms: folders of the extras ``photo_cutouts`` and ``room_photos``; None for where these were put.
    """

    seed: int
    config: CutoutSceneConfig = field(default_factory=CutoutSceneConfig)
    cutouts: str | None = None
    rooms: str | None = None

    @property
    def id(self) -> str:
        """Name in the pool."""
        return f"cutouts-{self.seed:06d}"

    @property
    def group(self) -> str:
        """The room that it shows, which other scenes show as well."""
        return self._room().name

    def load(self) -> AnnotatedImage:
        """Compose the scene.

        A part of a room, mirrored at random; things at random places, mirrored, darker or lighter, painted in the order of their
        feet, so that lower ones hide higher ones. Boxes and ``visible`` are as in :func:`~workbench.datasets.emoji_street`;
        ``style`` is the name of the cut-out.

        Raises:
            NotInstalledError: a FileNotFoundError; an extra is missing, and the message says how to get it.
        """
        return self.load_with_masks()[0]

    def load_with_masks(self) -> tuple[AnnotatedImage, NDArray[np.bool_]]:
        """Return what :meth:`load` does, and the pixels (n, height, width) of each annotation that show; no two share one.

        Raises:
            NotInstalledError: as there.
        """
        config = self.config
        room_stream, target_stream, clutter_stream, camera_stream = (
            np.random.default_rng([self.seed, index]) for index in range(4)
        )
        room_stream.random()  # which room
        pixels = _part(_room(self._room()), (config.height, config.width), room_stream)
        pictures = _cutouts(PHOTO_CUTOUTS.folder(self.cutouts))
        names = [names[int(draw * len(names))] for names, shown, draw in _kinds(config, target_stream) if shown]
        objects = [_placed(name, pictures, config, config.object_area, target_stream) for name in names]
        others = sorted(name.removesuffix(".png") for name in MEMBERS if name.removesuffix(".png") not in KINDS)
        count = int(clutter_stream.integers(config.clutter[0], config.clutter[1] + 1))
        for name in clutter_stream.choice(others, count):
            objects.append(_placed(str(name), pictures, config, config.clutter_area, clutter_stream))
        objects.sort(key=lambda one: one.foot)
        owner = paint(pixels, objects)
        annotations, numbers = [], []
        for number, (one, visible) in enumerate(zip(objects, visible_shares(owner, objects), strict=True)):
            if visible > 0:
                annotations.append(Annotation(one.category, one.box(config.width, config.height), visible, one.style))
                numbers.append(number)
        image = photographed(pixels, config.noise, config.blur, camera_stream)
        masks = owner[None] == np.array(numbers, np.int16)[:, None, None]
        return AnnotatedImage(self.id, image, tuple(annotations)), masks

    def _room(self) -> Path:
        draw = np.random.default_rng([self.seed, 0]).random()
        paths = _room_paths(ROOM_PHOTOS.folder(self.rooms))
        kept = [path for index, path in enumerate(paths) if (index % 4 == 3) == (self.config.rooms == "queries")]
        return kept[int(draw * len(kept))]


def cutout_pool(count: int, first_seed: int = 0, config: CutoutSceneConfig | None = None) -> list[CutoutScene]:
    """Return a pool of scenes of consecutive seeds, each composed when its ``load()`` is called.

    Raises:
        ValueError: ``count`` is below 1 or ``first_seed`` below 0.

    >>> [entry.id for entry in cutout_pool(2, first_seed=40)]
    ['cutouts-000040', 'cutouts-000041']
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if first_seed < 0:
        raise ValueError(f"first_seed must be at least 0, got {first_seed}")
    config = config or CutoutSceneConfig()
    return [CutoutScene(seed, config) for seed in range(first_seed, first_seed + count)]


def _kinds(config: CutoutSceneConfig, generator: np.random.Generator) -> list[tuple[tuple[str, ...], bool, float]]:
    """Return the cut-outs of each kind, whether the scene shows the kind, and a draw that chooses one."""
    draws = generator.random((len(TARGETS), 2))
    return [(names, draw[0] < config.prevalence, draw[1]) for names, draw in zip(TARGETS.values(), draws, strict=True)]


def _placed(
    name: str,
    pictures: Mapping[str, np.ndarray],
    config: CutoutSceneConfig,
    area: tuple[float, float],
    generator: np.random.Generator,
) -> Placed:
    share, x, y, mirrored, gain = generator.random(5)
    picture = pictures[name]
    aspect = picture.shape[1] / picture.shape[0]
    share = area[0] * (area[1] / area[0]) ** share
    rows = (share * config.width * config.height / aspect) ** 0.5
    rows, columns = max(2, round(rows)), max(2, round(rows * aspect))
    small = Image.fromarray(picture).resize((columns, rows), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)[:, :: -1 if mirrored < 0.5 else 1]
    left = round(x * (config.width - 0.6 * columns) - 0.2 * columns)
    foot = round(rows * 0.8 + y * (config.height - 0.8 * rows))
    return Placed(KINDS.get(name, "clutter"), name, pixels, left, foot - rows, foot, 0.7 + 0.5 * gain)


def _part(room: np.ndarray, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Return 60 to 100 % of the largest part of that shape, float32 (height, width, 3)."""
    height, width = size
    scale, x, y, mirrored = generator.random(4)
    largest = min(room.shape[1], room.shape[0] * width / height)
    columns = (0.6 + 0.4 * scale) * largest
    rows = columns * height / width
    left, top = x * (room.shape[1] - columns), y * (room.shape[0] - rows)
    corners = (left, top, left + columns, top + rows)
    part = Image.fromarray(room).resize((width, height), Image.Resampling.LANCZOS, box=corners)
    return np.asarray(part, np.float32)[:, :: -1 if mirrored < 0.5 else 1].copy()


@lru_cache(maxsize=2)
def _cutouts(folder: Path) -> dict[str, np.ndarray]:
    """Return every cut-out by its name, uint8 RGBA (height, width, 4), without its empty border, at most 200 pixels a side."""
    found = {}
    for name in MEMBERS:
        path = PHOTO_CUTOUTS.file(name, folder)
        with Image.open(path) as file:
            picture = file.convert("RGBA")
        picture = picture.crop(picture.getchannel("A").point(lambda alpha: 255 * (alpha >= 128)).getbbox())
        picture.thumbnail((200, 200), Image.Resampling.LANCZOS)
        found[name.removesuffix(".png")] = np.asarray(picture)
    return found


@lru_cache(maxsize=2)
def _room_paths(folder: Path) -> list[Path]:
    if not (folder / "images").is_dir():
        raise ROOM_PHOTOS.missing(folder, "images")
    return [entry.path for entry in read_image_folder(folder / "images")]


@lru_cache(maxsize=64)
def _room(path: str | os.PathLike[str]) -> np.ndarray:
    picture = Image.fromarray(read_image(path))
    picture.thumbnail((_ROOM_SIDE, _ROOM_SIDE), Image.Resampling.BOX)
    return np.asarray(picture)
