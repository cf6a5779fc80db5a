"""The scores behind the metrics: every row of one task by any encoding, read where they are stored, fitted where they are not.

Logistic regression is fitted on distinct rows within some 20 ms, so that a slider can ask for any strength.  Boosted trees and
networks take longer: their scores on COMPAS are stored, for the strengths of the sweep.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.exceptions import ConvergenceWarning

from workbench.encoders import DropColumns, OneHotEncoder, TargetEncoder
from workbench.encoders.fairness import Convention, gap_values
from workbench.encoders.group_counts import GroupCounts
from workbench.encoders.score_metrics import auc_values, parity_values
from workbench.encoders.scorecard import Scorecard
from workbench.encoders.sweep import distinct_rows, treats_equal_rows_alike
from workbench.experiments.fair_encoding_measure import FairEncodingConfig, grid, published
from workbench.experiments.fair_encoding_tasks import MODELS, EncodingTask, compas_task, model_named
from workbench.training import CancelToken, Progress, no_progress

Array = NDArray[np.float64]

LINEAR = MODELS[0]
SEP = "|"
DIGITS = 5
HALVES = ("train", "test")


def encoder_named(columns: list[str], scheme: str, strength: float = np.nan, seed: int = 0) -> TransformerMixin:
    """Return an unfitted encoder.

    Args:
        columns: the protected columns.
        scheme: ``"drop"``, ``"one-hot"``, ``"smoothing"`` or ``"noise"``.
        strength: of the last two.
        seed: of the noise.

    Raises:
        ValueError: the scheme is another word.

    >>> encoder_named(["race"], "smoothing", 100.0)
    TargetEncoder(columns=['race'], smoothing=100.0)
    """
    if scheme == "drop":
        return DropColumns(columns)
    if scheme == "one-hot":
        return OneHotEncoder(columns)
    if scheme in ("smoothing", "noise"):
        return TargetEncoder(columns, **{scheme: strength}, seed=seed)
    raise ValueError(f"scheme must be 'drop', 'one-hot', 'smoothing' or 'noise', got {scheme!r}")


class ScoreBook:
    """Scores of all rows of a task, trained on one half.

    Args:
        task: what is asked.
        seed: of the halves, the noise and the models.
        stored: what :func:`measure_scores` returned for this task and seed, for models that are not fitted on demand.

    Attributes:
        train, test: positions of the rows of each half.
        models: those whose scores can be asked for.

    Raises:
        ValueError: ``stored`` is of other rows.

    >>> from workbench.experiments.fair_encoding_tasks import two_years_task
    >>> book = ScoreBook(two_years_task())
    >>> book.scores("logistic regression", "smoothing", 100.0).shape, len(book.test)
    ((6130,), 3065)
    """

    def __init__(self, task: EncodingTask, seed: int = 0, stored: pd.DataFrame | None = None) -> None:
        self.task, self.seed = task, seed
        self.train, self.test = task.halves(seed)
        self._first, self._back, _ = distinct_rows(task.frame)
        self._stored = {} if stored is None else _columns(stored, task, self._first)
        self.models = (LINEAR, *(name for name in MODELS[1:] if any(key[0] == name for key in self._stored)))
        self.scores = functools.lru_cache(maxsize=64)(self._scores)
        self.table = functools.lru_cache(maxsize=128)(self._table)
        self.card = functools.lru_cache(maxsize=8)(self._card)
        self.auc = functools.lru_cache(maxsize=256)(self._auc)

    @functools.cached_property
    def _features(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Training rows (n, d) and distinct rows (u, d), all columns but the protected ones encoded."""
        others = self.task.others()
        X = others.fit_transform(self.task.frame.iloc[self.train], self.task.label[self.train])
        return X, others.transform(self.task.frame.iloc[self._first])

    @functools.cached_property
    def _training(self) -> tuple[NDArray, NDArray]:
        """Positions of distinct training rows, label included, and how many rows equal each."""
        target = self.task.label[self.train]
        first, _, counts = distinct_rows(self.task.frame.iloc[self.train], target)
        return first, counts

    def strengths(self, model: str, scheme: str) -> list[float] | None:
        """Return the strengths whose scores are stored; None where any strength can be fitted."""
        if model == LINEAR:
            return None
        return sorted(key[2] for key in self._stored if key[:2] == (model, scheme))

    def rows(self, half: str) -> NDArray[np.intp]:
        """Return the positions of one of :data:`HALVES`."""
        if half not in HALVES:
            raise ValueError(f"half must be one of {HALVES}, got {half!r}")
        return self.train if half == "train" else self.test

    def _scores(self, model: str, scheme: str, strength: float) -> Array:
        """Return the score (n,) of every row of the task, encoded as a test row."""
        strength = 0.0 if np.isnan(strength) else strength
        if (model, scheme, strength) in self._stored:
            return self._stored[model, scheme, strength][self._back]
        if model != LINEAR:
            raise ValueError(
                f"no scores of {model} are stored for {self.task.name}, {scheme} {strength:g}; fitted on demand is {LINEAR} alone"
            )
        X, shown = self._features
        return self._fit(encoder_named(list(self.task.encoded), scheme, strength, self.seed), model, X, shown)[
            self._back
        ]

    def _fit(self, encoder: TransformerMixin, model: str, X: pd.DataFrame, shown: pd.DataFrame) -> Array:
        """Return the scores of the distinct rows ``shown``."""
        target = self.task.label[self.train]
        encoded, fitted = encoder.fit_transform(X, target), model_named(model, self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            if model == LINEAR and treats_equal_rows_alike(encoder):
                first, counts = self._training
                fitted.fit(encoded.iloc[first], target[first], sample_weight=counts)
            else:
                fitted.fit(encoded, target)
        return fitted.predict_proba(encoder.transform(shown))[:, 1]

    def _card(self, threshold: float, convention: Convention) -> Scorecard:
        """Return the rows that fairness is measured on: the test half, or (as the published code does) the training half."""
        rows = self.rows("train" if convention == "published" else "test")
        return Scorecard.of(
            self.task.label[rows], pd.Categorical(self.task.group[rows]), self.task.reference, threshold, convention
        )

    def _auc(self, model: str, scheme: str, strength: float) -> float:
        """Return the AUC on the test half."""
        scores = self.scores(model, scheme, strength)[self.test]
        return float(auc_values(self.task.label[self.test], scores, np.zeros(len(scores), np.intp), 1)[0])

    def gaps(
        self,
        model: str,
        scheme: str,
        strength: float,
        metric: str,
        threshold: float = 0.5,
        convention: Convention = "paper",
    ) -> tuple[Array, NDArray[np.int64]]:
        """Return one gap of each group (g,), NaN for the reference, and their positives (g,): a part of :meth:`table`, sooner."""
        card = self.card(threshold, convention)
        scores = self.scores(model, scheme, strength)[self.rows("train" if convention == "published" else "test")]
        selected, groups = scores > card.threshold, len(card.categories)
        counts = GroupCounts.of(card.target, selected, card.codes, groups)
        if metric == "strong_parity":
            compared = selected.astype(float) if convention == "published" else scores
            values = parity_values(compared, card.codes, groups, card.reference)
        else:
            values = gap_values(counts, card.reference, convention)[metric][0].copy()
        values[card.reference] = np.nan
        return values, counts.positives

    def _table(
        self, model: str, scheme: str, strength: float, threshold: float = 0.5, convention: Convention = "paper"
    ) -> pd.DataFrame:
        """Return what :func:`workbench.encoders.sweep` returns for one encoding; the AUC of all is of the test half in any case."""
        scores = self.scores(model, scheme, strength)
        card = self.card(threshold, convention)
        rows = self.rows("train" if convention == "published" else "test")
        measured = card.measure(scores[rows])
        if convention == "published":
            measured = (*measured[:2], np.append(measured[2][:-1], self.auc(model, scheme, strength)))
        return card.table([(model, scheme, strength, *measured)], 0.95)


def _columns(stored: pd.DataFrame, task: EncodingTask, first: NDArray[np.intp]) -> dict[tuple[str, str, float], Array]:
    """Return the stored scores (u,) in the order of the task's distinct rows, by model, scheme and strength (0 where none)."""
    names = list(task.frame)
    if absent := [name for name in names if name not in stored]:
        raise ValueError(f"stored scores lack the column {absent[0]!r}: measure them again with `make results`")
    wanted = pd.MultiIndex.from_frame(task.frame.iloc[first].astype(str))
    at = pd.MultiIndex.from_frame(stored[names].astype(str)).get_indexer(wanted)
    if (at < 0).any():
        raise ValueError("stored scores are of other rows: measure them again with `make results`")
    keys = {name: name.rsplit(SEP, 2) for name in stored.columns if name not in names}
    return {
        (model, scheme, float(strength)): stored[name].to_numpy(float)[at]
        for name, (model, scheme, strength) in keys.items()
    }


def measure_scores(
    config: FairEncodingConfig, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> pd.DataFrame:
    """Score every distinct row of COMPAS by every model and encoding of the sweep, trained on the first half.

    Returns:
        One row a distinct row: its features, and a column ``<model>|<scheme>|<strength>`` for each fit (strength 0 where an
        encoding has none).

    Raises:
        Cancelled: Stop was asked for.
    """
    book = ScoreBook(compas_task(), config.seeds[0])
    X, shown = book._features
    columns = {}
    fits = list(_fits(config, book))
    for done, (model, scheme, strength, encoder) in enumerate(fits):
        progress(done, len(fits), f"{model}, {scheme} {strength:g}")
        if cancel is not None:
            cancel.raise_if_cancelled()
        columns[SEP.join((model, scheme, f"{strength:g}"))] = book._fit(encoder, model, X, shown).round(DIGITS)
    progress(len(fits), len(fits), "done")
    return pd.concat([book.task.frame.iloc[book._first].reset_index(drop=True), pd.DataFrame(columns)], axis=1)


def _fits(config: FairEncodingConfig, book: ScoreBook) -> Iterator[tuple[str, str, float, TransformerMixin]]:
    names = list(book.task.encoded)
    encoded = grid(names, config.noise, config.smoothing, book.seed)
    encoded += published(names, config.published_noise, book.seed)
    for model in config.models:
        for one in encoded:
            yield model, one.scheme, 0.0 if np.isnan(one.strength) else one.strength, one.encoder
