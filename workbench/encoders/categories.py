"""The distinct values of a column in a fixed order, and their codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Codes = NDArray[np.intp]

MISSING = "(missing)"
"""How a missing value is written where a category needs a text."""


@dataclass(frozen=True)
class Categories:
    """Distinct values of a column; missing values (None, NaN, NA, NaT alike), where there are any, are one more at the end.

    Attributes:
        known: (c,) the values that are not missing: sorted where they can be, a Categorical keeps its own order.
        missing: whether the column has missing values.

    >>> categories, codes = Categories.of(["b", "a", None, "b"])
    >>> categories.labels, codes
    (['a', 'b', '(missing)'], array([1, 0, 2, 1]))
    >>> categories.code(["a", "c", float("nan")])
    array([ 0, -1,  2])
    """

    known: pd.Index
    missing: bool

    @classmethod
    def of(cls, column: ArrayLike, name: str = "column") -> tuple[Self, Codes]:
        """Return the categories that occur in ``column`` (n,) and the code (n,) of each row; those that do not occur are left out.

        Raises:
            TypeError: the values of ``name`` cannot be categories, as lists cannot.
        """
        values = _one_column(column, name)
        if isinstance(values.dtype, pd.CategoricalDtype):
            codes, known = values.cat.codes.to_numpy(np.intp), values.cat.categories
            used = np.bincount(codes[codes >= 0], minlength=len(known)) > 0
            order = np.flatnonzero(used)
        else:
            plain = values.to_numpy(object) if isinstance(values.dtype, pd.StringDtype) else values  # a third sooner
            try:
                codes, known = pd.factorize(plain)
            except TypeError as error:
                raise TypeError(f"{name} holds values that cannot be categories: {error}") from None
            known = pd.Index(known)
            order = _sorted(known)
        new_code = np.full(len(known) + 1, -1)
        new_code[order] = np.arange(len(order))
        missing = bool((codes < 0).any())
        new_code[-1] = len(order) if missing else -1
        return cls(known[order], missing), new_code[codes]

    def __len__(self) -> int:
        return len(self.known) + self.missing

    @property
    def labels(self) -> list[Any]:
        """The categories, the missing one written :data:`MISSING`."""
        return [*self.known, *[MISSING] * self.missing]

    def code(self, column: ArrayLike, name: str = "column") -> Codes:
        """Return the code (n,) of each value of ``column``, -1 where it is none of these categories."""
        values = _one_column(column, name)
        if isinstance(values.dtype, pd.CategoricalDtype):
            absent = values.cat.codes.to_numpy() < 0
            codes = np.append(self.known.get_indexer(values.cat.categories), -1)[values.cat.codes.to_numpy()]
        else:
            absent = values.isna().to_numpy()
            codes = self.known.get_indexer(pd.Index(values))
        return np.where(absent, len(self.known) if self.missing else -1, codes)


def _one_column(column: ArrayLike, name: str) -> pd.Series:
    values = column if isinstance(column, pd.Series) else pd.Series(column)
    if not len(values):
        raise ValueError(f"{name} has no rows; expected at least one")
    return values


def _sorted(known: pd.Index) -> Codes:
    try:
        return np.asarray(known.argsort(), np.intp)
    except TypeError:  # of several types: the order in which they occur
        return np.arange(len(known))
