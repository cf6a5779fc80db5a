"""The panel of notebook 01: seven views of one question, how much data does this target need?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.datasets.learning_curves import read_learning_curves
from workbench.estimators import (
    CURVES,
    DataRequirementEstimator,
    next_sizes,
    tune_correction,
)
from workbench.experiments.how_much_data import HowMuchDataConfig, correction_matrix, min_step
from workbench.experiments.results import load_results
from workbench.experiments.tasks import SUBSETS, Task, catalogue, make_task
from workbench.figures.updates import copy_into
from workbench.panels.base import Panel
from workbench.panels.how_much_data_report import answer_sentence, report_html
from workbench.panels.how_much_data_views import RequirementViews
from workbench.panels.views import row

VIEWS = ("1 Target", "2 Amplifier", "3 Rounds", "4 Ratios", "5 Tau", "6 Interval", "7 Report")
TARGET_STEP = 0.25
OWN_DATA = "Bring your own learning curve"


class HowMuchDataPanel(RequirementViews, Panel):
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
    task = traitlets.Unicode("ImageNet")
    target = traitlets.Float(67.0)
    owned = traitlets.Int(15)
    seeds = traitlets.Int(1)
    weights = traitlets.Unicode("uniform")
    reveal = traitlets.Bool(False)
    curve = traitlets.Unicode("power")
    offset = traitlets.Float(1.0)
    rounds = traitlets.Int(5)
    correction = traitlets.Float(0.0)
    step = traitlets.Float(0.0)
    shown = traitlets.Int(5)
    learned_on = traitlets.Unicode("CIFAR-10")
    used_on = traitlets.Unicode("ImageNet")
    score_scale = traitlets.Int(100)
    lower_is_better = traitlets.Bool(False)

    def __init__(self, *, key: str | None = None, **initial: Any) -> None:
        if initial.get("task") in SUBSETS:
            initial.setdefault("owned", SUBSETS[initial["task"]])
        super().__init__(key=key, **initial)

    def build(self) -> None:
        """Make the controls, the seven views and the upload."""
        self.tasks: dict[str, Task] = catalogue()
        self._fit = lru_cache(maxsize=64)(self._fit_all)
        self._fit_draw = lru_cache(maxsize=64)(self._draw_grid)
        self._matrix = _stored_matrix()
        self.dropdown("task", list(self.tasks), "Learning curve", tooltip="Whose scores are fitted")
        self.slider(
            "target",
            1,
            100,
            0.25,
            "Target score",
            "points",
            tooltip="The score you have to reach; the dashed line can be dragged too",
        )
        self.slider(
            "owned", 3, 20, 1, "Sizes measured so far", "count", tooltip="Only these points are seen by the fits"
        )
        self.slider("seeds", 1, 5, 1, "Seeds averaged", "count", tooltip="One seed is one training run a size: noisy")
        self.choice(
            "weights", ["uniform", "doubling"], "Weights", tooltip="Doubling: each larger size counts twice as much"
        )
        self.toggle("reveal", "Reveal the truth", tooltip="Show what was measured later")
        self._build_views()
        self.dropdown(
            "score_scale", {"percent (0 to 100)": 100, "fractions (0 to 1)": 1}, "Scores in my file", place=False
        )
        self.toggle("lower_is_better", "My scores are errors (lower is better)", place=False)
        self.add_upload(".csv,.tsv,.txt", "Your learning curve (CSV)", paste="pasted.csv")
        own = [self.controls["score_scale"], self.controls["lower_is_better"], *self._inputs]
        self._inputs[:] = [widgets.Accordion([row(own)], titles=(OWN_DATA,), layout=widgets.Layout(width="100%"))]
        self._page_for(self.tasks[self.task])

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
        if self.task != self._page_task:
            self._page_for(self.tasks[self.task], keep={"target", "owned"} & changed)
        if "rounds" in changed and self.controls["shown"].max != self.rounds:
            self.set_range("shown", 0, self.rounds)
            self._player.max = self.rounds
            self.shown = self.rounds

    def _page_for(
        self, task: Task, keep: frozenset[str] = frozenset(("target", "owned")), target: float | None = None
    ) -> None:
        """Set the ranges for a learning curve; what is not in ``keep`` gets its default, which for the target may be given."""
        self._page_task = task.name
        sizes, scores = task.oracle.sizes, task.oracle.scores
        seeds = task.points["seed"].nunique()
        self.controls["seeds"].disabled = seeds == 1
        low = float(np.floor(scores.min()))
        high = float(min(100.0, np.ceil(scores.max() + 0.5 * np.ptp(scores) + 1)))
        if target is None:
            target = self.target if "target" in keep else task.targets[-1] if len(task.targets) else scores.max()
        with self.hold():
            if seeds > 1:
                self.set_range("seeds", 1, seeds)
            self.set_range("owned", 3, max(len(sizes), 4))
            if "owned" not in keep:
                self.owned = task.subsets
            self.set_range("target", low, high)
            self.target = float(np.clip(TARGET_STEP * np.floor(target / TARGET_STEP), low, high))

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
        if shapes and shapes[0].y0 is not None and abs(shapes[0].y0 - self.target) > 1e-6:
            low, high = self.controls["target"].min, self.controls["target"].max
            self.target = float(np.clip(round(4 * shapes[0].y0) / 4, low, high))

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
        direction = "min" if self.lower_is_better else "max"
        frame = read_learning_curves(content, score_scale=self.score_scale, direction=direction)
        percent = frame.assign(score=frame["score"] * (100 / self.score_scale))
        if self.lower_is_better:
            percent["score"] = 100 - percent["score"]
        new = {}
        for task, points in percent.groupby("task", sort=False):
            count = points["n"].nunique()
            if count < 3:
                raise ValueError(f"{task}: need at least 3 distinct sizes, got {count}")
            high = points["score"].max()
            if high > 100 or points["score"].min() < 0:
                raise ValueError(f"{task}: scores must lie between 0 and 100 %, and one is {high:g}")
            label = f"{task} ({name})" if task != name else name
            score_name = "100 - error (%)" if self.lower_is_better else "Score (%)"
            new[label] = make_task(label, points, score_name=score_name).with_subsets(count)
        best = float(next(iter(new.values())).oracle.scores.max())
        with self.hold():
            self.add_tasks(new, best + 0.25 * (100 - best))
            self.view = VIEWS[6]
        answer = self.report
        level = "good" if answer.confident else "warning"
        self.say(f"{name}: {len(frame)} points, {len(new)} curve(s). " + answer_sentence(answer, self.curve), level)

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

    def add_tasks(self, new: dict[str, Task], target: float | None = None) -> None:
        """Offer more learning curves, or newer measurements of those that are offered, and show the first of them."""
        self._fit.cache_clear()
        self._fit_draw.cache_clear()
        self.tasks.update(new)
        with self.hold():
            self.set_options("task", list(self.tasks))
            self.task = next(iter(new))
            self._page_for(self.tasks[self.task], frozenset(), target)
            self.seeds = int(self.tasks[self.task].points["seed"].nunique())


def _stored_matrix() -> pd.DataFrame:
    try:
        return load_results("how_much_data_correction")
    except FileNotFoundError:
        return correction_matrix(HowMuchDataConfig())
