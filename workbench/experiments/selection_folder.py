"""A person's own pictures as a pool: what of a folder can be read, its features, and what is found in it."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from workbench.datasets import ImageEntry, ScoredBox, SkippedImage, read_image
from workbench.retrieval import Backbone, Features, FeatureStore, Match, Template, mine, mine_store, scaled_features
from workbench.retrieval.features import Box
from workbench.training import CancelToken, Progress, no_progress

PYRAMID = (0.7, 1.0, 1.4)
"""Scales of the query that find smaller and larger objects as well (section 9)."""

IN_MEMORY = 500
"""Pools up to this size are searched in one go; larger ones part by part, with scores on the disk."""

MOST_MATCHES = 20_000
"""Pictures that a search returns at most, before neighbours are left out."""

_KEPT_QUERIES = 12


@dataclass(frozen=True)
class FolderQuery:
    """An object in one of the person's pictures, and how it is looked for.

    Attributes:
        image_id: name of the picture.
        box: x0, y0, x1, y1 in its pixels.
        strides: whose z-scores are averaged.
        threshold: coverage of a cell, relative to the best covered one, from which it belongs to the object.
        scales: of the query, of which the best counts.
        spacing: of so many successive pictures of one folder at most one is returned: neighbours in a video are all alike.
    """

    image_id: str
    box: Box
    strides: tuple[int, ...] = (8, 16)
    threshold: float = 0.5
    scales: tuple[float, ...] = (1.0,)
    spacing: int = 1


@dataclass(frozen=True)
class Found:
    """What was found in a folder.

    Attributes:
        query: what was looked for.
        matches: every picture but the query's (or the best of each run of neighbours), the best first.
        warnings: what the person should know of the query, in sentences.
    """

    query: FolderQuery
    matches: tuple[Match, ...]
    warnings: tuple[str, ...]


@dataclass(eq=False)
class FolderPool:
    """A folder's pictures that could be read, with their features in a store.

    Attributes:
        kind: of the folder: ``"COCO"``, ``"BDD100K"``, ``"KITTI"``, ``"VOC"`` or ``"images"``.
        backbone: that saw the pictures.
        store: of their features.
        entries: N pictures, in the order of the store.
        sizes: (width, height) of each picture, pixels.
        total: pictures in the folder; more than N and the skipped ones when the person pressed Stop.
    """

    kind: str
    backbone: Backbone
    store: FeatureStore
    entries: tuple[ImageEntry, ...]
    sizes: dict[str, tuple[int, int]]
    total: int
    _seen: OrderedDict[tuple[str, float], Features] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._entries = {entry.id: entry for entry in self.entries}

    @property
    def names(self) -> tuple[str, ...]:
        """N names, in the order of the folder."""
        return tuple(self._entries)

    @property
    def skipped(self) -> list[SkippedImage]:
        """The pictures that could not be read, and why."""
        return self.store.skipped

    @property
    def canvas_size(self) -> tuple[int, int]:
        """(height, width) to which the pictures were scaled."""
        return self.store.manifest.canvas_size

    @property
    def megabytes(self) -> float:
        """Size of the store on the disk, in 1e6 bytes."""
        return sum(size for record in self.store.records.values() for size, _ in record.files.values()) / 1e6

    def entry(self, image_id: str) -> ImageEntry:
        """Return what is known of a picture.

        Raises:
            ValueError: the pool has no such picture.
        """
        if image_id not in self._entries:
            raise ValueError(f"there is no picture {image_id!r} among the {len(self.entries)} that were read")
        return self._entries[image_id]

    def image(self, image_id: str) -> np.ndarray:
        """Read a picture, uint8 (height, width, 3); raises as :meth:`entry`, or UnreadableImageError."""
        return read_image(self.entry(image_id).path)

    def shows(self, category: str) -> np.ndarray:
        """Return bool (N,): pictures with a box of the class."""
        return np.array([any(one.category == category for one in entry.annotations) for entry in self.entries], bool)

    def templates(self, query: FolderQuery) -> list[Template]:
        """Return the templates of a query; its picture's features are kept, so that moving the box costs little."""
        templates = []
        for scale in query.scales:
            key = (query.image_id, scale)
            if key not in self._seen:
                image = self.image(query.image_id)
                self._seen[key] = scaled_features(self.backbone, image, scale, self.canvas_size)
                if len(self._seen) > _KEPT_QUERIES:
                    self._seen.popitem(last=False)
            features = self._seen[key]
            templates += [
                Template.from_box(
                    features, query.box, features.letterboxes[0], stride=stride, threshold=query.threshold
                )
                for stride in query.strides
            ]
        return templates

    def find(self, query: FolderQuery, progress: Progress = no_progress, cancel: CancelToken | None = None) -> Found:
        """Rank the pictures by how well a part of them matches the query.

        Raises:
            ValueError: the query's box or an option is impossible, or there is no other picture to look in.
            Cancelled: Stop was asked for.
        """
        if query.spacing < 1:
            raise ValueError(f"spacing must be at least 1, got {query.spacing}")
        if len(self.entries) < 2:
            raise ValueError(
                f"the query's picture is the only one of {self.total} that was read: there is nothing to search"
            )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            templates = self.templates(query)
        said = tuple(dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, UserWarning)))
        options = {"top": MOST_MATCHES, "exclude": [query.image_id]}
        if len(self.entries) <= IN_MEMORY:
            found = mine(self.store, [templates], **options)
        else:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".* lacks ")  # the person who pressed Stop knows
                found = mine_store(self.store, [templates], progress=progress, cancel=cancel, **options)
        return Found(query, tuple(self._without_neighbours(found.matches, query.spacing)), said)

    def _without_neighbours(self, matches: Sequence[Match], spacing: int) -> Iterator[Match]:
        """Yield only the best of each run of ``spacing`` successive pictures of a folder."""
        runs: dict[str, tuple[str, int]] = {}
        counts: dict[str, int] = {}
        for name in self.names:
            folder = str(PurePosixPath(name).parent)
            counts[folder] = counts.get(folder, -1) + 1
            runs[name] = (folder, counts[folder] // spacing)
        taken: set[tuple[str, int]] = set()
        for one in matches:
            if runs[one.image_id] not in taken:
                taken.add(runs[one.image_id])
                yield one


def hits_table(found: Found, top: int) -> pd.DataFrame:
    """Return the best ``top`` pictures as a table: rank, image, score, x0, y0, x1, y1 (pixels)."""
    rows = [(place, one.image_id, one.score, *one.box) for place, one in enumerate(found.matches[:top], start=1)]
    return pd.DataFrame(rows, columns=["rank", "image", "score", "x0", "y0", "x1", "y1"])


def hits_boxes(found: Found, top: int, category: str) -> list[ScoredBox]:
    """Return the best ``top`` matches as boxes of ``category``, for :func:`~workbench.datasets.write_coco`."""
    return [ScoredBox(one.image_id, category, one.box, one.score) for one in found.matches[:top]]
