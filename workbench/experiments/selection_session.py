"""A person mines a pool: one object to look for, clicks on what was found, and how good the ranking is after each click."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.experiments.selection_pool import Pool
from workbench.experiments.selection_scan import Click, Example, MiningSettings, Place, PoolScanner
from workbench.metrics.retrieval import average_precision
from workbench.retrieval import Backbone, z_scores
from workbench.retrieval.features import Box
from workbench.retrieval.mining import COMBINATIONS
from workbench.training import CancelToken, Progress, no_progress

MORE, NOT = "more like this", "not this"
METHODS = ("DTM", "GeM")
CORNERS = ["x0", "y0", "x1", "y1"]


@dataclass(frozen=True)
class Hit:
    """A picture that was found.

    Attributes:
        rank: from 1.
        image_id: of the picture.
        score: that it was ranked by.
        box: of what matches, in its pixels; None for a method that does not say where.
        relevant: whether the picture shows the class that is looked for; None where nobody knows.
    """

    rank: int
    image_id: str
    score: float
    box: Box | None
    relevant: bool | None


class MiningSession(PoolScanner):
    """What a person does with a pool: look for an object, say of pictures that were found "more like this" or "not this".

    A click costs the scan of its own template only. Pictures that were judged leave the ranking and every number on it, so that
    no number profits from an example that finds itself.

    Args:
        pool, backbone, settings, canvas_size: as for :class:`~workbench.experiments.selection_scan.PoolScanner`.
        query: what is looked for.

    Attributes:
        clicks: judgements, the oldest first; may be set as well.
    """

    def __init__(
        self,
        pool: Pool,
        backbone: Backbone,
        query: Example,
        settings: MiningSettings | None = None,
        canvas_size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(pool, backbone, settings, canvas_size)
        self.query = query
        self.clicks: tuple[Click, ...] = ()
        self._last: tuple[object, pd.DataFrame] | None = None

    # What is looked for

    @property
    def query(self) -> Example:
        """The object of interest; another one may be set."""
        return self._query

    @query.setter
    def query(self, example: Example) -> None:
        self.know(example)
        self._query = example

    @property
    def positives(self) -> tuple[Place, ...]:
        """The query, then what was clicked as "more like this"."""
        return (self.query, *(click for click in self.clicks if click.kind == MORE))

    @property
    def negatives(self) -> tuple[Place, ...]:
        """What was clicked as "not this"."""
        return tuple(click for click in self.clicks if click.kind == NOT)

    @property
    def judged(self) -> frozenset[str]:
        """Names of the pictures that are no longer in the ranking: the query's, and those that were clicked."""
        return frozenset([self.query.image_id, *(click.image_id for click in self.clicks)])

    def more_like(self, image_id: str, box: Box | None = None) -> None:
        """Also look for what is in ``box`` of a picture of the pool; the place of the best match by default.

        Raises:
            ValueError: the pool has no such picture, or it was judged already.
        """
        self._click(MORE, image_id, box)

    def not_this(self, image_id: str, box: Box | None = None) -> None:
        """Avoid what is in ``box`` of a picture of the pool; the place of the best match by default.

        Raises:
            ValueError: the pool has no such picture, or it was judged already.
        """
        self._click(NOT, image_id, box)

    def undo(self) -> None:
        """Take the last click back; nothing happens without one."""
        self.clicks = self.clicks[:-1]

    def reset(self) -> None:
        """Take every click back."""
        self.clicks = ()

    # What is found

    def ranking(self) -> pd.DataFrame:
        """Return the pictures that nobody has judged, in pool order: image_id, score, ``z_0``, ... of what is looked for,
        ``negative_0``, ... of what is avoided, and x0, y0, x1, y1 of the best match.

        It is remembered until something changes.
        """
        key = (self.query.image_id, self.query.box, self.query.category, self.clicks, self.settings)
        if self._last is None or self._last[0] != key:
            judged = self.judged
            self._kept = [row for name, row in self.rows_of.items() if name not in judged]
            known = self.query.category and not self.pool.objects.empty
            self._truth = self.pool.shows(self.query.category)[self._kept] if known else None
            table = self.mining(self.positives, negatives=self.negatives, exclude=judged).table
            wanted, unwanted = (table.filter(regex=f"^{name}_").to_numpy() for name in ("z", "negative"))
            self._z = {"DTM": (wanted, unwanted)}
            self._last = key, table.assign(score=self._combined(wanted, unwanted))
        return self._last[1]

    def hits(self, top: int = 12, method: str = "DTM") -> list[Hit]:
        """Return the best pictures that nobody has judged, by ``"DTM"`` or by ``"GeM"``."""
        ids, values = self.scores(method)
        boxes = self.ranking()[CORNERS].to_numpy() if method == "DTM" else None
        relevant = self.truth()
        return [
            Hit(
                place,
                ids[index],
                float(values[index]),
                None if boxes is None else tuple(float(value) for value in boxes[index]),
                None if relevant is None else bool(relevant[index]),
            )
            for place, index in enumerate(np.argsort(-values, kind="stable")[:top], 1)
        ]

    def scores(self, method: str = "DTM", after: int | None = None) -> tuple[list[str], np.ndarray]:
        """Return names and scores (n,) of the pictures that nobody has judged, in pool order.

        Args:
            method: ``"DTM"``, or ``"GeM"``: z-scores of cosines of whole pictures, combined alike.
            after: as if only so many clicks had been made; the pictures that are ranked stay the same.

        Raises:
            ValueError: there is no such method.
        """
        wanted, unwanted = self._z_of(method)
        counted = Counter(click.kind for click in self.clicks[:after])
        return self._ids(), self._combined(wanted[:, : 1 + counted[MORE]], unwanted[:, : counted[NOT]])

    def _ids(self) -> list[str]:
        return self.ranking()["image_id"].tolist()

    def _combined(self, wanted: np.ndarray, unwanted: np.ndarray) -> np.ndarray:
        """Return scores (n,) from the z-scores of what is looked for, (n, p), and of what is avoided, (n, q)."""
        combined = COMBINATIONS[self.settings.combine](wanted, axis=1)
        return combined - self.settings.unwanted * unwanted.mean(1) if unwanted.shape[1] else combined

    def _z_of(self, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Return z-scores of what is looked for, (n, p), and avoided, (n, q), remembered until something changes."""
        self.ranking()
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
        if method not in self._z:
            self._z[method] = tuple(
                np.array([z_scores(self.gem_cosines(one)[self._kept]) for one in some]).reshape(-1, len(self._kept)).T
                for some in (self.positives, self.negatives)
            )
        return self._z[method]

    # How good it is

    def truth(self) -> np.ndarray | None:
        """Return which of the pictures that nobody has judged show the query's class, bool (n,); None where nobody knows."""
        self.ranking()
        return self._truth

    def average_precision(self, method: str = "DTM", after: int | None = None) -> float:
        """Return AP over the pictures that nobody has judged; NaN without a truth or a positive. Arguments as :meth:`scores`."""
        truth = self.truth()
        if truth is None or not truth.any():
            return float("nan")
        return average_precision(self.scores(method, after)[1], truth)

    def history(self, method: str = "DTM") -> list[float]:
        """Return the AP before the first click and after each, all over the pictures that nobody has judged by now."""
        return [self.average_precision(method, count) for count in range(len(self.clicks) + 1)]

    def recall(self, method: str = "DTM") -> np.ndarray:
        """Return the share of the positives among the best 1, 2, ..., n pictures, (n,); empty without a truth or a positive."""
        truth = self.truth()
        if truth is None or not truth.any():
            return np.empty(0)
        found = np.cumsum(truth[np.argsort(-self.scores(method)[1], kind="stable")])
        return found / found[-1]

    # Clicks

    def _click(self, kind: str, image_id: str, box: Box | None) -> None:
        if image_id not in self.rows_of:
            raise ValueError(f"the pool has no picture {image_id!r}")
        if image_id in self.judged:
            raise ValueError(f"picture {image_id!r} was judged already")
        if box is None:
            table = self.ranking().set_index("image_id")
            box = tuple(float(table.at[image_id, name]) for name in CORNERS)
        self.clicks = (*self.clicks, Click(kind, image_id, tuple(float(value) for value in box)))


def settings_sweep(
    session: MiningSession,
    wanted: Sequence[MiningSettings],
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[MiningSettings, float]]:
    """Yield each of some settings and the AP of the session's query alone with them, over the pictures that nobody has judged.

    The session's query and clicks may change meanwhile: those of the beginning count. AP is NaN without a truth or a positive.
    """
    query, judged, truth = session.query, session.judged, session.truth()

    def measure() -> Iterator[tuple[MiningSettings, float]]:
        for done, settings in enumerate(wanted):
            if cancel is not None:
                cancel.raise_if_cancelled()
            progress(done, len(wanted), "settings of the query")
            if truth is None or not truth.any():
                yield settings, float("nan")
                continue
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # nobody who sweeps a setting wants to hear at each that the object gets small
                table = session.mining([query], exclude=judged, settings=settings).table
            yield settings, average_precision(table["score"], truth)

    return measure()
