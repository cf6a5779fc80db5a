"""A person's own pictures as a pool: what of a folder can be read, its features, and what is found in it."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from PIL import Image

from workbench.datasets import (
    AnnotatedFolder,
    EmojiStreetConfig,
    ImageEntry,
    ScoredBox,
    SkippedImage,
    UnreadableImageError,
    coco_dataset,
    emoji_pool,
    image_size,
    load_images,
    read_image,
)
from workbench.retrieval import (
    Backbone,
    Features,
    Letterbox,
    Match,
    PoolScores,
    Shard,
    Template,
    letterbox_batch,
    rank,
    scaled_features,
    score_shard,
)
from workbench.retrieval.features import Box
from workbench.training import CancelToken, Progress, no_progress

SHARD = 64
"""Pictures of one size whose features lie together."""

PYRAMID = (0.7, 1.0, 1.4)
"""Scales of the query that find smaller and larger objects as well (section 9)."""

_SAMPLE = 24
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
    """A folder's pictures that could be read, with their features.

    Attributes:
        kind: of the folder: ``"COCO"``, ``"BDD100K"``, ``"KITTI"``, ``"VOC"`` or ``"images"``.
        backbone: that saw the pictures.
        canvas_size: (height, width) to which they were scaled.
        entries: N pictures.
        shards: their features, in the same order.
        sizes: (width, height) of each picture, pixels.
        skipped: the pictures that could not be read, and why.
        total: pictures in the folder; more than N + skipped when the person pressed Stop.
    """

    kind: str
    backbone: Backbone
    canvas_size: tuple[int, int]
    entries: tuple[ImageEntry, ...]
    shards: tuple[Shard, ...]
    sizes: dict[str, tuple[int, int]]
    skipped: tuple[SkippedImage, ...]
    total: int
    _seen: OrderedDict[tuple[str, float], Features] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._entries = {entry.id: entry for entry in self.entries}

    @property
    def names(self) -> tuple[str, ...]:
        """N names, in the order of the folder."""
        return tuple(self._entries)

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
        parts = []
        for done, shard in enumerate(self._grouped(query.spacing)):
            if cancel is not None:
                cancel.raise_if_cancelled()
            progress(done, len(self.shards), "parts of the pool")
            parts.append(score_shard(shard, templates))
        found = rank(
            PoolScores.concatenate(parts), [templates], exclude=[query.image_id], one_per_group=query.spacing > 1
        )
        said = tuple(dict.fromkeys(str(one.message) for one in caught if issubclass(one.category, UserWarning)))
        return Found(query, tuple(found.matches), said)

    def _grouped(self, spacing: int) -> Iterator[Shard]:
        """Yield the shards with the runs of ``spacing`` successive pictures of a folder as groups."""
        if spacing == 1:
            yield from self.shards
            return
        counts: dict[str, int] = {}
        for shard in self.shards:
            groups = []
            for name in shard.image_ids:
                folder = str(PurePosixPath(name).parent)
                counts[folder] = counts.get(folder, -1) + 1
                groups.append(f"{folder} {counts[folder] // spacing}")
            yield Shard(shard.image_ids, shard.features, tuple(groups))


def embed_folder(
    folder: AnnotatedFolder,
    backbone: Backbone,
    long_side: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FolderPool:
    """Read the pictures of a folder and compute their features; what cannot be read is listed, and Stop keeps what is done.

    Args:
        folder: as :func:`~workbench.datasets.read_annotated_folder` returns it.
        backbone: sees the pictures.
        long_side: pixels to which the longer side of every picture is scaled: all alike, for matching does not follow scale.
        progress: called before each picture.
        cancel: looked at before each picture.

    Raises:
        ValueError: no picture can be read; the message gives the reason of the first one.
    """
    canvas_size = canvas_for(folder.entries, long_side)
    entries = {entry.id: entry for entry in folder.entries}
    skipped: list[SkippedImage] = []
    sizes: dict[str, tuple[int, int]] = {}
    shards: list[Shard] = []
    parts: list[Features] = []
    for picture in load_images(_until_stopped(folder.entries, progress, cancel), skipped):
        parts.append(_half(backbone.features(*letterbox_batch([picture.image], canvas_size))))
        sizes[picture.id] = (picture.image.shape[1], picture.image.shape[0])
        if len(parts) == SHARD:
            shards.append(Shard(tuple(sizes)[-SHARD:], Features.concatenate(parts)))
            parts.clear()
    if parts:
        shards.append(Shard(tuple(sizes)[-len(parts) :], Features.concatenate(parts)))
    if not sizes:
        why = f"the first one: {skipped[0].reason}" if skipped else "stopped before the first one"
        raise ValueError(f"none of the {len(entries)} pictures was read; {why}")
    kept = tuple(entries[name] for name in sizes)
    return FolderPool(folder.kind, backbone, canvas_size, kept, tuple(shards), sizes, tuple(skipped), len(entries))


def _until_stopped(
    entries: Sequence[ImageEntry], progress: Progress, cancel: CancelToken | None
) -> Iterator[ImageEntry]:
    for done, entry in enumerate(entries):
        if cancel is not None and cancel.cancelled:
            return
        progress(done, len(entries), entry.id)
        yield entry
    progress(len(entries), len(entries), "pictures")


def canvas_for(entries: Sequence[ImageEntry], long_side: int) -> tuple[int, int]:
    """Return the (height, width) that holds a sample of the pictures, each scaled to ``long_side``, in steps of 32 pixels.

    Pictures of other shapes are made to fit when they come.

    Raises:
        ValueError: ``long_side`` is below 64.
    """
    if long_side < 64:
        raise ValueError(f"long_side must be at least 64 pixels, got {long_side}")
    sizes = []
    for entry in entries[:: max(1, len(entries) // _SAMPLE)]:
        with contextlib.suppress(UnreadableImageError):
            width, height = image_size(entry.path)
            sizes.append(Letterbox.fit((height, width), (long_side, long_side)).content_size)
    largest = np.max(sizes, axis=0) if sizes else (long_side, long_side)
    return tuple(int(-(-side // 32) * 32) for side in largest)


def hits_table(found: Found, top: int) -> pd.DataFrame:
    """Return the best ``top`` pictures as a table: rank, image, score, x0, y0, x1, y1 (pixels)."""
    rows = [(place, one.image_id, one.score, *one.box) for place, one in enumerate(found.matches[:top], start=1)]
    return pd.DataFrame(rows, columns=["rank", "image", "score", "x0", "y0", "x1", "y1"])


def hits_boxes(found: Found, top: int, category: str) -> list[ScoredBox]:
    """Return the best ``top`` matches as boxes of ``category``, for :func:`~workbench.datasets.write_coco`."""
    return [ScoredBox(one.image_id, category, one.box, one.score) for one in found.matches[:top]]


def write_sample_folder(folder: str | os.PathLike[str], scenes: int = 40, first_seed: int = 700_000) -> Path:
    """Write drawn street scenes as PNG files, with a COCO file of the objects that are looked for, and return the folder.

    >>> import tempfile
    >>> folder = write_sample_folder(tempfile.mkdtemp(), scenes=2)
    >>> sorted(path.name for path in folder.iterdir())
    ['annotations.json', 'street-700000.png', 'street-700001.png']
    """
    folder = Path(folder)
    config = EmojiStreetConfig(prevalence=0.25)
    boxes, sizes = [], {}
    for entry in emoji_pool(scenes, first_seed, config):
        scene, name = entry.load(), f"{entry.id}.png"
        Image.fromarray(scene.image).save(folder / name)
        sizes[name] = (config.width, config.height)
        wanted = [one for one in scene.annotations if one.category in config.targets]
        boxes += [ScoredBox(name, one.category, one.box, one.visible) for one in wanted]
    dataset = coco_dataset(boxes, sizes)
    (folder / "annotations.json").write_text(json.dumps(dataset))
    return folder


def _half(features: Features) -> Features:
    """Return features in half precision, in which a pool of a person's takes half the memory; matching computes in float32."""
    return Features({stride: values.half() for stride, values in features.items()}, features.letterboxes)
