"""Two views of notebook 04 on one encoded column: where each category is encoded to, and what two sorts of model make of it."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.encoders import noise_attenuation, wilson_interval
from workbench.experiments.fair_encoding_trees import score_spread, small_tree
from workbench.figures.fair_encoding import Ladder, ladder_figure
from workbench.figures.fair_encoding_trees import TreePicture, tree_figure
from workbench.figures.updates import copy_into
from workbench.panels.fair_encoding_choice import SMOOTHING

LADDER, TREES = "2 Encoding ladder", "5 Tree paradox"
MOST_ROWS = 25


class LadderViews(traitlets.HasTraits):
    """The categories of one protected column; mixed into the panel of notebook 04.

    ``column`` is one of the columns that are encoded.
    """

    column = traitlets.Unicode("Ethnicity")

    def build_ladder_view(self) -> None:
        """Make the control, the figure and the tab of the encodings."""
        self._ladder_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        column = self.dropdown("column", list(self.task.encoded), "Column", place=False)
        self._ladder_figure = self.add_figure(self._draw_ladder())
        self.add_view(LADDER, [self._ladder_figure], self._redraw_ladder, [column, self._ladder_text])

    def build_tree_view(self) -> None:
        """Make the figure and the tab of the tree."""
        self._spreads = lru_cache(maxsize=16)(self._score_spreads)
        self._tree_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._tree_figure = self.add_figure(self._draw_tree())
        controls = [self.controls["column"], self._tree_text]
        self.add_view(TREES, [self._tree_figure], self._redraw_tree, controls)

    def fit_column(self) -> None:
        """Offer the columns that are encoded."""
        if list(dict(self.controls["column"].options)) != list(self.task.encoded):
            self.set_options("column", list(self.task.encoded))

    # 2 Encoding ladder

    def ladder_frame(self) -> pd.DataFrame:
        """Return rows, share of label 1 and encoding of each category."""
        table = self.column_table(self.column)
        return table.to_frame().assign(encoded=table.means(self.m), noise=self.lam).sort_values("n", ascending=False)

    def _redraw_ladder(self, changed: frozenset[str]) -> None:
        self.fit_column()
        if self.fresh(LADDER, *self.shown, self.column, self.m, self.lam, self.scheme):
            copy_into(self._ladder_figure, self._draw_ladder())
            self._ladder_text.value = self._ladder_words()

    def _draw_ladder(self) -> go.Figure:
        frame = self.ladder_frame()
        shown = frame.head(MOST_ROWS)
        low, high = wilson_interval(shown["positives"], shown["n"])
        ladder = Ladder(
            names=[str(name) for name in shown["category"]],
            counts=shown["n"].to_numpy(float),
            shares=shown["mean"].to_numpy(),
            low=low,
            high=high,
            encoded=shown["encoded"].to_numpy(),
            prior=self.column_table(self.column).prior,
            noise=self.lam,
            hidden=len(frame) - len(shown),
        )
        how = self.encoding_words() if self.scheme in ("smoothing", "noise") else "the shares, m = 0"
        return ladder_figure(ladder, f"{self.column}: {how}")

    def _ladder_words(self) -> str:
        frame, table = self.ladder_frame(), self.column_table(self.column)
        small, large = frame.iloc[-1], frame.iloc[0]
        if self.scheme == "noise":
            kept = float(noise_attenuation(table, self.noise))
            words = (
                f"Training rows are scattered by λ = {self.noise:g} (the same {len(frame)} dots score people later). A "
                f"linear model sees a blurred feature and keeps about v/(v + λ²) = <b>{100 * kept:.0f} %</b> of its "
                "weight."
            )
        elif self.scheme == "smoothing":
            weight = [row["n"] / (row["n"] + self.m) for row in (large, small)]
            words = (
                f"Each dot is mixed with {self.m:,.0f} rows of the prior. Its own rows count {100 * weight[0]:.0f} % "
                f"for {large['category']} ({large['n']:,}), and {100 * weight[1]:.0f} % for {small['category']} "
                f"({small['n']:,}): small groups move first."
            )
        elif self.scheme == "one-hot":
            words = "One-hot gives each category a column of its own: nothing is pooled, as with the shares drawn here."
        else:
            words = "The column is dropped: none of this reaches the model, but other columns may still tell the group."
        return f"<p style='margin:2px 0;line-height:1.5'>{words}</p>"

    # 5 Tree paradox

    def tree_frame(self) -> pd.DataFrame:
        """Return how far apart four learners keep the categories, by m."""
        return pd.DataFrame({"smoothing": SMOOTHING, **self._spreads(*self.shown, self.column)})

    def _score_spreads(self, question: str, generation: int, column: str) -> dict[str, np.ndarray]:
        return score_spread(self.column_table(column), SMOOTHING)

    def _redraw_tree(self, changed: frozenset[str]) -> None:
        self.fit_column()
        if self.fresh(TREES, *self.shown, self.column, self.smoothing):
            copy_into(self._tree_figure, self._draw_tree())
            self._tree_text.value = self._tree_words()

    def _draw_tree(self) -> go.Figure:
        table, m = self.column_table(self.column), self.smoothing
        before, after = small_tree(table), small_tree(table, m)
        picture = TreePicture(
            names=[str(name) for name in table.categories.labels],
            counts=table.counts.astype(float),
            plain=table.means(),
            smoothed=table.means(m),
            cuts=(before.cuts, after.cuts),
            leaves=(before.leaves, after.leaves),
            smoothing=m,
            strengths=np.array(SMOOTHING),
            spreads=self._spreads(*self.shown, self.column),
        )
        return tree_figure(picture, f"{self.column}: three leaves at m = 0 and m = {m:,.0f}")

    def _tree_words(self) -> str:
        table, m = self.column_table(self.column), self.smoothing
        before, after = small_tree(table), small_tree(table, m)
        groups = [
            {frozenset(np.flatnonzero(tree.leaves == leaf)) for leaf in set(tree.leaves)} for tree in (before, after)
        ]
        order = np.argsort(table.means(), kind="stable"), np.argsort(table.means(m), kind="stable")
        moved = "the categories keep their order" if np.array_equal(*order) else "the categories change their order"
        same = "the same leaves" if groups[0] == groups[1] else "other leaves"
        plain, squeezed = float(np.ptp(table.means())), float(np.ptp(table.means(m)))
        return (
            f"<p style='margin:2px 0;line-height:1.5'>Smoothing with m = {m:,.0f} squeezes the categories from a range "
            f"of {plain:.3f} to {squeezed:.5f}; {moved}, and the tree makes <b>{same}</b>: it can cut between any two "
            "values. A linear model has to grow its weight to make up for the squeeze, and its L2 penalty forbids "
            "that. Without the penalty, or with a scaler after the encoder, it undoes the smoothing.</p>"
        )
