"""Scan a pool for objects that a person points at: every template once, whatever it is combined with later."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from workbench.experiments.selection_pool import Pool, Query
from workbench.retrieval import (
    Backbone,
    Features,
    Matches,
    Mining,
    PoolScores,
    PreparedFeatures,
    Template,
    gem,
    match,
    rank,
    scaled_features,
)
from workbench.retrieval.features import Box

_PICTURES_KEPT = 96
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
        unwanted: times which the mean z-score of what is avoided is taken off. (At 1, as :func:`~workbench.retrieval.mine` does,
            a hit that was marked as wrong costs on average more right hits that look like it than it gains.)
    """

    strides: tuple[int, ...] = (8, 16)
    scales: tuple[float, ...] = (1.0,)
    threshold: float = 0.5
    padding: float = 0.0
    combine: str = "mean"
    unwanted: float = 0.5


class PoolScanner:
    """A pool, and what every template that was asked for scores in it.

    A template scans the pool once; its scores are kept, so that adding an object to others costs only the object's own scan.

    Args:
        pool: with features of the backbone.
        backbone: the one that the pool was seen by.
        settings: default ``MiningSettings()``; they may be changed at any time.
        canvas_size: (height, width) to which the pool's pictures were scaled; None if they were not.
    """

    def __init__(
        self,
        pool: Pool,
        backbone: Backbone,
        settings: MiningSettings | None = None,
        canvas_size: tuple[int, int] | None = None,
    ) -> None:
        self.pool, self.backbone, self.canvas_size = pool, backbone, canvas_size
        self.settings = settings or MiningSettings()
        self.rows_of = {name: row for row, name in enumerate(pool.image_ids)}
        self._images: dict[str, np.ndarray] = {}
        self._seen = lru_cache(maxsize=_PICTURES_KEPT)(self._features)
        self._scanned = lru_cache(maxsize=_SCANS_KEPT)(self._scan)

    def mining(
        self,
        objects: Sequence[Place],
        *,
        negatives: Sequence[Place] = (),
        combine: str | None = None,
        top: int | None = None,
        exclude: Collection[str] = (),
        settings: MiningSettings | None = None,
    ) -> Mining:
        """Return the pool ranked for some objects.

        The arguments are those of :func:`~workbench.retrieval.mine`, with places for objects; ``combine`` is that of the settings
        by default, and ``settings`` are used instead of the scanner's.

        Raises:
            ValueError: as there.
        """
        settings = settings or self.settings
        parts = [self.scan(one, settings) for one in (*objects, *negatives)]
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
            combine=combine or settings.combine,
            top=top,
            exclude=exclude,
        )

    def templates(self, place: Place) -> tuple[Template, ...]:
        """Return the templates of a place at the settings' strides and scales."""
        return self.scan(place)[0]

    def scan(self, place: Place, settings: MiningSettings | None = None) -> tuple[tuple[Template, ...], Matches]:
        """Return the T templates of a place, and their scores (N, T) and boxes (N, T, 4) in the whole pool."""
        settings = settings or self.settings
        box = self.grown(place, settings.padding)
        found = [
            self._scanned(place.image_id, box, stride, scale, settings.threshold)
            for scale in settings.scales
            for stride in settings.strides
        ]
        return (
            tuple(template for template, _ in found),
            Matches(*(np.concatenate([getattr(one, name) for _, one in found], 1) for name in ("scores", "boxes"))),
        )

    def template(self, place: Place, stride: int, scale: float = 1.0) -> Template:
        """Return the template of a place at one stride, without scanning the pool for it."""
        return self._cut(place.image_id, self.grown(place), stride, scale, self.settings.threshold)

    def grown(self, place: Place, padding: float | None = None) -> Box:
        """Return a place's box, grown or shrunk by the padding, inside its picture and at least 2 pixels wide."""
        padding = self.settings.padding if padding is None else padding
        height, width = self.features_of(place).letterboxes[0].image_size
        x0, y0, x1, y1 = place.box
        by_x, by_y = (max(padding, 1 - side / 2) for side in (x1 - x0, y1 - y0))
        grown = (max(x0 - by_x, 0), max(y0 - by_y, 0), min(x1 + by_x, width), min(y1 + by_y, height))
        return tuple(float(value) for value in grown)

    def features_of(self, place: Place, scale: float = 1.0) -> Features:
        """Return the feature maps of a place's picture."""
        if isinstance(place, Example):
            self.know(place)
        return self._seen(place.image_id, scale)

    def gem_cosines(self, place: Place) -> np.ndarray:
        """Return the cosines (N,) of a place's whole picture with those of the pool: generalised means at the coarsest stride."""
        row = self.rows_of.get(place.image_id)
        if row is not None:
            vector = self._gem_vectors[row]
        else:
            features = self.features_of(place)
            stride = max(self.backbone.strides)
            vector = gem(features[stride], weights=features.valid(stride))[0]
        return (self._gem_vectors @ vector).cpu().numpy().astype(float)

    def know(self, example: Example) -> None:
        """Remember an example's picture by its name, for :meth:`image`."""
        self._images.setdefault(example.image_id, example.image)

    def image(self, image_id: str) -> np.ndarray:
        """Return a picture of the pool, or one that an example brought, uint8 (height, width, 3)."""
        if image_id not in self._images:
            return self.pool.entries[self.rows_of[image_id]].load().image
        return self._images[image_id]

    def _scan(self, image_id: str, box: Box, stride: int, scale: float, threshold: float) -> tuple[Template, Matches]:
        template = self._cut(image_id, box, stride, scale, threshold)
        with one_thread():
            return template, match([template], self._prepared)

    def _cut(self, image_id: str, box: Box, stride: int, scale: float, threshold: float) -> Template:
        features = self._seen(image_id, scale)
        return Template.from_box(features, box, features.letterboxes[0], stride=stride, threshold=threshold)

    @cached_property
    def _prepared(self) -> PreparedFeatures:
        return PreparedFeatures(self.pool.features)

    def _features(self, image_id: str, scale: float) -> Features:
        if scale == 1 and image_id in self.rows_of:
            return self.pool.features.select([self.rows_of[image_id]])
        return scaled_features(self.backbone, self.image(image_id), scale, self.canvas_size)

    @cached_property
    def _gem_vectors(self) -> Tensor:
        stride = max(self.backbone.strides)
        return gem(self.pool.features[stride], weights=self.pool.features.valid(stride))


_SCANNING = threading.Lock()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread in the block: sums of a few milliseconds wait for a second one longer than it saves.

    One block at a time: a person's click waits for one scan of a sweep that runs in the background.
    """
    with _SCANNING:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)
