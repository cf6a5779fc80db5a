"""Train with each encoding of a protected attribute and measure performance and fairness: the experiment behind the paper's
figures.

Mougan et al., "Fairness Implications of Encoding Protected Categorical Attributes", AIES 2023, section 5.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import has_fit_parameter

from workbench.encoders.categories import Categories, Codes
from workbench.encoders.columns import Columns, DropColumns, OneHotEncoder
from workbench.encoders.fairness import Convention
from workbench.encoders.intersections import recoded_columns
from workbench.encoders.scorecard import Scorecard
from workbench.encoders.target_encoder import Scheme, TargetEncoder
from workbench.encoders.validation import check_confidence, check_target
from workbench.training import CancelToken, Progress, no_progress


@dataclass(frozen=True)
class Encoding:
    """One point of a sweep.

    Attributes:
        scheme: what the encoding is called.
        strength: of its regularisation; NaN where it has none.
        encoder: an unfitted transformer of frames.
    """

    scheme: str
    strength: float
    encoder: TransformerMixin


def encodings(
    columns: Columns,
    smoothing: Sequence[float] = (),
    noise: Sequence[float] = (),
    scheme: Scheme = "mean",
    seed: int = 0,
) -> list[Encoding]:
    """Return the encodings that the paper compares: none, one-hot, and target encoding with each regulariser at each strength.

    Args:
        columns: the protected columns.
        smoothing: values of ``m``; they are called ``"smoothing"``.
        noise: values of ``lambda``, at ``m = 0``; they are called ``"noise"``.
        scheme: of the target encodings.
        seed: of the noise.

    >>> [(encoding.scheme, encoding.strength) for encoding in encodings("race", smoothing=[0, 100], noise=[0.3])]
    [('drop', nan), ('one-hot', nan), ('smoothing', 0.0), ('smoothing', 100.0), ('noise', 0.3)]
    """
    shared = {"columns": columns, "scheme": scheme, "seed": seed}
    return [
        Encoding("drop", np.nan, DropColumns(columns)),
        Encoding("one-hot", np.nan, OneHotEncoder(columns)),
        *(Encoding("smoothing", float(m), TargetEncoder(smoothing=m, **shared)) for m in smoothing),
        *(Encoding("noise", float(value), TargetEncoder(noise=value, **shared)) for value in noise),
    ]


def sweep(
    models: Mapping[str, BaseEstimator],
    encodings: Sequence[Encoding],
    X: pd.DataFrame,
    y: ArrayLike,
    X_test: pd.DataFrame,
    y_test: ArrayLike,
    group: ArrayLike,
    reference: Any,
    *,
    threshold: float = 0.5,
    convention: Convention = "paper",
    confidence: float = 0.95,
    distinct: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> pd.DataFrame:
    """Fit every model on every encoding of the training rows, and measure it on the test rows.

    Args:
        models: classifiers with ``predict_proba``, by name; they are cloned.  They see every column that the encoder hands on.
        encodings: of :func:`encodings`, or any transformers of frames.
        X: (n, d) training rows.
        y: (n,) of 0 and 1 or booleans.
        X_test: (t, d) rows to measure on.
        y_test: (t,) their targets.
        group: (t,) group of each test row, such as a column of ``X_test`` or :func:`workbench.encoders.cross_columns` of several.
        reference: the group that the others are compared with.
        threshold: rows with a probability above it are selected.
        convention: definitions of the gaps, see :func:`workbench.encoders.gaps`.  ``"published"`` also takes ``strong_parity`` of
            the selections instead of the scores, and gives no AUC of a group with 10 rows or fewer.
        confidence: level of the intervals.
        distinct: fit on distinct rows with their number as ``sample_weight``.  The same fit, sooner, where the loss is a sum
            over rows (logistic regression), but not of networks and trees that count rows.  Encodings that differ between equal
            rows use all rows.
        progress: called after each fit.
        cancel: looked at before each fit.

    Returns:
        One row per model, encoding, metric (auc, group_auc, selection_rate, tpr, fpr and the four gaps) and group: ``model``,
        ``scheme``, ``strength``, ``metric``, ``group``, ``value``, ``low`` and ``high`` (NaN where the metric has no interval),
        ``n`` and ``positives`` of the group. :func:`workbench.encoders.overall` sums it up.

    Raises:
        ValueError: an argument is not usable; the message names it.
        TypeError: ``X`` is not a frame, or a model has no probabilities (or, for ``distinct``, no sample weights).

    Warns:
        UserWarning: a column that remains after the protected ones were dropped tells the group of every row.
    """
    card = Scorecard.of(y_test, group, reference, threshold, convention)
    target = check_target(y, len(_frame(X, "X")))
    if len(_frame(X_test, "X_test")) != len(card.target):
        raise ValueError(f"X_test has {len(X_test)} rows, y_test has {len(card.target)}; expected one target per row")
    check_confidence(confidence)
    _check_models(models, distinct)
    if not len(encodings):
        raise ValueError("encodings is empty; expected at least one")
    train_rows, test_rows = (distinct_rows(frame, extra) for frame, extra in ((X, target), (X_test, None)))
    runs, total = [], len(models) * len(encodings)
    for encoding in encodings:
        encoder = clone(encoding.encoder)
        train = _frame(encoder.fit_transform(X, target), f"output of encoding {encoding.scheme!r}")
        test = encoder.transform(X_test)
        if isinstance(encoder, DropColumns):
            _warn_of_recoding(test, card)
        few = distinct and treats_equal_rows_alike(encoder)
        for name, model in models.items():
            if cancel is not None:
                cancel.raise_if_cancelled()
            if few:
                rows, _, counts = train_rows
                fitted = clone(model).fit(train.iloc[rows], target[rows], sample_weight=counts)
            else:
                fitted = clone(model).fit(train, target)
            shown, back, _ = test_rows
            scores = fitted.predict_proba(test.iloc[shown])[:, 1][back]
            runs.append((name, encoding.scheme, encoding.strength, *card.measure(scores)))
            progress(len(runs), total, f"{name}, {encoding.scheme} {encoding.strength:g}")
    return card.table(runs, confidence)


def _frame(X: pd.DataFrame, name: str) -> pd.DataFrame:
    if not isinstance(X, pd.DataFrame):
        raise TypeError(f"{name} must be a pandas DataFrame, got {type(X).__name__}")
    return X


def _check_models(models: Mapping[str, BaseEstimator], distinct: bool) -> None:
    if not models:
        raise ValueError("models is empty; expected at least one")
    for name, model in models.items():
        if not hasattr(model, "predict_proba"):
            raise TypeError(f"model {name!r} has no predict_proba; expected a classifier with probabilities")
        if distinct and not has_fit_parameter(model, "sample_weight"):
            raise TypeError(f"model {name!r} takes no sample_weight; expected one that does where distinct=True")


def treats_equal_rows_alike(encoder: TransformerMixin) -> bool:
    """Return whether training rows that agree in every column and in the target have the same encoding.

    >>> treats_equal_rows_alike(TargetEncoder(smoothing=10)), treats_equal_rows_alike(TargetEncoder(noise=0.3))
    (True, False)
    """
    if isinstance(encoder, TargetEncoder):
        return not encoder.noise and encoder.scheme in ("mean", "loo")
    return isinstance(encoder, (DropColumns, OneHotEncoder))


def distinct_rows(frame: pd.DataFrame, target: ArrayLike | None = None) -> tuple[Codes, Codes, Codes]:
    """Find rows that agree in every column, and in the target where there is one.

    Args:
        frame: (n, d) rows.
        target: (n,) zeros and ones.

    Returns:
        The position of the first of each distinct row (u,), which of them each row equals (n,), and how many rows equal it (u,).

    >>> distinct_rows(pd.DataFrame({"race": ["b", "a", "b"], "age": [30, 40, 30]}))
    (array([1, 0]), array([1, 0, 1]), array([1, 2]))
    """
    cells = np.zeros(len(frame), np.intp) if target is None else np.asarray(target).astype(np.intp)
    for position in range(frame.shape[1]):
        categories, codes = Categories.of(frame.iloc[:, position], f"column {position}")
        cells = np.unique(cells * len(categories) + codes, return_inverse=True)[1]
    _, first, back, counts = np.unique(cells, return_index=True, return_inverse=True, return_counts=True)
    return first, back, counts


def _warn_of_recoding(remaining: pd.DataFrame, card: Scorecard) -> None:
    found = recoded_columns(remaining, card.codes)
    if found:
        warnings.warn(
            f"columns {found} tell the group of every row: a model without the protected columns still sees it",
            UserWarning,
            stacklevel=3,
        )
