"""Counts of a category and of its positives: every scheme of target encoding, at every strength, is a closed form of them.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023, equations 2 and 3; leave-one-out and
ordered statistics as in Prokhorenkova et al., "CatBoost", NeurIPS 2018, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from workbench.encoders.categories import Categories, Codes
from workbench.encoders.validation import Floats, check_strength, check_target


@dataclass(frozen=True)
class CategoryTable:
    """How many rows each category has, and how many of them are positive.

    Attributes:
        categories: the ``c`` categories.
        counts: (c,) rows ``n_i``, each at least 1.
        positives: (c,) positive rows ``n_iY``.
    """

    categories: Categories
    counts: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def prior(self) -> float:
        """The share of positives among all rows, ``n_Y / n``."""
        return float(self.positives.sum() / self.counts.sum())

    def means(self, smoothing: ArrayLike = 0.0) -> Floats:
        """Return the encoding of each category, ``(n_iY + m prior) / (n_i + m)``: equation 2 at ``m = 0``, equation 3 above.

        Args:
            smoothing: ``m`` of any shape, in rows; infinity gives the prior.

        Returns:
            The shape of ``smoothing``, then (c,).

        >>> table = TrainingColumn.of(["a", "a", "b"], [1, 0, 1]).table
        >>> table.means([0, 1, float("inf")]).round(3)
        array([[0.5  , 1.   ],
               [0.556, 0.833],
               [0.667, 0.667]])
        """
        return shrunk(self.positives, self.counts, check_strength(smoothing, "smoothing", True)[..., None], self.prior)

    def encode(self, codes: Codes, smoothing: float = 0.0) -> Floats:
        """Return the encoding of each row (n,) from its code (n,); a code of -1, an unseen category, gets the prior."""
        return np.append(self.means(smoothing), self.prior)[codes]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per category: ``category``, ``n``, ``positives`` and ``mean``."""
        return pd.DataFrame(
            {
                "category": self.categories.labels,
                "n": self.counts,
                "positives": self.positives,
                "mean": self.positives / self.counts,
            }
        )


@dataclass(frozen=True)
class TrainingColumn:
    """A column with its target: what the schemes that treat each training row by itself need besides the counts.

    Attributes:
        table: the counts.
        codes: (n,) category of each row.
        target: (n,) zeros and ones.
    """

    table: CategoryTable
    codes: Codes
    target: NDArray[np.int8]

    @classmethod
    def of(cls, column: ArrayLike, target: ArrayLike, name: str = "column") -> Self:
        """Count a column (n,) against a binary target (n,).

        Raises:
            TypeError: values of the column cannot be categories.
            ValueError: lengths differ, or the target is not binary 0/1 or has a single class.
        """
        categories, codes = Categories.of(column, name)
        target = check_target(target, len(codes))
        counts = np.bincount(codes, minlength=len(categories))
        positives = np.bincount(codes[target == 1], minlength=len(categories))
        return cls(CategoryTable(categories, counts, positives), codes, target)

    def mean(self, smoothing: float = 0.0) -> Floats:
        """Return the encoding (n,) of each row by :meth:`CategoryTable.means`."""
        return self.table.encode(self.codes, smoothing)

    def leave_one_out(self, smoothing: float = 0.0) -> Floats:
        """Return ``(n_iY - y_j + m prior) / (n_i - 1 + m)`` for each row ``j`` (n,); a category of one row gets the prior at m = 0.

        >>> TrainingColumn.of(["a", "a", "a", "b"], [1, 0, 1, 0]).leave_one_out()
        array([0.5, 1. , 0.5, 0.5])
        """
        table, m = self.table, check_strength(smoothing, "smoothing", True)
        others = table.positives[:, None] - np.arange(2)
        return shrunk(others, table.counts[:, None] - 1, m, table.prior)[self.codes, self.target]

    def ordered(self, smoothing: float = 1.0, order: Codes | None = None) -> Floats:
        """Return ``(earlier positives + m prior) / (earlier rows + m)`` of each row's own category (n,): CatBoost's statistic.

        Args:
            smoothing: ``m``, the ``a`` of CatBoost.
            order: (n,) row numbers in the order in which rows are seen, default as they come.

        >>> TrainingColumn.of(["a", "a", "a", "b"], [1, 0, 1, 0]).ordered(1.0)
        array([0.5 , 0.75, 0.5 , 0.5 ])
        """
        m = check_strength(smoothing, "smoothing", True)
        order = np.arange(len(self.codes)) if order is None else order
        grouped = order[np.argsort(self.codes[order], kind="stable")]
        starts = np.concatenate([[0], np.cumsum(self.table.counts)[:-1]])[self.codes[grouped]]
        before = np.concatenate([[0], np.cumsum(self.target[grouped], dtype=np.int64)])
        earlier_rows = np.arange(len(grouped)) - starts
        encoded = np.empty(len(grouped))
        encoded[grouped] = shrunk(before[:-1] - before[starts], earlier_rows, m, self.table.prior)
        return encoded

    def crossfit(self, folds: Codes, smoothing: float = 0.0) -> Floats:
        """Return the encoding (n,) that the rows outside a row's own fold give, with their own prior.

        Args:
            folds: (n,) fold number of each row, from 0, at least two folds.
            smoothing: ``m``; a category that no other fold has gets their prior at m = 0.

        Raises:
            ValueError: one fold holds all rows.
        """
        m, table, count = check_strength(smoothing, "smoothing", True), self.table, int(folds.max()) + 1
        cells = self.codes * count + folds
        shape = (len(table.counts), count)
        rows = np.bincount(cells, minlength=shape[0] * count).reshape(shape)
        positives = np.bincount(cells[self.target == 1], minlength=shape[0] * count).reshape(shape)
        outside = len(folds) - rows.sum(0)
        if not outside.all():
            raise ValueError("folds must be at least two, but one fold holds all rows")
        prior = (table.positives.sum() - positives.sum(0)) / outside
        encoded = shrunk(table.positives[:, None] - positives, table.counts[:, None] - rows, m, prior)
        return encoded[self.codes, folds]


def shrunk(positives: ArrayLike, rows: ArrayLike, smoothing: ArrayLike, prior: ArrayLike) -> Floats:
    """Return ``(positives + m prior) / (rows + m)``, the prior where ``m`` is infinite or where no row and no ``m`` is left."""
    positives, rows, m, prior = np.broadcast_arrays(positives, rows, smoothing, prior)
    finite = np.where(np.isinf(m), 0.0, m)
    weight = rows + finite
    nothing = np.isinf(m) | (weight == 0)
    return np.where(nothing, prior, (positives + finite * prior) / np.where(nothing, 1.0, weight))
