"""The panel of notebook 01: seven views of one question, how much data does this target need?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.estimators import (
    CURVES,
    DataRequirementEstimator,
    next_sizes,
    tune_correction,
)
from workbench.experiments.how_much_data import HowMuchDataConfig, correction_matrix, min_step
from workbench.experiments.results import load_results
from workbench.experiments.tasks import SUBSETS
from workbench.figures.updates import copy_into
from workbench.panels.base import Panel
from workbench.panels.curve_choice import CurveChoice, points_of
from workbench.panels.how_much_data_report import answer_sentence, report_html
from workbench.panels.how_much_data_views import RequirementViews

VIEWS = ("1 Target", "2 Amplifier", "3 Rounds", "4 Ratios", "5 Tau", "6 Interval", "7 Report")


class HowMuchDataPanel(RequirementViews, CurveChoice, Panel):
    """Fit scaling curves to measured learning curves, read off how many samples a target needs, and see how wrong that was.

    Every control is an attribute: ``panel.task``, ``panel.target``, ``panel.owned`` (distinct sizes measured so far),
    ``panel.seeds``, ``panel.weights``, ``panel.reveal``, ``panel.curve``, ``panel.offset``, ``panel.rounds``,
    ``panel.correction``, ``panel.step``, ``panel.shown``, ``panel.learned_on``, ``panel.used_on``, ``panel.view``.
    A person's own table comes in by :meth:`receive_file`, an upload or pasted text, and :attr:`report` answers for it.

    >>> panel = HowMuchDataPanel(task="ImageNet", target=67.0, owned=15)
    >>> round(panel.report.by_curve["root"], -3)
    697000.0
    """

    title = "how much data"
    curve = traitlets.Unicode("power")
    offset = traitlets.Float(1.0)
    rounds = traitlets.Int(5)
    correction = traitlets.Float(0.0)
    step = traitlets.Float(0.0)
    shown = traitlets.Int(5)
    learned_on = traitlets.Unicode("CIFAR-10")
    used_on = traitlets.Unicode("ImageNet")

    def build(self) -> None:
        """Make the controls, the seven views and the upload."""
        self._fit = lru_cache(maxsize=64)(self._fit_all)
        self._fit_draw = lru_cache(maxsize=64)(self._draw_grid)
        self._matrix = _stored_matrix()
        self.build_curve_controls("The score you have to reach; the dashed line can be dragged too")
        self.build_weights_and_truth()
        self._build_views()
        self.build_own_data()
        self.page_for(self.tasks[self.task], frozenset(self.trait_names()))

    def _build_views(self) -> None:
        family = list(CURVES)
        self._live = {
            "curves": self.add_figure(self._curves_figure()),
            "amplifier": self.add_figure(self._amplifier_figure()),
            "rounds": self.add_figure(self._rounds_figure()),
            "ratios": self.add_figure(self._ratio_figure()),
            "tau": self.add_figure(self._correction_figure()),
            "interval": self.add_figure(self._interval_figure()),
            "report": self.add_figure(self._curves_figure()),
        }
        self._live["curves"]._config = {**self._live["curves"]._config, "edits": {"shapePosition": True}}
        self._live["curves"].layout.on_change(self._target_dragged, "shapes")
        curve = self.dropdown("curve", family, "Function", place=False)
        offset = self.slider(
            "offset",
            -3,
            3,
            0.05,
            "Error of the fit",
            "points",
            place=False,
            tooltip="Lifts or lowers every fitted curve",
        )
        rounds = self.slider("rounds", 1, 10, 1, "Rounds T", "count", place=False)
        correction = self.slider(
            "correction", 0, 25, 0.25, "Correction tau", "points", place=False, tooltip="Aim this much above the target"
        )
        step = self.slider("step", 0, 20, 0.5, "Least order", "% of the start", place=False)
        shown = self.slider("shown", 0, 10, 1, "Show up to round", "count", place=False)
        player = widgets.Play(
            value=self.shown, min=0, max=self.rounds, interval=900, tooltip="Play the rounds one by one"
        )
        self._player = player
        widgets.jslink((player, "value"), (shown, "value"))
        learned = self.dropdown("learned_on", list(SUBSETS), "Learn tau on", place=False)
        used = self.dropdown("used_on", list(SUBSETS), "Use it on", place=False)
        tune = self.button(
            "Learn tau on this curve",
            self._tune_here,
            place=False,
            tooltip="Smallest tau that meets every target within T rounds",
        )
        self._report_box = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.add_view(
            VIEWS[0], [self._live["curves"]], self._redraw_with(self._curves_figure, "curves", "target reveal")
        )
        self.add_view(
            VIEWS[1],
            [self._live["amplifier"]],
            self._redraw_with(self._amplifier_figure, "amplifier", "target offset"),
            [offset],
        )
        self.add_view(
            VIEWS[2],
            [self._live["rounds"]],
            self._redraw_with(self._rounds_figure, "rounds", "target curve rounds correction step shown"),
            [curve, rounds, correction, step, shown, player, tune],
        )
        self.add_view(
            VIEWS[3], [self._live["ratios"]], self._redraw_with(self._ratio_figure, "ratios", "rounds step"), [rounds]
        )
        self.add_view(
            VIEWS[4],
            [self._live["tau"]],
            self._redraw_with(self._correction_figure, "tau", "curve rounds learned_on used_on"),
            [curve, rounds, learned, used],
        )
        self.add_view(VIEWS[5], [self._live["interval"]], self._redraw_with(self._interval_figure, "interval"))
        self.add_view(VIEWS[6], [self._live["report"]], self._redraw_report, [curve, self._report_box])

    # State that belongs together

    def redraw(self, changed: frozenset[str]) -> None:
        """Fit the ranges of the controls to the learning curve that is shown."""
        self.fit_page(changed)
        if "rounds" in changed and self.controls["shown"].max != self.rounds:
            self.set_range("shown", 0, self.rounds)
            self._player.max = self.rounds
            self.shown = self.rounds

    def _redraw_with(
        self, figure: Callable[[], go.Figure], name: str, traits: str = ""
    ) -> Callable[[frozenset[str]], None]:
        """Return a view's draw function: it draws when one of ``traits`` or of the learning curve's own changed."""
        watched = set(traits.split()) | {"task", "seeds", "owned", "weights"}

        def redraw(changed: frozenset[str]) -> None:
            if watched & changed:
                copy_into(self._live[name], figure())

        return redraw

    def _redraw_report(self, changed: frozenset[str]) -> None:
        copy_into(self._live["report"], self._curves_figure())
        self._report_box.value = report_html(
            self.report, next_sizes(self.estimator, self.target), self.task, self.curve
        )

    # What a person does

    def _target_dragged(self, layout: object, shapes: tuple) -> None:
        self.drag_target(shapes[0].y0 if shapes else None)

    def _tune_here(self) -> None:
        task = self.current
        if not len(task.targets):
            raise ValueError(
                "tau is learned on targets that the measured curve reaches beyond the sizes owned, and here are none"
            )
        estimator = DataRequirementEstimator(self.curve, weights=self.weights)
        tuned = tune_correction(
            task.oracle,
            estimator,
            task.published_targets,
            task.initial_size,
            self.rounds,
            subsets=task.start_sizes,
            min_step=min_step(task, self.step / 100),
        )
        kept = float(np.clip(tuned.correction, 0, self.controls["correction"].max))
        self.correction = kept
        left = f"; {tuned.failures} targets are still missed" if tuned.failures else ""
        self.say(
            f"tau = {tuned.correction:g} meets the targets of {self.task} within {self.rounds} round(s){left}", "good"
        )

    def on_file(self, name: str, content: bytes) -> None:
        """Read a learning curve of the person's: every task in the table becomes a choice of the panel."""
        new = self.own_tasks(name, content)
        self.show_own(new, VIEWS[6])
        answer = self.report
        level = "good" if answer.confident else "warning"
        self.say(f"{name}: {points_of(new)} points, {len(new)} curve(s). " + answer_sentence(answer, self.curve), level)

    def frame(self) -> pd.DataFrame:
        """Return the numbers of the visible view."""
        if self.view == VIEWS[2]:
            return self.game()
        if self.view == VIEWS[4]:
            return self._matrix
        if self.view == VIEWS[5]:
            return self.interval_table()
        rows = [
            (self.task, self.current.initial_size, self.target, curve.name, curve.answer)
            for curve in self._curves(tuple(CURVES))
        ]
        return pd.DataFrame(rows, columns=["task", "owned samples", "target", "function", "required samples"])

    def forget_fits(self) -> None:
        self._fit.cache_clear()
        self._fit_draw.cache_clear()


def _stored_matrix() -> pd.DataFrame:
    try:
        return load_results("how_much_data_correction")
    except FileNotFoundError:
        return correction_matrix(HowMuchDataConfig())
