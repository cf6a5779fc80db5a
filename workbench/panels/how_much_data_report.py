"""What notebook 01 says in words and tables: the answer, the report, the claims, and the runs that measure them anew."""

from __future__ import annotations

import html
from collections.abc import Callable

import numpy as np
import pandas as pd

from workbench.estimators import Requirement
from workbench.experiments.how_much_data import run
from workbench.experiments.how_much_data_claims import claims
from workbench.experiments.tasks import Task, measured_tasks
from workbench.figures.how_much_data import short
from workbench.panels.claims import MeasuredClaims
from workbench.panels.run import RunPanel
from workbench.training.progress import CancelToken, Progress


def answer_sentence(answer: Requirement, curve: str) -> str:
    """Return the answer in one sentence.

    >>> from workbench.estimators import DataRequirementEstimator
    >>> fit = DataRequirementEstimator("log").fit([100, 200, 400], [50, 60, 70])
    >>> answer_sentence(fit.estimate(80), "log")
    'For 80 points, log asks for 800 samples in all: 400 more than you have.'
    """
    if answer.status == "already met":
        return f"{answer.target:g} points are already met with {answer.size:,.0f} samples."
    if not np.isfinite(answer.size):
        return f"For {answer.target:g} points, {curve} has no answer: {answer.status}."
    more = f"{answer.order:,.0f} more than you have"
    return f"For {answer.target:g} points, {curve} asks for {answer.size:,.0f} samples in all: {more}."


def report_html(answer: Requirement, advice: pd.DataFrame, task: str, curve: str) -> str:
    """Return the report of view 7 as HTML: the answer, the interval, the warnings, and what to train next."""
    low, high = answer.interval
    lines = [f"<b>{html.escape(task)}.</b> {html.escape(answer_sentence(answer, curve))}"]
    lines.append(
        f"All four functions: <b>{short(low)} to {short(high)}</b> ("
        + ", ".join(f"{name} {short(size)}" for name, size in answer.by_curve.items())
        + "). If you can order only once, plan for the upper end."
    )
    if answer.bootstrap_interval:
        inner = " to ".join(short(size) for size in answer.bootstrap_interval)
        lines.append(f"Resampling your points moves this one function's answer over {inner} (5 % to 95 %).")
    if np.isfinite(answer.cost_of_one_point):
        lines.append(f"At that size one more score point costs about {short(answer.cost_of_one_point)} samples.")
    if answer.ill_behaved:
        lines.append(
            "<b>Do not rely on this number:</b> the measured curve is not one that these functions can describe."
        )
    lines += [f"Warning: {html.escape(warning)}." for warning in answer.warnings]
    if len(advice):
        sizes = ", ".join(
            f"{row.n:,}{' (again, another seed)' if row.repeat else ''}: {100 * row.explained:.0f} %"
            for row in advice.itertuples()
        )
        lines.append(
            f"Subsets worth training next, by the share of the answer's uncertainty they would explain: {sizes}."
        )
    return "<div style='line-height:1.6;max-width:70em'>" + "<br>".join(lines) + "</div>"


class ClaimsTable(MeasuredClaims):
    """The claims of paper 3 beside the numbers measured here, from the stored results until newer ones are shown.

    >>> "CIFAR-10" in ClaimsTable().value
    True
    """

    results = "how_much_data"
    judge = staticmethod(claims)


RUN_CLAIMS = "Re-measure the claims (about 15 s)"
RUN_DIGITS = "Measure learning curves on the digits (about 20 s)"


def run_panel(table: ClaimsTable, add_tasks: Callable[[dict[str, Task]], None]) -> RunPanel:
    """Return the panel of section "Run it for real": what it measures replaces the stored numbers.

    Args:
        table: shows the claims that were measured anew.
        add_tasks: takes the learning curves that were measured, such as ``HowMuchDataPanel.add_tasks``.
    """

    def measure_digits(progress: Progress, cancel: CancelToken) -> pd.DataFrame:
        from workbench.experiments.learning_curves import CurveConfig, measure_learning_curves  # loads all learners

        config = CurveConfig(learners=("logistic regression", "3-NN", "RBF-SVC"), seeds=(0, 1, 2))
        return measure_learning_curves(config, progress, cancel)

    def done(label: str, result: pd.DataFrame) -> None:
        if label == RUN_CLAIMS:
            table.show_results(result)
        else:
            add_tasks(measured_tasks(result, "just measured"))

    return RunPanel(
        {
            RUN_CLAIMS: lambda progress, cancel: run(progress=progress, cancel=cancel),
            RUN_DIGITS: measure_digits,
        },
        done,
        key="run how much data",
    )
