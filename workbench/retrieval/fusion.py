"""From scores of templates to one score per picture, in two passes over a pool that does not fit the memory.

First the moments of the scores over the pool; then each picture's z-scores, which depend on the pool by these alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.retrieval.mining import COMBINATIONS
from workbench.retrieval.template import Template


@dataclass(frozen=True)
class Moments:
    """Count, mean (V,), sum of products of deviations (V, V) and largest magnitude (V,) of V numbers per picture, float64."""

    count: int
    mean: np.ndarray
    products: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Moments:
        """Return the moments of values (N, V)."""
        values = np.asarray(values, float)
        mean = values.mean(0) if len(values) else np.zeros(values.shape[1])
        centred = values - mean
        return cls(len(values), mean, centred.T @ centred, np.abs(values).max(0, initial=0))

    @classmethod
    def merged(cls, parts: Sequence[Moments]) -> Moments:
        """Return the moments of all parts together, in their order: Chan, Golub and LeVeque, 1979.

        >>> values = np.arange(12.0).reshape(6, 2) ** 2
        >>> whole, cut = Moments.of(values), Moments.merged([Moments.of(values[:1]), Moments.of(values[1:])])
        >>> [bool(np.allclose(getattr(whole, one), getattr(cut, one))) for one in ("mean", "products")]
        [True, True]
        """
        first, *others = parts
        count, mean, products, largest = first.count, first.mean, first.products, first.largest
        for other in others:
            if not other.count:
                continue
            step, total = other.mean - mean, count + other.count
            products = products + other.products + np.outer(step, step) * (count * other.count / total)
            mean = mean + step * (other.count / total)
            count, largest = total, np.maximum(largest, other.largest)
        return cls(count, mean, products, largest)

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviations (V,); exactly 0 for what is constant but for rounding."""
        deviation = np.sqrt(np.diag(self.products) / self.count)
        return np.where(deviation <= 1e-12 * self.largest, 0.0, deviation)


@dataclass(frozen=True)
class Fused:
    """N pictures, ranked by one number.

    Attributes:
        final: float64 (N,), what they are ranked by.
        z: float64 (N, O) z-scores of the objects, then of the negatives.
        boxes: float32 (N, O, 4).
    """

    final: np.ndarray
    z: np.ndarray
    boxes: np.ndarray

    def take(self, rows: np.ndarray) -> Fused:
        """Return some of the pictures."""
        return Fused(self.final[rows], self.z[rows], self.boxes[rows])

    @classmethod
    def concatenate(cls, parts: Sequence[Fused]) -> Fused:
        """Return the pictures of all parts."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("final", "z", "boxes")))


@dataclass(frozen=True)
class Fusion:
    """How the scores of T templates become one: :func:`~workbench.retrieval.mining.rank`, picture by picture.

    Attributes:
        columns: for each of the V pairs of an object and a stride, the templates (scales) of which the best counts.
        owners: for each object, and then for each negative, its columns.
        wanted: how many of these are objects.
        combine: of ``COMBINATIONS``.
    """

    columns: tuple[np.ndarray, ...]
    owners: tuple[np.ndarray, ...]
    wanted: int
    combine: str

    @classmethod
    def of(cls, objects: Sequence[Sequence[Template]], negatives: Sequence[Sequence[Template]], combine: str) -> Fusion:
        """Return the fusion of objects and negatives, each given by its templates."""
        columns, owners, first = [], [], 0
        for templates in (*objects, *negatives):
            strides = np.array([template.stride for template in templates])
            groups = [first + np.flatnonzero(strides == stride) for stride in np.unique(strides)]
            owners.append(len(columns) + np.arange(len(groups)))
            columns += groups
            first += len(templates)
        return cls(tuple(columns), tuple(owners), len(objects), combine)

    def moments(self, scores: np.ndarray) -> Moments:
        """Return the moments of the columns of scores (N, T)."""
        return Moments.of(np.stack([scores[:, which].max(1) for which in self.columns], 1))

    def fused(self, found: np.ndarray, moments: Moments) -> Fused:
        """Return N pictures of a pool with these moments, from (N, T, 5): score and box of every template."""
        rows = np.arange(len(found))
        best = np.stack([which[found[:, which, 0].argmax(1)] for which in self.columns], 1)
        values = found[rows[:, None], best, 0].astype(float)
        deviation = moments.deviation
        scale = np.where(deviation == 0, 0.0, 1 / np.where(deviation == 0, 1.0, deviation))
        columns = (values - moments.mean) * scale
        correlation = moments.products / moments.count * np.outer(scale, scale)
        z, boxes = [], []
        for own in self.owners:
            mean = columns[:, own].mean(1)
            spread = np.sqrt(max(correlation[np.ix_(own, own)].sum(), 0.0)) / len(own)
            z.append(np.zeros(len(found)) if spread <= 1e-7 else mean / spread)
            boxes.append(found[rows, best[rows, own[columns[:, own].argmax(1)]], 1:])
        z, boxes = np.stack(z, 1), np.stack(boxes, 1)
        final = COMBINATIONS[self.combine](z[:, : self.wanted], axis=1)
        if z.shape[1] > self.wanted:
            final = final - z[:, self.wanted :].mean(1)
        return Fused(final, z, boxes)


class Best:
    """The best pictures so far: ``top`` of them, or all where it is None; ties in pool order.

    Attributes:
        fused: of these pictures, the best first.
        places: int (N, 2): shard and row of each.
    """

    def __init__(self, top: int | None) -> None:
        self._top = top
        self.fused: Fused | None = None
        self.places = np.empty((0, 2), int)
        self._groups = np.empty(0, str)

    def add(self, fused: Fused, places: np.ndarray, groups: np.ndarray | None = None) -> None:
        """Look at more pictures, which come after all before in the pool; with ``groups`` the best of each group counts."""
        if self.fused is not None:
            fused = Fused.concatenate([self.fused, fused])
        places = np.concatenate([self.places, places])
        order = np.argsort(-fused.final, kind="stable")
        if groups is not None:
            groups = np.concatenate([self._groups, groups])
            _, first = np.unique(groups[order], return_index=True)
            order = order[np.sort(first)]
        order = order[: self._top]
        self.fused, self.places = fused.take(order), places[order]
        if groups is not None:
            self._groups = groups[order]
