"""Pools that open at once the second time: features, small pictures, truth and queries in a person's cache."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from workbench.datasets import AnnotatedImage, atomic_write, cache_dir, emoji_pool, emoji_street
from workbench.experiments.selection_pool import Pool, PoolConfig, Query, embed, make_queries
from workbench.retrieval import Backbone, Features, Letterbox, recipe_hash
from workbench.training import CancelToken, Progress, no_progress

FORMAT = 1
JPEG_QUALITY = 80
OBJECT_COLUMNS = {"image_id": str, "category": str, "style": str, "visible": float}
CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, eq=False)
class OpenPool:
    """A pool as a panel shows it.

    Attributes:
        pool: with features in float32, rounded to half precision once.
        pictures: JPEG of every picture, by name.
        queries: objects to look for, from scenes that are not in the pool.
    """

    pool: Pool
    pictures: dict[str, bytes]
    queries: tuple[Query, ...]


def open_pool(
    config: PoolConfig, backbone: Backbone, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> OpenPool:
    """Return a pool from the cache; draw and embed its scenes on two cores first when the cache does not have it.

    Raises:
        Cancelled: Stop was asked for; the cache is left as it was.
    """
    path = pool_path(config, backbone)
    if not path.is_file():
        entries = emoji_pool(config.scenes, config.first_seed, config.street)
        pictures: dict[str, bytes] = {}

        def keep(picture: AnnotatedImage) -> None:
            pictures[picture.id] = jpeg(picture.image)

        pool = embed(entries, backbone, progress, cancel, threads=2, on_picture=keep)
        _write(path, pool, pictures, make_queries(config))
    return _read(path, config)


def pool_path(config: PoolConfig, backbone: Backbone) -> Path:
    """Return where the cache has a pool; another recipe, configuration or generator has another place."""
    scene = emoji_street(config.first_seed, config.street).image
    facts = {
        "backbone": recipe_hash(backbone.recipe),
        "config": repr(config),
        "first scene": hashlib.sha256(scene.tobytes()).hexdigest(),
        "format": FORMAT,
    }
    return cache_dir("targeted_selection") / f"pool-{recipe_hash(facts)}.npz"


def jpeg(image: np.ndarray) -> bytes:
    """Return a picture, uint8 (height, width, 3), as JPEG.

    >>> jpeg(np.zeros((8, 8, 3), np.uint8))[:2] == bytes([0xFF, 0xD8])
    True
    """
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def _write(path: Path, pool: Pool, pictures: dict[str, bytes], queries: Iterable[Query]) -> None:
    data = [pictures[name] for name in pool.image_ids]
    facts = {"queries": [(query.scene.id, query.scene.annotations.index(query.target)) for query in queries]}
    arrays = {
        **{f"features_{stride}": maps.cpu().half().numpy() for stride, maps in pool.features.items()},
        "sizes": np.array([one.image_size for one in pool.features.letterboxes]),
        "pictures": np.frombuffer(b"".join(data), np.uint8),
        "ends": np.cumsum([len(one) for one in data]),
        "corners": pool.objects[list(CORNERS)].to_numpy(float),
        "facts": np.array(json.dumps(facts)),
        **{name: pool.objects[name].to_numpy().astype(kind) for name, kind in OBJECT_COLUMNS.items()},
    }
    with atomic_write(path) as temporary:
        np.savez(temporary, **arrays)


def _read(path: Path, config: PoolConfig) -> OpenPool:
    entries = emoji_pool(config.scenes, config.first_seed, config.street)
    with np.load(path) as file:
        maps = {
            int(name.removeprefix("features_")): torch.from_numpy(file[name]).float()
            for name in file.files
            if name.startswith("features_")
        }
        letterboxes = [Letterbox.fit(tuple(size)) for size in file["sizes"].tolist()]
        objects = pd.DataFrame({name: file[name] for name in OBJECT_COLUMNS})
        objects[list(CORNERS)] = file["corners"]
        data, ends = file["pictures"].tobytes(), file["ends"].tolist()
        facts = json.loads(str(file["facts"]))
    pictures = {entry.id: data[start:end] for entry, start, end in zip(entries, [0, *ends[:-1]], ends, strict=True)}
    queries = []
    for name, index in facts["queries"]:
        scene = emoji_street(int(name.removeprefix("street-")), config.street)
        queries.append(Query(scene, scene.annotations[index]))
    return OpenPool(Pool(tuple(entries), Features(maps, letterboxes), objects), pictures, tuple(queries))
