"""Two views of notebook 04 on the scores of one half: how they spread in each group, and what two conventions make of them."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.encoders import wasserstein
from workbench.experiments.fair_encoding_conventions import DIFFERENCES
from workbench.figures.fair_encoding_scores import CONVENTION_METRICS, Ridges, convention_figure, ridges_figure
from workbench.figures.updates import copy_into
from workbench.panels.run import table_html

RIDGES, CONVENTIONS = "4 Score ridgelines", "8 Convention"
MOST_GROUPS = 7
THRESHOLDS = np.arange(5, 96) / 100
"""Where the slider of the threshold can stand."""


class ScoreViews(traitlets.HasTraits):
    """Scores by group; mixed into the panel of notebook 04.

    ``compared`` is the group whose scores are compared with those of the reference.
    """

    compared = traitlets.Unicode("African-American")

    def build_ridges_view(self) -> None:
        """Make the controls, the figure and the tab of the scores."""
        self._ridges_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        as_many = self.button(
            "τ: as many as have the label", self.select_as_many, place=False,
            tooltip="Select as many people as have label 1, instead of all above one half",
        )  # fmt: skip
        compared = self.dropdown("compared", [self.compared], "Compare with the reference", place=False)
        self.fit_groups()
        self._ridges_figure = self.add_figure(self._draw_ridges())
        self._ridges_figure._config = {**self._ridges_figure._config, "edits": {"shapePosition": True}}
        self._ridges_figure.layout.on_change(self._threshold_dragged, "shapes")
        self.add_view(RIDGES, [self._ridges_figure], self._redraw_ridges, [compared, as_many, self._ridges_text])

    def build_convention_view(self) -> None:
        """Make the figure, the table and the tab of the two conventions."""
        self._convention_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._convention_figure = self.add_figure(self._draw_conventions())
        below = widgets.HTML(table_html(pd.DataFrame(DIFFERENCES)), layout=widgets.Layout(width="100%"))
        body = widgets.VBox([self._convention_figure, below], layout=widgets.Layout(width="100%"))
        self.add_view(
            CONVENTIONS, [self._convention_figure], self._redraw_conventions, [self._convention_text], body=body
        )

    def shown_groups(self, count: int = MOST_GROUPS) -> list[str]:
        """Return the reference and the largest other groups."""
        sizes = pd.Series(self.task.group[self.book.test]).value_counts().drop(self.task.reference)
        return [str(self.task.reference), *map(str, sizes.index[:count])]

    # 4 Score ridgelines

    def select_as_many(self) -> None:
        """Set the threshold to where the number of people selected in the test half comes nearest to that of label 1."""
        rows = self.book.test
        scores = np.sort(self.book.scores(*self.operating)[rows])
        selected = 1 - np.searchsorted(scores, THRESHOLDS, side="right") / len(scores)
        self.threshold = float(THRESHOLDS[np.argmin(np.abs(selected - self.task.label[rows].mean()))])

    def ridges_frame(self) -> pd.DataFrame:
        """Return rates and gaps of each group, with their intervals."""
        return self.gaps_table()

    def fit_groups(self) -> None:
        """Offer the groups that are drawn."""
        groups = self.shown_groups()[1:]
        if list(dict(self.controls["compared"].options)) != groups:
            self.set_options("compared", groups)

    def _redraw_ridges(self, changed: frozenset[str]) -> None:
        self.fit_groups()
        if self.fresh(RIDGES, *self.state_key(), self.compared):
            copy_into(self._ridges_figure, self._draw_ridges())
            self._ridges_text.value = self._ridges_words()

    def _threshold_dragged(self, layout: object, shapes: tuple) -> None:
        at = shapes[0].x0 if shapes else None
        if at is not None and abs(at - self.threshold) > 1e-6:
            self.threshold = float(THRESHOLDS[np.argmin(np.abs(THRESHOLDS - at))])

    def _distance(self) -> float:
        rows, task = self.book.test, self.task
        scores, groups = self.book.scores(*self.operating)[rows], task.group[rows]
        return wasserstein(scores[groups == self.compared], scores[groups == task.reference])

    def _draw_ridges(self) -> go.Figure:
        rows, task = self.book.test, self.task
        scores, labels, groups = self.book.scores(*self.operating)[rows], task.label[rows], task.group[rows]
        names = self.shown_groups()
        table = self.book.table(*self.operating, self.threshold, "paper")
        rates = table[table["metric"].isin(["tpr", "fpr"])].pivot(index="group", columns="metric", values="value")
        ridges = Ridges(
            names=names,
            scores=[scores[groups == name] for name in names],
            labels=[labels[groups == name] for name in names],
            rates=rates.reindex(names)[["tpr", "fpr"]].to_numpy(),
            threshold=self.threshold,
            compared=names.index(self.compared),
            distance=self._distance(),
        )
        return ridges_figure(ridges, f"{self.model}, {self.encoding_words()}: test scores")

    def _ridges_words(self) -> str:
        table = self.book.table(*self.operating, self.threshold, "paper")
        own = table[table["group"] == self.compared].set_index("metric")
        eof, odds = own.loc["equal_opportunity"], own.loc["average_absolute_odds", "value"]
        interval = f" (95 %: {eof['low']:+.2f} to {eof['high']:+.2f})" if np.isfinite(eof["low"]) else ""
        said = f"{eof['value']:+.2f}{interval}" if np.isfinite(eof["value"]) else "not defined, nobody has label 1"
        return (
            f"<p style='margin:2px 0;line-height:1.5'><b>{self.compared}</b> against {self.task.reference}: EOF = TPR "
            f"− TPR {said}, AAO {odds:.2f}, W1 of the scores <b>{self._distance():.3f}</b>. Drag the line τ, or move "
            "its slider: EOF and AAO move, W1 does not. Where a noise of 0.5 or 1 makes decisions at 0.5 as blind as "
            "without the column, the scores still know the group: select as many as have the label, and the gap is "
            "back.</p>"
        )

    # 8 Convention

    def convention_frame(self) -> pd.DataFrame:
        """Return the gaps of each group by both conventions."""
        parts = []
        for convention in ("paper", "published"):
            table = self.book.table(*self.operating, self.threshold, convention)
            parts.append(table[table["metric"].isin(CONVENTION_METRICS)].assign(convention=convention))
        return pd.concat(parts, ignore_index=True)[["convention", "metric", "group", "value", "n", "positives"]]

    def _redraw_conventions(self, changed: frozenset[str]) -> None:
        if self.fresh(CONVENTIONS, *self.state_key()):
            copy_into(self._convention_figure, self._draw_conventions())
            self._convention_text.value = self._convention_words()

    def _draw_conventions(self) -> go.Figure:
        title = f"{self.model}, {self.encoding_words()}: two definitions"
        return convention_figure(self.convention_frame(), self.shown_groups()[1:], title)

    def _convention_words(self) -> str:
        on = {
            "paper": "<b>paper</b>: rates of label 1, on the test half, distance of the scores",
            "published": "<b>published</b>: rates of label 0, on the training half, AAO twice one term, distance of the decisions",
        }[self.convention]
        frame = self.convention_frame()
        sums = frame.assign(size=frame["value"].abs()).groupby(["convention", "metric"])["size"].sum()
        pairs = ", ".join(
            f"{words.lower()} {sums['paper', metric]:.2f} and {sums['published', metric]:.2f}"
            for metric, words in CONVENTION_METRICS.items()
        )
        return (
            f"<p style='margin:2px 0;line-height:1.5'>All other views now use {on}. Sums over the groups, paper and "
            f"published: {pairs}. The same model, the same people: a number of one convention must not be set beside "
            "one of the other.</p>"
        )
