"""The view of notebook 03 in which a person boxes an object and sees what the network makes of it."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.figures import targeted_selection_query as draw
from workbench.figures.targeted_selection import percent, words
from workbench.figures.updates import copy_into
from workbench.panels.box_drawing import let_draw
from workbench.panels.views import beside
from workbench.retrieval import coverage_of_box, l2_normalise

QUERY = "1 Query"


class QueryViews(traitlets.HasTraits):
    """The query's box, the cells that it covers and the template; mixed into the panel of notebook 03.

    ``columns`` and ``rows`` are the box's edges, ``padding`` and ``threshold`` how it is cut, ``shown_stride`` the feature map that
    views 1 and 2 show. A rectangle that is drawn on the picture becomes the box.
    """

    columns = traitlets.Tuple((0.0, 1.0), help="left and right edge of the query's box, pixels")
    rows = traitlets.Tuple((0.0, 1.0), help="top and bottom edge of the query's box, pixels")
    padding = traitlets.Int(0)
    threshold = traitlets.Float(0.5)
    shown_stride = traitlets.Int(8)

    def build_query_view(self) -> None:
        """Make the controls, the picture, the template, and the tab."""
        width, height = self.size_of(self.session.query.image_id)
        pixels = {"unit": "pixels", "format": ".0f", "place": False}
        controls = [
            self.slider("columns", 0, width, 1, "Left and right edge", **pixels),
            self.slider("rows", 0, height, 1, "Top and bottom edge", **pixels),
            self.slider("padding", -8, 32, 1, "Padding on each side", "pixels", place=False,
                        tooltip="Context that the template takes in"),
            self.slider("threshold", 0.05, 1.0, 0.05, "Coverage threshold t", "share of the best cell", place=False,
                        format=".2f", tooltip="A cell is kept from this coverage on"),
            self.choice("shown_stride", {"8 pixels": 8, "16 pixels": 16}, "Cells of", place=False),
        ]  # fmt: skip
        self._query_words = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._query_live = [self.add_figure(figure) for figure in (self._picture_figure(), self._template_figure())]
        let_draw(self._query_live[0], self._query_drawn)
        self.tables[QUERY] = self.query_frame
        body = beside(widgets.VBox([self._query_live[0], self._query_words]), self._query_live[1], least=320)
        self.add_view(QUERY, self._query_live, self._redraw_query, controls, body)

    def query_frame(self) -> pd.DataFrame:
        """Return the cells that the box touches: row, column, coverage, and whether they are kept."""
        shown = self._query_shown()
        rows, columns = np.nonzero(shown.coverage)
        values = {"coverage": shown.coverage[rows, columns], "kept": shown.kept[rows, columns]}
        return pd.DataFrame({"stride": shown.stride, "row": rows, "column": columns, **values})

    def _redraw_query(self, changed: frozenset[str]) -> None:
        if changed - {"view"}:
            copy_into(self._query_live[0], self._picture_figure())
            copy_into(self._query_live[1], self._template_figure())
            self._query_words.value = self._query_text()

    def _query_shown(self) -> draw.QueryShown:
        session, stride = self.session, self.shown_stride
        features = session.features_of(session.query)
        box, letterbox = session.grown(session.query), features.letterboxes[0]
        maps = features[stride][0]
        coverage = coverage_of_box(box, letterbox, stride, maps.shape[1:]).numpy()
        vectors = l2_normalise(maps, 0).permute(1, 2, 0).numpy()
        return draw.QueryShown(
            self.picture_uri(session.query.image_id),
            session.query.image,
            box,
            session.query.box,
            stride,
            coverage,
            coverage >= self.threshold * coverage.max(),
            draw.vector_colours(vectors),
        )

    def _picture_figure(self) -> go.Figure:
        query = self.session.query
        x0, y0, x1, y1 = query.box
        width, height = self.size_of(query.image_id)
        area = percent((x1 - x0) * (y1 - y0) / (width * height))
        name = f"A {words(query.category)}" if query.category else "No known object"
        return draw.picture_figure(self._query_shown(), f"{name}, {area} of the picture")

    def _template_figure(self) -> go.Figure:
        shown = self._query_shown()
        rows, columns = (np.flatnonzero(shown.kept.any(axis)) for axis in (1, 0))
        size = f"{rows[-1] - rows[0] + 1} x {columns[-1] - columns[0] + 1}"
        return draw.template_figure(shown, f"Template of {size} cells, {shown.kept.sum()} kept")

    def _query_text(self) -> str:
        shown = self._query_shown()
        covered = float(shown.coverage.sum())
        lines = [
            "Draw another box with the mouse, or move its edges with the sliders. "
            f"It covers the area of {covered:.1f} cells of {shown.stride} pixels. A cell is kept where its coverage is at "
            f"least {self.threshold:g} of the best one's, so that there is always one."
        ]
        if covered < 1:
            lines.append("<b>The object is smaller than one cell</b>: a finer stride shows more of it.")
        if not self.session.query.category:
            lines.append("No object of the scene is boxed, so that nobody can say which pictures are right.")
        return "".join(f"<p style='margin:4px 0;line-height:1.5'>{line}</p>" for line in lines)

    def _query_drawn(self, box: tuple[float, float, float, float]) -> None:
        """Take the rectangle that a person drew or dragged as the box."""
        width, height = self.size_of(self.session.query.image_id)
        (left, right), (top, bottom) = (
            [float(np.clip(round(value), 0, side)) for value in box[axis::2]]
            for axis, side in ((0, width), (1, height))
        )
        if min(right - left, bottom - top) < 2:
            self.say("A box needs at least 2 pixels each way: press, drag and let go", "warning")
            (left, right), (top, bottom) = self.columns, self.rows
        with self.guard():
            self.update(columns=(left, right), rows=(top, bottom))
        copy_into(self._query_live[0], self._picture_figure())  # takes the second rectangle away
