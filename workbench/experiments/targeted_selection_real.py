"""Targeted selection on real pixels, and what a stronger backbone buys: rankings by every method on photographs and video.

Kothawade et al., "Object-Level Targeted Selection via Deep Template Matching", IV 2022, claims C1 to C3 and C5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd
import torch

from workbench.datasets import emoji_pool
from workbench.experiments.real_backbones import BACKBONES
from workbench.experiments.real_pools import RealPool, crowded_table, cutouts_before_rooms, pedestrians
from workbench.experiments.selection_pool import PoolConfig, embed, make_queries
from workbench.experiments.targeted_selection_bench import (
    RANKING_COLUMNS,
    Array,
    Bench,
    match_queries,
    random_scores,
    ranking_row,
)
from workbench.retrieval import Backbone, crop_gem, gem, l2_normalise, letterbox_batch, r_mac
from workbench.training import CancelToken, Progress, no_progress

COLUMNS = ("dataset", "backbone", *RANKING_COLUMNS)
"""Columns of the table: those of the rankings of emoji street; ``x`` is the query object's share of its picture in percent."""

STREET = "emoji street"
PEDESTRIANS, TABLE, CUTOUTS = "pedestrians", "crowded table", "cut-outs"
REAL_POOLS: dict[str, Callable[[], RealPool]] = {
    TABLE: crowded_table,
    CUTOUTS: cutouts_before_rooms,
    PEDESTRIANS: pedestrians,
}
AS_DRAWN, RARE, SAME_PLACE = "as drawn", "rare", "same place"
SAME_THING, OTHER_THINGS = "same cut-out", "other cut-outs"
"""Settings: all pictures; positives thinned to a few; only pictures of one place, whose background tells nothing; and positives
that show the very pixels of the query's object, or only others of its kind."""
LEAST = 3
"""Positives and negatives that a place needs to be ranked on its own."""
DECIMALS = 4
CHUNK = 16
"""Pictures that are pooled to one vector at a time."""

Rows = Iterator[dict[str, object]]


@dataclass(frozen=True)
class RealConfig:
    """What to measure.

    Attributes:
        datasets: some of ``"crowded table"``, ``"cut-outs"``, ``"pedestrians"`` and ``"emoji street"``.
        backbones: names in :data:`~workbench.experiments.real_backbones.BACKBONES`.
        prevalence: share of positives to which pools are thinned whose objects are not rare.
        seeds: of the positives that stay.
        street: pool and queries of emoji street.
    """

    datasets: tuple[str, ...] = (*REAL_POOLS, STREET)
    backbones: tuple[str, ...] = tuple(BACKBONES)
    prevalence: float = 0.1
    seeds: tuple[int, ...] = (0, 1, 2)
    street: PoolConfig = field(default_factory=PoolConfig)

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Every data set with every backbone."""
        return list(product(self.datasets, self.backbones))


def measure_real(
    config: RealConfig = RealConfig(), progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Return all rankings, with :data:`COLUMNS`.

    Raises:
        NotInstalledError: a data set or the weights of a backbone are not on this machine.
        Cancelled: Stop was asked for.
    """
    parts = [measure_part(config, *part, progress, cancel) for part in config.parts]
    return pd.concat(parts, ignore_index=True)


def measure_part(
    config: RealConfig,
    dataset: str,
    backbone: str,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> pd.DataFrame:
    """Return the rankings of one data set by one backbone.

    Args:
        config: of the measurement.
        dataset, backbone: one of its names each.
        progress: called before each picture.
        cancel: looked at before each picture.

    Raises:
        NotInstalledError: the data set or the weights are not on this machine, and the message says how to get them.
        Cancelled: Stop was asked for.
    """

    def named(done: int, total: int, message: str = "") -> None:
        progress(done, total, f"{dataset}, {backbone}: {message}")

    network = BACKBONES[backbone]()
    rows = _part_rows(config, dataset, network, named, cancel)
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("dataset", "backbone")])
    return frame.assign(dataset=dataset, backbone=backbone)[list(COLUMNS)].round(DECIMALS)


def summary(rankings: pd.DataFrame) -> pd.DataFrame:
    """Return what the rankings of each method come to.

    Returns:
        A row per dataset, setting, backbone, method and stride: ``map`` (mean AP over queries of their means over seeds),
        ``standard_error`` of it over the queries, ``between_seeds`` (standard deviation of the mAP of each seed), ``chance`` (mean
        share of positives), ``object_area`` (median share of the query's picture in percent), ``queries``.
    """
    keys = ["dataset", "setting", "backbone", "method", "stride"]
    rankings = rankings.assign(share=rankings["positives"] / rankings["scenes"], stride=rankings["stride"].fillna(""))
    rows = []
    for key, part in rankings.groupby(keys, sort=False):
        of_query = part.groupby(["category", "query"])["ap"].mean()
        of_seed = part.groupby("seed")["ap"].mean()
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "map": of_query.mean(),
                "standard_error": of_query.sem(),
                "between_seeds": of_seed.std(ddof=0),
                "chance": part["share"].mean(),
                "object_area": part["x"].median(),
                "queries": len(of_query),
            }
        )
    return pd.DataFrame(rows)


def thinned(positives: Array, comparable: Array, prevalence: float, seed: int) -> Array:
    """Return bool (N,): the comparable negatives, and so many positives, drawn at random, that they are the wanted share.

    All positives stay where there are fewer, and at least one stays.

    >>> kept = thinned(np.arange(100) < 50, np.ones(100, bool), 0.1, seed=0)
    >>> int(kept[:50].sum()), int(kept[50:].sum())
    (6, 50)
    """
    kept = comparable & ~positives
    count = max(1, round(prevalence / (1 - prevalence) * kept.sum()))
    places = np.flatnonzero(comparable & positives)
    kept[np.random.default_rng([seed, len(places)]).permutation(places)[:count]] = True
    return kept


def score_all(bench: Bench) -> dict[tuple[str, str], Array]:
    """Return scores (N, Q) by method and stride; strides are fused by the mean of their z-scores."""
    strides = bench.pool.features.strides
    scores = {("random", ""): random_scores(bench)}
    matched = match_queries(bench, strides)
    for stride in strides:
        template = [next(one for one in objects if one.stride == stride) for objects in matched.objects]
        seen = [one[stride] for one in bench.seen]
        maps, name = bench.pool.features[stride], str(stride)
        scores["DTM", name] = matched.each((stride,))
        scores["GeM", name] = _pooled([maps], gem) @ _pooled(seen, gem).T
        scores["R-MAC", name] = _pooled([maps], r_mac) @ _pooled(seen, r_mac).T
        scores["average", name] = _pooled([maps], _average) @ _pooled(seen, _average).T
        objects = torch.cat([crop_gem(one) for one in template]).numpy()
        scores["crop-GeM", name] = _pooled([maps], lambda part: gem(l2_normalise(part))) @ objects.T
    if len(strides) > 1:
        scores["DTM", "+".join(map(str, strides))] = matched.each()
    return scores


def _pooled(maps: Sequence[torch.Tensor], describe: Callable[[torch.Tensor], torch.Tensor]) -> Array:
    """Return one vector per picture, (N, C), a few pictures at a time."""
    return torch.cat([describe(part.float()) for one in maps for part in one.split(CHUNK)]).numpy()


def _average(maps: torch.Tensor) -> torch.Tensor:
    """Return mean vectors, (N, C) of length 1: unlike GeM they keep the negative values that networks without a last ReLU have."""
    return l2_normalise(maps.mean((2, 3)))


def _street_pool(config: PoolConfig) -> RealPool:
    entries = emoji_pool(config.scenes, config.first_seed, config.street)
    queries = make_queries(config)
    return RealPool(tuple(entries), tuple(queries), np.ones((len(entries), len(queries)), bool))


def _part_rows(
    config: RealConfig,
    dataset: str,
    backbone: Backbone,
    progress: Progress,
    cancel: CancelToken | None,
) -> Rows:
    pool = _street_pool(config.street) if dataset == STREET else REAL_POOLS[dataset]()
    bench = _bench(pool, backbone, progress, cancel)
    scores, truth = score_all(bench), bench.truth
    if dataset in (STREET, CUTOUTS):
        yield from _rows(bench, scores, truth, pool.comparable, AS_DRAWN, seed=0)
    if dataset == CUTOUTS:
        same = np.stack([bench.pool.shows(one.category, style=one.target.style) for one in bench.queries], 1)
        for setting, wanted in ((SAME_THING, same), (OTHER_THINGS, truth & ~same)):
            yield from _rows(bench, scores, wanted, ~truth | wanted, setting, seed=0)
    if dataset in (TABLE, PEDESTRIANS):
        for seed in config.seeds:
            columns = zip(truth.T, pool.comparable.T, strict=True)
            kept = np.stack([thinned(*column, config.prevalence, seed) for column in columns], 1)
            yield from _rows(bench, scores, truth, kept, RARE, seed)
    if pool.places is not None:
        yield from _place_rows(bench, scores, truth, pool)


def _bench(pool: RealPool, backbone: Backbone, progress: Progress, cancel: CancelToken | None) -> Bench:
    """Return pool and queries as a backbone sees them, in half precision: a large network's maps take gigabytes."""
    halved = _Halved(backbone)
    seen = tuple(halved.features(*letterbox_batch([query.scene.image])) for query in pool.queries)
    return Bench(embed(pool.entries, halved, progress, cancel), pool.queries, seen, seed=0)


class _Halved:
    """A backbone whose features are rounded to half precision."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone, self.strides, self.recipe = backbone, backbone.strides, backbone.recipe

    def features(self, images, letterboxes=None):
        seen = self._backbone.features(images, letterboxes)
        return type(seen)({stride: maps.half() for stride, maps in seen.items()}, seen.letterboxes)


def _rows(
    bench: Bench, scores: dict[tuple[str, str], Array], truth: Array, kept: Array, setting: str, seed: int
) -> Rows:
    """Yield a row per method and query that has a positive among the pictures that are kept (N, Q)."""
    for (method, stride), values in scores.items():
        for index in range(len(bench.queries)):
            part = kept[:, index]
            if truth[part, index].any():
                labels = _labels(bench, index, method, stride, setting, seed)
                yield ranking_row(values[part, index], truth[part, index], **labels)


def _place_rows(bench: Bench, scores: dict[tuple[str, str], Array], truth: Array, pool: RealPool) -> Rows:
    """Yield a row per method and query: the mean over places that show enough positives and negatives, each ranked alone."""
    for (method, stride), values in scores.items():
        for index in range(len(bench.queries)):
            rows = []
            for place in np.unique(pool.places):
                part = pool.comparable[:, index] & (pool.places == place)
                wanted = truth[part, index]
                if min(wanted.sum(), (~wanted).sum()) >= LEAST:
                    rows.append(ranking_row(values[part, index], wanted))
            if rows:
                yield _labels(bench, index, method, stride, SAME_PLACE, 0) | pd.DataFrame(rows).mean().to_dict()


def _labels(bench: Bench, index: int, method: str, stride: str, setting: str, seed: int) -> dict[str, object]:
    query = bench.queries[index]
    x0, y0, x1, y1 = query.target.box
    share = 100 * (x1 - x0) * (y1 - y0) / (query.scene.image.shape[0] * query.scene.image.shape[1])
    labels = {"experiment": "real", "setting": setting, "x": share, "method": method, "stride": stride}
    return labels | {"category": query.category, "seed": seed, "query": str(index)}
