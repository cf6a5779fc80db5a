"""The view of notebook 03 that shows what was found and learns from clicks: the wall of hits."""

from __future__ import annotations

from dataclasses import astuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.selection_session import METHODS, MORE, NOT, Hit
from workbench.figures import targeted_selection as draw
from workbench.figures.updates import copy_into
from workbench.panels.hit_wall import RESET, TAKE_BACK, UNDO, Exemplar, HitWall, Tile
from workbench.panels.views import beside

WALL = "3 Wall of hits"
SHOWN = 12
RANKED_BY = ("query", "columns", "rows", "strides", "padding", "threshold", "combine", "unwanted", "clicks")
"""Traits of the panel that change its ranking."""


class WallViews(traitlets.HasTraits):
    """The best pictures with their matches, and two buttons on each; mixed into the panel of notebook 03.

    ``clicks`` are the judgements so far, ``ranked_by`` is ``"DTM"`` or ``"GeM"``, ``combine`` makes one score of several examples,
    ``unwanted`` weighs those to avoid, ``truth_shown`` frames what is right and wrong.
    Press by code with :meth:`more_like`, :meth:`not_this`, :meth:`undo`, :meth:`take_back` and :meth:`forget_clicks`.
    """

    clicks = traitlets.Tuple(help="judgements of pictures of the pool, (kind, image_id, box), the oldest first")
    ranked_by = traitlets.Unicode("DTM")
    combine = traitlets.Unicode("mean")
    unwanted = traitlets.Float(0.5)
    truth_shown = traitlets.Bool(True)

    def build_wall_view(self) -> None:
        """Make the controls, the wall, the two figures beside it, and the tab."""
        ranked = {"template matching (DTM)": "DTM", "whole pictures (GeM)": "GeM"}
        controls = [
            self.choice("ranked_by", ranked, "Ranked by", place=False, tooltip="The same query, the same network"),
            self.choice("combine", ["mean", "max", "min"], "Several examples by", place=False,
                        tooltip="How the z-scores of several examples become one"),
            self.slider("unwanted", 0, 1, 0.25, 'Weight of "not this"', "ratio", place=False, format=".2f",
                        tooltip="Of the z-score of what is avoided, against that of what is looked for"),
            self.toggle("truth_shown", "Show what is right", place=False, tooltip="Untick it to judge by yourself"),
        ]  # fmt: skip
        self.wall = HitWall(self._wall_pressed)
        self._recall_live = self.add_figure(self._recall_figure())
        self._history_live = self.add_figure(self._history_figure())
        right = widgets.VBox([self._recall_live, self._history_live])
        body = beside(self.wall, right)
        self.tables[WALL] = self.wall_frame
        self.add_view(WALL, [self._recall_live, self._history_live], self._redraw_hits, controls, body)

    # What a person does

    def more_like(self, image_id: str) -> None:
        """Also look for what was found in a picture.

        Raises:
            ValueError: the pool has no such picture, or it was judged already.
        """
        self.session.more_like(image_id)
        self._take_clicks()

    def not_this(self, image_id: str) -> None:
        """Avoid what was found in a picture.

        Raises:
            ValueError: the pool has no such picture, or it was judged already.
        """
        self.session.not_this(image_id)
        self._take_clicks()

    def undo(self) -> None:
        """Take the last click back; nothing happens without one."""
        self.clicks = self.clicks[:-1]

    def take_back(self, image_id: str) -> None:
        """Take back the click on a picture."""
        self.clicks = tuple(click for click in self.clicks if click[1] != image_id)

    def forget_clicks(self) -> None:
        """Take every click back."""
        self.clicks = ()

    def _take_clicks(self) -> None:
        self.clicks = tuple(astuple(click) for click in self.session.clicks)

    def _wall_pressed(self, kind: str, image_id: str) -> None:
        actions = {MORE: self.more_like, NOT: self.not_this, TAKE_BACK: self.take_back}
        with self.guard():
            if kind in actions:
                actions[kind](image_id)
            else:
                {UNDO: self.undo, RESET: self.forget_clicks}[kind]()
            return
        self._show_hits()  # the page has marked the tile already

    # What is drawn

    def wall_frame(self) -> pd.DataFrame:
        """Return every picture that nobody has judged, the best first, with its box, and whether it is right if that is known."""
        hits = self.session.hits(len(self.session.pool.image_ids), self.ranked_by)
        corners = [hit.box or (np.nan,) * 4 for hit in hits]
        table = pd.DataFrame([(hit.rank, hit.image_id, hit.score, hit.relevant) for hit in hits])
        table.columns = ["rank", "image_id", "score", "relevant"]
        return table.join(pd.DataFrame(corners, columns=["x0", "y0", "x1", "y1"]))

    def _redraw_hits(self, changed: frozenset[str]) -> None:
        if changed & {*RANKED_BY, "ranked_by", "truth_shown"}:
            self._show_hits()
            copy_into(self._recall_live, self._recall_figure())
            copy_into(self._history_live, self._history_figure())

    def _show_hits(self) -> None:
        session = self.session
        hits = session.hits(SHOWN, self.ranked_by)
        exemplars = [
            Exemplar(place.image_id, self.size_of(place.image_id), place.box, kind)
            for kind, places in ((MORE, session.positives), (NOT, session.negatives))
            for place in places
        ]
        exemplars[0] = Exemplar(*astuple(exemplars[0])[:3], "query")
        names = {one.image_id for one in (*hits, *exemplars)}
        self.wall.show(
            [self._hit_tile(hit) for hit in hits],
            exemplars,
            {name: self.picture(name) for name in names},
            self._hits_words(hits),
        )

    def _hit_tile(self, hit: Hit) -> Tile:
        wanted = draw.words(self.session.query.category)
        correct = hit.relevant if self.truth_shown else None
        words = {True: wanted, False: f"no {wanted}", None: ""}[correct]
        return Tile(hit.image_id, self.size_of(hit.image_id), hit.box, f"{hit.score:.2f}", correct, words)

    def _recall_figure(self) -> go.Figure:
        session = self.session
        curves = {method: session.recall(method) for method in METHODS}
        truth = session.truth()
        if truth is None or not truth.any():
            title = "Found so far: nobody knows"
        else:
            title = f"{truth.sum()} of {len(truth)} show a {draw.words(session.query.category)}"
        return draw.recall_figure(curves, SHOWN, len(session.pool.image_ids) - len(session.clicks), title)

    def _history_figure(self) -> go.Figure:
        session, truth = self.session, self.session.truth()
        values = {method: session.history(method) for method in METHODS}
        known = truth is not None and truth.any()
        title = f"Average precision {values['DTM'][-1]:.2f}" if known else "Average precision: not known"
        kinds = [click.kind for click in session.clicks]
        return draw.history_figure(values, kinds, float(truth.mean()) if known else np.nan, title)

    def _hits_words(self, hits: list[Hit]) -> str:
        session, wanted = self.session, draw.words(self.session.query.category)
        truth = session.truth()
        if truth is None or not truth.any():
            return "Nobody knows which pictures are right: draw the query's box around an object that the scene names."
        if not self.truth_shown:
            return f"Which of these {len(hits)} show a {wanted}? Say so with the buttons, then look."
        right = sum(bool(hit.relevant) for hit in hits)
        ap = {method: session.average_precision(method) for method in METHODS}
        other = next(method for method in METHODS if method != self.ranked_by)
        return (
            f"{right} of these {len(hits)} show a {wanted}. AP {ap[self.ranked_by]:.2f} by {self.ranked_by}, {ap[other]:.2f} by "
            f"{other}, {truth.mean():.2f} by chance, over the {len(truth)} pictures that you have not judged."
        )
