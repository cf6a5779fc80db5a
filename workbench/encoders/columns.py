"""What the encoders share: which columns of a frame or an array they change; and the two that need no target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import OneHotEncoder as ScikitOneHotEncoder
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

Columns = Sequence[str | int] | str | int | None
"""Names of columns of a frame, or positions of columns of an array; ``None`` for all."""


class ColumnEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A transformer that changes some columns and hands the others on as they are: a frame gives a frame, an array an array.

    Attributes:
        n_features_in_, feature_names_in_: as in scikit-learn.
        positions_: positions of the columns that are changed.
    """

    columns: Columns

    def _start(self, X: ArrayLike | pd.DataFrame, fitting: bool) -> pd.DataFrame:
        """Return ``X`` as a frame with numbered columns, after the checks of scikit-learn."""
        if not fitting:
            check_is_fitted(self)
        if isinstance(X, pd.DataFrame):
            if not X.shape[0] or not X.shape[1]:
                empty = "sample" if not X.shape[0] else "feature"
                raise ValueError(f"X has 0 {empty}(s) (shape={X.shape}) while a minimum of 1 is required")
            validate_data(self, X, reset=fitting, skip_check_array=True)
            return X.set_axis(range(X.shape[1]), axis=1)
        values = check_array(X, dtype=None, ensure_all_finite=False, estimator=self, input_name="X")
        if values.dtype.kind in "US" and not hasattr(X, "dtype"):  # a list of rows keeps its numbers as numbers
            values = check_array(X, dtype=object, ensure_all_finite=False)
        validate_data(self, X, reset=fitting, skip_check_array=True)
        return pd.DataFrame(values)

    def _find_columns(self, frame: pd.DataFrame) -> list[int]:
        """Return the positions that ``columns`` names."""
        if self.columns is None:
            return list(range(frame.shape[1]))
        names = list(getattr(self, "feature_names_in_", range(frame.shape[1])))
        wanted = [self.columns] if isinstance(self.columns, (str, int)) else list(self.columns)
        absent = [name for name in wanted if name not in names]
        if absent:
            raise ValueError(f"columns {absent} are not among the columns {names} of X")
        if len(set(wanted)) < len(wanted):
            raise ValueError(f"columns must each be named once, got {wanted}")
        return [names.index(name) for name in wanted]

    def _name(self, position: int) -> str:
        names = getattr(self, "feature_names_in_", None)
        return f"column {position}" if names is None else f"column {names[position]!r}"

    def _finish(self, frame: pd.DataFrame, X: ArrayLike | pd.DataFrame) -> pd.DataFrame | NDArray:
        """Return the result in the kind of container that came in."""
        if isinstance(X, pd.DataFrame):
            return frame.set_axis(self.get_feature_names_out(), axis=1)
        return frame.to_numpy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags


class DropColumns(ColumnEncoder):
    """Remove columns: "no encoding", the baseline that is blind to a protected attribute.

    Args:
        columns: which to remove.

    >>> frame = pd.DataFrame({"race": ["a", "b"], "age": [30, 40]})
    >>> DropColumns("race").fit_transform(frame)
       age
    0   30
    1   40
    """

    def __init__(self, columns: Columns = ()) -> None:
        self.columns = columns

    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | None = None) -> Self:
        """Look up the columns; ValueError where ``X`` lacks one or no column would remain."""
        self.positions_ = self._find_columns(self._start(X, True))
        if len(self.positions_) == self.n_features_in_:
            raise ValueError(
                f"columns names every column of X, which has {self.n_features_in_} feature(s); one must remain"
            )
        return self

    def transform(self, X: ArrayLike | pd.DataFrame) -> pd.DataFrame | NDArray:
        """Return the other columns."""
        frame = self._start(X, False)
        return self._finish(frame.drop(columns=self.positions_), X)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return the names of the columns that remain."""
        return np.delete(super().get_feature_names_out(input_features), self.positions_)


class OneHotEncoder(ColumnEncoder):
    """Replace each column by one column of zeros and ones per category, in its place; an unseen category is all zeros.

    scikit-learn's encoder, for some columns of a frame; missing values are one category.

    Args:
        columns: which to encode; ``None`` for all.

    Attributes:
        encoder_: the fitted encoder of scikit-learn.

    >>> frame = pd.DataFrame({"race": ["a", "b", None], "age": [30, 40, 50]})
    >>> OneHotEncoder("race").fit_transform(frame)
       race_a  race_b  race_nan  age
    0     1.0     0.0       0.0   30
    1     0.0     1.0       0.0   40
    2     0.0     0.0       1.0   50
    """

    def __init__(self, columns: Columns = None) -> None:
        self.columns = columns

    def fit(self, X: ArrayLike | pd.DataFrame, y: ArrayLike | None = None) -> Self:
        """Learn the categories; ValueError where ``X`` lacks a column."""
        frame = self._start(X, True)
        self.positions_ = self._find_columns(frame)
        self.encoder_ = ScikitOneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self.encoder_.fit(self._parts(frame))
        return self

    def _parts(self, frame: pd.DataFrame) -> pd.DataFrame:
        chosen = frame[self.positions_].astype(object)
        return chosen.where(chosen.notna(), np.nan).set_axis([str(p) for p in self.positions_], axis=1)

    def transform(self, X: ArrayLike | pd.DataFrame) -> pd.DataFrame | NDArray:
        """Return ``X`` with the columns replaced."""
        frame = self._start(X, False)
        encoded = self.encoder_.transform(self._parts(frame))
        ends = np.cumsum([len(values) for values in self.encoder_.categories_])
        blocks = dict(zip(self.positions_, np.split(encoded, ends[:-1], axis=1), strict=True))
        parts = [
            pd.DataFrame(blocks[p], index=frame.index) if p in blocks else frame[[p]] for p in range(frame.shape[1])
        ]
        return self._finish(pd.concat(parts, axis=1), X)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Return ``<column>_<category>`` for each new column, and the names of the others."""
        names = super().get_feature_names_out(input_features)
        values = dict(zip(self.positions_, self.encoder_.categories_, strict=True))
        nested = [[f"{name}_{v}" for v in values[p]] if p in values else [name] for p, name in enumerate(names)]
        return np.array([name for group in nested for name in group], object)


def with_columns(frame: pd.DataFrame, encoded: dict[int, NDArray[np.float64]]) -> pd.DataFrame:
    """Return a frame whose columns at some positions are replaced; ``frame`` itself stays as it is."""
    result = frame.copy(deep=False)
    for position, values in encoded.items():
        result[position] = values
    return result
