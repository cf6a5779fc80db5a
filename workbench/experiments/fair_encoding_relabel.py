"""The game of names: k people of one group get a new group name at random, and a model treats them otherwise, or not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.encoders.sweep import distinct_rows, treats_equal_rows_alike
from workbench.experiments.fair_encoding_scores import LINEAR, encoder_named
from workbench.experiments.fair_encoding_tasks import EncodingTask, model_named
from workbench.training import CancelToken, Progress, no_progress

RENAMED = " (renamed)"
GAME_ENCODINGS = (("one-hot", np.nan), ("smoothing", 0.0), ("smoothing", 100.0), ("noise", 0.3))
"""Those that the stored repeats were measured with."""


class RelabelGame:
    """Renames people of one group and looks at what a model makes of it, on one half of a task.

    They are the same people, so that every gap between the two names is reducible bias.  After training, all test rows of the
    group with label 1 are scored twice, once under each name.

    Args:
        task: whose attribute is a column that is encoded.
        group: whose people are renamed; the largest but the reference where absent.
        seed: of the half.

    Attributes:
        group: whose people are renamed.
        most: how many there are in the training half.

    Raises:
        ValueError: the attribute is no encoded column, or the group has no positives in the test half.
    """

    def __init__(self, task: EncodingTask, group: str | None = None, seed: int = 0) -> None:
        if task.attribute not in task.encoded:
            raise ValueError(f"attribute must be one of the encoded columns {task.encoded}, got {task.attribute!r}")
        counts = pd.Series(task.group).value_counts().drop(task.reference)
        self.task, self.seed, self.group = task, seed, str(counts.index[0]) if group is None else group
        train, test = task.halves(seed)
        self._target = task.label[train]
        self._candidates = np.flatnonzero(task.group[train] == self.group)
        self.most = len(self._candidates)
        shown = test[(task.group[test] == self.group) & (task.label[test] == 1)]
        if not len(shown):
            raise ValueError(f"group {self.group!r} has nobody with label 1 in the test half")
        others = task.others()
        self._X = others.fit_transform(task.frame.iloc[train], self._target)
        first, _, self._weight = distinct_rows(task.frame.iloc[shown])
        self._shown = others.transform(task.frame.iloc[shown[first]])

    def play(self, k: int, draw: int) -> pd.DataFrame:
        """Rename ``k`` people and train with each of :data:`GAME_ENCODINGS`.

        Args:
            k: from 1 to one less than :attr:`most`.
            draw: its number, from which the choice of people follows.

        Returns:
            Columns ``scheme``, ``strength``, ``k``, ``draw`` and ``equal_opportunity``: TPR under the new name minus TPR under the
            old one.

        Raises:
            ValueError: there are not that many people to rename.
        """
        if not 1 <= k < self.most:
            raise ValueError(f"k must be from 1 to {self.most - 1}, got {k}: one of {self.group!r} must keep the name")
        attribute = self.task.attribute
        chosen = np.random.default_rng([self.seed, draw, k]).choice(self._candidates, k, replace=False)
        names = self._X[attribute].astype(object).to_numpy(copy=True)
        names[chosen] = f"{self.group}{RENAMED}"
        X, rows = self._X.assign(**{attribute: names}), []
        distinct = distinct_rows(X, self._target)
        for scheme, strength in GAME_ENCODINGS:
            encoder, model = encoder_named(list(self.task.encoded), scheme, strength, draw), model_named(LINEAR, draw)
            encoded = encoder.fit_transform(X, self._target)
            if treats_equal_rows_alike(encoder):
                first, _, weight = distinct
                model.fit(encoded.iloc[first], self._target[first], sample_weight=weight)
            else:
                model.fit(encoded, self._target)
            rates = [self._rate(encoder, model, name) for name in (self.group, f"{self.group}{RENAMED}")]
            rows.append((scheme, strength, k, draw, rates[1] - rates[0]))
        return pd.DataFrame(rows, columns=["scheme", "strength", "k", "draw", "equal_opportunity"])

    def _rate(self, encoder: object, model: object, name: str) -> float:
        """Return the TPR of the test rows when all of them have one name."""
        rows = encoder.transform(self._shown.assign(**{self.task.attribute: name}))
        return float(np.average(model.predict_proba(rows)[:, 1] > 0.5, weights=self._weight))


def play_often(
    game: RelabelGame,
    k: int,
    draws: range,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the table of all draws so far after each one."""
    tables = []
    for done, draw in enumerate(draws):
        if cancel is not None:
            cancel.raise_if_cancelled()
        tables.append(game.play(k, draw))
        progress(done + 1, len(draws), f"{k} renamed")
        yield pd.concat(tables, ignore_index=True)
