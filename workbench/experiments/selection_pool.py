"""The pool and the queries of targeted selection: street scenes, their features, what they show, and objects to look for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd
import torch

from workbench.datasets import AnnotatedImage, Annotation, EmojiStreetConfig, Entry, emoji_pool
from workbench.retrieval import Backbone, Features, Shard, Template, letterbox_batch, object_templates
from workbench.training import CancelToken, Progress, no_progress

QUERY_SEEDS = 1_000_000
"""Queries come from scenes of this seed and above, so that none of them is in a pool."""

T = TypeVar("T")


@dataclass(frozen=True)
class PoolConfig:
    """Which scenes make the pool, and which objects are looked for.

    Attributes:
        scenes: in the pool.
        first_seed: of the pool's scenes, which have consecutive seeds.
        queries: objects of each target class, from scenes that are not in the pool.
        query_seed: draws another set of queries.
        least_visible: share of a query object that shows, at least.
        street: of all scenes.
    """

    scenes: int = 300
    first_seed: int = 0
    queries: int = 4
    query_seed: int = 0
    least_visible: float = 0.8
    street: EmojiStreetConfig = field(default_factory=EmojiStreetConfig)


@dataclass(frozen=True, eq=False)
class Query:
    """An object to look for: a scene and one of its annotations.

    Attributes:
        scene: the query picture.
        target: the object in it.
    """

    scene: AnnotatedImage
    target: Annotation

    @property
    def category(self) -> str:
        """Class of the object."""
        return self.target.category

    def templates(self, backbone: Backbone, strides: Sequence[int] | None = None, **options: object) -> list[Template]:
        """Return its templates at ``strides``; see :func:`~workbench.retrieval.object_templates` for the options."""
        return object_templates(backbone, self.scene.image, self.target.box, strides=strides, **options)


@dataclass(frozen=True, eq=False)
class Pool:
    """Scenes with features and truth.

    Attributes:
        entries: N pictures; scenes are drawn again when their ``load()`` is called.
        features: of the N pictures.
        objects: a row per object in sight: image_id, category, style, visible, x0, y0, x1, y1 (pixels).
    """

    entries: tuple[Entry, ...]
    features: Features
    objects: pd.DataFrame

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """N names."""
        return tuple(entry.id for entry in self.entries)

    @cached_property
    def shard(self) -> Shard:
        """The whole pool as one shard, for :func:`~workbench.retrieval.mine`."""
        return Shard(self.image_ids, self.features)

    def select(self, indices: Sequence[int]) -> Pool:
        """Return the pool of the pictures at ``indices``, in that order."""
        entries = tuple(self.entries[index] for index in indices)
        kept = self.objects["image_id"].isin([entry.id for entry in entries])
        return Pool(entries, self.features.select(indices), self.objects[kept])

    def shows(self, category: str, visible: float = 0.0, style: str | None = None) -> np.ndarray:
        """Return bool (N,): scenes that show more than ``visible`` of an object of the class, in ``style`` if one is given."""
        seen = self.objects[(self.objects["category"] == category) & (self.objects["visible"] > visible)]
        if style is not None:
            seen = seen[seen["style"] == style]
        return np.isin(self.image_ids, seen["image_id"])


def make_pool(
    config: PoolConfig, backbone: Backbone, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Pool:
    """Draw the scenes of a pool and compute their features."""
    return embed(emoji_pool(config.scenes, config.first_seed, config.street), backbone, progress, cancel)


def embed(
    entries: Sequence[Entry],
    backbone: Backbone,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    *,
    canvas_size: tuple[int, int] | None = None,
    threads: int = 1,
    on_picture: Callable[[AnnotatedImage], None] | None = None,
) -> Pool:
    """Load pictures and compute their features.

    Args:
        entries: N pictures.
        backbone: sees them.
        progress: called before each picture.
        cancel: looked at before each picture.
        canvas_size: (height, width) to which every picture is scaled; None if all have one size.
        threads: pictures at a time, each on one core.
        on_picture: is given every picture, in no particular order.

    Raises:
        ValueError: there is no picture.
        UnreadableImageError: a picture cannot be read.
        Cancelled: Stop was asked for.
    """
    if not len(entries):
        raise ValueError("entries is empty, expected at least one picture")
    done = itertools.count()

    def see(entry: Entry) -> tuple[Features, list[tuple]]:
        if cancel is not None:
            cancel.raise_if_cancelled()
        progress(next(done), len(entries), "pictures of the pool")
        picture = entry.load()
        if on_picture is not None:
            on_picture(picture)
        rows = [(picture.id, one.category, one.style, one.visible, *one.box) for one in picture.annotations]
        return backbone.features(*letterbox_batch([picture.image], canvas_size)), rows

    seen = list(map(see, entries)) if threads == 1 else _in_threads(see, entries, threads)
    progress(len(entries), len(entries), "pictures of the pool")
    columns = ["image_id", "category", "style", "visible", "x0", "y0", "x1", "y1"]
    objects = pd.DataFrame([row for _, rows in seen for row in rows], columns=columns)
    return Pool(tuple(entries), Features.concatenate([features for features, _ in seen]), objects)


def _in_threads(function: Callable[[Entry], T], entries: Sequence[Entry], threads: int) -> list[T]:
    """Return the function's results in order; each thread has one core, and the first error ends all."""
    before = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            return list(pool.map(function, entries))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            torch.set_num_threads(before)  # the threads' number is also that of every thread started from now on


def make_queries(config: PoolConfig) -> list[Query]:
    """Return ``config.queries`` objects of each target class, each from a scene of its own, the classes in turn.

    Raises:
        ValueError: the scenes hardly ever show one of the classes.
    """
    first = QUERY_SEEDS + 100_000 * config.query_seed
    entries = emoji_pool(500 * config.queries, first, config.street)
    return draw_queries(entries, config.street.targets, config.queries, config.least_visible)


def draw_queries(
    entries: Sequence[Entry], categories: Sequence[str], count: int, least_visible: float = 0.8
) -> list[Query]:
    """Return the first ``count`` objects of each category, each from a picture of its own, the categories in turn.

    Raises:
        ValueError: the pictures show fewer of one of them.
    """
    found: dict[str, list[Query]] = {category: [] for category in categories}
    for entry in entries:
        if all(len(some) == count for some in found.values()):
            break
        scene = entry.load()
        for one in scene.annotations:
            some = found.get(one.category)
            if some is not None and len(some) < count and one.visible >= least_visible:
                some.append(Query(scene, one))
                break
    lacking = [category for category, some in found.items() if len(some) < count]
    if lacking:
        raise ValueError(f"{len(entries)} scenes show fewer than {count} objects of {lacking[0]!r}")
    return [some[index] for index in range(count) for some in found.values()]
