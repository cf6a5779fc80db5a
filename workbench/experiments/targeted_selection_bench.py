"""A pool and its queries as one backbone sees them, the score of every picture by every method, and what a ranking is worth."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from workbench.datasets.annotated_images import Box
from workbench.experiments.selection_pool import Pool, PoolConfig, Query, make_pool, make_queries
from workbench.metrics.retrieval import average_precision, precision_at, recall_at
from workbench.retrieval import (
    Backbone,
    Features,
    Matches,
    PoolScores,
    Template,
    Whitening,
    crop_gem,
    gem,
    l2_normalise,
    letterbox_batch,
    r_mac,
    rank,
    regional_maxima,
    score_shard,
)
from workbench.training import CancelToken, Progress, no_progress

RANKING_COLUMNS = (
    *("experiment", "setting", "x", "method", "stride", "category", "seed", "query", "scenes", "positives"),
    *("ap", "recall_10", "recall_20", "recall_40", "precision_10"),
)
"""Columns of the table of rankings: one row a ranking of a pool by one query (or one set of queries).

``experiment`` says what is swept, ``x`` is its number, ``setting`` its word; ``stride`` is a text such as ``"8+16"``.
"""

WHITENED_COMPONENTS = 16
"""Components that R-MAC keeps of its regional vectors when it whitens them."""

SHRINKAGE = 0.1
"""Share of the mean variance of cells that is added to each direction before they are decorrelated."""

Array = np.ndarray
Rows = Iterator[dict[str, object]]


@dataclass(frozen=True, eq=False)
class Bench:
    """A pool and queries that are not in it.

    Attributes:
        pool: N scenes with features and truth.
        queries: Q objects.
        seen: features of the Q query pictures, one each.
        seed: of the pool.
    """

    pool: Pool
    queries: tuple[Query, ...]
    seen: tuple[Features, ...]
    seed: int

    @cached_property
    def truth(self) -> Array:
        """Bool (N, Q): whether each scene shows an object of the query's class."""
        return np.stack([self.pool.shows(query.category) for query in self.queries], 1)

    def changed(self, change: Callable[[Features], Features]) -> Bench:
        """Return the same pool and queries with other features."""
        pool = Pool(self.pool.entries, change(self.pool.features), self.pool.objects)
        return Bench(pool, self.queries, tuple(change(one) for one in self.seen), self.seed)

    def of(self, category: str) -> list[int]:
        """Return which of the queries are of a class."""
        return [index for index, query in enumerate(self.queries) if query.category == category]


def make_bench(
    config: PoolConfig,
    backbone: Backbone,
    seed: int,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Bench:
    """Draw pool and queries and compute their features."""
    pool, queries = make_pool(config, backbone, progress, cancel), make_queries(config)
    seen = tuple(backbone.features(*letterbox_batch([query.scene.image])) for query in queries)
    return Bench(pool, tuple(queries), seen, seed)


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of Q objects' templates in a pool, from which rankings are made as :func:`workbench.retrieval.mine` makes them.

    Attributes:
        objects: the templates of each of the Q objects, at one or several strides and scales.
        scores: of all these templates, in that order.
    """

    objects: Sequence[Sequence[Template]]
    scores: PoolScores

    @property
    def templates(self) -> list[Template]:
        """All templates, object by object."""
        return [template for one in self.objects for template in one]

    def combined(
        self, which: Sequence[int], strides: Sequence[int] = (), combine: str = "mean", negatives: Sequence[int] = ()
    ) -> Array:
        """Return one score per picture (N,) of the objects ``which``, at all their strides unless some are named."""
        wanted, columns = [], []
        starts = np.cumsum([0, *map(len, self.objects)])
        for index in (*which, *negatives):
            kept = [i for i, one in enumerate(self.objects[index]) if not strides or one.stride in strides]
            wanted.append([self.objects[index][i] for i in kept])
            columns += [starts[index] + i for i in kept]
        matches = Matches(self.scores.matches.scores[:, columns], self.scores.matches.boxes[:, columns])
        part = PoolScores(self.scores.image_ids, matches)
        ranked = rank(part, wanted[: len(which)], combine=combine, negatives=wanted[len(which) :])
        return ranked.table["score"].to_numpy()

    def each(self, strides: Sequence[int] = ()) -> Array:
        """Return the scores (N, Q) by each object alone."""
        return np.stack([self.combined([index], strides) for index in range(len(self.objects))], 1)


def cut_templates(
    seen: Features, box: Box, strides: Sequence[int], padding: float = 0, **options: object
) -> list[Template]:
    """Return the templates of a box that is grown by ``padding`` pixels on each side, inside the picture.

    A box that would vanish keeps two pixels a side. That objects smaller than a cell give poor templates is measured here, so
    the warning about them is left out.
    """
    height, width = seen.letterboxes[0].image_size
    sides = []
    for low, high, limit in ((box[0], box[2], width), (box[1], box[3], height)):
        middle, half = (low + high) / 2, max((high - low) / 2 + padding, 1.0)
        sides.append((max(middle - half, 0.0), min(middle + half, float(limit))))
    grown = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the object covers")
        return [Template.from_box(seen, grown, (height, width), stride=stride, **options) for stride in strides]


def match_queries(bench: Bench, strides: Sequence[int], padding: float = 0, **options: object) -> Scored:
    """Return what deep template matching gives for every query of a bench; options as :meth:`Template.from_box`."""
    objects = [
        cut_templates(seen, query.target.box, strides, padding, **options)
        for seen, query in zip(bench.seen, bench.queries, strict=True)
    ]
    return score_objects(bench, objects)


def score_objects(bench: Bench, objects: Sequence[Sequence[Template]]) -> Scored:
    """Return the scores of any objects in a bench's pool."""
    return Scored(objects, score_shard(bench.pool.shard, [template for one in objects for template in one]))


def gem_scores(bench: Bench, stride: int, p: float = 3.0) -> Array:
    """Return cosines (N, Q) of whole pictures by generalised means."""
    pool, queries = (torch.cat([gem(one[stride], p) for one in many]) for many in ([bench.pool.features], bench.seen))
    return (pool @ queries.T).numpy()


def crop_gem_scores(bench: Bench, stride: int) -> Array:
    """Return cosines (N, Q) of the pooled object with pooled whole pictures."""
    pool = gem(l2_normalise(bench.pool.features[stride]))
    queries = torch.cat(
        [
            crop_gem(cut_templates(seen, query.target.box, [stride])[0])
            for seen, query in zip(bench.seen, bench.queries, strict=True)
        ]
    )
    return (pool @ queries.T).numpy()


def r_mac_scores(bench: Bench, stride: int, whiten: bool = False) -> Array:
    """Return cosines (N, Q) of regional maximum activations; whitening learns from the pool."""
    whitening = None
    if whiten:
        regions = regional_maxima(bench.pool.features[stride])
        whitening = Whitening.fit(regions, WHITENED_COMPONENTS)
    pool, queries = (
        torch.cat([r_mac(one[stride], whitening=whitening) for one in many])
        for many in ([bench.pool.features], bench.seen)
    )
    return (pool @ queries.T).numpy()


def random_scores(bench: Bench) -> Array:
    """Return scores (N, Q) that know nothing."""
    return np.random.default_rng([bench.seed, 7]).random((len(bench.pool.entries), len(bench.queries)))


def ranking_row(scores: Array, positives: Array, **labels: object) -> dict[str, object]:
    """Return what one ranking is worth, with labels of :data:`RANKING_COLUMNS`.

    Args:
        scores: (N,).
        positives: bool (N,), at least one of them true.
    """
    recalls = {f"recall_{k}": recall_at(scores, positives, k) for k in (10, 20, 40)}
    return {
        **labels,
        "scenes": len(scores),
        "positives": int(positives.sum()),
        "ap": average_precision(scores, positives),
        **recalls,
        "precision_10": precision_at(scores, positives, 10),
    }


def ranking_rows(
    bench: Bench, scores: Array, *, truth: Array | None = None, kept: Array | None = None, **labels: object
) -> Rows:
    """Yield a row per query that has a positive.

    Args:
        bench: whose queries.
        scores: (N, Q).
        truth: bool (N, Q), default that of the bench.
        kept: bool (N, Q), the scenes that count; default all.
        **labels: experiment, setting, x, method and stride.
    """
    truth = bench.truth if truth is None else truth
    for index, query in enumerate(bench.queries):
        part = np.ones(len(scores), bool) if kept is None else kept[:, index]
        if truth[part, index].any():
            yield ranking_row(
                scores[part, index],
                truth[part, index],
                **labels,
                category=query.category,
                seed=bench.seed,
                query=str(index),
            )


def standardiser(features: Features, strides: Sequence[int], kind: str) -> Callable[[Features], Features]:
    """Return a change of features that is learned from all cells of a pool.

    Args:
        features: of the pool.
        strides: of the maps that are changed and kept.
        kind: ``"centred"``, less the mean cell; ``"scaled"``, each channel then divided by its standard deviation; or
            ``"decorrelated"``, multiplied instead by ``(Sigma + a tenth of the mean variance)^(-1/2)`` with the cells'
            covariance Sigma, so that what is common in the pool, such as the texture of road and brick, counts less (Hariharan,
            Malik, Ramanan, "Discriminative decorrelation for clustering and classification", ECCV 2012).
    """
    changes: dict[int, tuple[Tensor, Tensor]] = {}
    for stride in strides:
        cells = features[stride].permute(0, 2, 3, 1).reshape(-1, features[stride].shape[1])
        matrix = torch.eye(cells.shape[1])
        if kind == "scaled":
            matrix = torch.diag(1 / cells.std(0))
        elif kind == "decorrelated":
            covariance = torch.cov(cells.T).double()
            values, axes = torch.linalg.eigh(covariance)
            matrix = (axes / (values + SHRINKAGE * values.mean()).sqrt() @ axes.T).float()
        changes[stride] = cells.mean(0), matrix

    def change(one: Features) -> Features:
        maps = {
            stride: torch.einsum("nchw,cd->ndhw", one[stride] - mean[:, None, None], matrix)
            for stride, (mean, matrix) in changes.items()
        }
        return Features(maps, one.letterboxes)

    return change
