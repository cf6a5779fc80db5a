"""The view of notebook 10 that sets accuracy against what is left: the stored networks, and the one on the screen."""

from __future__ import annotations

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import traitlets

from workbench.experiments.latency_pruning import FULL
from workbench.experiments.latency_pruning_methods import (
    HALP,
    HEURISTIC,
    LAYERS,
    MACS,
    MAGNITUDE,
    RANDOM,
    RANK,
    REFILL,
    UNIFORM,
)
from workbench.experiments.latency_pruning_task import residual_network
from workbench.experiments.results import load_results
from workbench.figures.latency_pruning_budgets import budgets_figure
from workbench.figures.updates import copy_into
from workbench.panels.latency_pruning_choice import SIMULATED, macs
from workbench.panels.latency_pruning_networks import DIGITS
from workbench.pruning import ChannelPlan, shrink

BUDGETS = "3 Budget and accuracy"
AXES = {"latency by the table": "reached", "as measured": "measured", "MACs": "macs_share", "parameters": "parameters"}
TABLES = {"Jetson TX2, simulated": "latency_pruning_budgets", "a CPU, measured": "latency_pruning_measured"}
"""Where budgets and plans are from: devices, and the stored results of each."""
STORED, MEASURED = TABLES.values()
STAGES = {"statistics renewed": "before", "tuned for one epoch": "after"}
WORDS = {column: words for words, column in AXES.items()} | {"measured": "measured latency"}
LINES = (HALP, REFILL, MACS, RANK, UNIFORM, LAYERS, MAGNITUDE, HEURISTIC, RANDOM)
"""All methods; the first six are drawn at first, and the first five have colours of their own."""

P = "<p style='margin:2px 0;line-height:1.5'>"


class BudgetViews(traitlets.HasTraits):
    """Accuracy of every method at every budget; mixed into the panel of notebook 10.

    ``budget_table`` is one of the values of :data:`TABLES`, ``budget_axis`` of :data:`AXES`; "measured" goes with the device that
    was measured alone, and brings it.  ``budget_stage`` is one of :data:`STAGES`, and ``budget_methods`` are those drawn.
    """

    budget_methods = traitlets.Tuple(default_value=LINES[:6])
    budget_table = traitlets.Unicode(STORED)
    budget_axis = traitlets.Unicode("reached")
    budget_stage = traitlets.Unicode("before")

    def build_budget_view(self) -> None:
        """Make the controls, the figure and the tab."""
        self._measured = load_results(MEASURED)
        self._measured["measured"] = self._measured["measured_ms"] / self._measured["whole_ms"]
        self._budgets = load_results(STORED)
        self._whole_parameters = sum(weight.numel() for weight in residual_network().parameters())
        self._budgets_from = f"stored, {self._budgets['seed'].nunique()} seeds"
        controls = [
            self.choice("budget_table", TABLES, "Budgets and plans of", place=False),
            self.choice("budget_axis", AXES, "Across", place=False),
            self.choice("budget_stage", STAGES, "Accuracy", place=False),
            self.several("budget_methods", LINES, "Methods", place=False),
        ]
        self._budget_text = widgets.HTML(layout=widgets.Layout(width="100%"))
        self._budget_figure = self.add_figure(self._draw_budgets())
        self.add_view(BUDGETS, [self._budget_figure], self._redraw_budgets, [*controls, self._budget_text])

    def show_budgets(self, budgets: pd.DataFrame) -> None:
        """Draw newer measurements instead of the stored ones.

        Args:
            budgets: as :func:`workbench.experiments.latency_pruning.measure_budgets` returns them.
        """
        self._budgets = budgets
        seeds = budgets["seed"].nunique()
        self._budgets_from = f"measured just now, {seeds} seed{'s' if seeds > 1 else ''}"
        self._drawn.pop(BUDGETS, None)
        with self.hold():
            self.budget_table = STORED
            self._redraw_budgets(frozenset({"budget_table"}))

    def budgets_frame(self) -> pd.DataFrame:
        """Return mean and spread over the seeds of the methods that are drawn, all in percent."""
        table = self._rows()
        table = table[table["method"].isin(self.budget_methods)]
        scale = 100 / self._whole_parameters if self.budget_axis == "parameters" else 100
        table = table.assign(left=scale * table[self.budget_axis], accuracy=table[self.budget_stage])
        grouped = table.dropna(subset=["accuracy"]).groupby(["method", "share"], sort=False)
        found = grouped.agg(left=("left", "mean"), accuracy=("accuracy", "mean"), spread=("accuracy", "std"))
        found = found.reset_index()
        return found.assign(share=100 * found["share"])

    def _rows(self) -> pd.DataFrame:
        return self._measured if self.budget_table == MEASURED else self._budgets

    def _here(self) -> tuple[float, float] | None:
        """Return what is left and accuracy of the plan shown, where it is one of this task, device and stage."""
        device = SIMULATED.get(self.platform) == FULL.platform and self.budget_table == STORED
        if self.network not in DIGITS or not device or self.budget_stage != "before":
            return None
        plan = self.plan_for(self.platform, self.budget)
        return self._left(plan), float(self.accuracy())

    def _left(self, plan: ChannelPlan) -> float:
        if self.budget_axis == "reached":
            return 100 * plan.latency / self.pruner.initial_latency
        if self.budget_axis == "macs_share":
            return macs(self.subject, plan)
        small = shrink(self.subject.model, plan)
        return 100 * sum(weight.numel() for weight in small.parameters()) / self._whole_parameters

    def _redraw_budgets(self, changed: frozenset[str]) -> None:
        if self.budget_axis == "measured" and self.budget_table == STORED:  # nothing was measured on a simulated device
            if "budget_axis" in changed:
                self.budget_table = MEASURED
            else:
                self.budget_axis = "reached"
        if self.fresh(
            BUDGETS, *self.state_key(), self.budget_table, self.budget_axis, self.budget_stage, self.budget_methods
        ):
            copy_into(self._budget_figure, self._draw_budgets())
            self._budget_text.value = self._budget_words()

    def _draw_budgets(self) -> go.Figure:
        dense = self._rows()["dense"].mean()
        left = WORDS[self.budget_axis]
        title = f"Accuracy over {left}"
        simulated = f"on the simulated Jetson TX2; {self._budgets_from}"
        measured = f"on one thread of a CPU; stored, {self._measured['seed'].nunique()} seeds"
        sub = f"<br><sub>Digits {measured if self.budget_table == MEASURED else simulated}</sub>"
        axis = left[:1].upper() + left[1:]
        return budgets_figure(self.budgets_frame(), dense, axis, title + sub, LINES, self._here())

    def _budget_words(self) -> str:
        frame, lines = self.budgets_frame(), []
        for share, at in frame[frame["share"].round().isin([60, 40])].groupby("share", sort=False):
            ranked = at.sort_values("accuracy", ascending=False)
            listed = ", ".join(_said(row) for row in ranked.itertuples())
            low, high = at["left"].min(), at["left"].max()
            span = f"; they leave {low:.0f} to {high:.0f} % of the {WORDS[self.budget_axis]}" if len(at) > 1 else ""
            lines.append(f"Budget {share:.0f} % of the latency: {listed}{span}.")
        lines.append(
            "Budgets are of latency by the table. <i>HALP</i> takes five steps and may end below; everything else is filled up to "
            "just under the budget by single channels. <i>Layers kept</i> empties no block, a choice made after seeing "
            "these seeds. Bars: standard deviation of the seeds."
        )
        if self.budget_table == MEASURED:
            lines.append(
                "The table was measured on the CPU on which the small networks were then measured as a whole, beside the whole "
                "network, in turn. Five methods were measured so."
            )
        elif self._here() is None:
            lines.append(
                "The diamond of the plan above appears for a digits network on <i>Jetson TX2, simulated</i>, before tuning."
            )
        return "".join(f"{P}{line}</p>" for line in lines)


def _said(row: object) -> str:
    spread = "" if np.isnan(row.spread) else f" ± {row.spread:.1f}"
    return f"{row.method} {row.accuracy:.1f}{spread}"
