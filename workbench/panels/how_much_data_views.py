"""What the views of notebook 01 draw: fits, answers and figures for the state of the panel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.estimators import (
    CURVES,
    PUBLISHED_FAMILY,
    DataRequirementEstimator,
    Requirement,
    ScalingCurve,
    simulate_collection,
)
from workbench.estimators.requirement import rank_weights
from workbench.experiments.how_much_data import PAPER_ROUNDS, HowMuchDataConfig, min_step, play
from workbench.experiments.tasks import load_task
from workbench.figures import how_much_data as draw
from workbench.figures import how_much_data_sweeps as sweeps


class RequirementViews:
    """Fits and figures of :class:`workbench.panels.how_much_data.HowMuchDataPanel`, from its attributes."""

    @property
    def report(self) -> Requirement:
        """The answer of the chosen function for what was measured so far, with interval and warnings."""
        return self.estimator.estimate(self.target, n_boot=300)

    @property
    def estimator(self) -> DataRequirementEstimator:
        """The chosen function, fitted to what was measured so far."""
        known = self._known()
        return DataRequirementEstimator(self.curve, weights=self.weights).fit(known["n"], known["score"])

    def _known(self) -> pd.DataFrame:
        task = self.current
        return task.points[task.points["n"] <= task.initial_size]

    def _fit_all(self, task: str, seeds: int, owned: int, weights: str) -> dict[str, ScalingCurve]:
        known = self._known()
        weight = rank_weights(weights, len(known))
        return {name: curve().fit(known["n"], known["score"], weight) for name, curve in CURVES.items()}

    def _fits(self) -> dict[str, ScalingCurve]:
        return self._fit(self.task, self.seeds, self.owned, self.weights)

    def _draw_grid(
        self, task: str, seeds: int, owned: int, weights: str
    ) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
        fits = self._fit(task, seeds, owned, weights)
        sizes = self.current.oracle.sizes
        grid = np.geomspace(0.8 * sizes[0], 30 * sizes[-1], 160)
        lines = {}
        for name, fit in fits.items():
            scores = fit.predict(grid)
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = np.gradient(scores, grid)
                lines[name] = scores, np.where((slope > 1e-12) & (slope <= 1), 1 / slope, np.nan)
        return grid, lines

    def _curves(self, names: tuple[str, ...] = PUBLISHED_FAMILY) -> list[draw.FittedCurve]:
        fits = self._fits()
        grid, lines = self._fit_draw(self.task, self.seeds, self.owned, self.weights)
        answers = {name: fits[name].required_size(self.target) for name in names}
        return [draw.FittedCurve(name, grid, *lines[name], answers[name]) for name in names]

    def _curves_figure(self) -> go.Figure:
        task, known = self.current, self._known()
        later = task.oracle.sizes >= task.initial_size
        return draw.curves_figure(
            known["n"].to_numpy(float),
            known["score"].to_numpy(float),
            self._curves(),
            self.target,
            title=f"{self.label}: four answers for {self.target:g} points",
            score_name=task.score_name,
            truth=(task.oracle.sizes[later], task.oracle.scores[later]) if self.reveal else None,
            true_answer=task.oracle.required_size(self.target),
        )

    def _amplifier_figure(self) -> go.Figure:
        fits = self._fits()
        answers = {
            name: (
                fits[name].required_size(self.target),
                fits[name].required_size(self.target - self.offset),
            )
            for name in PUBLISHED_FAMILY
        }
        return draw.amplifier_figure(answers, self.offset, self.target, self.current.score_name)

    def game(self) -> pd.DataFrame:
        """Return the rounds of view 3 as a table."""
        task = self.current
        estimator = DataRequirementEstimator(self.curve, correction=self.correction, weights=self.weights)
        return simulate_collection(
            task.oracle,
            estimator,
            self.target,
            task.initial_size,
            self.rounds,
            subsets=task.start_sizes,
            min_step=min_step(task, self.step / 100),
        )

    def _rounds_figure(self) -> go.Figure:
        task, game = self.current, self.game()
        needed = task.oracle.required_size(self.target)
        last = game.iloc[-1]
        verdict = (
            f"met after {last['round']:.0f} round(s)" if last["met"] else f"missed after {last['round']:.0f} round(s)"
        )
        if not np.isfinite(needed):
            verdict = "the measured curve never gets there"
        title = f"{self.label}, {self.curve}: target {self.target:g} {verdict}"
        truth = task.oracle.sizes, task.oracle.scores
        return draw.rounds_figure(truth, game, self.target, needed, self.shown, title)

    def _ratio_figure(self) -> go.Figure:
        task = self.current
        if not len(task.targets):
            task = load_task("CIFAR-10")
        config = HowMuchDataConfig(weights=self.weights, min_step=self.step / 100)
        games = [play(task, name, config, rounds=self.rounds).assign(curve=name) for name in PUBLISHED_FAMILY]
        published = None
        if task.name == "CIFAR-10" and self.rounds in (1, 3, 5):
            column = (1, 3, 5).index(self.rounds)
            rows = [(name, 92.0, values[column]) for name, values in PAPER_ROUNDS.items()]
            published = pd.DataFrame(rows, columns=["curve", "target", "ratio"])
        return sweeps.ratio_figure(pd.concat(games), self.rounds, task.name, published)

    def _correction_figure(self) -> go.Figure:
        curve = self.curve if self.curve in PUBLISHED_FAMILY else "power"
        rounds = min((1, 3, 5), key=lambda known: abs(known - self.rounds))
        cells = self._matrix[(self._matrix["curve"] == curve) & (self._matrix["rounds"] == rounds)]
        return sweeps.correction_figure(cells, curve, rounds, self.learned_on, self.used_on)

    def interval_table(self) -> pd.DataFrame:
        """Return the one-round answers of the published four for every target, with what is needed."""
        task, fits = self.current, self._fits()
        targets = task.targets if len(task.targets) else np.array([self.target])
        answers = {name: [fits[name].required_size(target) for target in targets] for name in PUBLISHED_FAMILY}
        needed = [task.oracle.required_size(target) for target in targets]
        return pd.DataFrame({"target": targets, **answers, "needed": needed})

    def _interval_figure(self) -> go.Figure:
        table = self.interval_table()
        answers = table[list(PUBLISHED_FAMILY)]
        low, high = (answers.min(axis=1) <= table["needed"]), (answers.max(axis=1) >= table["needed"])
        title = (
            f"{self.label}: the truth lies in the interval for {int((low & high).sum())} of {len(table)} targets"
            f"<br><sub>above its lower end for {int(low.sum())}, below its upper end for {int(high.sum())}</sub>"
        )
        return sweeps.interval_figure(table, table["needed"].to_numpy(), title)
