"""The view of notebook 04 that sets performance against fairness, one point an encoding."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.fair_encoding_frontier import TOTALS, best_within, frontier, frontier_of_book, group_lines
from workbench.experiments.fair_encoding_scores import LINEAR
from workbench.experiments.results import load_results
from workbench.figures.fair_encoding import METRIC_WORDS, frontier_figure
from workbench.figures.updates import copy_into

FRONTIER = "3 Frontier"
HALF_SMOOTHING = (0.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6)
HALF_NOISE = (0.1, 0.2, 0.3, 0.5, 1.0, 5.0)


class FrontierViews(traitlets.HasTraits):
    """AUC against the size of a gap; mixed into the panel of notebook 04.

    :meth:`show_sweep` replaces the stored measurements.
    """

    def build_frontier_view(self) -> None:
        """Make the figure and the tab."""
        self._sweep = load_results("fair_encoding_sweep")
        self._groups = load_results("fair_encoding_groups")
        self._found_points = lru_cache(maxsize=64)(self._find_points)
        self._found_lines = lru_cache(maxsize=16)(self._find_lines)
        self._frontier_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._frontier_figure = self.add_figure(self._draw_frontier())
        self.add_view(FRONTIER, [self._frontier_figure], self._redraw_frontier, [self._frontier_text])

    def show_sweep(self, sweep: pd.DataFrame, groups: pd.DataFrame) -> None:
        """Show these measurements of a task and model instead of those that are there.

        Args:
            sweep, groups: as :func:`workbench.experiments.fair_encoding_measure.measure` returns them.
        """
        keys = ["task", "attribute", "model"]

        def replaced(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
            gone = pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(new[keys]))
            return pd.concat([old[~gone], new], ignore_index=True)

        self._sweep, self._groups = replaced(self._sweep, sweep), replaced(self._groups, groups)
        self._found_points.cache_clear()
        self._found_lines.cache_clear()
        self._drawn.pop(FRONTIER, None)
        if self.view == FRONTIER:
            self._redraw_frontier(frozenset())

    def frontier_frame(self) -> pd.DataFrame:
        """Return AUC and the size of the gap of each encoding."""
        return self._points()[0].assign(metric=self.metric, total=self.total, convention=self.convention)

    def _points(self) -> tuple[pd.DataFrame, bool]:
        """Return the points, and whether they are means over halves: those at 0.5 and by the paper's definitions are."""
        extra = () if self._is_measured() else ((self.scheme, self.strength),)
        state = (*self.shown, self.model, self.metric, self.total, self.threshold, self.convention)
        return self._found_points(state, extra)

    def _find_points(self, state: tuple, extra: tuple) -> tuple[pd.DataFrame, bool]:
        if self._has_means():
            task = self.task
            return frontier(self._sweep, task.name, task.attribute, self.model, self.metric, self.total), True
        encodings = [*self._half_encodings(), *extra]
        points = frontier_of_book(
            self.book, self.model, encodings, self.metric, self.total, self.threshold, self.convention
        )
        return points, False

    def _find_lines(self, question: str, generation: int, model: str) -> dict[tuple[str, float], str]:
        return group_lines(self._groups, self.task.name, self.task.attribute, model)

    def _has_means(self) -> bool:
        rows = self._sweep
        of_task = (rows["task"] == self.task.name) & (rows["attribute"] == self.task.attribute)
        return self._at_half and self.convention == "paper" and bool((of_task & (rows["model"] == self.model)).any())

    def _is_measured(self) -> bool:
        """Whether the chosen encoding is among the points; where means are shown, the nearest strength stands for it."""
        known = self._half_encodings()
        return self._has_means() or any(
            scheme == self.scheme and (strength == self.strength or np.isnan(strength)) for scheme, strength in known
        )

    @property
    def _at_half(self) -> bool:
        return abs(self.threshold - 0.5) < 1e-9

    def _half_encodings(self) -> list[tuple[str, float]]:
        """Return the encodings of one half: the stored strengths where there are any, else some."""
        found = [("drop", np.nan), ("one-hot", np.nan)]
        for scheme, few in (("smoothing", HALF_SMOOTHING), ("noise", HALF_NOISE)):
            stored = self.book.strengths(self.model, scheme)
            found += [(scheme, strength) for strength in (few if stored is None else stored)]
        return found

    def _mark(self, points: pd.DataFrame) -> tuple[str, float]:
        """Return the point of the chosen encoding: the nearest measured strength."""
        rows = points[points["scheme"] == self.scheme]
        if np.isnan(self.strength) or rows.empty:
            return self.scheme, -1.0
        distance = np.abs(np.log10(rows["strength"] + 1e-2) - np.log10(self.strength + 1e-2))
        return self.scheme, float(rows["strength"].loc[distance.idxmin()])

    def _redraw_frontier(self, changed: frozenset[str]) -> None:
        if self.fresh(FRONTIER, *self.state_key(), self.metric, self.total):
            copy_into(self._frontier_figure, self._draw_frontier())
            self._frontier_text.value = self._frontier_words()

    def _draw_frontier(self) -> go.Figure:
        points, halves = self._points()
        hover = self._found_lines(*self.shown, self.model) if halves else {}
        how = {name: words for words, name in TOTALS.items()}[self.total]
        of = (
            f"mean of {points['halves'].max()} halves; bars: standard deviation"
            if halves
            else "one half, no error bars"
        )
        title = f"{self.label}, {self.model}<br><sub>{of}</sub>"
        x_title = f"← fairer    {METRIC_WORDS[self.metric]}, {how} of the groups (share)"
        return frontier_figure(points, self._mark(points), hover, title, x_title)

    def _frontier_words(self) -> str:
        points, halves = self._points()
        blind = points[points["scheme"] == "drop"].iloc[0]
        most = points.loc[points["auc"].idxmax()]
        near = best_within(points)
        lines = [
            f"Best AUC {most['auc']:.3f} ({_name(most)}, gap {most['gap']:.2f}); least gap within 0.01 of it: "
            f"<b>{_name(near)}</b>, AUC {near['auc']:.3f}, gap <b>{near['gap']:.2f}</b>; not encoded: AUC "
            f"{blind['auc']:.3f}, gap {blind['gap']:.2f}."
        ]
        if not halves:
            why = "another threshold than 0.5" if not self._at_half else "this model and these definitions"
            lines.append(
                f"With {why} the points are of one half, without error bars; the stored means are at τ = 0.5 by the "
                "paper's definitions."
            )
        elif self._mark(points)[1] not in (-1.0, self.strength):
            lines.append(f"The ring stands at the nearest strength that was measured, {self._mark(points)[1]:g}.")
        if self.model != LINEAR:
            lines.append(
                "Smoothing is a line for a linear model; for trees its points lie on top of each other: see view 5."
            )
        return "".join(f"<p style='margin:2px 0;line-height:1.5'>{line}</p>" for line in lines)


def _name(point: pd.Series) -> str:
    """Return what a point is called.

    >>> _name(pd.Series({"scheme": "noise", "strength": 0.3})), _name(pd.Series({"scheme": "drop", "strength": np.nan}))
    ('noise 0.3', 'not encoded')
    """
    words = {"drop": "not encoded", "loo": "leave-one-out", "crossfit": "cross-fit"}.get(
        point["scheme"], point["scheme"]
    )
    return words if np.isnan(point["strength"]) else f"{words} {point['strength']:g}"
