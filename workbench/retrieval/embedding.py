"""From pictures to a feature store, shard by shard, here or on many machines."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.datasets import Entry, SkippedImage, UnreadableImageError, load_images
from workbench.retrieval.backbone import Backbone, recipe_hash
from workbench.retrieval.compression import Encoding
from workbench.retrieval.execution import Scheduler, run_shards
from workbench.retrieval.features import Features, letterbox_batch
from workbench.retrieval.mining import Shard
from workbench.retrieval.store import SHARD_SIZE, FeatureStore
from workbench.retrieval.store_files import read_index, shard_folder, write_shard
from workbench.retrieval.store_manifest import MANIFEST, read_manifest
from workbench.training import CancelToken, Progress, no_progress

_LOG = logging.getLogger(__name__)
_MADE: dict[str, Backbone] = {}
_ALONE = threading.Lock()


def embed(
    entries: Sequence[Entry],
    backbone: Backbone | Callable[[], Backbone],
    path: str | os.PathLike[str],
    *,
    encoding: Encoding | None = None,
    canvas_size: tuple[int, int] | None = None,
    shard_size: int = SHARD_SIZE,
    groups: Sequence[str] = (),
    batch_size: int = 8,
    scheduler: Scheduler = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FeatureStore:
    """Write the features of a pool of pictures to a store; a run that was stopped or killed goes on where it was.

    Pictures that cannot be read are logged and listed in ``skipped`` of the store. Workers write their shards themselves, so
    ``path`` must mean the same folder on all of them; so must the paths of the pictures.

    Args:
        entries: of the pool, with different ids; shard k holds those from k ``shard_size`` on.
        backbone: one that can be pickled, or a function that makes it; each worker gets it once.
        path: a new or empty folder, or one with the same store.
        encoding: default half precision, all channels.
        canvas_size: (height, width) to which every picture is scaled; default the size of the first readable one.
        shard_size: pictures per shard.
        groups: of the entries (videos, drives), or empty.
        batch_size: pictures that go through the backbone together.
        scheduler: ``None``, ``"local"``, a number of workers, or a Dask scheduler; see
            :data:`~workbench.retrieval.execution.Scheduler`.
        progress: is told how many pictures are done.
        cancel: stops the run; what is written stays.

    Raises:
        Cancelled: Stop was asked for.
        FileExistsError: the folder holds something else.
        ValueError: there is no entry, two have one id, or none can be read; the store that is there was made of other entries or
            by another backbone.

    >>> import tempfile
    >>> from workbench.datasets import EmojiStreetConfig, emoji_pool
    >>> from workbench.retrieval import HogColourBackbone
    >>> entries = emoji_pool(3, config=EmojiStreetConfig(width=64, height=64))
    >>> store = embed(entries, HogColourBackbone(), Path(tempfile.mkdtemp()) / "pool", shard_size=2)
    >>> [shard.image_ids for shard in store], store.strides
    ([('street-000000', 'street-000001'), ('street-000002',)], (8,))
    """
    _check(entries, groups, batch_size)
    maker = backbone if hasattr(backbone, "features") else backbone()
    path = Path(path).expanduser()
    if canvas_size is None:
        canvas_size = _canvas_of(path) or _first_size(entries)
    parts = [slice(start, start + shard_size) for start in range(0, len(entries), shard_size)]
    options = {"encoding": encoding, "canvas_size": canvas_size, "shard_size": shard_size, "planned": len(parts)}
    store = FeatureStore.create(path, maker.recipe, **options)
    wanted = [_digest(entries[part], groups[part]) for part in parts]
    for number, record in store.records.items():
        if number >= len(parts) or record.entries != wanted[number]:
            raise ValueError(
                f"shard {number} of {path} was made of other entries than it would be now: give the entries of the first run, "
                "or another folder"
            )
    missing = store.missing
    done = len(entries) - sum(len(entries[parts[number]]) for number in missing)
    progress(done, len(entries), f"embedding {path.name}")

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress(done, len(entries), f"embedding {path.name}")
        if cancel is not None:
            cancel.raise_if_cancelled()

    job = _Job(backbone, recipe_hash(maker.recipe), store.path, store.manifest.encoding, canvas_size, batch_size)
    arguments = [(number, entries[parts[number]], groups[parts[number]], wanted[number]) for number in missing]
    ticks = tick if scheduler is None else None
    for index, _ in run_shards(_embed_shard, job, arguments, scheduler=scheduler, cancel=cancel, tick=ticks):
        store.add(missing[index])
        if scheduler is not None:
            tick(len(arguments[index][1]))
    return store


def compress(
    store: FeatureStore,
    path: str | os.PathLike[str],
    encoding: Encoding,
    *,
    scheduler: Scheduler = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> FeatureStore:
    """Write the same pictures with another encoding to another store, shard for shard, to be searched before the first one.

    Raises:
        Cancelled: Stop was asked for.
        FileExistsError: the folder holds something else.
        ValueError: the store that is there was made from another one; the encoding does not fit; or shards of ``store`` are
            missing, or it is compressed itself.
    """
    manifest = store.manifest
    if store.missing:
        raise ValueError(
            f"the store {store.path} lacks shards {store.missing[:5]}: its embedding was stopped; run it again"
        )
    if manifest.encoding.projections or manifest.encoding.dtype != "float16":
        raise ValueError(
            f"the store {store.path} is compressed itself: start from one in half precision with all channels"
        )
    options = {"canvas_size": manifest.canvas_size, "shard_size": manifest.shard_size, "planned": len(store.records)}
    small = FeatureStore.create(path, manifest.recipe, encoding=encoding, source=store.digest, **options)
    missing = small.missing
    job = (store, small.path, encoding)
    numbers = [(number,) for number in missing]
    for index, _ in run_shards(_compress_shard, job, numbers, scheduler=scheduler, cancel=cancel):
        small.add(missing[index])
        progress(len(small.records), len(store.records), f"compressing to {small.path.name}")
    return small


@dataclass(frozen=True)
class _Job:
    """What the shards of an embedding share."""

    backbone: Backbone | Callable[[], Backbone]
    recipe: str
    path: Path
    encoding: Encoding
    canvas_size: tuple[int, int]
    batch_size: int

    def loaded(self) -> Backbone:
        """Return the backbone; where it is a function that makes it, call that once in each process."""
        made = self.backbone
        if not hasattr(made, "features"):
            with _ALONE:
                if self.recipe not in _MADE:
                    _MADE.clear()
                    _MADE[self.recipe] = self.backbone()
                made = _MADE[self.recipe]
        if (came := recipe_hash(made.recipe)) != self.recipe:
            raise ValueError(f"the backbone is {came} on a worker and {self.recipe} where the run was started")
        return made


def _embed_shard(
    job: _Job,
    number: int,
    entries: Sequence[Entry],
    groups: Sequence[str],
    digest: str,
    tick: Callable[[int], object] = int,
) -> None:
    """Write one shard; if another worker has done so by then, all is well."""
    skipped: list[SkippedImage] = []
    paths = {entry.id: str(entry.path) for entry in entries if hasattr(entry, "path")}
    parts = _parts(job, entries, dict(zip([entry.id for entry in entries], groups, strict=bool(groups))), skipped, tick)
    write_shard(shard_folder(job.path, number), parts, job.encoding, entries=digest, paths=paths, skipped=skipped)


def _parts(
    job: _Job,
    entries: Sequence[Entry],
    group_of: Mapping[str, str],
    skipped: list[SkippedImage],
    tick: Callable[[int], object],
) -> Iterator[Shard]:
    """Yield the features of a shard's pictures, a batch at a time."""
    backbone = job.loaded()
    for start in range(0, len(entries), job.batch_size):
        batch = entries[start : start + job.batch_size]
        images = list(load_images(batch, skipped))
        if images:
            with _ALONE:  # backbones may keep what their layers have seen
                features = backbone.features(*letterbox_batch([image.image for image in images], job.canvas_size))
            whole = _finite(features, [image.id for image in images], skipped)
            ids = tuple(images[row].id for row in whole)
            groups = tuple(group_of[name] for name in ids) if group_of else ()
            yield Shard(ids, features if len(whole) == len(images) else features.select(whole), groups)
        tick(len(batch))


def _finite(features: Features, ids: Sequence[str], skipped: list[SkippedImage]) -> list[int]:
    """Return the pictures whose features are finite; the others are passed over like unreadable ones."""
    kept = []
    for row, name in enumerate(ids):
        if all(bool(maps[row].isfinite().all()) for maps in features.values()):
            kept.append(row)
        else:
            skipped.append(SkippedImage(name, "its features are not finite"))
            _LOG.warning("skipped %s: its features are not finite", name)
    return kept


def _compress_shard(job: tuple[FeatureStore, Path, Encoding], number: int, batch: int = 64) -> None:
    store, path, encoding = job
    shard = store.shard(number)
    rows = [slice(start, start + batch) for start in range(0, len(shard.image_ids), batch)]
    parts = (
        Shard(
            shard.image_ids[part],
            Features({stride: maps[part] for stride, maps in shard.features.items()}, shard.features.letterboxes[part]),
            shard.groups[part],
        )
        for part in rows
    )
    index = read_index(store.folder(number))
    paths = dict(zip(index.image_ids, index.paths, strict=True))
    write_shard(shard_folder(path, number), parts, encoding, entries=store.records[number].checksum, paths=paths)


def _canvas_of(path: Path) -> tuple[int, int] | None:
    """Return the canvas of a store that is there already."""
    return read_manifest(path)[0].canvas_size if (path / MANIFEST).is_file() else None


def _first_size(entries: Sequence[Entry]) -> tuple[int, int]:
    for entry in entries:
        try:
            return entry.load().image.shape[:2]
        except UnreadableImageError:
            continue
    raise ValueError(f"none of the {len(entries)} pictures can be read, the first is {entries[0].id!r}")


def _digest(entries: Sequence[Entry], groups: Sequence[str]) -> str:
    """Return 16 hexadecimal digits of the names and groups of a shard's entries."""
    names = json.dumps([[entry.id for entry in entries], list(groups)])
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _check(entries: Sequence[Entry], groups: Sequence[str], batch_size: int) -> None:
    if not len(entries):
        raise ValueError("entries is empty, expected at least one picture")
    if len(groups) not in (0, len(entries)):
        raise ValueError(f"groups has {len(groups)} names for {len(entries)} entries")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise ValueError(f"two entries have the id {entry.id!r}")
        seen.add(entry.id)
