"""Mining a feature store of any size: scores of every shard, wherever they are computed, then the best in flat memory.

z-scores are over the whole pool, so nothing can be ranked before every shard has been scored. The scores, 20 bytes per picture and
template, are therefore written to files; then two passes over these, one shard at a time, find mean and covariance of the pool and
the best pictures.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from workbench.datasets.files import atomic_write, cache_dir
from workbench.retrieval.execution import Scheduler, run_shards
from workbench.retrieval.fusion import Best, Fusion, Moments
from workbench.retrieval.matching import match
from workbench.retrieval.mining import (
    Match,
    Mining,
    Object,
    as_box,
    check_options,
    table_of,
    templates_of,
)
from workbench.retrieval.store import FeatureStore
from workbench.retrieval.store_files import map_array, read_features, read_index, shard_folder
from workbench.retrieval.template import Template
from workbench.training import CancelToken, Progress, no_progress


def mine_store(
    store: FeatureStore,
    objects: Sequence[Object],
    *,
    combine: str = "mean",
    top: int | None = None,
    negatives: Sequence[Object] = (),
    exclude: Collection[str] = (),
    one_per_group: bool = False,
    scheduler: Scheduler = None,
    scores: str | os.PathLike[str] | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Mining:
    """Return the pictures of a store that contain the objects of interest, the best first, as :func:`~workbench.retrieval.mine`.

    The answer is the same wherever the shards are scored, and with ``top`` the memory does not grow with the pool.

    Args:
        store: of features by the backbone that made the templates.
        objects, combine, top, negatives, exclude, one_per_group: as of :func:`~workbench.retrieval.mine`; templates are projected
            as the store's features are.
        scheduler: ``None``, ``"local"``, a number of workers, or a Dask scheduler; see
            :data:`~workbench.retrieval.execution.Scheduler`.
        scores: a folder in which the scores of finished shards stay, so that the same search goes on there when it was killed;
            None for one in the cache that is removed at the end.
        progress: is told how many pictures are scored.
        cancel: stops the search.

    Returns:
        The matches; its table has rows for these only, the best first.

    Raises:
        Cancelled: Stop was asked for.
        ValueError: as :func:`~workbench.retrieval.mine`.

    Warns:
        UserWarning: the store is not finished.
    """
    check_options(objects, combine, top)
    if not len(store):
        raise ValueError("pool is empty, expected at least one picture")
    if store.missing:
        said = (
            f"{len(store.missing)} of {store.manifest.planned} shards: its embedding was stopped; run it again to go on"
        )
        warnings.warn(f"the store {store.path} lacks {said}", stacklevel=2)
    templates = [store.manifest.encoding.project(one) for part in (*objects, *negatives) for one in templates_of(part)]
    objects = [templates_of(one) for one in objects]
    negatives = [templates_of(one) for one in negatives]
    templates = [store.manifest.encoding.project(template) for one in (*objects, *negatives) for template in one]
    with _folder(scores, store, templates) as folder:
        _score(store, templates, folder, scheduler, progress, cancel)
        fusion, skip = Fusion.of(objects, negatives, combine), frozenset(exclude)
        moments = Moments.merged(
            [fusion.moments(_values(folder, n)[_kept(store, n, skip), :, 0]) for n in store.numbers]
        )
        if not moments.count:
            raise ValueError("pool is empty: every picture of it is excluded")
        best = Best(top)
        for number in store.numbers:
            kept, values = _kept(store, number, skip), _values(folder, number)
            _check_finite(store, number, values, kept)
            groups = _groups(store, number)[kept] if one_per_group else None
            best.add(fusion.fused(values[kept], moments), np.stack([np.full(len(kept), number), kept], 1), groups)
    return _mining(store, best, len(objects))


def _score(
    store: FeatureStore,
    templates: Sequence[Template],
    folder: Path,
    scheduler: Scheduler,
    progress: Progress,
    cancel: CancelToken | None,
) -> None:
    """Write the scores of all shards that are not in the folder yet."""
    left = [number for number in store.numbers if not _scores_of(folder, number).is_file()]
    done, said = len(store) - sum(store.records[number].images for number in left), f"mining {store.path.name}"
    progress(done, len(store), said)
    shared, numbers = (store.path, templates), [(number,) for number in left]
    for index, found in run_shards(_score_shard, shared, numbers, scheduler=scheduler, cancel=cancel):
        with atomic_write(_scores_of(folder, left[index])) as temporary:
            np.save(temporary, found)
        done += store.records[left[index]].images
        progress(done, len(store), said)


def _score_shard(shared: tuple[Path, Sequence[Template]], number: int) -> np.ndarray:
    """Return float32 (n, T, 5): score and box of every picture and template."""
    path, templates = shared
    found = match(templates, read_features(shard_folder(path, number)))
    return np.concatenate([found.scores[..., None], found.boxes], 2)


def _scores_of(folder: Path, number: int) -> Path:
    return folder / f"scores-{number:05d}.npy"


def _values(folder: Path, number: int) -> np.ndarray:
    return map_array(_scores_of(folder, number))


def _kept(store: FeatureStore, number: int, exclude: frozenset[str]) -> np.ndarray:
    """Return the rows of a shard that are not excluded."""
    if not exclude:
        return np.arange(store.records[number].images)
    names = read_index(store.folder(number)).image_ids
    return np.array([row for row, name in enumerate(names) if name not in exclude], int)


def _groups(store: FeatureStore, number: int) -> np.ndarray:
    groups = read_index(store.folder(number)).groups
    if not groups:
        raise ValueError("one_per_group needs the groups of the pool's pictures, but the store has none")
    return np.array(groups)


def _check_finite(store: FeatureStore, number: int, values: np.ndarray, kept: np.ndarray) -> None:
    if len(bad := np.flatnonzero(~np.isfinite(values[kept, :, 0]).all(1))):
        name = read_index(store.folder(number)).image_ids[kept[bad[0]]]
        raise ValueError(f"the scores of {name!r} are not finite: its features are damaged")


def _mining(store: FeatureStore, best: Best, wanted: int) -> Mining:
    """Return the best pictures by name."""
    indexes = {number: read_index(store.folder(number)) for number in np.unique(best.places[:, 0])}
    ids = [indexes[number].image_ids[row] for number, row in best.places]
    grouped = all(index.groups for index in indexes.values())
    groups = [indexes[number].groups[row] for number, row in best.places] if grouped else None
    z, boxes = best.fused.z, best.fused.boxes[:, :wanted]
    nearest = boxes[np.arange(len(ids)), z[:, :wanted].argmax(1)]
    matches = [
        Match(name, float(score), as_box(box), tuple(as_box(one) for one in every))
        for name, score, box, every in zip(ids, best.fused.final, nearest, boxes, strict=True)
    ]
    return Mining(matches, table_of(ids, groups, best.fused.final, z[:, :wanted], z[:, wanted:], nearest))


@contextmanager
def _folder(
    scores: str | os.PathLike[str] | None, store: FeatureStore, templates: Sequence[Template]
) -> Iterator[Path]:
    """Yield the folder of this search: one that stays, named by what is searched for, or one that vanishes."""
    if scores is None:
        with tempfile.TemporaryDirectory(dir=cache_dir("mining")) as folder:
            yield Path(folder)
        return
    digest = hashlib.sha256(store.digest.encode())
    for template in templates:
        digest.update(repr((template.cells, template.stride, template.outline)).encode())
        digest.update(template.vectors.cpu().numpy().tobytes() + template.weights.cpu().numpy().tobytes())
    yield Path(scores).expanduser() / digest.hexdigest()[:16]
