"""The target encoder of the paper with its two regularisers, and the schemes that keep a row's own target out of its encoding."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import ClassifierTags

from workbench.encoders.categories import Codes
from workbench.encoders.category_table import CategoryTable, TrainingColumn
from workbench.encoders.columns import ColumnEncoder, Columns, with_columns
from workbench.encoders.validation import (
    Floats,
    check_choice,
    check_strength,
    check_target,
    check_whole,
    listed,
)

Scheme = Literal["mean", "loo", "ordered", "crossfit"]
SCHEMES = ("mean", "loo", "ordered", "crossfit")


class TargetEncoder(ColumnEncoder):
    """Replace each category by the share of positives in it, regularised: equations 2 to 4 of Mougan et al., AIES 2023.

    ``transform`` gives every row the smoothed mean ``(n_iY + m prior) / (n_i + m)`` of its category.  ``fit_transform``, which a
    pipeline calls on the rows it trains on, gives the encoding of the scheme plus the noise: except for ``scheme="mean"``
    without noise, ``fit_transform(X, y)`` is not ``fit(X, y).transform(X)``, and must not be.

    Args:
        columns: which to encode, by name or (of an array) by position; ``None`` for all.  The others are handed on.
        smoothing: ``m`` of equation 3, in rows: how many rows of the prior each category is mixed with; infinity for the prior
            alone.
        noise: standard deviation ``lambda`` of the Gaussian noise of equation 4, added to the encodings of training rows alone,
            independently in each column.
        scheme: how training rows are encoded: ``"mean"`` of their category; ``"loo"`` without the row itself; ``"ordered"``
            from earlier rows of a random order (CatBoost's statistic with ``a = smoothing``); ``"crossfit"`` from the rows
            outside the row's fold.
        unseen: ``"prior"`` encodes categories that training did not have by the prior; ``"error"`` refuses them.
        seed: of the noise, the order and the folds.
        folds: of ``"crossfit"``, stratified by the target.

    Attributes:
        tables_: the :class:`CategoryTable` of each encoded column.
        prior_: share of positives in training.

    >>> frame = pd.DataFrame({"race": ["a", "a", "b", "b", None], "age": [30, 40, 50, 60, 70]})
    >>> encoder = TargetEncoder("race", smoothing=1).fit(frame, [1, 0, 1, 1, 0])
    >>> encoder.transform(pd.DataFrame({"race": ["a", "b", None, "new"], "age": [1, 2, 3, 4]})).round(3)
        race  age
    0  0.533    1
    1  0.867    2
    2  0.300    3
    3  0.600    4
    >>> encoder.set_params(unseen="error").transform(pd.DataFrame({"race": ["new"], "age": [1]}))
    Traceback (most recent call last):
    ValueError: column 'race' holds categories that training did not have: {'new'}
    """

    def __init__(
        self,
        columns: Columns = None,
        smoothing: float = 0.0,
        noise: float = 0.0,
        scheme: Scheme = "mean",
        unseen: Literal["prior", "error"] = "prior",
        seed: int = 0,
        folds: int = 5,
    ) -> None:
        self.columns = columns
        self.smoothing = smoothing
        self.noise = noise
        self.scheme = scheme
        self.unseen = unseen
        self.seed = seed
        self.folds = folds

    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike) -> Self:
        """Count the categories.

        Args:
            X: (n, d) frame or array; missing values are one more category of their column.
            y: (n,) of 0 and 1 or booleans; rows of ``X`` and ``y`` belong together by position, whatever their indices.

        Raises:
            ValueError: an argument, a column or the target is not usable; the message names it.
            TypeError: a column holds what cannot be a category.
        """
        self._count(self._start(X, True), y)
        return self

    def fit_transform(self, X: ArrayLike | pd.DataFrame, y: ArrayLike) -> pd.DataFrame | NDArray:
        """Count the categories and return ``X`` encoded as training rows: by the scheme, with noise.  Errors as in :meth:`fit`."""
        frame = self._start(X, True)
        columns, encoded = self._count(frame, y), {}
        for position, column in zip(self.positions_, columns, strict=True):
            values = self._encode_training(column)
            if self.noise:
                stream = np.random.default_rng([self.seed, 1 + position])
                values = values + self.noise * stream.standard_normal(len(values))
            encoded[position] = values
        return self._finish(with_columns(frame, encoded), X)

    def transform(self, X: ArrayLike | pd.DataFrame) -> pd.DataFrame | NDArray:
        """Return ``X`` with the columns encoded by their smoothed means: neither scheme nor noise enters.

        Raises:
            ValueError: columns differ from those of training, or ``unseen="error"`` and there is an unseen category.
        """
        frame = self._start(X, False)
        encoded = {}
        for position, table in zip(self.positions_, self.tables_, strict=True):
            codes = table.categories.code(frame[position], self._name(position))
            if self.unseen == "error" and (codes < 0).any():
                new = pd.unique(frame[position][codes < 0])
                raise ValueError(f"{self._name(position)} holds categories that training did not have: {listed(new)}")
            encoded[position] = table.encode(codes, self.smoothing)
        return self._finish(with_columns(frame, encoded), X)

    def _count(self, frame: pd.DataFrame, y: ArrayLike) -> list[TrainingColumn]:
        """Check the arguments and the target, and set the learned attributes."""
        check_choice(self.scheme, "scheme", SCHEMES)
        check_choice(self.unseen, "unseen", ("prior", "error"))
        for name in ("smoothing", "noise"):
            if check_strength(getattr(self, name), name, infinite=name == "smoothing").ndim:
                raise ValueError(f"{name} must be one number, got {getattr(self, name)!r}")
        check_whole(self.seed, "seed", 0)
        target = check_target(y, len(frame))
        self.positions_ = self._find_columns(frame)
        columns = [TrainingColumn.of(frame[position], target, self._name(position)) for position in self.positions_]
        self.tables_: list[CategoryTable] = [column.table for column in columns]
        self.prior_ = float(target.mean())
        return columns

    def _encode_training(self, column: TrainingColumn) -> Floats:
        """Return the encodings (n,) of the training rows by the scheme, without noise."""
        if self.scheme == "mean":
            return column.mean(self.smoothing)
        if self.scheme == "loo":
            return column.leave_one_out(self.smoothing)
        if self.scheme == "ordered":
            order = np.random.default_rng([self.seed, 0]).permutation(len(column.codes))
            return column.ordered(self.smoothing, order)
        return column.crossfit(self._assign_folds(column.target), self.smoothing)

    def _assign_folds(self, target: NDArray[np.int8]) -> Codes:
        """Return the fold (n,) of each row, as scikit-learn's StratifiedKFold shuffles them with the seed."""
        rarer = int(np.bincount(target).min())
        if check_whole(self.folds, "folds", 2) > rarer:
            raise ValueError(
                f"folds is {self.folds}, but the rarer class has {rarer} row(s); expected at most as many folds"
            )
        splitter = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        folds = np.empty(len(target), np.intp)
        for number, (_, rows) in enumerate(splitter.split(target, target)):
            folds[rows] = number
        return folds

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.classifier_tags = ClassifierTags(multi_class=False)  # the target is binary
        return tags
