"""From a person's folder to a pool: pictures are read and embedded once, and their features kept for the next time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.datasets import (
    AnnotatedFolder,
    EmojiStreetConfig,
    ImageEntry,
    ScoredBox,
    UnreadableImageError,
    cache_dir,
    coco_dataset,
    emoji_pool,
    image_size,
)
from workbench.experiments.selection_folder import FolderPool
from workbench.retrieval import Backbone, FeatureStore, Letterbox, embed, recipe_hash
from workbench.retrieval.store import SHARD_SIZE
from workbench.training import Cancelled, CancelToken, Progress, no_progress

_LEAST_SHARD, _SHARDS = 32, 16
"""Fewest pictures of a part of a store, and parts of a store that is larger than so many of these."""
_BATCH = 4
"""Pictures between two looks at Stop."""
_SAMPLE = 24


def embed_folder(
    folder: AnnotatedFolder,
    backbone: Backbone,
    long_side: int,
    path: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FolderPool:
    """Read the pictures of a folder and write their features to a store; what is there already is not computed again.

    What cannot be read is listed, and Stop keeps the parts that are done.

    Args:
        folder: as :func:`~workbench.datasets.read_annotated_folder` returns it.
        backbone: sees the pictures.
        long_side: pixels to which the longer side of every picture is scaled: all alike, for matching does not follow scale.
        path: of the store; default one in the cache, for these files as they are now.
        progress: is told how many pictures are done.
        cancel: looked at between pictures.

    Raises:
        Cancelled: Stop was asked for before a part was done.
        ValueError: no picture can be read, the message gives the reason of the first one; or two have one name.
    """
    canvas_size = canvas_for(folder.entries, long_side)
    path = Path(path) if path is not None else _cached(folder, backbone, canvas_size)
    total = len(folder.entries)
    size = min(SHARD_SIZE, max(_LEAST_SHARD, total // _SHARDS))
    options = {"canvas_size": canvas_size, "shard_size": size, "batch_size": _BATCH}
    try:
        store = embed(folder.entries, backbone, path, progress=progress, cancel=cancel, **options)
    except Cancelled:
        store = FeatureStore.open(path)
        if not len(store):
            raise
    if not len(store):
        raise ValueError(f"none of the {total} pictures can be read; the first one: {store.skipped[0].reason}")
    by_name = {entry.id: entry for entry in folder.entries}
    sizes = {
        name: placed.image_size[::-1]
        for shard in store
        for name, placed in zip(shard.image_ids, shard.features.letterboxes, strict=True)
    }
    return FolderPool(folder.kind, backbone, store, tuple(by_name[name] for name in sizes), sizes, total)


def _cached(folder: AnnotatedFolder, backbone: Backbone, canvas_size: tuple[int, int]) -> Path:
    """Return where the cache keeps the features of these files; changed files, another backbone or canvas have another place."""
    files = []
    for entry in folder.entries:
        with contextlib.suppress(OSError):
            facts = entry.path.stat()
            files.append([str(entry.path.resolve()), facts.st_size, facts.st_mtime_ns])
    ids = [entry.id for entry in folder.entries]
    recipe = {"files": files, "ids": ids, "canvas": list(canvas_size), "backbone": dict(backbone.recipe)}
    return cache_dir("targeted_selection", "folders") / recipe_hash(recipe)


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
