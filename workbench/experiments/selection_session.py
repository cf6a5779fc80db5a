"""A person mines a pool: one object to look for, clicks on what was found, and how good the ranking is after each click."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from torch import Tensor

from workbench.experiments.selection_pool import Pool, Query
from workbench.metrics.retrieval import average_precision
from workbench.retrieval import (
    Backbone,
    Features,
    Matches,
    Mining,
    PoolScores,
    Template,
    gem,
    match,
    rank,
    scaled_features,
    z_scores,
)
from workbench.retrieval.features import Box
from workbench.retrieval.mining import COMBINATIONS

MORE, NOT = "more like this", "not this"
METHODS = ("DTM", "GeM")
_SCALES_KEPT = 96
_SCANS_KEPT = 4096


@dataclass(frozen=True, eq=False)
class Example:
    """A picture and the box of an object in it.

    Attributes:
        image_id: name of the picture; pictures of one name are one picture.
        image: uint8 (height, width, 3).
        box: (x0, y0, x1, y1) in its pixels.
        category: class of the object; empty where it is not known.
    """

    image_id: str
    image: np.ndarray
    box: Box
    category: str = ""

    @classmethod
    def of(cls, query: Query) -> Example:
        """Return the object of a query."""
        return cls(query.scene.id, query.scene.image, tuple(query.target.box), query.category)


@dataclass(frozen=True)
class Click:
    """A judgement of a picture of the pool.

    Attributes:
        kind: :data:`MORE` or :data:`NOT`.
        image_id: of the picture.
        box: what is meant in it, (x0, y0, x1, y1).
    """

    kind: str
    image_id: str
    box: Box


Place = Example | Click
"""A box in a named picture."""


@dataclass(frozen=True)
class MiningSettings:
    """How templates are cut and combined.

    Attributes:
        strides: whose z-scores are averaged.
        scales: of the query picture, of which the best counts.
        threshold: coverage of a cell, as a share of the best covered cell's, from which it belongs to the object.
        padding: pixels by which every box grows on each side; below 0 it shrinks.
        combine: of several objects: ``"mean"``, ``"max"`` or ``"min"``.
    """

    strides: tuple[int, ...] = (8, 16)
    scales: tuple[float, ...] = (1.0,)
    threshold: float = 0.5
    padding: float = 0.0
    combine: str = "mean"


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


class MiningSession:
    """What a person does with a pool: look for an object, say of pictures that were found "more like this" or "not this".

    Every template scans the pool once and its scores are kept, so that a click costs the scan of its own template only. Pictures
    that were judged leave the ranking and every number on it, so that no number profits from an example that finds itself.

    Args:
        pool: with features of the backbone.
        backbone: the one that the pool was seen by.
        query: what is looked for.
        settings: default ``MiningSettings()``.
        canvas_size: (height, width) to which the pool's pictures were scaled; None if they were not.
    """

    def __init__(
        self,
        pool: Pool,
        backbone: Backbone,
        query: Example,
        settings: MiningSettings | None = None,
        canvas_size: tuple[int, int] | None = None,
    ) -> None:
        self.pool, self.backbone, self.canvas_size = pool, backbone, canvas_size
        self.settings = settings or MiningSettings()
        self.clicks: tuple[Click, ...] = ()
        self._rows = {name: row for row, name in enumerate(pool.image_ids)}
        self._images: dict[str, np.ndarray] = {}
        self._seen = lru_cache(maxsize=_SCALES_KEPT)(self._features)
        self._scanned = lru_cache(maxsize=_SCANS_KEPT)(self._scan)
        self.query = query

    # What is looked for

    @property
    def query(self) -> Example:
        """The object of interest."""
        return self._query

    @query.setter
    def query(self, example: Example) -> None:
        self._images[example.image_id] = example.image
        self._query = example

    @property
    def positives(self) -> tuple[Place, ...]:
        """The query, then what was clicked as "more like this"."""
        return self._places(MORE, self.clicks)

    @property
    def negatives(self) -> tuple[Place, ...]:
        """What was clicked as "not this"."""
        return self._places(NOT, self.clicks)

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

    def mining(
        self,
        objects: Sequence[Place] | None = None,
        *,
        negatives: Sequence[Place] | None = None,
        combine: str | None = None,
        top: int | None = None,
        exclude: Collection[str] | None = None,
    ) -> Mining:
        """Return the pool ranked for some objects; for those of the session, with what was clicked, by default.

        The arguments are those of :func:`~workbench.retrieval.mine`, with examples for objects.

        Raises:
            ValueError: as there.
        """
        negatives = (() if objects is not None else self.negatives) if negatives is None else negatives
        objects = self.positives if objects is None else objects
        parts = [self.scan(one) for one in (*objects, *negatives)]
        scores = PoolScores(
            self.pool.image_ids,
            Matches(
                np.concatenate([found.scores for _, found in parts], 1),
                np.concatenate([found.boxes for _, found in parts], 1),
            ),
        )
        return rank(
            scores,
            [templates for templates, _ in parts[: len(objects)]],
            negatives=[templates for templates, _ in parts[len(objects) :]],
            combine=combine or self.settings.combine,
            top=top,
            exclude=self.judged if exclude is None else exclude,
        )

    def hits(self, top: int = 12, method: str = "DTM") -> list[Hit]:
        """Return the best pictures that nobody has judged, by ``"DTM"`` or by ``"GeM"``."""
        relevant = self.relevant
        if method == "DTM":
            found = [(one.image_id, one.score, one.box) for one in self.mining(top=top).matches]
        else:
            ids, values = self.scores(method)
            order = np.argsort(-values, kind="stable")[:top]
            found = [(ids[index], float(values[index]), None) for index in order]
        return [
            Hit(place, name, score, box, None if relevant is None else bool(relevant[self._rows[name]]))
            for place, (name, score, box) in enumerate(found, 1)
        ]

    def scores(self, method: str = "DTM", clicks: Sequence[Click] | None = None) -> tuple[list[str], np.ndarray]:
        """Return names and scores (n,) of the pictures that nobody has judged, in pool order.

        Args:
            method: ``"DTM"``, or ``"GeM"``: z-scores of cosines of whole pictures, combined alike.
            clicks: as if only these had been made; the pictures that are ranked stay the same.

        Raises:
            ValueError: there is no such method.
        """
        clicks = self.clicks if clicks is None else clicks
        wanted, unwanted = self._places(MORE, clicks), self._places(NOT, clicks)
        if method == "DTM":
            table = self.mining(wanted, negatives=unwanted).table
            return table["image_id"].tolist(), table["score"].to_numpy()
        if method != "GeM":
            raise ValueError(f"method must be one of {', '.join(map(repr, METHODS))}, got {method!r}")
        kept = [row for name, row in self._rows.items() if name not in self.judged]
        z = [z_scores(self._gem_cosines(one.image_id)[kept]) for one in (*wanted, *unwanted)]
        combined = COMBINATIONS[self.settings.combine](z[: len(wanted)], axis=0)
        if unwanted:
            combined = combined - np.mean(z[len(wanted) :], axis=0)
        return [self.pool.image_ids[row] for row in kept], combined

    # How good it is

    @property
    def relevant(self) -> np.ndarray | None:
        """Bool (N,): which pictures of the pool show the query's class; None where nobody knows."""
        if not self.query.category or self.pool.objects.empty:
            return None
        return self.pool.shows(self.query.category)

    def truth(self) -> np.ndarray | None:
        """Return which of the pictures that nobody has judged show the query's class, bool (n,), or None."""
        relevant = self.relevant
        if relevant is None:
            return None
        return relevant[[row for name, row in self._rows.items() if name not in self.judged]]

    def average_precision(self, method: str = "DTM", clicks: Sequence[Click] | None = None) -> float:
        """Return AP over the pictures that nobody has judged; NaN without a truth or a positive."""
        truth = self.truth()
        if truth is None or not truth.any():
            return float("nan")
        return average_precision(self.scores(method, clicks)[1], truth)

    def history(self, method: str = "DTM") -> list[float]:
        """Return the AP before the first click and after each, all over the pictures that nobody has judged by now."""
        return [self.average_precision(method, self.clicks[:count]) for count in range(len(self.clicks) + 1)]

    def recall(self, method: str = "DTM") -> np.ndarray:
        """Return the share of the positives among the best 1, 2, ..., n pictures, (n,); empty without a truth or a positive."""
        truth = self.truth()
        if truth is None or not truth.any():
            return np.empty(0)
        found = np.cumsum(truth[np.argsort(-self.scores(method)[1], kind="stable")])
        return found / found[-1]

    # Templates and scans

    def templates(self, place: Place) -> tuple[Template, ...]:
        """Return the templates of a place at the settings' strides and scales."""
        return self.scan(place)[0]

    def scan(self, place: Place) -> tuple[tuple[Template, ...], Matches]:
        """Return the T templates of a place, and their scores (N, T) and boxes (N, T, 4) in the whole pool."""
        box = self.grown(place)
        found = [
            self._scanned(place.image_id, box, stride, scale, self.settings.threshold)
            for scale in self.settings.scales
            for stride in self.settings.strides
        ]
        return (
            tuple(template for template, _ in found),
            Matches(*(np.concatenate([getattr(one, name) for _, one in found], 1) for name in ("scores", "boxes"))),
        )

    def grown(self, place: Place) -> Box:
        """Return a place's box, grown or shrunk by the settings' padding, inside its picture and at least 2 pixels wide."""
        height, width = self.features_of(place).letterboxes[0].image_size
        x0, y0, x1, y1 = place.box
        by_x, by_y = (max(self.settings.padding, 1 - side / 2) for side in (x1 - x0, y1 - y0))
        grown = (max(x0 - by_x, 0), max(y0 - by_y, 0), min(x1 + by_x, width), min(y1 + by_y, height))
        return tuple(float(value) for value in grown)

    def features_of(self, place: Place, scale: float = 1.0) -> Features:
        """Return the feature maps of a place's picture."""
        if isinstance(place, Example):
            self._images.setdefault(place.image_id, place.image)
        return self._seen(place.image_id, scale)

    def _scan(self, image_id: str, box: Box, stride: int, scale: float, threshold: float) -> tuple[Template, Matches]:
        features = self._seen(image_id, scale)
        template = Template.from_box(features, box, features.letterboxes[0], stride=stride, threshold=threshold)
        return template, match([template], self.pool.features)

    def _features(self, image_id: str, scale: float) -> Features:
        if scale == 1 and image_id in self._rows:
            return self.pool.features.select([self._rows[image_id]])
        return scaled_features(self.backbone, self.image(image_id), scale, self.canvas_size)

    @cached_property
    def _gem_vectors(self) -> Tensor:
        stride = max(self.backbone.strides)
        return gem(self.pool.features[stride], weights=self.pool.features.valid(stride))

    def _gem_cosines(self, image_id: str) -> np.ndarray:
        row = self._rows.get(image_id)
        if row is not None:
            vector = self._gem_vectors[row]
        else:
            features = self._seen(image_id, 1.0)
            stride = max(self.backbone.strides)
            vector = gem(features[stride], weights=features.valid(stride))[0]
        return (self._gem_vectors @ vector).cpu().numpy().astype(float)

    def image(self, image_id: str) -> np.ndarray:
        """Return a picture of the pool, or one that an example brought, uint8 (height, width, 3)."""
        if image_id not in self._images:
            return self.pool.entries[self._rows[image_id]].load().image
        return self._images[image_id]

    # Clicks

    def _click(self, kind: str, image_id: str, box: Box | None) -> None:
        if image_id not in self._rows:
            raise ValueError(f"the pool has no picture {image_id!r}")
        if image_id in self.judged:
            raise ValueError(f"picture {image_id!r} was judged already")
        if box is None:
            table = self.mining().table.set_index("image_id")
            box = tuple(float(table.at[image_id, name]) for name in ("x0", "y0", "x1", "y1"))
        self.clicks = (*self.clicks, Click(kind, image_id, tuple(float(value) for value in box)))

    def _places(self, kind: str, clicks: Sequence[Click]) -> tuple[Place, ...]:
        clicked = tuple(click for click in clicks if click.kind == kind)
        return (self.query, *clicked) if kind == MORE else clicked
