"""A person mines a pool: one object to look for, clicks on what was found, and how good the ranking is after each click."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from workbench.experiments.selection_pool import Pool
from workbench.experiments.selection_scan import Click, Example, MiningSettings, Place, PoolScanner
from workbench.metrics.retrieval import average_precision
from workbench.retrieval import Backbone, Mining, z_scores
from workbench.retrieval.features import Box
from workbench.retrieval.mining import COMBINATIONS

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
        self._last: tuple[object, Mining] | None = None

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

    def ranking(self) -> Mining:
        """Return the pool ranked for the query and the clicks, remembered until something changes."""
        key = (self.query.image_id, self.query.box, self.query.category, self.clicks, self.settings)
        if self._last is None or self._last[0] != key:
            judged = self.judged
            self._kept = [row for name, row in self.rows_of.items() if name not in judged]
            self._z: dict[str, tuple[list[str], np.ndarray, np.ndarray]] = {}
            known = self.query.category and not self.pool.objects.empty
            self._truth = self.pool.shows(self.query.category)[self._kept] if known else None
            self._last = key, self.mining(self.positives, negatives=self.negatives, exclude=judged)
        return self._last[1]

    def hits(self, top: int = 12, method: str = "DTM") -> list[Hit]:
        """Return the best pictures that nobody has judged, by ``"DTM"`` or by ``"GeM"``."""
        ids, values = self.scores(method)
        boxes = self.ranking().table[CORNERS].to_numpy() if method == "DTM" else None
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
        ids, wanted, unwanted = self._z_of(method)
        counted = Counter(click.kind for click in self.clicks[:after])
        combined = COMBINATIONS[self.settings.combine](wanted[:, : 1 + counted[MORE]], axis=1)
        return ids, combined - unwanted[:, : counted[NOT]].mean(1) if counted[NOT] else combined

    def _z_of(self, method: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Return names (n,) and z-scores of what is looked for, (n, p), and avoided, (n, q), remembered until something changes."""
        ranked = self.ranking()
        if method not in self._z:
            if method == "DTM":
                parts = (ranked.table.filter(regex=f"^{name}_").to_numpy() for name in ("z", "negative"))
            elif method == "GeM":
                parts = (
                    np.array([z_scores(self.gem_cosines(one)[self._kept]) for one in some]).T
                    for some in (self.positives, self.negatives)
                )
            else:
                raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
            self._z[method] = (ranked.table["image_id"].tolist(), *parts)
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
            table = self.ranking().table.set_index("image_id")
            box = tuple(float(table.at[image_id, name]) for name in CORNERS)
        self.clicks = (*self.clicks, Click(kind, image_id, tuple(float(value) for value in box)))
