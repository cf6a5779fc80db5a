"""The view of notebook 04 that gives people of one group a new name at random, and looks whether a model treats them otherwise."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.fair_encoding import encoding_name
from workbench.experiments.fair_encoding_relabel import GAME_ENCODINGS, RelabelGame, play_often
from workbench.experiments.fair_encoding_tasks import COMPAS
from workbench.experiments.results import load_results
from workbench.figures.fair_encoding_groups import relabel_figure
from workbench.figures.updates import copy_into

RELABEL = "7 Relabel game"
SIZES = (5, 20, 50, 200, 1000)
MANY = 25

_CALLED = {
    "one-hot": "one-hot",
    "target": "plain target encoding, m = 0",
    "smoothing 100": "smoothing m = 100",
    "noise 0.3": "noise λ = 0.3",
}


class RelabelViews(traitlets.HasTraits):
    """People split at random into two names; mixed into the panel of notebook 04.

    ``split_k`` people of the largest group but the reference get the new name; :meth:`split_once` and :meth:`split_often` draw
    them.
    """

    split_k = traitlets.Int(20)

    def build_relabel_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._game_of = lru_cache(maxsize=4)(self._make_game)
        self._draws: dict[tuple[str, int], pd.DataFrame] = {}
        self._stored_splits = load_results("fair_encoding_relabel")
        controls = [
            self.choice("split_k", SIZES, "People k who get the new name", place=False),
            self.button("Split k people off at random", self.split_once, primary=True, place=False),
            self.button(
                f"{MANY} times", self.split_often, place=False, tooltip="In the background, with a Stop button"
            ),
            self.button("Forget my draws", self.forget_splits, place=False),
        ]
        self._relabel_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._relabel_figure = self.add_figure(self._draw_relabel())
        self.add_view(RELABEL, [self._relabel_figure], self._redraw_relabel, [*controls, self._relabel_text])

    # What a person does

    def split_once(self) -> None:
        """Rename k people and train again with four encodings.

        Raises:
            ValueError: there are not that many people to rename.
        """
        key = self.question, self.split_k
        played = self._game().play(self.split_k, self._next_draw(key))
        self._draws[key] = pd.concat([self._draws.get(key), played], ignore_index=True)
        self._show_splits()

    def split_often(self) -> None:
        """Do so :data:`MANY` times, in the background."""
        key = self.question, self.split_k
        before, start = self._draws.get(key), self._next_draw(key)

        def show(table: pd.DataFrame) -> None:
            self._draws[key] = pd.concat([before, table], ignore_index=True)
            self._show_splits()

        self.run_job(
            play_often,
            self._game(),
            self.split_k,
            range(start, start + MANY),
            on_result=show,
            label="Splitting at random",
        )

    def forget_splits(self) -> None:
        """Forget the draws for these people and this k."""
        self._draws.pop((self.question, self.split_k), None)
        self._show_splits()

    def relabel_frame(self) -> pd.DataFrame:
        """Return the draws made now, else the stored repeats, for this k."""
        mine = self._draws.get((self.question, self.split_k))
        return self._stored() if mine is None else mine

    def _game(self) -> RelabelGame:
        return self._game_of(*self.shown)

    def _make_game(self, question: str, generation: int) -> RelabelGame:
        return RelabelGame(self.task)

    def _next_draw(self, key: tuple[str, int]) -> int:
        return len(self._draws[key]) // len(GAME_ENCODINGS) if key in self._draws else 0

    def _stored(self) -> pd.DataFrame:
        """Return the stored repeats for this k: there are some for COMPAS alone."""
        stored = self._stored_splits
        if self.task.name != COMPAS or self.question in self.tasks:
            return stored.iloc[:0]
        return stored[stored["k"] == self.split_k]

    # What is drawn

    def _redraw_relabel(self, changed: frozenset[str]) -> None:
        if self.fresh(RELABEL, *self.shown, self.split_k):
            self._show_splits()

    def _show_splits(self) -> None:
        copy_into(self._relabel_figure, self._draw_relabel())
        self._relabel_text.value = self._relabel_words()

    def _draw_relabel(self) -> go.Figure:
        stored, mine = (_by_name(table) for table in (self._stored(), self._draws.get((self.question, self.split_k))))
        return relabel_figure(
            stored, mine, f"{self.split_k} people under a new name: what a model makes of it", _CALLED
        )

    def _relabel_words(self) -> str:
        with self.guard("This game cannot be played here: "):
            game = self._game()
            return (
                f"<p style='margin:2px 0;line-height:1.5'>{self.split_k:,} of the {game.most:,} training rows of "
                f"<b>{game.group}</b> get a new name, chosen by a coin: the same people, so that every gap between the "
                "two names is chance (reducible). Plain target encoding forgets it as k grows. Smoothing pulls the "
                "new name to the prior, which may lie on the other side of τ: then it hurts a small group. Logistic "
                "regression, τ = 0.5.</p>"
            )
        return ""


def _by_name(table: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Return the gaps of each encoding."""
    if table is None:
        return {}
    parts = table.groupby(["scheme", "strength"], sort=False, dropna=False)["equal_opportunity"]
    return {encoding_name(scheme, strength): gaps.to_numpy() for (scheme, strength), gaps in parts}
