"""The view of notebook 03 on the size of the object: template matching against whole pictures, from 0.3 to 25 % of the picture."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.datasets import AnnotatedImage, emoji_street
from workbench.experiments.selection_cache import jpeg
from workbench.experiments.selection_sweeps import crossing
from workbench.experiments.targeted_selection_sweeps import AREA_SPREAD, strides_for
from workbench.figures import targeted_selection_size as draw
from workbench.figures.targeted_selection import words
from workbench.figures.updates import copy_into
from workbench.panels.views import beside

SIZE = "5 Object size"
SMALLEST, LARGEST = 0.3, 25.0
GEM_NAMES = {
    "head": "GeM, the classifier's features",
    "8": "GeM, stride 8",
    "16": "GeM, stride 16",
    "32": "GeM, stride 32",
}


class SizeViews(traitlets.HasTraits):
    """The crossing of the two methods, with a scene of the chosen size; mixed into the panel of notebook 03.

    ``object_size`` is the area of the object, percent of the picture; ``size_scene`` chooses the scene that is drawn.
    """

    object_size = traitlets.Float(0.63)
    size_scene = traitlets.Int(1)

    def build_size_view(self) -> None:
        """Make the controls, the two figures and the tab."""
        controls = [
            self.slider("object_size", SMALLEST, LARGEST, 0.02, "Object's area", "% of the picture", log=True, format=".2g",
                        place=False),
            self.slider("size_scene", 1, 20, 1, "Scene", "number", place=False),
        ]  # fmt: skip
        self._draw_scene = lru_cache(maxsize=32)(self._scene_of_size)
        self._size_words = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._size_live = [self.add_figure(self._crossing_figure()), self.add_figure(self._scene_figure())]
        self.tables[SIZE] = self.size_frame
        body = beside(self._size_live[0], widgets.VBox([self._size_live[1], self._size_words]), share=1, least=420)
        self.add_view(SIZE, self._size_live, self._redraw_size, controls, body)

    def size_frame(self) -> pd.DataFrame:
        """Return the measured sweep: method, stride, size (% of the picture), ap, low, high, chance."""
        parts = [self.swept("size", method).assign(method=method) for method in ("DTM", "GeM")]
        table = pd.concat(parts, ignore_index=True).rename(columns={"x": "size"})
        return table[["method", "stride", "size", "ap", "low", "high", "chance"]]

    @property
    def size_cross(self) -> float:
        """The size, percent of the picture, from which whole pictures do as well as templates; NaN if they never do."""
        template, *pictures = self._size_curves()
        return crossing(template.sweep, pictures[0].sweep)

    def _size_curves(self) -> list[draw.SizeCurve]:
        """Return template matching, the best of the GeM rankings (by its mean over the sizes), and the other GeM rankings."""
        dtm, gem = (self.swept("size", method) for method in ("DTM", "GeM"))
        rule = dtm[dtm["stride"] == "rule"]
        order = gem.groupby("stride")["ap"].mean().sort_values(ascending=False).index
        curves = [draw.SizeCurve("DTM", "DTM, strides that suit the size", rule, main=True)]
        for place, stride in enumerate(order):
            curves.append(draw.SizeCurve("GeM", GEM_NAMES[stride], gem[gem["stride"] == stride], main=place == 0))
        return curves

    def _alone_curves(self) -> list[draw.SizeCurve]:
        """Return template matching and the same GeM ranking where nothing else stands on the street; empty if not measured."""
        if "size alone" not in self.experiments:
            return []
        best = self._size_curves()[1]
        dtm, gem = (self.swept("size alone", method) for method in ("DTM", "GeM"))
        one, other = dtm[dtm["stride"] == "rule"], gem[gem["stride"] == best.sweep["stride"].iloc[0]]
        return [draw.SizeCurve("DTM", "DTM, empty street", one), draw.SizeCurve("GeM", "GeM, empty street", other)]

    # What is drawn

    def _redraw_size(self, changed: frozenset[str]) -> None:
        if changed & {"object_size", "size_scene", "query"}:
            for live, drawn in zip(self._size_live, (self._crossing_figure(), self._scene_figure()), strict=True):
                copy_into(live, drawn)
            self._size_words.value = self._size_text()

    def _scene_of_size(self, category: str, size: float, number: int) -> AnnotatedImage:
        street = self.opened.pool.entries[0].config
        areas = tuple(size / 100 * factor for factor in AREA_SPREAD)
        shown = replace(street, object_area=areas, prevalence={category: 1.0}, joint={})
        return emoji_street(2_000_000 + number, shown)

    def _shown_object(self) -> tuple[AnnotatedImage, tuple[float, float, float, float], str]:
        category = self.queries[self.query].category
        scene = self._draw_scene(category, round(self.object_size, 4), self.size_scene)
        boxes = [one.box for one in scene.annotations if one.category == category]
        return scene, tuple(boxes[-1]), category

    def _crossing_figure(self) -> go.Figure:
        curves, cross = self._size_curves(), self.size_cross
        chance = self.swept("size", "random")
        title = (
            f"Templates win below {cross:.2g} % of the picture"
            if np.isfinite(cross)
            else f"Templates win at every size up to {curves[0].sweep['x'].max():g} %"
        )
        return draw.size_figure(curves, self._alone_curves(), chance, self.object_size, cross, title)

    def _scene_figure(self) -> go.Figure:
        scene, box, category = self._shown_object()
        height, width = scene.image.shape[:2]
        sides = box[2] - box[0], box[3] - box[1]
        stride = strides_for(math.sqrt(sides[0] * sides[1]))[0]
        cells = tuple(
            math.ceil(high / stride) - math.floor(low / stride) for low, high in ((box[1], box[3]), (box[0], box[2]))
        )
        source = "data:image/jpeg;base64," + base64.b64encode(jpeg(scene.image)).decode()
        area = 100 * sides[0] * sides[1] / (width * height)
        title = f"A {words(category)} of {area:.2g} %: {cells[0]} x {cells[1]} cells of {stride} pixels"
        return draw.example_figure(source, (width, height), box, cells, stride, title)

    def _size_text(self) -> str:
        template, *pictures = self._size_curves()
        one, other = (draw.ap_at(curve.sweep, self.object_size) for curve in (template, pictures[0]))
        sentence = (
            f"At {self.object_size:.2g} % of the picture: AP {one:.2f} with templates, {other:.2f} with whole pictures."
        )
        why = (
            "A mean over the picture is mostly street while the object is small. The sizes between those that were measured are "
            "interpolated."
        )
        return f"<p style='margin:4px 0;line-height:1.5'><b>{sentence}</b> {why}</p>"
