"""The panel of notebook 03: nine views of one question, which pictures of a pool show the object that a detector missed?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import traitlets

from workbench.datasets.annotated_images import Box
from workbench.experiments.selection_cache import OpenPool, open_pool
from workbench.experiments.selection_pool import PoolConfig, Query
from workbench.experiments.selection_scan import Click, Example, MiningSettings
from workbench.experiments.selection_session import MiningSession
from workbench.panels.base import Panel
from workbench.panels.pool_pictures import PoolPictures
from workbench.panels.targeted_selection_and import AND, AndViews
from workbench.panels.targeted_selection_context import CONTEXT, STRIDES, ContextViews
from workbench.panels.targeted_selection_loop import LOOP, LoopViews
from workbench.panels.targeted_selection_own import OWN, OwnViews
from workbench.panels.targeted_selection_query import QUERY, QueryViews
from workbench.panels.targeted_selection_scale import SCALE, ScaleViews
from workbench.panels.targeted_selection_size import SIZE, SizeViews
from workbench.panels.targeted_selection_theatre import THEATRE, TheatreViews
from workbench.panels.targeted_selection_wall import WALL, WallViews
from workbench.retrieval import Backbone, EfficientNetLite0Backbone
from workbench.training import tqdm_progress

VIEWS = (QUERY, THEATRE, WALL, CONTEXT, SIZE, AND, LOOP, SCALE, OWN)
POOL = PoolConfig(scenes=192)
SIZES = (192, 384, 768)
LEAST_OVERLAP = 0.1
"""Intersection over union from which a box is taken for the box of an object."""


class TargetedSelectionPanel(
    QueryViews,
    TheatreViews,
    WallViews,
    ContextViews,
    SizeViews,
    AndViews,
    LoopViews,
    ScaleViews,
    OwnViews,
    PoolPictures,
    Panel,
):
    """Find the pictures of a pool that show an object of interest, from one box around it.

    Every control is an attribute: ``panel.query`` (such as ``"bike 1"``), ``panel.columns`` and ``panel.rows`` (its box),
    ``panel.strides``, ``panel.padding``, ``panel.threshold``, ``panel.combine``, ``panel.clicks``, ``panel.view``.
    :attr:`session` holds the pool, the backbone and the ranking.

    A view lives in a mixin class: it declares its traits, makes its controls and figures in ``build_<name>_view()``, which ends in
    ``add_view(TITLE, figures, draw, controls)``, and puts its table into :attr:`tables` under its title for the export.

    Args:
        opened: the pool to mine; by default :data:`POOL`, from the person's cache or embedded now.
        backbone: the one that it was seen by.
        key: as for :class:`Panel`.
        **initial: first values of traits.
    """

    title = "targeted selection"
    query = traitlets.Unicode("bike 1")
    scenes = traitlets.Int(384, help="of the pool that the button opens")

    def __init__(
        self,
        opened: OpenPool | None = None,
        backbone: Backbone | None = None,
        *,
        key: str | None = None,
        **initial: Any,
    ) -> None:
        self.backbone = backbone or EfficientNetLite0Backbone()
        if opened is None:
            with tqdm_progress("Embedding the pool, once", leave=False, delay=1) as progress:
                opened = open_pool(POOL, self.backbone, progress)
        self.opened = opened
        self.tables: dict[str, Callable[[], pd.DataFrame]] = {}
        super().__init__(key=key, **initial)

    def build(self) -> None:
        """Make the controls and the views."""
        self.queries = named_queries(self.opened.queries)
        self.columns, self.rows = edges(self.queries[self.query].target.box)
        self._shown_query = self.query
        self.session = MiningSession(self.opened.pool, self.backbone, self._example())
        self.dropdown("query", list(self.queries), "Object to look for")
        self.choice("strides", list(STRIDES), "Strides", tooltip="Pixels per cell of the feature maps that are matched")
        sizes = {f"{count} scenes": count for count in SIZES}
        self.dropdown("scenes", sizes, "Other pool", tooltip="A scene takes some 50 ms once, and is kept in your cache")
        self.button("Open it", self.embed_pool, tooltip="In the background, with progress and Stop")
        self.build_query_view()
        self.build_theatre_view()
        self.build_wall_view()
        self.build_context_view()
        self.build_size_view()
        self.build_and_view()
        self.build_loop_view()
        self.build_scale_view()
        self.build_own_view()
        self.tables |= {AND: self.and_frame, LOOP: self.loop_frame, SCALE: self.scale_frame, OWN: self.own_frame}
        self.view = WALL

    def redraw(self, changed: frozenset[str]) -> None:
        """Bring the session up to the controls; the views draw from it afterwards."""
        if self.query != self._shown_query:
            before, now = (edges(self.queries[name].target.box) for name in (self._shown_query, self.query))
            self._shown_query = self.query
            with self.hold():  # what was set together with the query stays
                for name, old, new in zip(("columns", "rows"), before, now, strict=True):
                    if name not in changed or getattr(self, name) == old:
                        setattr(self, name, new)
                if "clicks" not in changed:
                    self.clicks = ()
        session = self.session
        session.query = self._example()
        session.settings = MiningSettings(
            STRIDES[self.strides],
            threshold=self.threshold,
            padding=float(self.padding),
            combine=self.combine,
            unwanted=self.unwanted,
        )
        session.clicks = tuple(Click(*click) for click in self.clicks if click[1] in session.rows_of)

    def _draw(self, changed: frozenset[str]) -> None:
        with warnings.catch_warnings():  # view 1 says it where an object is smaller than a cell
            warnings.filterwarnings("ignore", message="the object covers")
            super()._draw(changed)

    def embed_pool(self) -> None:
        """Open a pool of :attr:`scenes` scenes: from the cache, or embedded now in the background."""
        config = replace(POOL, scenes=self.scenes)
        self.run_job(open_pool, config, self.backbone, on_done=self.take_pool, label=f"Opening {self.scenes} scenes")

    def take_pool(self, opened: OpenPool) -> None:
        """Mine another pool: the query stays, the clicks are forgotten, every view is drawn anew."""
        self.opened = opened
        self.session = MiningSession(opened.pool, self.backbone, self._example())
        self.clicks = ()
        self.draw_anew()
        self.say(f"{len(opened.pool.image_ids)} scenes are in the pool now", "good")

    def draw_anew(self) -> None:
        """Draw every view as if everything had changed; the hidden ones when they are looked at."""
        with self.hold():
            self._changed.update(self._names)

    @property
    def box(self) -> Box:
        """The query's box, (x0, y0, x1, y1) in pixels of its picture, at least one pixel wide and high."""
        (x0, x1), (y0, y1) = self.columns, self.rows
        return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)

    def _example(self) -> Example:
        scene = self.queries[self.query].scene
        return Example(scene.id, scene.image, self.box, category_at(self.queries[self.query], self.box))

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view: the ranked pool, unless the view has a table of its own."""
        if self.view in self.tables:
            return self.tables[self.view]()
        return self.session.ranking().sort_values("score", ascending=False, ignore_index=True)


def named_queries(queries: tuple[Query, ...]) -> dict[str, Query]:
    """Return queries by names such as ``"bike 1"``, class by class."""
    counts: dict[str, int] = {}
    named = {}
    for query in queries:
        counts[query.category] = counts.get(query.category, 0) + 1
        named[f"{query.category.replace('_', ' ')} {counts[query.category]}"] = query
    return dict(sorted(named.items()))


def category_at(query: Query, box: Box) -> str:
    """Return the class of the object of a query's scene that a box overlaps most; empty where it overlaps none well."""
    overlaps = {one.category: 0.0 for one in query.scene.annotations}
    for one in query.scene.annotations:
        overlaps[one.category] = max(overlaps[one.category], overlap(one.box, box))
    best = max(overlaps, key=overlaps.get)
    return best if overlaps[best] >= LEAST_OVERLAP else ""


def overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes.

    >>> overlap((0, 0, 10, 10), (5, 0, 15, 10)), overlap((0, 0, 1, 1), (2, 2, 3, 3))
    (0.333..., 0.0)
    """
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (first, second)]
    return shared / (sum(areas) - shared)


def edges(box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return a box as its left and right and its top and bottom edges, in whole pixels."""
    x0, y0, x1, y1 = (float(round(value)) for value in box)
    return (x0, x1), (y0, y1)
