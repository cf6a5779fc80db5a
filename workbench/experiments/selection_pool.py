"""The pool and the queries of targeted selection: street scenes, their features, what they show, and objects to look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from workbench.datasets import AnnotatedImage, Annotation, EmojiStreetConfig, Entry, emoji_pool
from workbench.retrieval import Backbone, Features, Shard, Template, letterbox_batch, object_templates
from workbench.training import CancelToken, Progress, no_progress

QUERY_SEEDS = 1_000_000
"""Queries come from scenes of this seed and above, so that none of them is in a pool."""


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
        entries: N scenes, drawn again when their ``load()`` is called.
        features: of the N scenes.
        objects: a row per object in sight: image_id, category, style, visible, x0, y0, x1, y1 (pixels).
    """

    entries: tuple[Entry, ...]
    features: Features
    objects: pd.DataFrame

    @property
    def image_ids(self) -> tuple[str, ...]:
        """N names."""
        return tuple(entry.id for entry in self.entries)

    @cached_property
    def shard(self) -> Shard:
        """The whole pool as one shard, for :func:`~workbench.retrieval.mine`."""
        return Shard(self.image_ids, self.features)

    def select(self, indices: Sequence[int]) -> Pool:
        """Return the pool of the scenes at ``indices``, in that order."""
        entries = tuple(self.entries[index] for index in indices)
        named = self.objects["image_id"].isin([entry.id for entry in entries])
        return Pool(entries, self.features.select(indices), self.objects[named])

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
    return see(emoji_pool(config.scenes, config.first_seed, config.street), backbone, progress, cancel)


def see(
    entries: Sequence[Entry], backbone: Backbone, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Pool:
    """Load pictures of one size one by one and compute their features.

    Raises:
        ValueError: there is none, or their sizes differ.
    """
    parts: list[Features] = []
    rows = []
    for done, entry in enumerate(entries):
        progress(done, len(entries), "scenes of the pool")
        if cancel is not None:
            cancel.raise_if_cancelled()
        scene = entry.load()
        rows += [(scene.id, one.category, one.style, one.visible, *one.box) for one in scene.annotations]
        parts.append(backbone.features(*letterbox_batch([scene.image])))
    progress(len(entries), len(entries), "scenes of the pool")
    columns = ["image_id", "category", "style", "visible", "x0", "y0", "x1", "y1"]
    return Pool(tuple(entries), Features.concatenate(parts), pd.DataFrame(rows, columns=columns))


def make_queries(config: PoolConfig) -> list[Query]:
    """Return ``config.queries`` objects of each target class, each from a scene of its own, the classes in turn.

    Raises:
        ValueError: the scenes hardly ever show one of the classes.
    """
    first = QUERY_SEEDS + 100_000 * config.query_seed
    found: dict[str, list[Query]] = {category: [] for category in config.street.targets}
    for entry in emoji_pool(500 * config.queries, first, config.street):
        if all(len(some) == config.queries for some in found.values()):
            break
        scene = entry.load()
        for one in scene.annotations:
            some = found.get(one.category)
            if some is not None and len(some) < config.queries and one.visible >= config.least_visible:
                some.append(Query(scene, one))
                break
    lacking = [category for category, some in found.items() if len(some) < config.queries]
    if lacking:
        raise ValueError(f"{500 * config.queries} scenes show fewer than {config.queries} objects of {lacking[0]!r}")
    return [some[index] for index in range(config.queries) for some in found.values()]
