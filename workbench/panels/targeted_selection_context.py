"""The view of notebook 03 on layers and context: what stride, padding and threshold do to the ranking."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.results import load_results
from workbench.experiments.selection_scan import MiningSettings
from workbench.experiments.selection_session import settings_sweep
from workbench.experiments.selection_sweeps import sweep
from workbench.figures import targeted_selection_context as draw
from workbench.figures.targeted_selection import words
from workbench.figures.updates import copy_into

CONTEXT = "4 Layers, context"
RANKINGS = "targeted_selection_rankings"
STRIDES = {"8": (8,), "16": (16,), "8 + 16": (8, 16)}
PADDINGS = (-4, 0, 4, 8, 16, 32)
THRESHOLDS = (0.05, 0.25, 0.5, 0.75, 1.0)


class ContextViews(traitlets.HasTraits):
    """Stored sweeps with the present setting marked, and the AP of the person's own query; mixed into the panel of notebook 03.

    ``strides``, ``padding`` and ``threshold`` are the settings of all views. :meth:`sweep_query` measures the query at all of them.
    """

    strides = traitlets.Unicode("8 + 16")

    def build_context_view(self) -> None:
        """Make the figure and the tab; the sliders are those of the query's view."""
        self.show_rankings(load_results(RANKINGS))
        self._seen_aps: dict[tuple, float] = {}
        button = self.button(
            "Sweep my query",
            self.sweep_query,
            primary=True,
            place=False,
            tooltip="All paddings and thresholds: seconds",
        )
        self._context_words = widgets.HTML(layout=widgets.Layout(width="100%"))
        controls = [self.controls["padding"], self.controls["threshold"], button, self._context_words]
        self._context_live = self.add_figure(self._context_figure())
        self.tables[CONTEXT] = self.context_frame
        self.add_view(CONTEXT, [self._context_live], self._redraw_context, controls)

    def show_rankings(self, rankings: pd.DataFrame) -> None:
        """Take other rankings, such as those measured just now, for views 4 and 5."""
        self.experiments = set(rankings["experiment"])
        self.swept = lru_cache(lambda experiment, method="DTM": sweep(rankings, experiment, method))

    def sweep_query(self) -> None:
        """Measure the AP of the query alone at every stride, padding and threshold, one at a time, in the background."""
        session, now = self.session, self.session.settings
        wanted = [replace(now, strides=strides) for strides in STRIDES.values()]
        wanted += [replace(now, padding=float(padding)) for padding in PADDINGS]
        wanted += [replace(now, threshold=threshold) for threshold in THRESHOLDS]

        same = self._key(now)[:-1]

        def took(found: tuple[MiningSettings, float]) -> None:
            self._seen_aps[(*same, found[0])] = found[1]
            if self.view == CONTEXT:
                with self._context_live.batch_update():
                    self._show_context()

        self.run_job(settings_sweep, session, wanted, on_result=took, label="Sweeping")

    def context_frame(self) -> pd.DataFrame:
        """Return the stored sweeps, and the points of the query: swept, value, ap, of."""
        parts = []
        for name, table in self._measured().items():
            live = self._live_points()[name]
            parts.append(table.assign(swept=name, of="mean query"))
            parts.append(pd.DataFrame({"x": live[0], "ap": live[1], "swept": name, "of": "this query"}))
        return pd.concat(parts, ignore_index=True)[["swept", "x", "ap", "low", "high", "of"]]

    def _redraw_context(self, changed: frozenset[str]) -> None:
        if changed & {"query", "columns", "rows", "strides", "padding", "threshold", "combine", "clicks"}:
            self._show_context()

    def _show_context(self) -> None:
        copy_into(self._context_live, self._context_figure())
        self._context_words.value = self._context_text()

    # The numbers

    def _stride_name(self) -> str:
        return self.strides.replace(" ", "")

    def _measured(self) -> dict[str, pd.DataFrame]:
        """Return the stored sweeps of stride, padding and threshold; the latter two at the strides that are set."""
        method = self.swept("method")
        order = [stride for stride in draw.STRIDE_ORDER if stride in set(method["stride"])]
        by_stride = method.set_index("stride").loc[order].reset_index()
        found = {"stride": by_stride.assign(x=by_stride["stride"])}
        for name in ("padding", "threshold"):
            table = self.swept(name)
            found[name] = table[table["stride"] == self._stride_name()]
        return found

    def _key(self, settings: MiningSettings) -> tuple:
        query = self.session.query
        return query.image_id, query.box, self.session.judged, settings

    def _live_points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return, of each plot, the values at which the query was measured with the other settings as they are, and its APs."""
        now = self.session.settings
        key = self._key(now)
        if key not in self._seen_aps:
            ((_, self._seen_aps[key]),) = settings_sweep(self.session, [now])
        points: dict[str, dict[object, float]] = {name: {} for name in draw.SWEPT}
        for (*same, settings), ap in self._seen_aps.items():
            if tuple(same) != key[:-1]:
                continue
            if replace(settings, strides=now.strides) == now:
                points["stride"]["+".join(map(str, settings.strides))] = ap
            if replace(settings, padding=now.padding) == now:
                points["padding"][settings.padding] = ap
            if replace(settings, threshold=now.threshold) == now:
                points["threshold"][settings.threshold] = ap
        found = {}
        for name, some in points.items():
            order = sorted(some, key=draw.STRIDE_ORDER.index if name == "stride" else None)
            found[name] = np.array(order), np.array([some[value] for value in order])
        return found

    def _context_figure(self) -> go.Figure:
        settings, truth = self.session.settings, self.session.truth()
        now = {"stride": self._stride_name(), "padding": settings.padding, "threshold": settings.threshold}
        chance = float(truth.mean()) if truth is not None and truth.any() else np.nan
        title = (
            f"AP at stride {self._stride_name()}, {settings.padding:g} pixels of padding, t = {settings.threshold:g}"
        )
        return draw.context_figure(self._measured(), self._live_points(), now, chance, title)

    def _context_text(self) -> str:
        ap = self._seen_aps[self._key(self.session.settings)]
        padding = self._measured()["padding"].set_index("x")["ap"]
        lines = []
        if np.isfinite(ap):
            lines.append(f"Your {words(self.session.query.category)} alone, as it is set: AP <b>{ap:.2f}</b>.")
        lines.append(
            f"Context is poison: over all queries, {padding.index[-1]:g} pixels of it take the mean AP from {padding.loc[0]:.2f} "
            f"to {padding.iloc[-1]:.2f}, for the street behind an object is everywhere. Drag the padding and see your query follow."
        )
        return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)
