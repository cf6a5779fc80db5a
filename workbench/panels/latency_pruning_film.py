"""The view of notebook 10 that shows why the method prunes in steps: one shot lands far below its target."""

from __future__ import annotations

from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.figures.latency_pruning_plans import film_figure
from workbench.figures.updates import copy_into
from workbench.panels.latency_pruning_choice import importance
from workbench.pruning import exponential_schedule

FILM = "4 Overshoot film"
QUICK = 5
STEPS = (1, 2, 3, 5, 8, 12, 20, 30)
P = "<p style='margin:2px 0;line-height:1.5'>"


class FilmViews(traitlets.HasTraits):
    """Pruning in k steps with importances that stay; mixed into the panel of notebook 10.

    ``film_steps`` is k, ``refill`` a switch.
    """

    film_steps = traitlets.Int(5)
    refill = traitlets.Bool(False)

    def build_film_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._wanted: set[tuple] = set()
        self._films = lru_cache(maxsize=256)(self._find_film)
        controls = [
            self.steps("film_steps", STEPS, "Pruning steps k", "count", place=False),
            self.toggle("refill", "refill: raise the knapsack's capacity until the target is just met", place=False),
            self.button("Prune in k steps", self.prune_in_steps, primary=True, place=False),
        ]
        self._film_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._film_figure = self.add_figure(self._draw_film())
        self.add_view(FILM, [self._film_figure], self._redraw_film, [*controls, self._film_text])

    def film_frame(self) -> pd.DataFrame:
        """Return target, latency and importance after each step."""
        return self._films(*self.state_key(), self.film_steps, self.refill)

    def prune_in_steps(self) -> None:
        """Draw the film in the background; it takes some seconds where steps are many."""
        key = *self.state_key(), self.film_steps, self.refill

        def done(found: pd.DataFrame) -> None:
            self._wanted.add(key)
            self._drawn.pop(FILM, None)
            self._redraw_film(frozenset())

        self.run_job(lambda progress, cancel: self._films(*key), on_done=done, label="Pruning in steps")

    def _is_quick(self) -> bool:
        """Whether the film is there already, or short enough to answer a slider."""
        key = *self.state_key(), self.film_steps, self.refill
        return key in self._wanted or self.film_steps * (4 if self.refill else 1) <= QUICK

    def _find_film(
        self, network: str, platform: str, budget: int, generation: int, steps: int, refill: bool
    ) -> pd.DataFrame:
        subject, pruner = self.subject, self.pruner
        keep, rows = subject.graph.everything(), []
        final = min(self.target, pruner.initial_latency)
        for target in exponential_schedule(pruner.initial_latency, final, steps):
            try:
                plan = pruner.solve(float(target), subject.scores, keep, refill=refill)
            except ValueError:  # so few channels are left that no step down is that long: the film ends here
                break
            keep = plan.keep
            rows.append((len(rows) + 1, float(target), plan.latency, importance(subject, plan)))
        return pd.DataFrame(rows, columns=["step", "target", "latency", "importance"])

    def _redraw_film(self, changed: frozenset[str]) -> None:
        if not self.fresh(FILM, *self.state_key(), self.film_steps, self.refill):
            return
        if not self._is_quick():
            self._film_text.value = (
                f"{P}Press <i>Prune in k steps</i>: so many steps take some seconds. Drawn is the film before.</p>"
            )
        else:
            copy_into(self._film_figure, self._draw_film())
            self._film_text.value = self._film_words()

    def _draw_film(self) -> go.Figure:
        film = self.film_frame()
        last, whole = film["latency"].iloc[-1], self.pruner.initial_latency
        columns = (film[name].to_numpy(float) for name in ("target", "latency", "importance"))
        where = f"{self.network}, {self.platform}"
        title = f"k = {self.film_steps}: {100 * last / whole:.1f} % instead of {self.budget} %<br><sub>{where}</sub>"
        return film_figure(*columns, title)

    def _film_words(self) -> str:
        film = self.film_frame().iloc[-1]
        lost = np.maximum(film["target"] - film["latency"], 0)
        how = (
            "With refill the knapsack may spend more than the target, as long as the network as it then is meets it"
            if self.refill
            else "Each step counts what a layer costs at its present input width. Layers before it become narrower too, so the "
            "network comes out faster than asked"
        )
        return (
            f"{P}{how}. Of the budget <b>{lost:.2f} ms</b> are left over, and {film['importance']:.1f} % of the importance is kept."
            " Importances stay the same here from step to step; in training they are measured anew before each.</p>"
        )
