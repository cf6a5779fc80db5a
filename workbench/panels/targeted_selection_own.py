"""The view of notebook 03 for a person's own pictures: draw a box in one, find others that show the same, take the hits home."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.datasets import UnreadableImageError, atomic_write, coco_bytes
from workbench.experiments.selection_folder import PYRAMID, FolderQuery, Found, hits_boxes, hits_table
from workbench.figures import targeted_selection_own as draw
from workbench.figures.targeted_selection_thumbnails import Thumbnail, wall_figure
from workbench.figures.theme import PURPLE
from workbench.figures.updates import copy_into
from workbench.panels.box_drawing import let_draw
from workbench.panels.exports import csv_bytes
from workbench.panels.own_pictures import OwnPictures
from workbench.panels.targeted_selection_own_words import HELP, pool_html, tail
from workbench.panels.thumbnails import Thumbnails

OWN = "9 Own folder"
DRAWN = "a box that I draw"
AT_ONCE = 60
"""Pools up to this size are searched at every change; larger ones when the person presses Find."""

SHOWN = 12
_MOST_KNOWN = 400
_GREY = np.full((100, 160, 3), 128, np.uint8)


class OwnViews(OwnPictures):
    """A folder of the person's; mixed into the panel of notebook 03, which gives ``backbone``, ``strides`` and ``threshold``.

    ``own_picture`` is the number of the query's picture, ``own_columns`` and ``own_rows`` are the edges of the box in it,
    ``own_known`` says which of the folder's boxes it is, ``own_label`` names the object.  :meth:`find_own` searches;
    :meth:`export_hits` writes the best ``own_top`` as CSV or COCO.  How pictures come in is told by :class:`OwnPictures`.
    """

    own_known = traitlets.Unicode(
        "", help="number of a picture and place of a box of the folder; empty for a drawn box"
    )
    own_picture = traitlets.Int(1)
    own_columns = traitlets.Tuple((0, 1))
    own_rows = traitlets.Tuple((0, 1))
    own_label = traitlets.Unicode("object")
    own_top = traitlets.Int(24)
    own_pyramid = traitlets.Bool(False)
    own_spacing = traitlets.Int(1)

    def build_own_view(self) -> None:
        """Make the ways in, the controls, the two figures and the tab."""
        self._own_found: Found | None = None
        self._own_placed = ("", 1)
        self._own_pictures = Thumbnails(self._own_image, self._show_own, draw.PREVIEW)
        self._own_small = Thumbnails(self._own_image, self._show_own)
        self._own_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._own_live = [self.add_figure(self._draw_query()), self.add_figure(self._draw_hits())]
        let_draw(self._own_live[0], self._box_drawn)
        self.observe(self._fit_own, names="own_pool")
        controls = [*self.build_ways_in(), *self._own_controls(), self._own_text]
        self._own_body = widgets.VBox(self._own_live)
        self.add_view(OWN, self._own_live, self._redraw_own, controls, self._own_body)

    def _own_controls(self) -> list[widgets.Widget]:
        find = self.button("Find", self.find_own, primary=True, place=False, tooltip="Search all pictures")
        save = self.button("Save hits (COCO json)", self._download_hits, place=False, tooltip="Boxes and scores")
        save.icon = "download"
        edges = {"step": 1, "unit": "pixels", "format": ".0f", "place": False}
        self._own_asked = [
            self.dropdown("own_known", {DRAWN: ""}, "Look for", place=False),
            self.slider("own_picture", 1, 2, 1, "Picture", "number", place=False),
            self.slider("own_columns", 0, 1, description="Left and right edge", **edges),
            self.slider("own_rows", 0, 1, description="Top and bottom edge", **edges),
            self.text("own_label", "Call it", place=False, tooltip="Category of the hits in the file"),
            self.slider("own_top", 1, 200, 1, "Hits to keep", "count", place=False),
            self.slider("own_spacing", 1, 50, 1, "At most one of", "successive pictures", place=False,
                        tooltip="Neighbouring frames of a video are all alike"),
            self.toggle("own_pyramid", "Also smaller and larger (0.7 and 1.4 times)", place=False),
            find,
            save,
        ]  # fmt: skip
        return self._own_asked

    # What a person does

    def find_own(self) -> None:
        """Search the pool: at once where it is small, in the background where it is large.

        Raises:
            ValueError: there is no pool yet, or nothing to search.
        """
        if self.own_pool is None:
            raise ValueError("there are no pictures yet: give a folder, or upload some")

        def done(found: Found) -> None:
            self._own_found = found
            self._show_own()

        if len(self.own_pool.names) <= AT_ONCE:
            done(self.own_pool.find(self.own_query))
        else:
            self.run_job(self.own_pool.find, self.own_query, on_done=done, label="Searching")

    def export_hits(self, path: str | os.PathLike[str]) -> None:
        """Write the hits to a file: COCO where the name ends in .json, else CSV.

        Raises:
            ValueError: nothing was searched yet.
        """
        content = self.hits_coco() if str(path).lower().endswith(".json") else csv_bytes(self.own_frame())
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)

    def hits_coco(self) -> bytes:
        """Return the hits as a COCO file with scores; raises ValueError when nothing was searched yet."""
        boxes = hits_boxes(self._own_result(), self.own_top, self._own_category())
        return coco_bytes(boxes, {one.image_id: self.own_pool.sizes[one.image_id] for one in boxes})

    def own_frame(self) -> pd.DataFrame:
        """Return the hits as a table; raises ValueError when nothing was searched yet."""
        return hits_table(self._own_result(), self.own_top).assign(category=self._own_category())

    @property
    def own_name(self) -> str:
        """Name of the query's picture; empty without a pool."""
        return self.own_pool.names[self.own_picture - 1] if self.own_pool is not None else ""

    @property
    def own_query(self) -> FolderQuery:
        """What is looked for."""
        (left, right), (top, bottom) = self.own_columns, self.own_rows
        strides = tuple(int(stride) for stride in self.strides.split(" + "))
        scales = PYRAMID if self.own_pyramid else (1.0,)
        box = (float(left), float(top), float(right), float(bottom))
        return FolderQuery(self.own_name, box, strides, self.threshold, scales, self.own_spacing)

    def _own_result(self) -> Found:
        if self._own_found is None:
            raise ValueError("nothing was searched yet: open a folder, draw a box and press Find")
        return self._own_found

    def _own_category(self) -> str:
        return self.own_label.strip() or "object"

    def _download_hits(self) -> None:
        self._page.download("hits.json", self.hits_coco(), "application/json")
        self.say("Saved hits.json to your browser's downloads", "good")

    # State that belongs together

    def _fit_own(self, _: object = None) -> None:
        """Fit the controls to a pool that has just come, and look for its first known box."""
        pool, self._own_found = self.own_pool, None
        self._own_pictures.forget()
        self._own_small.forget()
        if pool is None:
            return
        known = {
            f"{one.category} in {entry.id}" + (f" ({place + 1})" if place else ""): f"{number} {place}"
            for number, entry in enumerate(pool.entries, start=1)
            for place, one in enumerate(entry.annotations)
        }
        with self.hold():
            self.set_range("own_picture", 1, max(2, len(pool.names)))
            self.set_range("own_top", 1, max(2, len(pool.names) - 1))
            self.set_options("own_known", {DRAWN: ""} | dict(list(known.items())[:_MOST_KNOWN]))
            self.own_picture, self.own_known = 1, next(iter(known.values()), "")
            self._place_box()

    def _place_box(self) -> None:
        """Put the box around the chosen known object, or into the middle of the query's picture."""
        known = None
        if self.own_known:
            number, place = map(int, self.own_known.split())
            known = self.own_pool.entries[number - 1].annotations[place]
            self.own_picture, self.own_label = number, known.category
        self._own_placed = (self.own_known, self.own_picture)
        width, height = self.own_pool.sizes[self.own_name]
        self.set_range("own_columns", 0, width)
        self.set_range("own_rows", 0, height)
        self._set_box(known.box if known else (0.45 * width, 0.45 * height, 0.55 * width, 0.55 * height))

    def _set_box(self, box: tuple[float, ...]) -> None:
        """Take a box in whole pixels, inside the picture and not empty."""
        width, height = self.own_pool.sizes[self.own_name]
        with self.hold():
            self.own_columns, self.own_rows = _edges(box[0], box[2], width), _edges(box[1], box[3], height)

    def _box_drawn(self, box: tuple[float, ...]) -> None:
        """Take the box that was drawn in the query's picture."""
        if self.own_pool is None:
            return
        with self.hold():
            self.own_known, self._own_placed = "", ("", self.own_picture)
            self._set_box(box)
        self._show_own()  # also where the box is the same: a second one was drawn on the page

    def _redraw_own(self, changed: frozenset[str]) -> None:
        pool = self.own_pool
        for control in (*self._own_asked, self._own_body):
            control.layout.display = None if pool is not None else "none"
        if pool is not None:
            self.own_picture = min(self.own_picture, len(pool.names))
            self._follow_choice()
            if self._own_stale() and len(pool.names) <= AT_ONCE:
                self._own_found = None
                with self.guard():
                    self._own_found = pool.find(self.own_query)
        self._show_own()

    def _follow_choice(self) -> None:
        """Move the box when another known object or another picture was chosen."""
        known, picture = self._own_placed
        if self.own_known and self.own_known != known:
            self._place_box()
        elif self.own_picture != picture:
            self.own_known = ""
            self._place_box()

    def _own_stale(self) -> bool:
        return self._own_found is None or self._own_found.query != self.own_query

    # What is drawn

    def _own_image(self, name: str) -> np.ndarray:
        try:
            return self.own_pool.image(name)
        except (UnreadableImageError, ValueError, AttributeError):
            return _GREY  # the file is gone, or another folder was opened meanwhile

    def _show_own(self) -> None:
        for live, drawn in zip(self._own_live, (self._draw_query(), self._draw_hits()), strict=True):
            with live.batch_update():
                copy_into(live, drawn)
        pool, found = self.own_pool, self._own_found
        label, top = self._own_category(), self.own_top
        self._own_text.value = HELP if pool is None else pool_html(pool, found, self._own_relevant(), label, top)

    def _draw_query(self) -> go.Figure:
        pool = self.own_pool
        if pool is None:
            return draw.query_figure("", None, (0, 0, 1, 1), [], "Your picture: give a folder, or upload")
        source = self._own_pictures.of([self.own_name])[0]
        others = [one.box for one in pool.entry(self.own_name).annotations]
        title = f"Query: {tail(self.own_name, 40)}"
        return draw.query_figure(source, pool.sizes[self.own_name], self.own_query.box, others, title)

    def _draw_hits(self) -> go.Figure:
        looks = [{"name": "best match", "color": PURPLE, "dash": "solid"}]
        found, pool = self._own_found, self.own_pool
        if found is None or pool is None:
            return wall_figure([], "Nothing was searched yet", looks, places=SHOWN)
        best, relevant = found.matches[: min(SHOWN, self.own_top)], self._own_relevant()
        sources = self._own_small.of([one.image_id for one in best])
        thumbnails = [
            Thumbnail(
                source,
                pool.sizes[one.image_id],
                [one.box],
                f"{place}  {one.score:.1f}  {tail(PurePosixPath(one.image_id).stem, 8)}",
                None if relevant is None else relevant[one.image_id],
            )
            for place, (one, source) in enumerate(zip(best, sources, strict=True), start=1)
        ]
        stale = " (press Find: the query has changed)" if self._own_stale() else ""
        return wall_figure(thumbnails, f"The best {len(best)} of {len(found.matches):,}{stale}", looks, places=SHOWN)

    def _own_relevant(self) -> dict[str, bool] | None:
        """Return which pictures show the class that the person named; None where the folder does not know it."""
        shows = self.own_pool.shows(self._own_category())
        return dict(zip(self.own_pool.names, shows.tolist(), strict=True)) if shows.any() else None


def _edges(low: float, high: float, length: int) -> tuple[int, int]:
    """Return two whole edges, at least a pixel apart, within the length.

    >>> _edges(3.4, 3.6, 10), _edges(-5, 99, 10)
    ((3, 4), (0, 10))
    """
    first = int(np.clip(round(low), 0, length - 1))
    return first, int(np.clip(round(high), first + 1, length))
