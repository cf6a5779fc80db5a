"""Pools of real pixels with small objects: parts of photographs and of a video's frames, cut-outs before rooms; and queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.datasets import (
    CUTOUT_TARGETS,
    AnnotatedImage,
    Annotation,
    CutoutSceneConfig,
    Entry,
    cutout_pool,
    linemod_rotations,
    median_background,
    moving_boxes,
    read_linemod_occlusion,
    read_video_frames,
)
from workbench.datasets.annotated_images import Box
from workbench.datasets.extras import VTEST, VTEST_FILE
from workbench.experiments.selection_pool import QUERY_SEEDS, Query, draw_queries

PERSON = "person"
SMALL_OBJECTS = ("ape", "cat", "duck", "egg_box", "glue", "hole_puncher")
"""Objects of the crowded table of 2.6 to 4.5 % of a part, median; the can and the driller are larger."""
ANOTHER_VIEW = 30.0
"""Degrees by which an object's pose must differ from the query's, for its picture to count."""


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a picture as an entry of a pool.

    Attributes:
        picture: the part, with what shows of its objects.
        source: id of the whole picture.
        place: its upper left corner there, pixels.
    """

    picture: AnnotatedImage
    source: str
    place: tuple[int, int] = (0, 0)

    @property
    def id(self) -> str:
        """Name in the pool."""
        return self.picture.id

    def load(self) -> AnnotatedImage:
        """Return the part."""
        return self.picture


@dataclass(frozen=True, eq=False)
class RealPool:
    """A pool of real pixels and objects to look for in it.

    Attributes:
        entries: N pictures.
        queries: Q objects, from pictures that are not in the pool.
        comparable: bool (N, Q): which pictures count for which query.
        places: int (N,), number of the place that each picture shows, where the camera stands still.
    """

    entries: tuple[Entry, ...]
    queries: tuple[Query, ...]
    comparable: np.ndarray
    places: np.ndarray | None = None


def tiles(picture: AnnotatedImage, size: tuple[int, int], places: Iterable[tuple[int, int]]) -> list[Tile]:
    """Return parts of a picture.

    Args:
        picture: the whole.
        size: (height, width) of a part.
        places: upper left corners (x, y).

    Returns:
        One tile a place. ``visible`` of an object there is what was visible of it, times the share of its box inside.

    >>> whole = AnnotatedImage("a", np.zeros((40, 60, 3), np.uint8), (Annotation("dog", (10, 10, 30, 20)),))
    >>> [[(one.box, one.visible) for one in tile.picture.annotations] for tile in tiles(whole, (20, 20), [(0, 0), (40, 0)])]
    [[((10, 10, 20, 20), 0.5)], []]
    """
    height, width = size
    found = []
    for x, y in places:
        inside = []
        for one in picture.annotations:
            box = _overlap(one.box, (x, y, x + width, y + height))
            if box is not None:
                share = one.visible * _area(box) / _area(one.box)
                inside.append(replace(one, box=_shifted(box, -x, -y), visible=share))
        name = f"{picture.id} {x},{y}"
        pixels = picture.image[y : y + height, x : x + width]
        found.append(Tile(AnnotatedImage(name, pixels, tuple(inside)), picture.id, (x, y)))
    return found


def grid(whole: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the upper left corners (x, y) of 3 x 3 parts of ``size`` (height, width) that reach to every border.

    >>> grid((40, 60), (20, 20))[:4]
    [(0, 0), (20, 0), (40, 0), (0, 10)]
    """
    rows, columns = (
        np.linspace(0, full - part, 3).round().astype(int).tolist() for full, part in zip(whole, size, strict=True)
    )
    return [(x, y) for y in rows for x in columns]


def clear(entries: Sequence[Tile], category: str, least: float = 0.5) -> np.ndarray:
    """Return bool (N,): pictures of which it is clear whether they show ``category``: more than ``least`` of one, or nothing."""
    return np.array([entry.picture.shows(category, least) or not entry.picture.shows(category) for entry in entries])


def pedestrians(
    folder: str | None = None,
    every: float = 0.5,
    split: float = 50.0,
    gap: float = 10.0,
    positives: int = 80,
    queries: int = 12,
    seed: int = 0,
) -> RealPool:
    """Return parts of the frames of a campus camera; queries are pedestrians of at least ``gap`` seconds later.

    Boxes are those of what moves, in the shape of a person; other moving things, such as two people in one region, make a picture
    unclear.

    Args:
        folder: with ``vtest.avi``; None for the extra ``vtest``.
        every: seconds between frames.
        split: seconds up to which the pool goes.
        gap: seconds between the pool and the queries.
        positives: pictures that show a pedestrian, at most; drawn from all of them.
        queries: number of them.
        seed: draws them.

    Raises:
        NotInstalledError: the video or the package that reads it is missing.
    """
    frames = [entry.load() for entry in read_video_frames(VTEST.file(VTEST_FILE, folder), every)]
    background = median_background([frame.image for frame in frames])
    frames = [_with_people(frame, background) for frame in frames]
    whole = frames[0].image.shape[:2]
    size = (whole[0] // 2, whole[1] // 2)
    places = grid(whole, size)
    early, late = round(split / every), round((split + gap) / every)
    entries = [tile for frame in frames[:early] for tile in tiles(frame, size, places)]
    entries = [entry for entry, known in zip(entries, clear(entries, PERSON), strict=True) if known]
    rng = np.random.default_rng(seed)
    shown = np.flatnonzero([entry.picture.shows(PERSON) for entry in entries])
    left_out = set(rng.permutation(shown)[positives:].tolist())
    entries = [entry for index, entry in enumerate(entries) if index not in left_out]
    chosen: list[Query] = []
    for frame in rng.permutation(np.arange(late, len(frames))):
        seen = [(tile, one) for tile in tiles(frames[frame], size, places) for one in _whole(tile, PERSON)]
        if seen and len(chosen) < queries:
            tile, one = seen[rng.integers(len(seen))]
            chosen.append(Query(tile.picture, one))
    numbers = np.array([places.index(entry.place) for entry in entries])
    return RealPool(tuple(entries), tuple(chosen), np.ones((len(entries), len(chosen)), bool), numbers)


def crowded_table(
    folder: str | None = None, frames: int = 100, parts: int = 4, queries: int = 3, seed: int = 0
) -> RealPool:
    """Return parts of the photographs of LINEMOD-Occlusion; queries are its small objects in photographs taken later.

    A picture whose object was seen from within :data:`ANOTHER_VIEW` degrees of the query's view does not count, nor does one in
    which half of it or less shows. Photographs follow each other by 27 degrees, median.

    Args:
        folder: of the extra ``linemod_occlusion``; None for where that was put.
        frames: photographs of the pool, evenly from the first 140 of the 200.
        parts: drawn of the 3 x 3 parts of each.
        queries: of each object, from the last 50.
        seed: draws parts and queries.

    Raises:
        NotInstalledError: the data set is missing.
    """
    photos = read_linemod_occlusion(folder)
    rotations = linemod_rotations(folder)
    rng = np.random.default_rng(seed)
    size = (300, 400)
    entries: list[Tile] = []
    for index in np.linspace(0, len(photos) * 7 // 10 - 1, frames).round().astype(int):
        photo = photos[index].load()
        places = grid(photo.image.shape[:2], size)
        entries += tiles(photo, size, [places[place] for place in sorted(rng.permutation(9)[:parts])])
    chosen: list[tuple[Tile, Annotation]] = []
    late = [photo.load() for photo in photos[len(photos) * 3 // 4 :]]
    for _ in range(queries):
        for category in SMALL_OBJECTS:
            used = {tile.source for tile, one in chosen if one.category == category}
            seen = [
                (tile, one)
                for photo in late
                if photo.id not in used
                for tile in tiles(photo, size, grid(photo.image.shape[:2], size))
                for one in _whole(tile, category)
            ]
            chosen.append(seen[rng.integers(len(seen))])
    comparable = np.stack(
        [
            clear(entries, one.category) & ~_same_view(entries, one.category, tile.source, rotations)
            for tile, one in chosen
        ],
        1,
    )
    return RealPool(tuple(entries), tuple(Query(tile.picture, one) for tile, one in chosen), comparable)


def cutouts_before_rooms(scenes: int = 300, queries: int = 4, config: CutoutSceneConfig | None = None) -> RealPool:
    """Return scenes of cut-out things before rooms; queries are from scenes before rooms that the pool does not show.

    Args:
        scenes: in the pool.
        queries: things of each kind, of which at least four fifths show, each from a scene of its own.
        config: of the scenes.

    Raises:
        NotInstalledError: one of the extras ``photo_cutouts`` and ``room_photos`` is missing.
        ValueError: scenes hardly ever show one of the kinds.
    """
    config = config or CutoutSceneConfig()
    entries = cutout_pool(scenes, config=config)
    others = cutout_pool(500 * queries, QUERY_SEEDS, replace(config, rooms="queries"))
    chosen = tuple(draw_queries(others, CUTOUT_TARGETS, queries, least_visible=0.8))
    return RealPool(tuple(entries), chosen, np.ones((len(entries), len(chosen)), bool))


def _same_view(
    entries: Sequence[Tile], category: str, source: str, rotations: dict[tuple[str, str], np.ndarray]
) -> np.ndarray:
    """Return bool (N,): pictures that show the object nearly as ``source`` does."""
    wanted = rotations[source, category]
    near = []
    for entry in entries:
        cosine = 0.0
        if entry.picture.shows(category):
            cosine = (np.sum(rotations[entry.source, category] * wanted) - 1) / 2
        near.append(cosine > np.cos(np.radians(ANOTHER_VIEW)))
    return np.array(near)


def _with_people(frame: AnnotatedImage, background: np.ndarray) -> AnnotatedImage:
    found = []
    for x0, y0, x1, y1 in moving_boxes(frame.image, background):
        upright = 1.3 <= (y1 - y0) / (x1 - x0) <= 5 and y1 - y0 >= 35
        found.append(Annotation(PERSON, (x0, y0, x1, y1), 1.0 if upright else 0.5))
    return AnnotatedImage(frame.id, frame.image, tuple(found))


def _whole(tile: Tile, category: str) -> list[Annotation]:
    """Return the objects that a query may be: nearly all of it shows."""
    return [one for one in tile.picture.annotations if one.category == category and one.visible > 0.9]


def _overlap(box: Box, other: Box) -> Box | None:
    x0, y0, x1, y1 = (
        max(box[0], other[0]),
        max(box[1], other[1]),
        min(box[2], other[2]),
        min(box[3], other[3]),
    )
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _shifted(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
