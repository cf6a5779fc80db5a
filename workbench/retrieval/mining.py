"""Mining: score every picture of a pool against objects of interest, and return the best within a labelling budget."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.retrieval.features import Box, Features
from workbench.retrieval.matching import Matches, match
from workbench.retrieval.template import Template

COMBINATIONS = {"mean": np.mean, "max": np.max, "min": np.min}
"""How several objects become one score: a soft AND or several views of one kind, OR, AND."""

Object = Template | Sequence[Template]
"""An object of interest: one template, or its templates at several strides and scales."""


@dataclass(frozen=True)
class Shard:
    """A part of the pool, small enough for the memory.

    Attributes:
        image_ids: N names.
        features: of these N pictures.
        groups: N names of the sequences (videos, drives) that the pictures come from; empty when each stands alone.

    Raises:
        ValueError: the lengths differ.
    """

    image_ids: tuple[str, ...]
    features: Features
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.features.letterboxes)
        if len(self.image_ids) != count or len(self.groups) not in (0, count):
            came = f"{len(self.image_ids)} image_ids and {len(self.groups)} groups"
            raise ValueError(f"{came} came with features of {count} pictures")


@dataclass(frozen=True)
class PoolScores:
    """Scores and places of T templates in N pictures of a pool, in pool order: what one shard sends on to be ranked.

    Attributes:
        image_ids: N names.
        matches: scores (N, T) and boxes (N, T, 4).
        groups: N sequences, or empty.
    """

    image_ids: tuple[str, ...]
    matches: Matches
    groups: tuple[str, ...] = ()

    @classmethod
    def concatenate(cls, parts: Sequence[PoolScores]) -> PoolScores:
        """Return the scores of all shards, in their order.

        Raises:
            ValueError: there is no picture at all, or only some shards know the groups of theirs.
        """
        parts = [part for part in parts if part.image_ids]
        if not parts:
            raise ValueError("pool is empty, expected at least one picture")
        if len({bool(part.groups) for part in parts}) > 1:
            raise ValueError("some shards of the pool have groups and others have none")
        scores, boxes = (
            np.concatenate([getattr(part.matches, name) for part in parts]) for name in ("scores", "boxes")
        )
        return cls(
            tuple(name for part in parts for name in part.image_ids),
            Matches(scores, boxes),
            tuple(name for part in parts for name in part.groups),
        )


@dataclass(frozen=True)
class Match:
    """A picture that was found.

    Attributes:
        image_id: its name.
        score: the value it was ranked by: combined z-scores.
        box: (x0, y0, x1, y1) in its pixels, of the object that it resembles most.
        boxes: one for each of the objects that were looked for.
    """

    image_id: str
    score: float
    box: Box
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Mining:
    """What :func:`mine` returns.

    Attributes:
        matches: the best first.
        table: a row per picture, in pool order without the excluded: image_id, group (where known), score, ``z_0``, ``z_1``, ...
            of the objects, ``negative_0``, ... of the negatives, and x0, y0, x1, y1 of the object that it resembles most.
    """

    matches: list[Match]
    table: pd.DataFrame


def mine(
    pool: Iterable[Shard],
    objects: Sequence[Object],
    *,
    combine: str = "mean",
    top: int | None = None,
    negatives: Sequence[Object] = (),
    exclude: Collection[str] = (),
    one_per_group: bool = False,
) -> Mining:
    """Return the pictures of a pool that contain the objects of interest, the best first (section 2, step 6).

    Each object has a z-score per picture: of its templates of one stride the best scale counts, standardised over the pool, and
    strides are averaged. ``combine`` makes one score of several objects, from which the mean of the negatives' z-scores is taken.

    Args:
        pool: shards, read once, in order.
        objects: one template each, or the templates of one object at several strides and scales, as
            :func:`~workbench.retrieval.template.object_templates` gives.
        combine: ``"mean"`` for several views of one kind of object or a soft AND, ``"max"`` for any of them, ``"min"`` for
            pictures that have them all.
        top: the labelling budget, pictures; more than there are gives all, and so does None.
        negatives: objects that the pictures should not resemble.
        exclude: names of pictures to leave out, such as the query's own, which would score 1.
        one_per_group: only the best picture of each sequence.

    Raises:
        ValueError: there is no object or no picture; an option is out of its range; groups are asked for but not known; or the
            features do not fit the templates.
    """
    check_options(objects, combine, top)
    templates = [template for one in (*objects, *negatives) for template in templates_of(one)]
    scores = PoolScores.concatenate([score_shard(shard, templates) for shard in pool])
    return rank(
        scores,
        objects,
        combine=combine,
        top=top,
        negatives=negatives,
        exclude=exclude,
        one_per_group=one_per_group,
    )


def score_shard(shard: Shard, templates: Sequence[Template]) -> PoolScores:
    """Return the scores of one shard, for :meth:`PoolScores.concatenate`; shards may be scored in any order and anywhere."""
    return PoolScores(shard.image_ids, match(templates, shard.features), shard.groups)


def rank(
    scores: PoolScores,
    objects: Sequence[Object],
    *,
    combine: str = "mean",
    top: int | None = None,
    negatives: Sequence[Object] = (),
    exclude: Collection[str] = (),
    one_per_group: bool = False,
) -> Mining:
    """Return what :func:`mine` does, from scores of the templates of all objects, then of all negatives, in their order.

    Raises:
        ValueError: as :func:`mine`; or the scores are of another number of templates, or one of them is not finite.
    """
    check_options(objects, combine, top)
    if one_per_group and not scores.groups:
        raise ValueError("one_per_group needs the groups of the pool's pictures, but the shards have none")
    wanted = sum(len(templates_of(one)) for one in (*objects, *negatives))
    if scores.matches.scores.shape[1] != wanted:
        raise ValueError(f"scores are of {scores.matches.scores.shape[1]} templates, the objects have {wanted}")
    excluded = set(exclude)
    kept = np.array([index for index, name in enumerate(scores.image_ids) if name not in excluded], int)
    if not len(kept):
        raise ValueError("pool is empty: every picture of it is excluded")
    values, boxes = scores.matches.scores[kept], scores.matches.boxes[kept]
    if len(bad := np.flatnonzero(~np.isfinite(values).all(1))):
        raise ValueError(f"the scores of {scores.image_ids[kept[bad[0]]]!r} are not finite: its features are damaged")
    z, places, first = [], [], 0
    for one in (*objects, *negatives):
        templates = templates_of(one)
        part = slice(first, first := first + len(templates))
        fused, box = _fuse(templates, values[:, part], boxes[:, part])
        z.append(fused)
        places.append(box)
    z, places = np.stack(z, 1), np.stack(places, 1)[:, : len(objects)]
    wanted_z, unwanted_z = z[:, : len(objects)], z[:, len(objects) :]
    final = COMBINATIONS[combine](wanted_z, axis=1)
    if len(negatives):
        final = final - unwanted_z.mean(1)
    ids = [scores.image_ids[index] for index in kept]
    groups = [scores.groups[index] for index in kept] if scores.groups else None
    chosen = _order(final, groups if one_per_group else None)[:top]
    nearest = places[np.arange(len(kept)), wanted_z.argmax(1)]
    matches = [
        Match(ids[index], float(final[index]), as_box(nearest[index]), tuple(as_box(box) for box in places[index]))
        for index in chosen
    ]
    return Mining(matches, table_of(ids, groups, final, wanted_z, unwanted_z, nearest))


def z_scores(values: np.ndarray) -> np.ndarray:
    """Return float64 values (N, ...) less their mean over the pool, divided by their standard deviation; zeros where that is 0.

    >>> z_scores(np.array([1.0, 3.0])).tolist(), z_scores(np.array([0.7])).tolist()
    ([-1.0, 1.0], [0.0])
    """
    values = np.asarray(values, float)
    centred = values - values.mean(0)
    deviation = values.std(0)
    constant = deviation <= 1e-12 * np.abs(values).max(0, initial=0)  # equal values leave rounding behind
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))


def _fuse(templates: Sequence[Template], scores: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one object's z-scores (N,) and boxes (N, 4) from its templates: maximum over scales, mean of z-scores over strides."""
    strides = np.array([template.stride for template in templates])
    rows = np.arange(len(scores))
    z, places = [], []
    for stride in np.unique(strides):
        which = np.flatnonzero(strides == stride)
        best = which[scores[:, which].argmax(1)]
        z.append(z_scores(scores[rows, best]))
        places.append(boxes[rows, best])
    z, places = np.stack(z, 1), np.stack(places, 1)
    return z_scores(z.mean(1)), places[rows, z.argmax(1)]


def _order(final: np.ndarray, groups: Sequence[str] | None) -> np.ndarray:
    """Return indices from the highest score to the lowest, ties in pool order; only the first of each group."""
    order = np.argsort(-final, kind="stable")
    if groups is None:
        return order
    _, first = np.unique(np.array(groups)[order], return_index=True)
    return order[np.sort(first)]


def table_of(
    ids: Sequence[str],
    groups: Sequence[str] | None,
    final: np.ndarray,
    wanted: np.ndarray,
    unwanted: np.ndarray,
    boxes: np.ndarray,
) -> pd.DataFrame:
    """Return the table of :class:`Mining` from its columns: ``wanted`` (N, objects) and ``unwanted`` (N, negatives) z-scores."""
    columns: dict[str, object] = {"image_id": ids}
    if groups is not None:
        columns["group"] = groups
    columns["score"] = final
    columns |= {f"z_{index}": values for index, values in enumerate(wanted.T)}
    columns |= {f"negative_{index}": values for index, values in enumerate(unwanted.T)}
    columns |= dict(zip(("x0", "y0", "x1", "y1"), boxes.T, strict=True))
    return pd.DataFrame(columns)


def templates_of(one: Object) -> tuple[Template, ...]:
    """Return the templates of an object of interest."""
    return (one,) if isinstance(one, Template) else tuple(one)


def check_options(objects: Sequence[Object], combine: str, top: int | None) -> None:
    """Raise ValueError when there is no object, or ``combine`` or ``top`` is out of its range."""
    if not len(objects) or not all(templates_of(one) for one in objects):
        raise ValueError("objects must hold at least one template each, and at least one object")
    if combine not in COMBINATIONS:
        raise ValueError(f"combine must be one of {', '.join(map(repr, COMBINATIONS))}, got {combine!r}")
    if top is not None and (isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1):
        raise ValueError(f"top must be a whole number of at least 1, or None, got {top!r}")


def as_box(values: np.ndarray) -> Box:
    """Return a box as four numbers of Python."""
    return tuple(float(value) for value in values)
