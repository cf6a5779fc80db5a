"""The panel of notebook 03: nine views of one question, which pictures of a pool show the object that a detector missed?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import traitlets

from workbench.experiments.selection_cache import OpenPool, open_pool
from workbench.experiments.selection_pool import PoolConfig
from workbench.experiments.selection_scan import Click, Example, MiningSettings
from workbench.experiments.selection_session import MiningSession
from workbench.panels.base import Panel
from workbench.retrieval import Backbone, EfficientNetLite0Backbone

POOL = PoolConfig(scenes=192)
STRIDES = {"8": (8,), "16": (16,), "8 + 16": (8, 16)}


class TargetedSelectionPanel(Panel):
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
    columns = traitlets.Tuple((0, 1), help="left and right edge of the query's box, pixels")
    rows = traitlets.Tuple((0, 1), help="top and bottom edge of the query's box, pixels")
    strides = traitlets.Unicode("8 + 16")
    padding = traitlets.Int(0)
    threshold = traitlets.Float(0.5)
    combine = traitlets.Unicode("mean")
    clicks = traitlets.Tuple(help="judgements of pictures of the pool, the oldest first")

    def __init__(
        self,
        opened: OpenPool | None = None,
        backbone: Backbone | None = None,
        *,
        key: str | None = None,
        **initial: Any,
    ) -> None:
        self.backbone = backbone or EfficientNetLite0Backbone()
        self.opened = opened or open_pool(POOL, self.backbone)
        self.tables: dict[str, Callable[[], pd.DataFrame]] = {}
        super().__init__(key=key, **initial)

    def build(self) -> None:
        """Make the controls and the views."""
        self.examples = named_examples(self.opened)
        example = self.examples[self.query]
        self.session = MiningSession(self.opened.pool, self.backbone, example)
        self.columns, self.rows = _edges(example)
        self._shown_query = self.query
        self.dropdown("query", list(self.examples), "Object to look for")
        self.choice("strides", list(STRIDES), "Strides")

    def redraw(self, changed: frozenset[str]) -> None:
        """Bring the session up to the controls; the views draw from it afterwards."""
        if self.query != self._shown_query:
            self._shown_query = self.query
            with self.hold():
                if "columns" not in changed:
                    self.columns = _edges(self.examples[self.query])[0]
                if "rows" not in changed:
                    self.rows = _edges(self.examples[self.query])[1]
                if "clicks" not in changed:
                    self.clicks = ()
        example = self.examples[self.query]
        box = (self.columns[0], self.rows[0], self.columns[1], self.rows[1])
        self.session.query = Example(example.image_id, example.image, box, example.category)
        self.session.settings = MiningSettings(
            STRIDES[self.strides], threshold=self.threshold, padding=self.padding, combine=self.combine
        )
        self.session.clicks = tuple(Click(*click) for click in self.clicks)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view: the ranked pool, unless the view has a table of its own."""
        if self.view in self.tables:
            return self.tables[self.view]()
        return self.session.ranking().table.sort_values("score", ascending=False, ignore_index=True)


def named_examples(opened: OpenPool) -> dict[str, Example]:
    """Return the queries of a pool by names such as ``"bike 1"``, class by class."""
    counts: dict[str, int] = {}
    named = {}
    for query in opened.queries:
        counts[query.category] = counts.get(query.category, 0) + 1
        named[f"{query.category.replace('_', ' ')} {counts[query.category]}"] = Example.of(query)
    return dict(sorted(named.items()))


def _edges(example: Example) -> tuple[tuple[int, int], tuple[int, int]]:
    x0, y0, x1, y1 = (round(value) for value in example.box)
    return (x0, x1), (y0, y1)
