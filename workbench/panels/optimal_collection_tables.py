"""The view of notebook 02 that sets the paper's Table 1 and Figure 2 beside the campaigns played here."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.collection_tables import figure_2, table_1
from workbench.experiments.optimal_collection_paper import PAPER_TABLE_1
from workbench.experiments.results import load_results
from workbench.figures import collection_tables as draw
from workbench.figures.updates import copy_into

TABLES = "7 Table 1"


class TablesViews(traitlets.HasTraits):
    """Published against measured; mixed into the panel of notebook 02.

    ``overlay`` is the task whose Figure 2 is drawn below Table 1; :meth:`show_games` replaces the stored campaigns.
    """

    overlay = traitlets.Unicode("CIFAR-100")

    def build_tables_view(self) -> None:
        """Make the control, the two figures and the tab."""
        self._games = load_results("optimal_collection_sweep")
        overlay = self.dropdown("overlay", list(PAPER_TABLE_1), "Figure 2 of", place=False)
        self._table_figure = self.add_figure(self._draw_table())
        self._overlay_figure = self.add_figure(self._draw_overlay())
        self.add_view(TABLES, [self._table_figure, self._overlay_figure], self._redraw_tables, [overlay])

    def show_games(self, games: pd.DataFrame) -> None:
        """Show these campaigns, such as ``play_table_1`` returns them, instead of the stored ones."""
        self._games = games
        copy_into(self._table_figure, self._draw_table())
        copy_into(self._overlay_figure, self._draw_overlay())

    def tables_frame(self) -> pd.DataFrame:
        """Return Table 1, published and measured."""
        return table_1(self._games)

    def _redraw_tables(self, changed: frozenset[str]) -> None:
        if "overlay" in changed:
            copy_into(self._overlay_figure, self._draw_overlay())

    def _draw_table(self) -> go.Figure:
        return draw.table_figure(table_1(self._games))

    def _draw_overlay(self) -> go.Figure:
        return draw.overlay_figure(figure_2(self._games, self.overlay), self.overlay)
