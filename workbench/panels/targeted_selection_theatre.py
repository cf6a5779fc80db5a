"""The view of notebook 03 that shows one match at work: the score map of a picture, and a template to move over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
import traitlets

from workbench.figures import targeted_selection_theatre as draw
from workbench.figures.targeted_selection import words
from workbench.figures.updates import copy_into
from workbench.panels.views import beside
from workbench.retrieval import Template, l2_normalise, score_map

THEATRE = "2 Score map"
FARTHEST = 60
"""Ranks that can be looked at."""


class TheatreViews(traitlets.HasTraits):
    """The query's template on a picture of the ranking; mixed into the panel of notebook 03.

    ``rank`` is the rank of the picture, ``cursor_row`` and ``cursor_column`` the cell of the template's upper left corner, which
    goes to the best match of every new picture. A click on the score map moves it.
    """

    rank = traitlets.Int(1)
    cursor_row = traitlets.Int(0)
    cursor_column = traitlets.Int(0)

    def build_theatre_view(self) -> None:
        """Make the controls, the score map, the cosines, and the tab."""
        last = min(FARTHEST, len(self.session.pool.image_ids) - 1)
        self._staged: tuple[object, ...] = ()
        controls = [
            self.slider("rank", 1, last, 1, "Picture at rank", "count", place=False, tooltip="1 is the best match"),
            self.slider("cursor_row", -20, 60, 1, "Template's row", "cells", place=False),
            self.slider("cursor_column", -20, 80, 1, "Template's column", "cells", place=False),
            self.button("Back to the best match", self.to_best, place=False),
        ]
        self._stage_match()
        self._theatre_live = self.add_figure(self._theatre_figure())
        self._cosines_live = self.add_figure(self._cosines_figure())
        self._theatre_live.data[1].on_click(self._map_clicked)
        self.tables[THEATRE] = self.theatre_frame
        body = beside(self._theatre_live, self._cosines_live)
        self.add_view(THEATRE, [self._theatre_live, self._cosines_live], self._redraw_theatre, controls, body)

    def to_best(self) -> None:
        """Move the template to the place of the highest score."""
        row, column = self._best_corner()
        self.update(cursor_row=row, cursor_column=column)

    def theatre_frame(self) -> pd.DataFrame:
        """Return the score map: row, column (of the template's upper left cell) and score."""
        (th, tw), scores = self._shown_template.cells, self._scores
        rows, columns = np.indices(scores.shape)
        values = {"row": rows.ravel() - (th - 1), "column": columns.ravel() - (tw - 1), "score": scores.ravel()}
        return pd.DataFrame(values)

    # What is drawn

    def _redraw_theatre(self, changed: frozenset[str]) -> None:
        if changed - {"view", "cursor_row", "cursor_column"}:
            self._stage_match()
        copy_into(self._theatre_live, self._theatre_figure())
        copy_into(self._cosines_live, self._cosines_figure())

    def _stage_match(self) -> None:
        """Match the picture at the chosen rank; the cursor goes to the best place of another picture or template."""
        session, stride = self.session, self.shown_stride
        hits = session.hits(self.rank)
        self._hit = hits[-1]
        row = session.rows_of[self._hit.image_id]
        template = session.template(session.query, stride)
        maps = session.pool.features.select([row])
        self._target_maps = l2_normalise(maps[stride])
        self._scores = score_map(template, maps[stride], maps.valid(stride))[0].numpy().astype(float)
        self._scores[np.isinf(self._scores)] = np.nan
        self._shown_template = template
        staged = (self._hit.image_id, stride, session.query.image_id, session.grown(session.query), self.threshold)
        th, tw = template.cells
        ranges = {
            "cursor_row": (1 - th, maps[stride].shape[2] - 1),
            "cursor_column": (1 - tw, maps[stride].shape[3] - 1),
        }
        with self.hold():
            for name, (low, high) in ranges.items():
                if (self.controls[name].min, self.controls[name].max) != (low, high):
                    self.set_range(name, low, high)
            if staged != self._staged:
                self._staged = staged
                self.cursor_row, self.cursor_column = self._best_corner()

    def _best_corner(self) -> tuple[int, int]:
        th, tw = self._shown_template.cells
        row, column = np.unravel_index(np.nanargmax(self._scores), self._scores.shape)
        return int(row) - (th - 1), int(column) - (tw - 1)

    def _match_shown(self) -> draw.Match:
        session, template, stride = self.session, self._shown_template, self.shown_stride
        objects = session.pool.objects
        mine = objects[(objects["image_id"] == self._hit.image_id) & (objects["category"] == session.query.category)]
        row, column = self._best_corner()
        x0, y0, x1, y1 = template.outline
        best = (x0 + column * stride, y0 + row * stride, x1 + column * stride, y1 + row * stride)
        return draw.Match(
            self.picture_uri(self._hit.image_id),
            self.size_of(self._hit.image_id),
            stride,
            self._scores,
            template.cells,
            best,
            [tuple(box) for box in mine[["x0", "y0", "x1", "y1"]].to_numpy().tolist()] if self.truth_shown else [],
            (self.cursor_row, self.cursor_column),
            cell_cosines(template, self._target_maps[0], self.cursor_row, self.cursor_column),
            template.weights.numpy(),
        )

    def _score_at_cursor(self) -> float:
        th, tw = self._shown_template.cells
        return float(self._scores[self.cursor_row + th - 1, self.cursor_column + tw - 1])

    def _theatre_figure(self) -> go.Figure:
        wanted = words(self.session.query.category)
        says = {True: f"shows a {wanted}", False: f"no {wanted} in it", None: "nobody knows"}
        truth = says[self._hit.relevant] if self.truth_shown else "right or wrong?"
        title = f"Rank {self.rank}, {self._hit.image_id}, score {self._hit.score:.2f}: {truth}"
        return draw.theatre_figure(self._match_shown(), title)

    def _cosines_figure(self) -> go.Figure:
        at_best = (self.cursor_row, self.cursor_column) == self._best_corner()
        title = "Cosines at the best match" if at_best else "Cosines at the template's place"
        return draw.cosines_figure(self._match_shown(), self._score_at_cursor(), title)

    def _map_clicked(self, trace: Any, points: Any, state: Any) -> None:
        """Put the middle of the template where a person clicked."""
        if not points.xs:
            return
        th, tw = self._shown_template.cells
        stride = self.shown_stride
        with self.guard():
            self.update(
                cursor_row=round(points.ys[0] / stride - th / 2), cursor_column=round(points.xs[0] / stride - tw / 2)
            )


def cell_cosines(template: Template, unit: torch.Tensor, row: int, column: int) -> np.ndarray:
    """Return the cosines (th, tw) of a template's cells with the cells of a map under them; NaN where the weight is 0.

    Args:
        template: its upper left cell lies at ``row`` and ``column`` of the map, which may be outside: such cells count 0.
        unit: (C, h, w) of length 1 each.
        row, column: cells.
    """
    th, tw = template.cells
    cosines = np.zeros((th, tw))
    height, width = unit.shape[1:]
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + th, height), min(column + tw, width)
    if top < bottom and left < right:
        part = template.vectors[:, top - row : bottom - row, left - column : right - column]
        products = (part.cpu() * unit[:, top:bottom, left:right].cpu()).sum(0)
        cosines[top - row : bottom - row, left - column : right - column] = products.numpy()
    return np.where(template.weights.cpu().numpy() > 0, cosines, np.nan)
