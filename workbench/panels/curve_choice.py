"""Which learning curve a panel works on: one that ships with the workbench, or a person's own, and how much of it is known."""

from __future__ import annotations

import contextlib
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import traitlets

from workbench.datasets.learning_curves import read_learning_curves
from workbench.experiments.tasks import SUBSETS, Task, catalogue, make_task
from workbench.panels.views import row

OWN_DATA = "Bring your own learning curve"
TARGET_STEP = 0.25


class CurveChoice(traitlets.HasTraits):
    """A learning curve, a target and the sizes measured so far, mixed into :class:`workbench.panels.base.Panel`.

    The panel calls :meth:`build_curve_controls`, :meth:`build_own_data` and :meth:`page_for` once, and :meth:`fit_page` at the
    start of each redraw.
    """

    task = traitlets.Unicode("ImageNet")
    target = traitlets.Float(67.0)
    owned = traitlets.Int(15)
    seeds = traitlets.Int(1)
    weights = traitlets.Unicode("uniform")
    reveal = traitlets.Bool(False)
    score_scale = traitlets.Int(100)
    lower_is_better = traitlets.Bool(False)

    def __init__(self, *, key: str | None = None, **initial: Any) -> None:
        if initial.get("task") in SUBSETS:
            initial.setdefault("owned", SUBSETS[initial["task"]])
        super().__init__(key=key, **initial)

    @property
    def current(self) -> Task:
        """The learning curve that is shown, with the seeds and sizes that the controls say."""
        task = self.tasks[self.task]
        task = task.with_seeds(self.seeds) if task.points["seed"].nunique() > 1 else task
        return task.with_subsets(min(self.owned, len(task.oracle.sizes)))

    @property
    def label(self) -> str:
        """The name of the learning curve, short enough for a title."""
        return self.task if len(self.task) <= 34 else self.task[:32] + "…"

    # The controls

    def build_curve_controls(self, target_tooltip: str = "The score you have to reach") -> None:
        """Load the learning curves, and make the controls that choose one, the target and what is known."""
        self.tasks: dict[str, Task] = catalogue()
        self.dropdown("task", list(self.tasks), "Learning curve", tooltip="Whose scores are fitted")
        self.slider("target", 1, 100, TARGET_STEP, "Target score", "points", tooltip=target_tooltip)
        self.slider(
            "owned", 3, 20, 1, "Sizes measured so far", "count", tooltip="Only these points are seen by the fits"
        )
        self.slider("seeds", 1, 5, 1, "Seeds averaged", "count", tooltip="One seed is one training run a size: noisy")

    def build_weights_and_truth(self, *, place: bool = True) -> tuple[widgets.Widget, widgets.Widget]:
        """Make the controls of the weights and of the truth, and return them."""
        weights = self.choice(
            "weights",
            ["uniform", "doubling"],
            "Weights",
            tooltip="Doubling: each larger size counts twice as much",
            place=place,
        )
        reveal = self.toggle("reveal", "Reveal the truth", tooltip="Show what was measured later", place=place)
        return weights, reveal

    def build_own_data(self, title: str = OWN_DATA, button: str = "Your learning curve (CSV)") -> None:
        """Make the folded ways in for a learning curve of the person's."""
        scales = {"percent (0 to 100)": 100, "fractions (0 to 1)": 1}
        self.dropdown("score_scale", scales, "Scores in my file", place=False)
        self.toggle("lower_is_better", "My scores are errors (lower is better)", place=False)
        self.add_upload(".csv,.tsv,.txt", button, paste="pasted.csv")
        own = [self.controls["score_scale"], self.controls["lower_is_better"], *self._inputs]
        self._inputs[:] = [widgets.Accordion([row(own)], titles=(title,), layout=widgets.Layout(width="100%"))]

    # State that belongs together

    def fit_page(self, changed: frozenset[str]) -> None:
        """Fit the ranges of the controls when another learning curve was chosen; what was chosen with it is kept."""
        if self.task != self._page_task:
            self.page_for(self.tasks[self.task], keep=changed)

    def page_for(self, task: Task, keep: frozenset[str], target: float | None = None) -> None:
        """Set the ranges for a learning curve.

        Args:
            task: the learning curve.
            keep: names of traits whose values stay; the target and the sizes owned get their defaults otherwise.
            target: the default of the target, where it is not :meth:`default_target`.
        """
        self._page_task = task.name
        sizes, scores = task.oracle.sizes, task.oracle.scores
        seeds = task.points["seed"].nunique()
        self.controls["seeds"].disabled = seeds == 1
        low = float(np.floor(scores.min()))
        high = float(min(100.0, np.ceil(scores.max() + 0.5 * np.ptp(scores) + 1)))
        if target is None:
            target = self.target if "target" in keep else self.default_target(task)
        with self.hold(), contextlib.ExitStack() as stack:
            for name in (
                "target",
                "owned",
                "seeds",
            ):  # ranges and values reach the page together, or it sends old values back
                stack.enter_context(self.controls[name].hold_sync())
            if seeds > 1:
                self.set_range("seeds", 1, seeds)
            self.set_range("owned", 3, max(len(sizes), 4))
            if "owned" not in keep:
                self.owned = task.subsets
            self.set_range("target", low, high)
            self.target = float(np.clip(TARGET_STEP * np.floor(target / TARGET_STEP), low, high))

    def default_target(self, task: Task) -> float:
        """Return the target with which a learning curve opens: the hardest one that it reaches."""
        return float(task.targets[-1] if len(task.targets) else task.oracle.scores.max())

    def drag_target(self, score: float | None) -> None:
        """Set the target to where its line was dragged."""
        if score is not None and abs(score - self.target) > 1e-6:
            low, high = self.controls["target"].min, self.controls["target"].max
            self.target = float(np.clip(TARGET_STEP * round(score / TARGET_STEP), low, high))

    # A person's own curves

    def own_tasks(self, name: str, content: bytes) -> dict[str, Task]:
        """Read a table of the person's, of which every size counts as owned.

        Raises:
            LearningCurveFormatError, ValueError: what is wrong, in plain words.
        """
        direction = "min" if self.lower_is_better else "max"
        frame = read_learning_curves(content, score_scale=self.score_scale, direction=direction)
        percent = frame.assign(score=frame["score"] * (100 / self.score_scale))
        if self.lower_is_better:
            percent["score"] = 100 - percent["score"]
        return {
            _label(task, name): self._own_task(_label(task, name), task, points)
            for task, points in percent.groupby("task", sort=False)
        }

    def _own_task(self, label: str, task: str, points: pd.DataFrame) -> Task:
        count = points["n"].nunique()
        if count < 3:
            raise ValueError(f"{task}: need at least 3 distinct sizes, got {count}")
        high = points["score"].max()
        if high > 100 or points["score"].min() < 0:
            raise ValueError(f"{task}: scores must lie between 0 and 100 %, and one is {high:g}")
        score_name = "100 - error (%)" if self.lower_is_better else "Score (%)"
        return make_task(label, points, score_name=score_name).with_subsets(count)

    def show_own(self, new: dict[str, Task], view: str) -> None:
        """Offer the person's own curves, and show the first in ``view`` with a target a quarter of the way to a full score."""
        best = float(next(iter(new.values())).oracle.scores.max())
        with self.hold():
            self.add_tasks(new, best + 0.25 * (100 - best))
            self.view = view

    def add_tasks(self, new: dict[str, Task], target: float | None = None) -> None:
        """Offer more learning curves, or newer measurements of those that are offered, and show the first of them."""
        self.forget_fits()
        self.tasks.update(new)
        with self.hold():
            self.set_options("task", list(self.tasks))
            self.task = next(iter(new))
            self.page_for(self.tasks[self.task], frozenset(), target)
            self.seeds = int(self.tasks[self.task].points["seed"].nunique())

    def forget_fits(self) -> None:
        """Empty what the panel remembers under the name of a learning curve."""


def points_of(tasks: dict[str, Task]) -> int:
    """Return how many measurements ``tasks`` hold."""
    return sum(len(task.points) for task in tasks.values())


def _label(task: str, name: str) -> str:
    return f"{task} ({name})" if task != name else name
